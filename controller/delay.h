// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Delay as it was measured, out of a difference of two samples: in its parts,
 * and as a promise counts it.
 */
#ifndef XENAGG_CONTROLLER_DELAY_H
#define XENAGG_CONTROLLER_DELAY_H

#include <stdbool.h>

#include "common/segment.h"
#include "plant/dimension.h"

/* The lane of a direction. */
const struct segment_lane *delay_lane(const struct segment_interface *delta, enum direction d);

/* Parts of the mean (s); NAN where nothing tells. `total` is the histogram's mean. */
void delay_parts(const struct segment_interface *delta, enum direction d, struct delay_parts *ret);
/* Of these, the wait for the container's closing alone. */
double delay_fill(const struct segment_interface *delta, enum direction d);
/* Percentile of a direction's delay (s); NAN where nothing was measured. */
double delay_percentile(const struct histogram *delay, double percentile);

/*
 * Directions that are in use: a stray packet a second in one does not decide
 * what is promised for the other.
 */
void delay_in_use(const double packets[DIRECTION_COUNT], bool ret[DIRECTION_COUNT]);

/*
 * The delay (s) as the promise counts it, over the directions in use;
 * forwarding: rx and tx as if independent. NAN where nothing was measured.
 */
double delay_promised(const struct promise *promise,
                      const struct histogram *const delays[DIRECTION_COUNT]);

#endif
