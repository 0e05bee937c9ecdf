// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules that need no model: always the same, and work-conserving. */
#include <stdlib.h>

#include "tests/sim/rule.h"

#define LARGE_PACKETS 1024u
#define FIXED_PACKETS 160u
/* As good as none. */
#define NO_TIMEOUT 4.0

static void *begin(const struct scenario *scenario, const void *argument)
{
    (void)scenario;
    (void)argument;
    return malloc(1);
}

static int all(const struct rule_input *input, struct lane_size (*sizes)[DIRECTION_COUNT],
               uint32_t packets)
{
    for (size_t i = 0; i < input->scenario->n_guests; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            sizes[i][d] = (struct lane_size){packets, NO_TIMEOUT};
    return 0;
}

static int tick_fixed(void *state, const struct rule_input *input,
                      struct lane_size (*sizes)[DIRECTION_COUNT], struct tick_report *ret_report)
{
    (void)state;
    (void)ret_report;
    return all(input, sizes, FIXED_PACKETS);
}

/* The plant does it: a container leaves when there is nothing else to do. */
static int tick_eager(void *state, const struct rule_input *input,
                      struct lane_size (*sizes)[DIRECTION_COUNT], struct tick_report *ret_report)
{
    (void)state;
    (void)ret_report;
    return all(input, sizes, LARGE_PACKETS);
}

const struct rule rule_fixed = {.name = "fixed",
                                .title = "fixed size of 160",
                                .create = begin,
                                .tick = tick_fixed,
                                .destroy = free};
const struct rule rule_eager = {.name = "work_conserving",
                                .title = "work-conserving",
                                .eager = true,
                                .create = begin,
                                .tick = tick_eager,
                                .destroy = free};
