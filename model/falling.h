// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where a tail that is about exponential in the end falls below a probability:
 * false position along the line through the logarithms (Illinois rule), now and
 * then in the middle.
 */
#ifndef XENAGG_MODEL_FALLING_H
#define XENAGG_MODEL_FALLING_H

/* P(it > x); falls with x. */
typedef double falling_tail(const void *context, double x);

struct falling {
    double beyond;          /* the probability, above 0 */
    double low, high;       /* around the answer */
    double at_low, at_high; /* log(tail / beyond) there: above 0, and not */
    double edge;            /* steps end at most this share of the way to either side, 0.5..1 */
    double precision;       /* of the answer, relative */
    int trials;             /* at most */
};

/* The upper end of what is left around the answer. */
double falling_find(struct falling falling, falling_tail *tail, const void *context);

#endif
