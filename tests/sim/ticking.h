// SPDX-License-Identifier: GPL-2.0-or-later
/* A controller and its world, tick by tick, for who looks at the ticks and not at what comes of
 * them. */
#ifndef XENAGG_TESTS_SIM_TICKING_H
#define XENAGG_TESTS_SIM_TICKING_H

#include "controller/controller.h"
#include "tests/sim/world.h"

struct ticking {
    struct scenario *scenario;
    struct world *world;
    struct controller *controller;
    struct controller_guest guests[SCENARIO_GUESTS];
    char names[SCENARIO_GUESTS][CONFIG_NAME];
};

/* `text`: a scenario (README.md). 0, or an error, printed; ticking_end also then. */
int ticking_begin(const char *text, struct ticking *ret);
void ticking_end(struct ticking *ticking);
/* Lets the world go on for a tick; `ret` is for controller_tick, and borrows. 0 or -errno. */
int ticking_pass(struct ticking *ticking, struct controller_input *ret);
/* The sizes that were decided are in force from now on. 0 or -errno. */
int ticking_apply(struct ticking *ticking, const struct tick_report *report);

#endif
