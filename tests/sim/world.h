// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A scenario's plant in virtual time, with all that happens to it: loads, costs
 * that grow, guests that take no sizes. What the plant does becomes samples in
 * the measurement segment's own form, and sums to be judged by.
 */
#ifndef XENAGG_TESTS_SIM_WORLD_H
#define XENAGG_TESTS_SIM_WORLD_H

#include "controller/sample.h"
#include "plant/plant_sim.h"
#include "tests/sim/judge.h"
#include "tests/sim/scenario.h"

struct world_options {
    double start;  /* s into the scenario */
    uint64_t seed; /* 0: the scenario's */
    bool eager;    /* as plant_sim_options has it */
    bool samples;  /* make samples; else only what is judged */
};

/* What the worker did in a tick. */
struct world_work {
    double busy, packets, containers, notified; /* s, counts; both directions */
};

struct world;

/* `scenario` is borrowed. 0, -ENOMEM, -EINVAL. */
int world_create(const struct scenario *scenario, const struct world_options *options,
                 struct world **ret);
void world_destroy(struct world *world); /* NULL is fine */

/* Sizes from now on, for guests that hear. 0 or -EINVAL. */
int world_resize(struct world *world, size_t guest, const struct lane_size sizes[DIRECTION_COUNT]);
const struct lane_size *world_sizes(const struct world *world, size_t guest);
/* Runs for `seconds`. 0, -ENOMEM, -EINVAL. */
int world_run(struct world *world, double seconds);
/* s into the scenario. */
double world_now(const struct world *world);
/* What is known of the guest since the last world_judged; `ret_through`: see judge_full(). */
const struct judge *world_judge(const struct world *world, size_t guest, bool *ret_through);
const struct promise *world_promise(const struct world *world, size_t guest);
const struct config *world_config(const struct world *world);
/* Since the last world_judged. */
struct world_work world_work(const struct world *world);
void world_judged(struct world *world);
/* A sample of all since the last one; borrowed until the next. A sample may be left out. */
const struct sample *world_sample(struct world *world);
/* The sizes that hold by hand now; 0 packets: none. */
const struct lane_size *world_by_hand(const struct world *world, size_t guest);
/* The true load and costs now. */
void world_truth(const struct world *world, struct end_costs *ret_worker,
                 struct guest_load *ret_loads);

#endif
