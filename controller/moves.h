// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the sizes in use to those that the model wants: at once where a promise
 * is in danger, slowly where there is room.
 */
#ifndef XENAGG_CONTROLLER_MOVES_H
#define XENAGG_CONTROLLER_MOVES_H

#include "controller/group.h"

/*
 * Whether the forecast for guest i breaks its promise, or comes near it. Where
 * no size keeps it: whether it is far above the least.
 */
bool moves_in_danger(const struct group *group, size_t i);
/*
 * Decides group->sizes, with group->sizings given, and makes the forecasts for
 * them. 0, -EINVAL, -ENOMEM.
 */
int moves_make(struct group *group);

#endif
