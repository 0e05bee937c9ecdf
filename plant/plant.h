// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The data path as queues: the worker's thread and each guest's thread, what
 * arrives at them and what a packet meets on its way (docs/model.md, "The
 * plant"). Parts that plant_forecast() and dimension_worker() share.
 */
#ifndef XENAGG_PLANT_PLANT_H
#define XENAGG_PLANT_PLANT_H

#include <stdbool.h>
#include <stddef.h>

#include "model/closing.h"
#include "model/fast_queue.h"
#include "plant/dimension.h"
#include "plant/forwarder.h"

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
    double forwarded;          /* share of the tx packets that come forwarded, 0..1 */
    bool overloaded;           /* the guest's own thread is */
    struct forwarder replayed; /* where `forwarded` > 0 and not overloaded */
};

/* The worker, as the lanes of a guest meet it. */
struct plant_weather {
    double late;   /* s by which it closes containers late, mean */
    double jitter; /* s by which its waits scatter the containers that it forwards, mean */
};

/* What the containers of one guest are like, sizes and loads being checked before. */
void plant_lanes(const struct end_costs *worker, const struct guest_load *guest,
                 const struct lane_size size[DIRECTION_COUNT], const struct plant_weather *weather,
                 struct guest_lanes *ret);

/*
 * The same where only the size in `direction` has changed since `lanes` were
 * made, and nothing is forwarded.
 */
void plant_lane(const struct end_costs *worker, const struct guest_load *guest,
                const struct lane_size size[DIRECTION_COUNT], const struct plant_weather *weather,
                enum direction direction, struct guest_lanes *lanes);

/*
 * How late a deadline is seen, mean, at an end that `arrivals`/s wake up and
 * that works the share `busy` of its time: only a sleeper needs the timer, and
 * something else may wake it before.
 */
double plant_late(const struct end_costs *costs, double arrivals, double busy);

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

/* What may find an end asleep. */
struct plant_events {
    double arrivals; /* events/s that wake it up */
    double timers;   /* deadlines/s that come to pass: the timer wakes it, too */
};

/* Adds what guest i sends the worker. */
void plant_worker_events(const struct guest_load *guest, const struct guest_lanes *lanes,
                         struct plant_events *events);

/* Mean wait that an end's sleeping adds to all that comes. */
double plant_setup(const struct end_costs *costs, const struct plant_events *events);

/*
 * The same wait relative to its mean, for what comes `delay` s after the end
 * was seen at work: it has not had the time yet to fall asleep, or to be woken.
 * busy: its utilisation, 0..1.
 */
double plant_setup_after(const struct end_costs *costs, double arrivals, double busy, double delay);

/* s from a container's publication until the one with its packets is published, forwarded. */
double plant_away(const struct guest_load *guest, const struct lane *rx);

/*
 * By how much longer (or shorter) than others, s, a forwarded container waits
 * for the worker: it is back soon after its packets' publication. `found`: the
 * work that a Poisson arrival finds, s; `busy`: the worker's utilisation;
 * `share`: of its work that is for this guest.
 */
double plant_returning(const struct end_costs *worker, const struct guest_load *guest,
                       const struct guest_lanes *lanes, double found, double busy, double share);

/* What guest i meets at the worker. */
struct worker_view {
    double read;    /* s, a packet's wait until it is read begins, mean */
    double publish; /* s, the same for the packet that completes a container */
    double take;    /* s, a tx container's wait for the worker */
    double decay;   /* 1/s, of the tail of these waits */
    double setup;   /* s, mean wait for the worker's wake-up, on top of each */
    double found;   /* s, the work that a Poisson arrival finds, mean */
    double busy;    /* utilisation of the worker */
    double events;  /* 1/s, what wakes it up */
    double share;   /* of its work that is for this guest */
};

/* What of a promise is wanted: percentiles cost more than all the rest. */
enum plant_wanted {
    PLANT_LANE_RX = 1 << DIRECTION_RX, /* lane_promised[] */
    PLANT_LANE_TX = 1 << DIRECTION_TX,
    PLANT_PROMISED = 4, /* promised */
    PLANT_ALL = PLANT_LANE_RX | PLANT_LANE_TX | PLANT_PROMISED
};

/*
 * The guest's own forecast. INFINITY where the guest or the worker (a view of
 * INFINITY) is unstable. Of the promise, what is not `wanted` is left 0.
 */
void plant_guest(const struct end_costs *worker, const struct guest_load *guest,
                 const struct guest_lanes *lanes, const struct worker_view *view,
                 enum plant_wanted wanted, struct guest_forecast *ret);

/* 0 or -EINVAL: every number finite and in its range. */
int plant_check(const struct end_costs *worker, const struct guest_load *guests, size_t n);
int plant_check_size(const struct lane_size *size);

/* ---- shared by the files of this module ---- */

/* share a + (1 - share) b, also where the one without share is infinite. */
double plant_mix(double share, double a, double b);
/* Packets that come at once, for an index of dispersion. */
double plant_burst(double dispersion);
/* Work per container: a fixed part that varies, and a part per packet. */
struct fast_class plant_container(const struct lane *lane, double fixed, double per_packet,
                                  double scv);

#endif
