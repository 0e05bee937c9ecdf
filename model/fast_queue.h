// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The interpolated wait: any number of streams of containers at one server,
 * first in first out, in time proportional to the number of streams
 * (docs/model.md, "The interpolated wait"). It lies between the wait of one
 * renewal stream of the same decay rate (lower) and that of Poisson arrivals
 * (upper); where between was found by simulation.
 */
#ifndef XENAGG_MODEL_FAST_QUEUE_H
#define XENAGG_MODEL_FAST_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "model/mixing.h"
#include "model/tail.h"

struct fast_queue {
    bool stable; /* where false, only utilisation and rate are valid, times INFINITY */
    double utilisation;
    double rate;         /* containers/s, all */
    double mean;         /* s a container waits, mean over all containers */
    double by_work;      /* s, mean over the work that arrives (large containers count more) */
    double virtual_wait; /* s a Poisson arrival waits (the work found), mean */
    double decay;        /* 1/s: P(W > y) falls as exp(-decay y) in the end */
    double lower, upper; /* s, what `mean` lies between */
    double service;      /* s, mean over all containers */
    bool exponential;    /* every service is exponential, of one mean */
};

/* What one class contributes, and what its own containers see. */
struct fast_share {
    double wait;   /* s, mean wait of its own containers */
    double mixing; /* how Poisson-like the others make the queue look to it, >= 0 */
    double weight; /* of its mixing in the whole; all add up to 1 (or are 0) */
};

/*
 * ret_shares (n entries) may be NULL. Classes without rate, count or service
 * are allowed and change nothing.
 */
void fast_queue_solve(const struct fast_class *classes, size_t n, struct fast_queue *ret,
                      struct fast_share *ret_shares);

/* Distributions. */
struct fast_tails {
    struct tail by_work; /* of the wait, over the work that arrives */
    struct tail found;   /* of the work found by a Poisson arrival */
    struct tail sojourn; /* exponential service: of wait + service, over the work; else empty */
};

/* `shares` as fast_queue_solve() left them. */
void fast_queue_tails(const struct fast_class *classes, const struct fast_share *shares, size_t n,
                      const struct fast_queue *queue, struct fast_tails *ret);

/* Of the wait of containers whose mean wait is `mean`: those of a class, or all. */
void fast_queue_tail(const struct fast_queue *queue, const struct fast_tails *tails, double mean,
                     struct tail *ret);

#endif
