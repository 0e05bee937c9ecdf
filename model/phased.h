// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the methods that keep every phase (qbd, exact) have in common: the
 * streams they can take, the service as phases, and the answer from waiting laws.
 *
 * They take streams without a timeout (a fixed time is not phase-type; one that
 * practically never strikes is ignored), and services that sixteen phases can have.
 */
#ifndef XENAGG_MODEL_PHASED_H
#define XENAGG_MODEL_PHASED_H

#include "model/method.h"
#include "model/phases.h"
#include "model/waiting.h"

/* Phases that qbd and exact accept by default: a few seconds, under 100 MB. */
#define PHASED_DEFAULT 1000u

/* Streams of the same rate, size and service; they cannot be told apart. */
struct phased_class {
    double rate; /* packets/s of one stream, > 0 */
    uint32_t size;
    uint64_t count;
    double service_mean, service_scv;
    struct phases service;
};

struct phased {
    bool alike;            /* one service for all classes: */
    struct phases service; /* that, or one of the mean and SCV of the mixture of all */
    double utilisation, container_rate;
    struct phased_class *classes;
    size_t n_classes;
    size_t *class_of; /* per entry of the query; SIZE_MAX for a silent one */
};

/* n * factor, or UINT64_MAX where that is too much. */
uint64_t phased_count(uint64_t n, uint64_t factor);

/* How many phases a method would need, and the method, where there are as many as that. */
typedef uint64_t phased_counter(const struct phased *phased);
typedef int phased_solver(const struct phased *phased, const struct query *query,
                          struct answer *ret);

/*
 * A method's answer within the phases that are allowed; without the method where the system
 * is unstable or silent. Errors as method_solve() has them, and those of the method.
 */
int phased_solve(const struct query *query, const struct method_options *options,
                 phased_counter *count, phased_solver *solve, struct answer *ret,
                 uint64_t *ret_phases);

/*
 * The answer from the law of all containers' wait, and per class the laws of
 * wait and sojourn. Means are exact; a packet's percentiles take its fill wait
 * and its container's sojourn as independent.
 */
void phased_answer(const struct phased *phased, const struct query *query,
                   const struct waiting *wait, const struct waiting *const *class_waits,
                   const struct waiting *const *class_sojourns, struct answer *ret);

#endif
