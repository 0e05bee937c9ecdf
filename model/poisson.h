// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Poisson probabilities for counts up to STREAM_SIZE_MAX and any mean, safe
 * for every argument: out of range they return the limit.
 */
#ifndef XENAGG_MODEL_POISSON_H
#define XENAGG_MODEL_POISSON_H

/* P(Poisson(x) = n) for n >= 0, x >= 0; 0 for n < 0. Loader's saddle-point form. */
double poisson_pmf(double n, double x);

/*
 * P(Poisson(x) <= n - 1), the regularised upper incomplete gamma function
 * Q(n, x), for integer n; 0 for n <= 0.
 */
double poisson_below(double n, double x);

/* 1 - poisson_below(n, x), without cancellation: P(Poisson(x) >= n). */
double poisson_reaches(double n, double x);

#endif
