// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The worker's thread with all its guests: the lanes, and what they make each
 * other wait. Kept between trials of sizes, so that one guest's can be changed.
 */
#ifndef XENAGG_PLANT_PLANT_WORKER_H
#define XENAGG_PLANT_PLANT_WORKER_H

#include "plant/plant.h"

/* All that the lanes of a guest follow from. */
struct lanes_question {
    double rate[DIRECTION_COUNT], dispersion[DIRECTION_COUNT], forwarded;
    double packets[DIRECTION_COUNT], timeout[DIRECTION_COUNT];
    struct end_costs costs; /* the guest's */
    double publish_packet;  /* the worker's */
    struct plant_weather weather;
};

/* What the lanes of a guest were found for, and the ones before. */
struct lanes_past {
    struct lanes_question now, before; /* all zero: not known */
    struct guest_lanes lanes;          /* before */
};

struct plant_worker {
    const struct end_costs *costs; /* borrowed, as are the guests */
    const struct guest_load *guests;
    size_t n, room;            /* guests, and how many the arrays are made for */
    struct guest_lanes *lanes; /* n */
    struct lanes_past *pasts;  /* n */
    struct fast_class *classes;
    struct fast_share *shares; /* PLANT_CLASSES(n) each */
    /* As of the last plant_worker_solve(): */
    struct fast_queue queue;
    double spread; /* s, of the services: E[S^3] / (3 E[S^2]) */
    double events; /* 1/s, that wake the worker up */
    double setup;  /* s, what the worker's sleeping adds to all waits */
    double behind; /* s that all wait less, since returning containers wait longer */
    double wait;   /* s that containers wait for it, mean */
    double cut;    /* s of others' backlog that a guest does not wait for, their turns being over */
    double return_of_cut; /* by how much of its own cut, relative, a guest waits longer */
    struct plant_weather weather;
};

/*
 * Begins anew with one that is all zero, or was used before: allocates only for
 * more guests than then, and takes the weather to be what it was then. The
 * arguments have been checked. 0 or -ENOMEM: it is as it was.
 */
int plant_worker_begin(struct plant_worker *worker, const struct end_costs *costs,
                       const struct guest_load *guests, size_t n);
void plant_worker_free(struct plant_worker *worker);

/* As just after plant_worker_begin() with one that is all zero. */
void plant_worker_forget(struct plant_worker *worker);

/* Sizes of guest i, or its lanes as they are known already; then solve. */
void plant_worker_size(struct plant_worker *worker, size_t i,
                       const struct lane_size sizes[DIRECTION_COUNT]);
void plant_worker_set(struct plant_worker *worker, size_t i, const struct guest_lanes *lanes);
void plant_worker_solve(struct plant_worker *worker);

/*
 * What guest i would meet if a Poisson arrival waited `wait` s for the worker
 * (its own wake-up left out), everything else in proportion to the last solution.
 */
struct worker_view plant_worker_view(const struct plant_worker *worker, size_t i, double wait);

/* Its wait now, INFINITY where it is unstable. */
double plant_worker_wait(const struct plant_worker *worker);

void plant_worker_forecast(const struct plant_worker *worker, struct worker_forecast *ret);

/* plant_forecast_in() in a worker that is kept, as plant_worker_begin() takes it. */
int plant_worker_predict(struct plant_worker *worker, const struct end_costs *costs,
                         const struct guest_load *guests,
                         const struct lane_size (*sizes)[DIRECTION_COUNT], size_t n,
                         const bool *chosen, struct guest_forecast *ret_guests,
                         struct worker_forecast *ret_worker);

#endif
