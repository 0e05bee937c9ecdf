// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the model leaves out, learnt for each interface from the ticks that were:
 * how far measured delays are above predicted ones, and how much that varies.
 */
#ifndef XENAGG_CONTROLLER_CORRECTION_H
#define XENAGG_CONTROLLER_CORRECTION_H

#include "controller/track.h"

/* Packets that a tick must have delivered to be learnt from. */
#define CORRECTION_PACKETS 50u

/* The delay of a tick as the track's promise counts it (s, NAN). */
double correction_measured(const struct track *track, const struct segment_interface *delta);
/* Learns from the tick that ended; `model`: forecast for the rates and sizes that there were. */
void correction_learn(struct track *track, const struct segment_interface *delta,
                      const struct guest_forecast *model);
/* Another guest of the worker has changed: what was learnt beside it is believed less. */
void correction_doubt(struct track *track);
/* What is to be added to a delay that the model predicts (s). */
double correction_of(const struct track *track, enum bias_of of, double model);
/* s that a promise keeps in hand for what varies from tick to tick. */
double correction_margin(const struct track *track);
/* How much worse than expected ticks come out of late, as a share of the promise. */
double correction_surprise(const struct track *track);
/*
 * What the model has to come to, so that what is measured comes to the promise
 * less `reserve` (s). INFINITY where nothing is promised.
 */
double correction_target(const struct track *track, double reserve);

#endif
