// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The data path as queues: the worker's thread and each guest's thread, what
 * arrives at them and what a packet meets on its way (docs/model.md, "The
 * plant"). Parts that plant_forecast() and dimension_worker() share.
 */
#ifndef XENAGG_MODEL_PLANT_H
#define XENAGG_MODEL_PLANT_H

#include <stdbool.h>
#include <stddef.h>

#include "model/closing.h"
#include "model/dimension.h"
#include "model/fast_queue.h"

/* The containers of one direction. */
struct lane {
    double packets, packets_var; /* per container */
    double packets_met;          /* mean size of the container a packet is in */
    double containers;           /* containers/s */
    double gap_scv;
    double fill_mean;       /* s, a packet's wait for the closing */
    double timeout_share;   /* of the containers */
    struct closing_law law; /* of the same rate, size and timeout, were it Poisson */
};

struct guest_lanes {
    struct lane lane[DIRECTION_COUNT];
    double forwarded;      /* share of the tx packets that come forwarded, 0..1 */
    double fill_forwarded; /* s, their wait for the closing of the tx container */
    double fill_own;       /* s, the other tx packets' */
};

/* What the containers of one guest are like, sizes and loads being checked before. */
void plant_lanes(const struct end_costs *worker, const struct guest_load *guest,
                 const struct lane_size size[DIRECTION_COUNT], struct guest_lanes *ret);

/* Classes of the worker: the reads of all guests first, then two for each guest. */
#define PLANT_CLASSES(n) (1 + 2 * (n))
#define PLANT_PUBLISH(i) (1 + 2 * (i))
#define PLANT_TAKE(i) (2 + 2 * (i))

/* Fills the classes of guest i (the two of its lanes, not the shared reads). */
void plant_guest_classes(const struct end_costs *worker, const struct guest_lanes *lanes,
                         struct fast_class *ret_publish, struct fast_class *ret_take);

/* The reads of all guests as one class. */
void plant_read_class(const struct end_costs *worker, const struct guest_load *guests, size_t n,
                      struct fast_class *ret);

/* Events/s that may find the worker asleep. */
double plant_wakeups(const struct guest_load *guest, const struct guest_lanes *lanes);

/* Mean wait that sleeping adds: setup `wakeup` at an end that `events`/s wake up. */
double plant_setup(double wakeup, double events);

/* What guest i meets at the worker. */
struct worker_view {
    double read;    /* s, a packet's wait until it is read begins */
    double publish; /* s, the same for the packet that completes a container */
    double take;    /* s, a tx container's wait for the worker */
    double decay;   /* 1/s, of the tail of these waits */
    double busy;    /* the worker's utilisation */
};

/* The guest's own forecast. INFINITY where the guest or the worker is unstable. */
void plant_guest(const struct end_costs *worker, const struct guest_load *guest,
                 const struct guest_lanes *lanes, const struct worker_view *view,
                 struct guest_forecast *ret);

/* 0 or -EINVAL: every number finite and in its range. */
int plant_check(const struct end_costs *worker, const struct guest_load *guests, size_t n);
int plant_check_size(const struct lane_size *size);

#endif
