// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What other sizes of one guest would be like, all other guests' staying as
 * they are: for whoever wants to know why a size was chosen.
 */
#ifndef XENAGG_PLANT_ALTERNATIVE_H
#define XENAGG_PLANT_ALTERNATIVE_H

#include "plant/dimension.h"

/*
 * The sizes of guest number `guest`, `factor` (> 0; INFINITY: the ceiling) times
 * as large in the directions that have packets, a packet more or less at
 * least, within the guest's limits; timeouts as the search for sizes would take them, longer or
 * shorter by the same factor as the present ones are. A factor of 1 changes nothing. 0, -EINVAL,
 * -ENOMEM.
 */
int alternative_size(const struct end_costs *worker, const struct guest_load *guests,
                     const struct lane_size (*sizes)[DIRECTION_COUNT], size_t n, size_t guest,
                     double factor, struct lane_size ret[DIRECTION_COUNT]);

/*
 * The forecast for guest number `guest` with `size` instead of its own.
 * 0, -EINVAL, -ENOMEM; nothing is written on failure.
 */
int alternative_forecast(const struct end_costs *worker, const struct guest_load *guests,
                         const struct lane_size (*sizes)[DIRECTION_COUNT], size_t n, size_t guest,
                         const struct lane_size size[DIRECTION_COUNT], struct guest_forecast *ret,
                         struct worker_forecast *ret_worker);

#endif
