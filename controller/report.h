// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the daemon saw, expected and decided at one tick: made by the
 * controller, written to xenstore (tune), to the database (history) and to
 * whoever asks (status). Plain data; who makes it owns it.
 *
 * Seconds, packets, packets/s. What could not be measured is NAN.
 */
#ifndef XENAGG_CONTROLLER_REPORT_H
#define XENAGG_CONTROLLER_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/keys.h"
#include "common/segment.h"
#include "config/config.h"
#include "controller/costs.h"
#include "controller/estimate.h"
#include "plant/dimension.h"

/* Value of the key "tuning-state". */
enum tuning_state {
    TUNING_OK,           /* the promise can be kept, and the sizes are made for it */
    TUNING_UNATTAINABLE, /* no size keeps it */
    TUNING_FIXED,        /* the operator fixed the sizes of both directions */
    TUNING_STALE,        /* no measurements: the last sizes stay */
    TUNING_STATES
};
const char *tuning_state_name(enum tuning_state state);
const char *sizing_reason_name(enum sizing_reason reason);
const char *scope_name(enum scope scope);
const char *objective_name(enum objective objective);
const char *direction_name(enum direction direction);

struct lane_report {
    struct estimate rate;         /* packets/s, smoothed */
    struct estimate packet_bytes; /* mean of a frame; 0: not known */
    struct estimate dispersion;   /* index of dispersion of counts; 1: as Poisson */
    struct lane_size wanted;      /* decided at this tick */
    struct lane_size in_force;

    /* Counted since the tick before. */
    uint64_t packets, bytes, containers, published_packets;
    uint64_t closed[CLOSING_REASONS];
    uint64_t notified, spared;
    uint64_t dropped_ring, dropped_size, dropped_port, refused, lost, malformed;

    /*
     * Delay of the packets of this tick: as expected beforehand, from the rates
     * known at the tick before and the sizes then chosen, and as it was.
     */
    struct delay_parts predicted, measured;
    double correction; /* s, in predicted.total beyond the model's parts: learnt from before */
    double p50, p99;   /* s, measured */
};

/* What `expected` was made of: with all guests' of a worker anybody can ask the model again. */
struct guest_basis {
    bool known;             /* the model was asked at this tick */
    struct guest_load load; /* as the model was given it; the promise is the operator's */
    struct lane_size size[DIRECTION_COUNT]; /* decided; those in force where they are ignored */
    double model;                           /* s, what the model alone makes of `expected` */
    double margin;                          /* s that the promise keeps in hand */
    struct costs_errors errors;             /* of load.costs */
    enum objective objective;
    double utilisation_max; /* of the worker, where the objective is the delay */
};

struct guest_report {
    char name[CONFIG_NAME];
    struct keys_interface interface;
    uint32_t worker;
    double seconds; /* that the counts were taken over; 0: no sample at this tick */
    struct lane_report lanes[DIRECTION_COUNT];
    double forwarded;   /* share of rx packets that come back as tx */
    double utilisation; /* share of its worker's time that this interface takes, predicted */
    struct guest_basis basis;
    struct promise promise;
    struct size_limits limits;
    bool fixed[DIRECTION_COUNT];   /* the size is the operator's ... */
    bool by_hand[DIRECTION_COUNT]; /* ... by hand, not by the configuration */

    /* What the promise's scope and percentile come to. */
    double predicted; /* for the tick that ends now, made at the one before */
    double measured;  /* over it */
    double expected;  /* from now on, with the sizes wanted */
    double least;     /* least that any size gives now */

    enum tuning_state state;
    enum sizing_reason sizing;
    char reason[400];
    bool changed; /* sizes, state or promise differ from the tick before */

    /*
     * Promises are judged by windows of at least 100 containers. -1: none ended
     * at this tick; else 0 or 1, and what it was about. `last_kept`: the same of
     * the last window that ended, at whatever tick.
     */
    int kept, last_kept;
    double window_seconds, window_measured, window_predicted;
    uint64_t window_containers;
    uint64_t windows, windows_kept; /* since the daemon knows this interface */
    double cpu; /* that its domain took since the tick before, share of one; NaN: not known */
};

struct worker_report {
    uint32_t worker;
    uint32_t interfaces;
    double utilisation; /* measured: share of the tick not asleep */
    uint64_t held;      /* packets, since the backend started: not taken when interfaces ended */
    struct end_costs costs;
    struct costs_errors errors;      /* of these */
    struct worker_forecast forecast; /* with the sizes wanted */
};

struct tick_report {
    double time;    /* s since the epoch */
    double seconds; /* since the tick before; 0 at the first */
    size_t n_guests, n_workers;
    struct guest_report *guests;
    struct worker_report *workers;
};

#endif
