// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Percentiles of a packet's delay: its fill wait plus what its container then
 * meets, taken as independent. By quadrature over the fill wait's density, so
 * that methods that know the second part exactly lose nothing.
 */
#ifndef XENAGG_MODEL_DELAY_H
#define XENAGG_MODEL_DELAY_H

#include "model/closing.h"

/* P(what follows > x), x >= 0. */
typedef double delay_tail(const void *context, double x);

/* P(fill + what follows > x), to about 1e-10. */
double delay_probability(const struct closing_law *fill, delay_tail *tail, const void *context,
                         double x);

/* The least x with P(fill + what follows > x) <= 1 - p; `typical` > 0 is where to begin. */
double delay_quantile(const struct closing_law *fill, delay_tail *tail, const void *context,
                      double p, double typical);

#endif
