// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/echo.h"

#include "common/clock.h"

/* Longer than any ring holds a container; beyond it, a peer's figures are nonsense. */
#define ECHO_MAX_NS (2 * CLOCK_SECOND)

static void echo_sample(struct echo *echo, uint64_t trip_ns)
{
    echo->count++;
    echo->sum_ns += trip_ns;
    if (trip_ns > echo->max_ns)
        echo->max_ns = trip_ns;
    echo->mean_ns = echo->count == 1 ? trip_ns : echo->mean_ns - echo->mean_ns / 16 + trip_ns / 16;
}

void echo_take(struct echo *echo, const struct container_header *header, uint64_t now_ns)
{
    uint64_t stamp = header->echo_stamp;

    echo->peer_stamp = header->stamp;
    echo->taken_ns = now_ns;
    /* Each of our stamps counts once, the first time it comes back; they only grow. */
    if (stamp <= echo->last_returned || stamp > now_ns || now_ns - stamp > ECHO_MAX_NS)
        return;
    echo->last_returned = stamp;
    if (now_ns - stamp >= header->echo_hold_ns)
        echo_sample(echo, now_ns - stamp - header->echo_hold_ns);
}

void echo_give(const struct echo *echo, struct container_header *header, uint64_t now_ns)
{
    uint64_t hold = now_ns - echo->taken_ns;

    header->stamp = now_ns;
    if (echo->peer_stamp && hold < UINT32_MAX) {
        header->echo_stamp = echo->peer_stamp;
        header->echo_hold_ns = (uint32_t)hold;
    }
}
