// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The queue of method.h by discrete-event simulation: streams fill containers,
 * one server takes them first in, first out.
 *
 * With Poisson arrivals a container is one event: its gap is a gamma variate,
 * and the waits of its packets follow from the gap (given when a container of
 * k packets closed, the other k-1 arrived uniformly since the closing before).
 * With bursty arrivals, or on request, every packet is simulated.
 *
 * Confidence intervals are 95 %, by SIM_BATCHES batch means.
 * Service: the fixed part's scv decides (0 deterministic, below 1 a mixture of
 * Erlang laws of neighbouring orders, 1 exponential, above 1 balanced
 * two-phase hyperexponential), `per_packet` adds its time for each packet.
 */
#ifndef XENAGG_MODEL_SIM_H
#define XENAGG_MODEL_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "model/method.h"

#define SIM_BATCHES 20
#define SIM_CONTAINERS_DEFAULT 4000000u

enum sim_arrivals {
    SIM_POISSON,
    SIM_BURSTS, /* bursts at Poisson epochs, geometric with mean `burst` packets at once */
    SIM_ON_OFF, /* exponential on and off times; Poisson at `peak` times the mean rate while on */
};

/* How a stream's packets arrive; its mean rate stays that of the stream. */
struct sim_traffic {
    enum sim_arrivals kind;
    double burst; /* SIM_BURSTS: packets per burst, SIM_ON_OFF: mean packets per on time; >= 1 */
    double peak;  /* SIM_ON_OFF: rate while on / mean rate, > 1 */
};

struct sim_options {
    uint64_t seed;
    uint64_t containers; /* measured; a tenth more before them warm up. 0: the default */
    bool packets;        /* every packet by itself: gives jitter */
    const struct sim_traffic *traffic; /* per entry of the query; NULL: all Poisson */
};

/* Beyond what `struct answer` holds, per entry of the query. */
struct sim_stream {
    uint64_t containers;          /* measured */
    double wait_ci95, delay_ci95; /* s, half widths for the means */
    double delay_max;             /* s, the largest packet delay seen */
    /* Only where packets are simulated singly: */
    double jitter_mean, jitter_max; /* s, RFC 3550's estimator (section 6.4.1) */
};

struct sim_report {
    double wait_p99_ci95;       /* s */
    double wait_max;            /* s */
    struct sim_stream *streams; /* provided by the caller, n_streams entries */
};

/*
 * Returns 0, -EINVAL, -ENOMEM. `ret` as for method_solve; `report` may be NULL.
 * A stream of which no container was seen gets the common wait and its mean fill wait.
 */
int sim_run(const struct query *query, const struct sim_options *options, struct answer *ret,
            struct sim_report *report);

/* METHOD_SIM of method_solve. */
int sim_solve(const struct query *query, const struct method_options *options, struct answer *ret,
              uint64_t *ret_phases);

#endif
