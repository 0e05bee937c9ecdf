// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How many more guests a worker takes beside those that it has, so that all
 * promises that can be kept now are still kept, and the newcomers' too.
 */
#ifndef XENAGG_PLANT_ADMISSION_H
#define XENAGG_PLANT_ADMISSION_H

#include "plant/dimension.h"

#define ADMISSION_MOST 1024u

/* Why not one more. */
enum admission_limit {
    ADMISSION_NONE,     /* as many as were asked about fit */
    ADMISSION_NEWCOMER, /* a newcomer's own promise would not be kept */
    ADMISSION_OTHERS,   /* that of one that is there already would not */
    ADMISSION_WORKER,   /* the worker would be overloaded */
};

struct admission {
    uint32_t count;
    enum admission_limit limit;
    size_t victim; /* ADMISSION_OTHERS: one of those that are there */
    /* With `count` newcomers; with none, of a first one that does not fit. */
    struct lane_size size[DIRECTION_COUNT]; /* a newcomer's */
    double delay;                           /* s, a newcomer's, as its promise counts it */
    double utilisation;                     /* of the worker */
};

/*
 * `present`: n guests that are there; all promises, also the newcomer's, as the
 * model is to keep them. Asks about `most` (1..ADMISSION_MOST) newcomers.
 * 0, -EINVAL, -ENOMEM; nothing is written on failure.
 */
int admission_solve(const struct end_costs *worker, const struct guest_load *present, size_t n,
                    const struct guest_load *newcomer, uint32_t most, struct admission *ret);

#endif
