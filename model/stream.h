// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A stream of packets that are collected in containers, and the service its
 * containers ask for. Everything in model/ speaks of lists of these.
 *
 * Units in all of model/: seconds, packets, packets/s, containers/s.
 * model/ does no I/O, keeps no state between calls and never logs.
 */
#ifndef XENAGG_MODEL_STREAM_H
#define XENAGG_MODEL_STREAM_H

#include <stdint.h>

/* Largest container the model answers for. */
#define STREAM_SIZE_MAX 65535u

/*
 * Service of one container that holds B packets: its mean is
 * `mean + per_packet * B`. The fixed part has squared coefficient of variation
 * `scv` (0 deterministic, 1/r Erlang of order r, 1 exponential, above 1
 * balanced two-phase hyperexponential); the part per packet varies with B only.
 */
struct service {
    double mean;       /* s, > 0 unless per_packet > 0 */
    double scv;        /* >= 0 */
    double per_packet; /* s, >= 0 */
};

struct stream {
    double rate;    /* packets/s, >= 0; 0: the stream is silent */
    uint32_t size;  /* packets that close a container, 1..STREAM_SIZE_MAX */
    double timeout; /* s after the first packet, > 0; INFINITY: none */
    uint32_t count; /* how many such streams, >= 1 */
    struct service service;
};

#endif
