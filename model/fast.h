// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The interpolated wait: any number of streams of containers at one server,
 * first in first out, in time proportional to the number of streams
 * (docs/model.md, "The interpolated wait"). Between the wait of one renewal
 * stream of the same decay rate (lower) and that of Poisson arrivals (upper);
 * where between was found by simulation.
 */
#ifndef XENAGG_MODEL_FAST_H
#define XENAGG_MODEL_FAST_H

#include <stdbool.h>
#include <stddef.h>

/* `count` streams that are alike. */
struct fast_class {
    double rate;        /* containers/s of one of them, >= 0 */
    double count;       /* >= 0 */
    double gap_scv;     /* squared coefficient of variation of the gaps, 0..1 */
    double service;     /* mean, s */
    double service_var; /* s^2 */
};

struct fast_queue {
    bool stable; /* where false, only utilisation and rate are valid, times INFINITY */
    double utilisation;
    double rate;         /* containers/s, all */
    double mean;         /* s a container waits, mean over the work that arrives */
    double virtual_wait; /* s a Poisson arrival waits (the work found), mean */
    double decay;        /* 1/s: P(W > y) falls as exp(-decay y) in the end */
    double lower, upper; /* s, what `mean` lies between */
};

/*
 * ret_waits (n entries, or NULL): mean wait of each class's own containers.
 * Classes without rate, count or service are allowed and change nothing.
 */
void fast_solve(const struct fast_class *classes, size_t n, struct fast_queue *ret,
                double *ret_waits);

#endif
