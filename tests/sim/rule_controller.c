// SPDX-License-Identifier: GPL-2.0-or-later
/* The controller itself: the daemon's own code. */
#include <errno.h>
#include <string.h>

#include "tests/sim/rule.h"

static void *begin(const struct scenario *scenario, const void *argument)
{
    struct controller *controller = NULL;

    (void)scenario;
    (void)argument;
    return controller_create(&controller) ? NULL : controller;
}

static int tick(void *state, const struct rule_input *input,
                struct lane_size (*sizes)[DIRECTION_COUNT], struct tick_report *ret_report)
{
    struct controller_input to = {.now = input->now,
                                  .time = input->time,
                                  .interval = input->scenario->interval,
                                  .config = input->config,
                                  .guests = input->guests,
                                  .n_guests = input->scenario->n_guests,
                                  .sample = input->sample};
    int error = controller_tick(state, &to, ret_report);

    for (size_t i = 0; i < to.n_guests && !error; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            if (ret_report->guests[i].lanes[d].wanted.packets > 0)
                sizes[i][d] = ret_report->guests[i].lanes[d].wanted;
    return error;
}

static void end(void *state)
{
    controller_destroy(state);
}

const struct rule rule_controller = {
    .name = "controller", .title = "controller", .create = begin, .tick = tick, .destroy = end};
