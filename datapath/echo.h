// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long containers lie in the rings, measured within one clock: every
 * container says which of the peer's stamps it saw last, and how long ago. Now,
 * less that stamp, less that hold time, is the wait in both rings together,
 * notification and wake-up of both ends included. One direction is taken as
 * half of it.
 */
#ifndef XENAGG_DATAPATH_ECHO_H
#define XENAGG_DATAPATH_ECHO_H

#include <stdint.h>

#include "common/container.h"

struct echo {
    uint64_t peer_stamp, taken_ns;  /* of the peer's last container; 0: none yet */
    uint64_t last_returned;         /* our newest stamp that came back */
    uint64_t count, sum_ns, max_ns; /* round trips seen */
    uint64_t mean_ns;               /* recent mean (exponential, 1/16) */
};

/* A container of the peer was taken at `now_ns`: note its stamp, use its echo. */
void echo_take(struct echo *echo, const struct container_header *header, uint64_t now_ns);
/* Fills the echo fields of a container that is published at `now_ns`. */
void echo_give(const struct echo *echo, struct container_header *header, uint64_t now_ns);
/* Estimated wait of a container in one ring (ns). */
static inline uint64_t echo_one_way(const struct echo *echo)
{
    return echo->mean_ns / 2;
}

#endif
