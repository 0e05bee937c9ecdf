// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A stream of records through a ring, for tests with two threads or processes:
 * each record says its length and carries the next bytes of a known sequence.
 * Both ends sleep whenever they find nothing to do, through whatever wakes them.
 */
#ifndef XENAGG_TESTS_UNIT_COMMON_RING_STREAM_H
#define XENAGG_TESTS_UNIT_COMMON_RING_STREAM_H

#include <stdint.h>

#include "common/ring.h"

struct ring_stream {
    struct ring ring;
    uint64_t seed;    /* the same at both ends */
    uint64_t bytes;   /* to carry in all */
    uint32_t longest; /* record, in units of 8 bytes; at most half of the ring */
    uint64_t looks;   /* that found nothing to do */
    uint64_t wakes;   /* the peer was woken so often */
    uint64_t sleeps;  /* we slept so often */
    void *context;    /* of the two below */
    void (*wake_peer)(void *context);
    /* Sleeps until woken. 0, or -errno: nobody came in a time that no machine needs. */
    int (*wait)(void *context);
};

/* 0 or what went wrong, as a constant text. */
const char *ring_stream_send(struct ring_stream *stream);
const char *ring_stream_take(struct ring_stream *stream);

#endif
