// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guests of one worker at one tick: they share its thread, so their sizes
 * are found together.
 */
#ifndef XENAGG_CONTROLLER_GROUP_H
#define XENAGG_CONTROLLER_GROUP_H

#include <stddef.h>

#include "controller/track.h"

/* What single steps of a tick put down, each for itself. */
struct group_steps {
    struct guest_load *targets, *hastened;       /* loads with what the model is to keep */
    struct sizing *sizings;                      /* haste: an attempt */
    bool *agenda;                                /* who is on it */
    bool *danger;                                /* moves: who was in danger ... */
    struct lane_size (*before)[DIRECTION_COUNT]; /* ... and with which sizes */
    double (*spare)[DIRECTION_COUNT];            /* shaping: s that the promise leaves */
};

struct group {
    struct end_costs costs;     /* the worker's */
    struct costs_errors errors; /* of these */
    double now, interval;       /* s */
    bool changed;               /* a guest's rate has jumped */
    size_t turn;                /* counts ticks: whose turn it is to be looked at again */

    size_t n, room;                             /* guests, and how many have room */
    struct track **tracks;                      /* borrowed */
    const struct segment_interface **deltas;    /* borrowed: the tick that ended */
    struct guest_load *loads;                   /* with the promises as the operator gave them */
    struct sizing *sizings;                     /* what the model wants */
    struct lane_size (*sizes)[DIRECTION_COUNT]; /* what is decided */
    struct guest_forecast *forecasts;           /* for the sizes decided */
    struct worker_forecast forecast;

    struct dimension_room *model;
    struct group_steps steps;
};

/*
 * Empties it, with room for so many guests: one that is all zero, or was used
 * before. A tick with no more guests than any before allocates nothing.
 * `group`'s scalars are the caller's to set. 0 or -ENOMEM.
 */
int group_begin(struct group *group, size_t room);
void group_free(struct group *group);
void group_add(struct group *group, struct track *track, const struct segment_interface *delta);

/*
 * Learns from the tick that ended, decides, and puts decisions and expectations
 * into the tracks. 0; -EINVAL: the model refuses what it was given; -ENOMEM.
 */
int group_run(struct group *group);

/* s that better sizes must have been wanted before there is a move. */
double group_hold(const struct group *group);
/* s that sizes stay as they are where better ones would be only a little better. */
double group_rest(const struct group *group);
/* Forecast of the loads with the sizes as they stand. */
int group_forecast(struct group *group);
/* Timeouts are whole microseconds in the store. */
void group_round(struct lane_size *size);

#endif
