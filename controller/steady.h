// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hysteresis of one interface's sizes: where a delay is in danger the
 * controller changes them at once; where there only is room for better ones,
 * they wait here until the same has been wanted for a while, and then move only
 * as far as has been wanted all that while. (As the kernel's dynamic queue
 * limits: raise at once, lower by the least slack seen over a hold time.)
 */
#ifndef XENAGG_CONTROLLER_STEADY_H
#define XENAGG_CONTROLLER_STEADY_H

#include <stdbool.h>

#include "plant/dimension.h"

struct steady {
    bool pending;
    double since;                              /* s */
    struct lane_size nearest[DIRECTION_COUNT]; /* to the sizes in use, of all wanted since */
};

/* Whether two sizes are so near that a change is not worth it. */
bool steady_near(const struct lane_size a[DIRECTION_COUNT],
                 const struct lane_size b[DIRECTION_COUNT]);
/* By how much the most different of their numbers differ, as a logarithm. */
double steady_gap(const struct lane_size a[DIRECTION_COUNT],
                  const struct lane_size b[DIRECTION_COUNT]);
/*
 * `wanted` at `now` (s), where no delay is in danger. True: move to `ret`, now.
 */
bool steady_room(struct steady *steady, const struct lane_size current[DIRECTION_COUNT],
                 const struct lane_size wanted[DIRECTION_COUNT], double now, double hold,
                 struct lane_size ret[DIRECTION_COUNT]);
/* The sizes were changed for another reason. */
void steady_reset(struct steady *steady);

#endif
