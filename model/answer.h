// SPDX-License-Identifier: GPL-2.0-or-later
/* What all methods' answers have in common. */
#ifndef XENAGG_MODEL_ANSWER_H
#define XENAGG_MODEL_ANSWER_H

#include "model/closing.h"
#include "model/method.h"

/* 0, or -EINVAL where something is out of its range. */
int query_check(const struct query *query);

/* Mean and variance of the service of the containers that `closing` says. */
void answer_service(const struct stream *stream, const struct closing_law *closing,
                    double *ret_mean, double *ret_variance);

/* The part of it that never varies, s: what full containers cost by the packet. */
double answer_fixed(const struct stream *stream, const struct closing_law *closing);

/*
 * ... of the container that a packet is in: with timeouts, more packets are in the larger ones.
 * (The variance is taken to be the same about another mean.)
 */
void answer_met(const struct stream *stream, const struct closing_law *closing, double *ret_mean,
                double *ret_variance);

/*
 * Fills in what follows from the streams alone (packets per container, rates,
 * fill), and INFINITY for all other times of an unstable queue, 0 for those of
 * a stable one.
 */
void answer_begin(const struct query *query, const struct closing_law *closings, bool stable,
                  double utilisation, struct answer *ret);

#endif
