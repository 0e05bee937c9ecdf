// SPDX-License-Identifier: GPL-2.0-or-later
/* How long a tick of the controller takes, its samples coming from the simulated plant. */
#ifndef XENAGG_TESTS_BENCH_TICKS_H
#define XENAGG_TESTS_BENCH_TICKS_H

#include <stddef.h>

/* A population of guests, and what its ticks took: s of this thread's processor time. */
struct ticks {
    const char *name, *title;
    const char *text; /* a scenario (tests/sim/README.md) of as many guests as there may be */
    double first, median, most; /* the first, in which all are new; of all others */
};

#define TICKS_POPULATIONS 3

/* Fills all populations; prints a line for each. 0 or -errno. */
int ticks_measure(struct ticks ret[TICKS_POPULATIONS]);

#endif
