// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the controller remembers of one guest interface from tick to tick, and
 * how a sample changes it.
 */
#ifndef XENAGG_CONTROLLER_TRACK_H
#define XENAGG_CONTROLLER_TRACK_H

#include "config/config.h"
#include "controller/costs.h"
#include "controller/estimate.h"
#include "controller/report.h"
#include "controller/sample.h"
#include "controller/steady.h"
#include "controller/verdict.h"

/* Delays that a correction is learnt for: each direction, and what is promised. */
enum bias_of { BIAS_RX, BIAS_TX, BIAS_PROMISE, BIAS_COUNT };

/* Why the sizes are not those of the tick before. */
enum move { MOVE_NONE, MOVE_FIRST, MOVE_DANGER, MOVE_PROMISE, MOVE_RISE, MOVE_ROOM };

struct track {
    struct keys_interface interface;
    char name[CONFIG_NAME];

    /* Measured. */
    bool known;     /* a sample was seen: worker, generation, in_force are valid */
    double seen;    /* s, when the backend last wrote something new */
    double seconds; /* that this tick's sample spans; 0: no sample at this tick */
    uint32_t worker, generation;
    struct lane_size in_force[DIRECTION_COUNT];
    struct rate_estimator rate[DIRECTION_COUNT];
    struct rate_range range[DIRECTION_COUNT];
    struct dispersion_estimator dispersion[DIRECTION_COUNT];
    struct mean_estimator bytes[DIRECTION_COUNT];
    bool in_use[DIRECTION_COUNT];
    struct costs costs;
    double unseen; /* s, standard error of the waits that nobody sees, but by probes: wake-ups */
    /* Whether its tx packets come in the bursts that its rx containers left in: > 0 speaks for it.
     */
    double forwards;
    bool
        converted; /* it is believed to forward, or not to, against what its promise's scope says */

    /* Decided. */
    struct config_policy policy;
    bool by_hand; /* a size of it was fixed by hand, not by the configuration */
    bool decided; /* `current` is valid */
    struct lane_size current[DIRECTION_COUNT];
    struct sizing sizing;                     /* the model's, for the next warm start */
    struct lane_size shaped[DIRECTION_COUNT]; /* that sizing, made for rates that change */
    struct guest_load solved;                 /* what that was found for */
    double haste; /* OBJECTIVE_DELAY: the share of the promised delay that was asked for; 0: none */
    struct steady steady;
    enum move move;   /* at this tick */
    double moved;     /* s, when the sizes last changed */
    bool roomy;       /* ... since there was room */
    bool provisional; /* they were chosen as a load changed: more is known soon */
    bool ignored;     /* what was decided ticks ago is not in force */
    bool attainable;
    bool judged;             /* `attainable` is about the promise in force, and no other */
    double attainable_since; /* s, that the model calls it so, where `attainable` is not yet */
    double least;            /* s */

    /* Expected, and how it came out. */
    bool expects; /* `expected` is valid: made at the tick before */
    struct guest_forecast expected;
    double expected_promise;      /* s, corrected */
    double corrected[BIAS_COUNT]; /* s, the corrections in it */
    struct bias_estimator bias[BIAS_COUNT];
    double doubt;    /* s, standard error of the promised delay's forecast, by those of estimates */
    double noise;    /* mean square of the promised delay's sampling error in a tick (s^2) */
    double surprise; /* mean square of how far above the expected the promised delay was, in shares
                        of the promise; jumps and all */
    struct verdict verdict;
    uint64_t windows, windows_kept;
    bool last_kept;

    enum tuning_state state;

    /* Of the tick in progress. */
    bool stale, promise_changed;
    enum tuning_state before; /* the tick's */
    const struct segment_interface *delta;
    struct guest_report report;
};

void track_begin(struct track *track, struct keys_interface interface, const char *name);
/* What holds for it now; `by_hand` as struct controller_guest has it. True: the promise has
 * changed.
 */
bool track_policy(struct track *track, const struct config_policy *policy,
                  const struct lane_size by_hand[DIRECTION_COUNT]);
/* Takes what the sample says of it; NULL: nothing. */
void track_feed(struct track *track, const struct sample_interface *sample, double now);
/* Whether it has been without measurements for too long, or never had any. */
bool track_stale(const struct track *track, double now, double interval);
/*
 * The load for the model. The promise in it is the operator's. `forwards`: take
 * tx packets for forwarded ones, as far as rates allow.
 */
void track_load(const struct track *track, bool forwards, struct guest_load *ret);
/* Whether the model has been asked for its sizes since it is there. */
bool track_sized(const struct track *track);
/* The sizes that were at work in the tick that ended. */
void track_at_work(const struct track *track, struct lane_size ret[DIRECTION_COUNT]);
/* What is believed of it at present. */
bool track_forwards(const struct track *track);
/*
 * The tick that ended speaks for one or the other: the fill wait of tx packets
 * as it was, and as it should have been if they are, or are not, forwarded ones.
 */
void track_weigh_forwards(struct track *track, double measured, double if_forwarded, double if_not);

#endif
