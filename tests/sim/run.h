// SPDX-License-Identifier: GPL-2.0-or-later
/* A rule put through a scenario, and everything that came of it. */
#ifndef XENAGG_TESTS_SIM_RUN_H
#define XENAGG_TESTS_SIM_RUN_H

#include "tests/sim/rule.h"
#include "tests/sim/world.h"

/* One guest at one tick. */
struct run_point {
    struct lane_size sizes[DIRECTION_COUNT]; /* from this tick on */
    bool changed;
    bool judged, kept;          /* this tick's own packets, with their sampling error allowed for */
    double ratio;               /* what was measured, in shares of what was promised */
    enum tuning_state state;    /* by a rule that reports */
    double forwarded;           /* share of the rx packets, as the rule believes */
    double predicted, measured; /* s, of the rule's own windows; NAN: none ended here */
};

struct run_window {
    size_t guest, from, to; /* ticks, both included */
    bool kept;
    double ratio;
};

struct run {
    size_t n_ticks, n_guests, n_windows;
    struct run_point *points; /* n_ticks * n_guests */
    struct world_work *work;  /* n_ticks */
    struct run_window *windows;
    char (*reasons)[400]; /* n_guests: the last */
};

static inline const struct run_point *run_point(const struct run *run, size_t tick, size_t guest)
{
    return &run->points[tick * run->n_guests + guest];
}

/* 0, -ENOMEM, -errno of the rule or the plant. Free with run_free. */
int run_make(const struct scenario *scenario, const struct rule *rule, const void *argument,
             struct run *ret);
void run_free(struct run *run);

/*
 * What `claim` asserts of `n` runs that differ in their seeds only: where it is about shares of
 * windows, of those of all runs together, else of each run. False: it does not hold; `ret_why` says
 * how it is instead.
 */
bool run_holds(const struct scenario *scenario, const struct run *runs, size_t n,
               const struct scenario_claim *claim, char *ret_why, size_t size);

#endif
