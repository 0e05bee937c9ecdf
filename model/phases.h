// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Phase-type laws of a given mean and squared coefficient of variation, in the
 * shapes that all methods share: below 1 a mixture of Erlang laws of orders
 * r - 1 and r with one rate (Tijms 1994), 1 exponential, above 1 balanced
 * two-phase hyperexponential.
 */
#ifndef XENAGG_MODEL_PHASES_H
#define XENAGG_MODEL_PHASES_H

#include <stdint.h>

#define PHASES_MAX 16

struct phases {
    uint32_t n;
    double start[PHASES_MAX];             /* probabilities, sum 1 */
    double rates[PHASES_MAX][PHASES_MAX]; /* 1/s, sub-generator */
    double leave[PHASES_MAX];             /* 1/s: -rates 1 */
};

/* mean > 0. 0, -EINVAL, or -ENOTSUP: an scv under 1/16 takes more phases than PHASES_MAX. */
int phases_fit(double mean, double scv, struct phases *ret);

#endif
