// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Containers that a guest sends back at once, as they came: each is served
 * twice by the same first-in-first-out server, the second time from the end of
 * the queue as it is when the first service ends (docs/model.md, "There and back").
 * Exact means for Poisson arrivals; else as near as fast_queue.h is.
 */
#ifndef XENAGG_MODEL_FEEDBACK_H
#define XENAGG_MODEL_FEEDBACK_H

#include "model/fast_queue.h"

/*
 * `classes`, `queue` and `shares` are those of a queue in which both services
 * come one after the other: service and service_var of a class are sums over
 * both passes, of which each is half. ret_waits: n entries, mean wait (s) of a class's containers,
 * both passes together. All INFINITY where the queue is not stable.
 */
void feedback_waits(const struct fast_class *classes, size_t n, const struct fast_queue *queue,
                    const struct fast_share *shares, double *ret_waits);

/*
 * Of both waits and services together, for containers of a class whose waits
 * are `wait` and whose share in `shares` was `present` (s, the work that they find).
 */
void feedback_sojourn(const struct fast_queue *queue, const struct fast_class *class,
                      double present, double wait, const struct fast_tails *tails,
                      struct tail *ret);

#endif
