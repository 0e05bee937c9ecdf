// SPDX-License-Identifier: GPL-2.0-or-later
/* How many more streams of a kind one server takes, so that all keep the promised delay. */
#ifndef XENAGG_MODEL_CAPACITY_H
#define XENAGG_MODEL_CAPACITY_H

#include "model/server.h"

/* Beyond this many the answer is just this number. */
#define CAPACITY_MAX 100000u

/*
 * The last entry of `server` is the kind of newcomer (its count is not looked
 * at), those before it are there already and must keep their delay too.
 * ret_lanes (n entries) and utilisation are those with *ret_count newcomers;
 * with none, those of a first one that does not fit any more.
 * 0, -EINVAL, -ENOMEM; nothing is written on failure.
 */
int capacity_solve(const struct server *server, double delay, uint32_t *ret_count,
                   struct server_lane *ret_lanes, double *ret_utilisation);

#endif
