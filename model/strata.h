// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A law as n equally likely values, each standing for one nth of the
 * probability (the middle quantile of its stratum). Sums with a tabulated tail
 * are then exact but for the strata's width (tail_sum_*).
 */
#ifndef XENAGG_MODEL_STRATA_H
#define XENAGG_MODEL_STRATA_H

#include <stddef.h>

#include "model/closing.h"
#include "model/tail.h"

#define STRATA 256
#define STRATA_FIXED 1e-6 /* an SCV below this is none */

/* Fill wait of a packet. */
void strata_fill(const struct closing_law *closing, double values[static STRATA]);

/*
 * A service of mean 1 and this SCV: 0 fixed, below 1 gamma (Erlang where the
 * order is whole), 1 exponential, above 1 balanced hyperexponential.
 */
void strata_service(double scv, double values[static STRATA]);

/* ret: tail of X + scale Y, Y given by its strata (rising). */
void strata_add(const struct tail *tail, double scale, const double values[static STRATA],
                struct tail *ret);

#endif
