// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Was a promise kept? Judged over windows: ticks are put together until every
 * direction in use has moved at least 50 containers, so that a mean means
 * something also where containers are few.
 */
#ifndef XENAGG_DAEMON_VERDICT_H
#define XENAGG_DAEMON_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/segment.h"
#include "model/dimension.h"

#define VERDICT_CONTAINERS 50u

/* A window so far; all zero: a new one. */
struct verdict {
    double seconds;
    uint64_t containers[DIRECTION_COUNT];
    double packets[DIRECTION_COUNT];
    double predicted; /* sum over ticks of prediction times seconds */
    double predicted_seconds;
    struct histogram delay[DIRECTION_COUNT];
};

struct verdict_result {
    bool kept;
    double seconds, measured, predicted; /* s; predicted is NAN where there was none */
    uint64_t containers;                 /* of the direction in use that had fewer */
};

/* Adds a tick; `predicted`: what had been expected of it (s, or NAN). */
void verdict_add(struct verdict *verdict, const struct segment_interface *delta, double seconds,
                 double predicted);
/* True: the window is full; it is judged, and a new one begins. */
bool verdict_judge(struct verdict *verdict, const struct promise *promise,
                   struct verdict_result *ret);
/* Begins anew: what was promised has changed. */
void verdict_restart(struct verdict *verdict);

#endif
