// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the size that is right for the present rate to one that stays right
 * when the rate changes, with the same delay now.
 *
 * The model closes a container by its count: the least containers at a rate
 * that is known. But between two ticks rates change. A container that the
 * timeout closes keeps the fill wait where it is, whatever the rate: a mean of
 * half the timeout while many packets come in it. So the count is raised as far
 * as a full container still keeps the promise, and the timeout is shortened until
 * the fill wait is the same as before. When the rate rises, containers grow with
 * it at once; when it falls, the delay hardly grows. The price is less than one
 * packet per container; where that is too large a share, the count is raised less.
 * Large containers stay closed by their count: see PERIODIC in shape.c.
 */
#ifndef XENAGG_CONTROLLER_SHAPE_H
#define XENAGG_CONTROLLER_SHAPE_H

#include "controller/estimate.h"
#include "plant/dimension.h"

/* What is around a guest's load; arrays are borrowed, one entry per direction. */
struct shape_around {
    /*
     * Where the rates have been of late. If the low one comes again the promise
     * shall hold at once; if the high one does, containers shall grow at once.
     */
    const struct rate_range *range;
    /* s by which a direction may be later than with the model's sizes (< 0: must be
     * sooner), since a size is a whole number and a timeout is not. */
    const double *spare;
    const struct lane_size *before; /* the sizes in use */
    double beside; /* s that the worker is busy with one container of another guest, at most */
};

/*
 * `sizing` is the model's for `load`, whose promise it keeps. `ret` is the model's
 * where nothing can be won: a size that is fixed, or at its ceiling; a guest that
 * forwards, whose bursts must not be cut up.
 */
void shape_sizes(const struct end_costs *worker, const struct guest_load *load,
                 const struct sizing *sizing, const struct shape_around *around,
                 struct lane_size ret[DIRECTION_COUNT]);

/* Packets that a container comes to at a rate (packets/s), roughly. */
double shape_packets(const struct lane_size *size, double rate);

#endif
