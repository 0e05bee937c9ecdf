// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/feedback.h"

#include <math.h>

#include "model/fast.h"

/*
 * Containers that one of the class's streams sends in a time from one of its
 * own on: none for even ones before their gap is over, and half of one is missing in the long run.
 */
static double own_arrivals(const struct fast_class *class, double time)
{
    double mean = class->rate * time, scv = fmin(1, class->gap_scv);
    return scv * mean + (1 - scv) * fmax(0, mean - 0.5);
}

/*
 * The part of all work present that is behind a newcomer: the second services
 * of those still in their first pass. By Little's law it is Q = sum r s (W1 + s), s being one
 * service, and W1 = U (1 - Q / V) for those who find the work U.
 */
static double behind(const struct fast_class *classes, size_t n, const struct fast_queue *queue,
                     const struct fast_share *shares)
{
    double waiting = 0, served = 0;
    for (size_t i = 0; i < n; i++) {
        double service = classes[i].service / 2;
        double work = classes[i].rate * classes[i].count * service;
        waiting += work * shares[i].wait;
        served += work * service;
    }
    if (!(queue->virtual_wait > 0))
        return 0;
    return fmin(1, (waiting + served) / (queue->virtual_wait + waiting));
}

/* What comes in a time from one of the class's containers on, s of one service each. */
static double coming(const struct fast_queue *queue, const struct fast_class *class, double time)
{
    double service = class->service / 2, others = queue->utilisation / 2 - class->rate * service;
    return fmax(0, others) * time + own_arrivals(class, time) * service;
}

void feedback_waits(const struct fast_class *classes, size_t n, const struct fast_queue *queue,
                    const struct fast_share *shares, double *ret_waits)
{
    double part = queue->stable ? behind(classes, n, queue, shares) : 0;
    for (size_t i = 0; i < n; i++) {
        double first = shares[i].wait * (1 - part) + classes[i].service / 2;
        ret_waits[i] =
            queue->stable ? shares[i].wait + coming(queue, &classes[i], first) : INFINITY;
    }
}

void feedback_sojourn(const struct fast_queue *queue, const struct fast_class *class,
                      double present, double wait, const struct fast_tails *tails, struct tail *ret)
{
    double meanwhile = fmin(wait, coming(queue, class, class->service / 2));
    struct tail waits;
    fast_queue_tail(queue, tails, present, &waits);
    if (present > 0)
        tail_stretch(&waits, (wait - meanwhile) / present, &waits);
    if (meanwhile > 0)
        tail_shift(&waits, meanwhile, &waits);
    fast_add_service(&waits, class, ret);
}
