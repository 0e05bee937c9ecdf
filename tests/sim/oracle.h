// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The oracle: knows the scenario to come. For each stretch of it in which
 * nothing changes (or, where loads change all the time, each two ticks) it
 * plays that stretch again and again in the same plant, and changes sizes and
 * timeouts of one kind of guests after the other until nothing gets better:
 * first by how much promises are broken, then the worker's time per packet.
 * Guests of one kind are alike, and get sizes in proportion to their rates.
 */
#ifndef XENAGG_TESTS_SIM_ORACLE_H
#define XENAGG_TESTS_SIM_ORACLE_H

#include "tests/sim/scenario.h"

#define ORACLE_VERSION 3 /* of the search: cached answers of another one are not used */

struct oracle_stretch {
    double from, to; /* s */
    bool kept[SCENARIO_GROUPS];
    struct lane_size sizes[SCENARIO_GUESTS][DIRECTION_COUNT];
};

struct oracle {
    size_t n;
    struct oracle_stretch *stretches;
};

/* `cache`: a folder for answers, or NULL. 0, -ENOMEM, -EINVAL. Free with oracle_free. */
int oracle_find(const struct scenario *scenario, const char *cache, struct oracle *ret);
void oracle_free(struct oracle *oracle);
const struct oracle_stretch *oracle_at(const struct oracle *oracle, double t);

#endif
