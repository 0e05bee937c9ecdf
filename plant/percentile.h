// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Percentiles of a delay at the speed that a controller needs (microseconds):
 * a fill wait by its law, plus a rest that is known by mean and variance and
 * taken as a fixed time and an exponential one. For percentiles that are exact
 * where the parts are, see delay.h.
 */
#ifndef XENAGG_PLANT_PERCENTILE_H
#define XENAGG_PLANT_PERCENTILE_H

#include "model/closing.h"

/* Means and variances of independent parts add up. */
struct rest {
    double mean; /* s */
    double var;  /* s^2 */
};

/* A wait of this mean whose tail falls as exp(-decay y) in the end. */
struct rest rest_wait(double mean, double decay);
/* What an end's wake-up of `wakeup` adds, `mean` on average: all of it, part of it, nothing. */
struct rest rest_wakeup(double wakeup, double mean);
/* A time of this mean and squared coefficient of variation. */
struct rest rest_service(double mean, double scv);
void rest_add(struct rest *sum, struct rest part);

/*
 * The p-quantile (0 < p < 1) of scale * (fill wait) + rest; scale 0..1, fill
 * may be NULL. Poisson probabilities are Wilson and Hilferty's, good to 1e-3.
 */
double percentile_fill(const struct closing_law *fill, double scale, struct rest rest, double p);

/*
 * The same with a part that takes values[i] >= 0 with weights[i] (adding up to 1): to about a
 * five-hundredth of the largest value.
 */
double percentile_values(const double *values, const double *weights, int n, struct rest rest,
                         double p);

#endif
