// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A rule that chooses sizes: the controller, or something to compare it with.
 * At each tick it gets what the daemon would get, and nothing else; only the
 * oracle looks into the scenario.
 */
#ifndef XENAGG_TESTS_SIM_RULE_H
#define XENAGG_TESTS_SIM_RULE_H

#include "controller/controller.h"
#include "tests/sim/scenario.h"

struct rule_input {
    const struct scenario *scenario;
    double now, time; /* s: monotonic, wall clock */
    double t;         /* s into the scenario */
    const struct config *config;
    const struct sample *sample; /* NULL: lost */
    /* n_guests entries: names, and what is fixed by hand. */
    const struct controller_guest *guests;
};

struct rule {
    const char *name, *title;
    bool eager; /* needs a plant whose ends publish before they sleep */
    /* `argument`: the rule's own; the oracle's plan. NULL: no memory. */
    void *(*create)(const struct scenario *scenario, const void *argument);
    /*
     * Sizes for all guests, n_guests entries that hold those of the tick before.
     * `ret_report` is left alone by rules that report nothing. 0 or -errno.
     */
    int (*tick)(void *state, const struct rule_input *input,
                struct lane_size (*sizes)[DIRECTION_COUNT], struct tick_report *ret_report);
    void (*destroy)(void *state);
};

extern const struct rule rule_controller, rule_fixed, rule_published, rule_climber, rule_eager,
    rule_oracle;

#endif
