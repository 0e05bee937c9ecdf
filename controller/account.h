// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fills a track's report: what the tick that ended was like beside what had
 * been expected of it, and what was decided.
 */
#ifndef XENAGG_CONTROLLER_ACCOUNT_H
#define XENAGG_CONTROLLER_ACCOUNT_H

#include "controller/group.h"

/* First, before anything is decided anew: the tick that ended. */
void account_past(struct track *track, const struct segment_interface *delta);
/* Then one of these: what was decided for guest i of the group ... */
void account_decision(struct track *track, const struct group *group, size_t i);
/* ... or that there is nothing to decide by. Sets the track's state. */
void account_stale(struct track *track, double now);

#endif
