// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * METHOD_PUBLISHED: the superposition as a renewal process, phase-type service,
 * one server (PH/PH/1, with timeouts GI/PH/1), in transform form: any number of
 * streams, any size (docs/model.md, "The published answer at any size").
 *
 * Containers of all streams share one law of service: where the streams'
 * differ, their mixture's mean and SCV. An SCV below 1/PHASES_MAX is raised to that.
 */
#ifndef XENAGG_MODEL_PUBLISHED_H
#define XENAGG_MODEL_PUBLISHED_H

#include "model/method.h"
#include "model/phases.h"
#include "model/superposition.h"

/* METHOD_PUBLISHED of method_solve. */
int published_solve(const struct query *query, const struct method_options *options,
                    struct answer *ret, uint64_t *ret_phases);

/* The wait in GI/PH/1: phase-type, P(W > y) = start e^{rates y} 1. */
struct published_wait {
    uint32_t n;
    double start[PHASES_MAX];             /* their sum is P(W > 0) */
    double rates[PHASES_MAX][PHASES_MAX]; /* 1/s */
};

/* `mean` is that of the service; rate times mean below 1. 0, -ENOMEM, -EDOM (no solution found). */
int published_wait_solve(const struct superposition *gaps, const struct phases *service,
                         double mean, struct published_wait *ret);
/* -start rates^-1 1 */
double published_wait_mean(const struct published_wait *wait);

#endif
