// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which guests of a worker get new sizes calculated at a tick. With a few, all;
 * with many, those that are in danger or whose load has changed, and of the
 * others some in turn, so that the time of a tick is bounded. Who is not on the
 * agenda keeps its size, and the others' are found around it.
 */
#ifndef XENAGG_CONTROLLER_AGENDA_H
#define XENAGG_CONTROLLER_AGENDA_H

#include <stdbool.h>

#include "controller/group.h"

/* Guests at most on one agenda; of these, kept for those whose turn it is. */
#define AGENDA_MAX 28u
#define AGENDA_TURNS 6u

/*
 * `ret` has group->n entries. The forecasts of the group must be those of the
 * sizes in force; `targets`: loads with the promises that the model is to keep.
 */
void agenda_make(const struct group *group, const struct guest_load *targets, bool *ret);

#endif
