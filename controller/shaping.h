// SPDX-License-Identifier: GPL-2.0-or-later
/* Shapes the sizes that the model found for the guests of a worker, each with a look at the others.
 */
#ifndef XENAGG_CONTROLLER_SHAPING_H
#define XENAGG_CONTROLLER_SHAPING_H

#include "controller/group.h"

/*
 * Shapes the sizes (track->sizing) of those on the agenda, looks what the model says of them all,
 * and again with what that leaves of the promises in `targets`: into track->shaped. The group's
 * sizes and forecasts are used on the way. 0, or as group_forecast.
 */
int shaping_make(struct group *group, const struct guest_load *targets, const bool *agenda);

#endif
