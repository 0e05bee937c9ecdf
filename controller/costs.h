// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the loop of one end costs, a backend worker's or a guest's, fitted from
 * what that end measured of itself, for the model (struct end_costs).
 */
#ifndef XENAGG_CONTROLLER_COSTS_H
#define XENAGG_CONTROLLER_COSTS_H

#include "common/segment.h"
#include "controller/estimate.h"
#include "plant/dimension.h"

struct costs {
    struct mean_estimator read, wake;
    struct line_estimator publish, unload;
    int slow_wakes; /* ticks in a row whose wake-ups took far longer than before */
};

/* Differences of two samples: of the packing half, the unloading half, the sleeping. */
void costs_add_pack(struct costs *costs, const struct segment_pack *pack);
void costs_add_unload(struct costs *costs, const struct segment_unload *unload);
void costs_add_sleep(struct costs *costs, const struct segment_sleep *sleep);

/*
 * All of them, > 0. What was not measured yet is a cautious guess: the costs of
 * reading and writing single frames on a TAP.
 */
void costs_get(const struct costs *costs, struct end_costs *ret);

/*
 * Standard errors of these (s). Those of the two parts of a line are INFINITY
 * where containers were all of about one size (`..._alike`): how long one takes
 * is known then, but not which part of it is fixed, and a guess decides that.
 * That of the whole, at the mean size of late, is always known. A read or a
 * wake-up that was not measured yet may be off by all of the guess.
 */
struct costs_errors {
    double read, wakeup;
    double publish, publish_packet, unload, unload_packet;
    double publish_whole, unload_whole;
    bool publish_alike, unload_alike;
};
void costs_errors(const struct costs *costs, struct costs_errors *ret);
/* The one of these for `wakeup`. */
double costs_wakeup_error(const struct costs *costs);

#endif
