// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Was a promise kept? Judged over windows: ticks are put together until every
 * direction in use has moved at least 100 containers, so that a mean means
 * something also where containers are few. As packets come at random, a window's
 * mean is not exactly what is true of the load: a promise counts as broken where
 * it is more than two standard errors above what was promised; a percentile's
 * where the share of packets above the delay is.
 *
 * Packets of one container share its fate, so what counts is how much containers
 * differ. That is what is left of the packets' variance without the part that
 * filling makes in every container: waits spread evenly from its opening to its
 * closing, a third of the mean fill wait's square.
 */
#ifndef XENAGG_CONTROLLER_VERDICT_H
#define XENAGG_CONTROLLER_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/segment.h"
#include "plant/dimension.h"

#define VERDICT_CONTAINERS 100u
#define VERDICT_ERRORS 2.0

/* A window so far; all zero: a new one. */
struct verdict {
    double seconds;
    uint64_t containers[DIRECTION_COUNT];
    double packets[DIRECTION_COUNT];
    double filled[DIRECTION_COUNT]; /* s, sum over packets */
    double predicted;               /* sum over ticks of prediction times seconds */
    double predicted_seconds;
    struct histogram delay[DIRECTION_COUNT];
};

struct verdict_result {
    bool kept;
    double seconds, measured, predicted; /* s; predicted is NAN where there was none */
    double error; /* standard error: s, of `measured`; a percentile: of the share above the delay */
    uint64_t containers; /* of the direction in use that had fewer */
};

/* Adds a tick; `predicted`: what had been expected of it (s, or NAN). */
void verdict_add(struct verdict *verdict, const struct segment_interface *delta, double seconds,
                 double predicted);
/* True: the window is full; it is judged, and a new one begins. */
bool verdict_judge(struct verdict *verdict, const struct promise *promise,
                   struct verdict_result *ret);
/* Standard error of a tick's mean delay (s); 0 where a percentile is promised: not known. */
double verdict_noise(const struct segment_interface *delta, const struct promise *promise);
/* Begins anew: what was promised has changed. */
void verdict_restart(struct verdict *verdict);

#endif
