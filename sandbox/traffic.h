// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Poisson traffic through guests that forward it back, and what became of each
 * packet: how long it took to the guest's stack and back, whether it was
 * damaged, overtaken by another of its flow, or lost.
 *
 * One thread sends for all guests, one looks at what arrived twenty times a
 * second. Delays are known from the packets alone: the sender's stamp, taken
 * just before the packet is handed to the kernel, and the receiving kernel's,
 * both of CLOCK_REALTIME.
 */
#ifndef XENAGG_SANDBOX_TRAFFIC_H
#define XENAGG_SANDBOX_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "common/histogram.h"
#include "sandbox/namespace.h"

#define TRAFFIC_LANES 16u
#define TRAFFIC_FLOWS 8u /* of each lane */

/* Where a lane's packets go. Interfaces exist and are up; names are copied. */
struct traffic_route {
    struct namespace *near, *far;     /* where they are sent and return; the guest */
    const char *near_name, *far_name; /* interfaces */
    uint8_t near_mac[6], far_mac[6];
    uint32_t from, to; /* IPv4, host byte order; the guest routes `to` back */
    uint32_t size;     /* bytes of a frame */
};

/* Where packets are looked at: in the guest, and where they come back. */
enum traffic_place { TRAFFIC_IN_GUEST, TRAFFIC_BACK, TRAFFIC_PLACES };

/*
 * Delays of one packet: from us to the guest's stack, from there to ours (the
 * guest's forwarding, some microseconds, included), and both together.
 */
enum traffic_delay {
    TRAFFIC_TO_GUEST,
    TRAFFIC_FROM_GUEST,
    TRAFFIC_ROUND_TRIP,
    TRAFFIC_DELAYS,
};

struct traffic_counts {
    uint64_t offered; /* packets that were due */
    uint64_t refused; /* of these: the interface's queue was full, counted and gone */
    struct traffic_arrivals {
        uint64_t arrived;
        uint64_t damaged;
        uint64_t reordered; /* behind a later one of its flow, or twice */
        uint64_t unseen;    /* our own ring was full: arrived, perhaps, but not looked at */
    } at[TRAFFIC_PLACES];
    uint64_t stalls;      /* the sender itself was over 20 ms late, and gave these up */
    uint64_t max_late_ns; /* of the sender */
};

struct traffic;

/* `seconds` of delays are kept. 0 or -errno. */
int traffic_create(uint64_t seed, double seconds, struct traffic **ret);
/* Stops, and frees. NULL is fine. */
void traffic_free(struct traffic *traffic);

/* Adds a lane, silent at first; returns its number. -errno. Not once started. */
int traffic_add(struct traffic *traffic, const struct traffic_route *route);
int traffic_start(struct traffic *traffic);
/* Ends the sending; arrivals are still looked at. */
void traffic_silence(struct traffic *traffic);
/* Ends both. */
void traffic_stop(struct traffic *traffic);

/* Packets per second, at once; any thread. */
void traffic_set_rate(struct traffic *traffic, unsigned lane, double rate);

/* The clock of all times here: ns of CLOCK_REALTIME. */
uint64_t traffic_now(void);
void traffic_read_counts(struct traffic *traffic, unsigned lane, struct traffic_counts *ret);
/* Delays of the packets sent in [from_ns, to_ns), in steps of a tenth of a second. */
void traffic_read_delays(struct traffic *traffic, unsigned lane, enum traffic_delay which,
                         uint64_t from_ns, uint64_t to_ns, struct histogram *ret);

#endif
