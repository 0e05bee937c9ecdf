// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sizes for a worker some of whose guests want the least delay
 * (OBJECTIVE_DELAY), not the largest containers: for those the model is asked
 * for shorter delays than promised, by one factor for all, the least with which
 * the worker's utilisation stays below the bound that they set. Where not even
 * what is promised does, the promise goes before the bound.
 */
#ifndef XENAGG_CONTROLLER_HASTE_H
#define XENAGG_CONTROLLER_HASTE_H

#include "controller/group.h"

/*
 * As dimension_worker, from group->sizings to group->sizings and
 * group->forecast. `targets`: n loads with the promises that the model is to
 * keep; the delays of those that want less come out as they were asked for.
 * 0, -EINVAL, -ENOMEM.
 */
int haste_dimension(struct group *group, struct guest_load *targets);

#endif
