// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * P(X > x) of a duration as a table, exponential between its points and beyond
 * the last: any waiting time in a fixed size, in which probabilities and
 * quantiles cost a search.
 */
#ifndef XENAGG_MODEL_TAIL_H
#define XENAGG_MODEL_TAIL_H

#include <stddef.h>

#define TAIL_POINTS 96

struct tail {
    size_t n;
    double at[TAIL_POINTS];    /* s, strictly rising from 0 */
    double log[TAIL_POINTS];   /* ln P(X > at), falling */
    double slope[TAIL_POINTS]; /* ... per s from there to the next */
};

/* Nothing but zero: P(X > 0) = 0. */
void tail_zero(struct tail *tail);

/*
 * Appends a point. Points that do not rise in `at` or would rise in probability are left out,
 * as is what comes after TAIL_POINTS of them. The first is at 0.
 */
void tail_append(struct tail *tail, double at, double probability);

/* P(X > x); 1 for x < 0. */
double tail_probability(const struct tail *tail, double x);

/* The least x with P(X > x) <= beyond, 0 < beyond < 1. */
double tail_quantile(const struct tail *tail, double beyond);

/* The same shape with another mean: every probability times `factor`, at most 1. */
void tail_scale(const struct tail *tail, double factor, struct tail *ret);

/* X times `factor`, > 0. `ret` may be `tail`. */
void tail_stretch(const struct tail *tail, double factor, struct tail *ret);

/* X + by, by > 0. The far end goes where there are too many points. */
void tail_shift(const struct tail *tail, double by, struct tail *ret);

/* X with probability `share`, else Y. */
void tail_mix(const struct tail *x, const struct tail *y, double share, struct tail *ret);

/*
 * X + Y, Y being given by n equally likely values (n >= 1, rising): what is left of service
 * or fill laws after stratified sampling.
 */
double tail_sum_probability(const struct tail *tail, const double *values, size_t n, double x);
double tail_sum_quantile(const struct tail *tail, const double *values, size_t n, double beyond);

#endif
