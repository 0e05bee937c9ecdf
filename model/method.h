// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One question, five ways to answer it: how long does a container wait for the
 * server that it shares, first in first out, with the containers of all other
 * streams, and what delay do the packets see?
 */
#ifndef XENAGG_MODEL_METHOD_H
#define XENAGG_MODEL_METHOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/stream.h"

enum method {
    METHOD_FAST,      /* interpolated wait: any number, any size; what the daemon uses */
    METHOD_PUBLISHED, /* superposed renewal gap, PH/PH/1 in transform form: any size */
    METHOD_QBD,       /* the same, literally, as matrices: small sizes */
    METHOD_EXACT,     /* dependence kept (MAP/PH/1): small sizes */
    METHOD_SIM,       /* discrete-event simulation, reproducible by seed */
    METHOD_COUNT
};

/* Percentiles of the container's wait (s). */
struct wait_summary {
    double mean, p50, p99, p999;
};

/* What packets of one stream see, per entry of the query's list. */
struct stream_delay {
    double packets_per_container;            /* mean */
    double container_rate;                   /* containers/s of one of the `count` streams */
    double fill_mean;                        /* s, until the container is closed */
    double wait_mean;                        /* s, this stream's own containers, for the server */
    double service_mean;                     /* s, of the container that a packet is in */
    double delay_mean, delay_p50, delay_p99; /* s, fill + wait + service */
};

struct query {
    const struct stream *streams; /* borrowed; n_streams >= 1 */
    size_t n_streams;
    const double *tail_at; /* borrowed; delays (s) at which the tail is wanted */
    size_t n_tail;
};

/* Knobs of single methods; zero means the method's default. */
struct method_options {
    uint64_t seed;       /* sim */
    uint64_t containers; /* sim: containers measured after warm-up */
    uint32_t max_phases; /* qbd, exact: refuse above this */
};

/*
 * The caller provides `streams` (n_streams entries) and `tail` (n_tail
 * entries). Where `stable` is false, utilisation (>= 1) and container_rate are
 * valid and every time is INFINITY.
 */
struct answer {
    bool stable;
    double utilisation;    /* rho */
    double container_rate; /* containers/s, all streams */
    struct wait_summary wait;
    double wait_ci95; /* sim: half width of the mean's 95 % interval (s); else 0 */
    struct stream_delay *streams;
    double *tail; /* P(W > tail_at[i]) */
};

/*
 * Returns 0, -EINVAL (an argument out of its range), -E2BIG (more phases than
 * the limit; *ret_phases then says how many were asked for), -ENOTSUP (the
 * method has no answer for this kind of service), -ENOMEM. `ret` is untouched
 * on failure. ret_phases may be NULL.
 */
int method_solve(enum method method, const struct query *query,
                 const struct method_options *options, struct answer *ret, uint64_t *ret_phases);

/* "fast", "published", ...; NULL outside the enum. */
const char *method_name(enum method method);
/* 0 or -EINVAL. */
int method_from_name(const char *name, enum method *ret);

#endif
