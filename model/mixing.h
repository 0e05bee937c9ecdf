// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How the streams at one server look to each other: what of the wait that
 * Poisson arrivals would make is left because each stream's own containers are
 * spaced evenly, and how much less work they find than a random moment does
 * (docs/model.md, "The interpolated wait"). One pass over the streams, then a
 * constant time for each.
 */
#ifndef XENAGG_MODEL_MIXING_H
#define XENAGG_MODEL_MIXING_H

#include <stdbool.h>
#include <stddef.h>

/* `count` streams that are alike. */
struct fast_class {
    double rate;        /* containers/s of one of them, >= 0 */
    double count;       /* >= 0 */
    double gap_scv;     /* squared coefficient of variation of the gaps, 0..1 */
    double service;     /* mean, s */
    double service_var; /* s^2 */
    double fixed;       /* s, the part of the service that never varies, where known; else 0 */
};

/* Sums over all streams that have a rate and a service. */
struct mixing_sums {
    double rate;       /* r */
    double work;       /* r s: the utilisation */
    double work2;      /* r s^2 */
    double work2_gap;  /* r s^2 c2 */
    double work_var;   /* r v */
    double work_fixed; /* r s times the fixed part */
    bool poisson;      /* every gap exponential */
    bool exponential;  /* every service exponential, of one mean */
};

void mixing_sum(const struct fast_class *classes, size_t n, struct mixing_sums *ret);

/* Powers of two between the streams' rates that are told apart. */
#define MIXING_OCTAVES 32

struct mixing {
    double rho, slack, load; /* utilisation, 1 - rho, rho / (1 - rho) */
    double top;              /* log2 of the highest rate */
    double noise[MIXING_OCTAVES];
    double own, own_rate; /* sum of squared shares of the work, and the rate where they are */
    double jumps, root;   /* coefficients for this service and variation of gaps */
};

/* Work above 0 and below 1. */
void mixing_init(const struct fast_class *classes, size_t n, const struct mixing_sums *sums,
                 struct mixing *ret);

/* What one stream of a class sees. */
struct mixing_view {
    double mixing; /* x: 0 as if its containers alone were in step, infinite as if at random */
    double less;   /* s, in proportion: how much less work its containers find */
};

struct mixing_view mixing_look(const struct mixing *mixing, const struct fast_class *class);

#endif
