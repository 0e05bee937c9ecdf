// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that sends back what it gets. Each container reaches its packer as
 * one burst, so that the closing rule's formulas do not hold for the second
 * pass. What decides is how many packets a burst leaves behind in the open
 * container: that is a Markov chain from burst to burst, here solved on a
 * lattice of at most FORWARDER_CELLS values (docs/model.md, "The
 * plant"). Alignments of bursts and containers that last for thousands of
 * bursts are so weighted as they are in the long run. Before its first burst,
 * and at the latest after FORWARDER_PATIENCE of them, nothing is left behind:
 * something (a pause, new sizes) has aligned them.
 */
#ifndef XENAGG_PLANT_FORWARDER_H
#define XENAGG_PLANT_FORWARDER_H

#include <stdbool.h>

#include "model/closing.h"
#include "plant/dimension.h"

#define FORWARDER_CELLS 32
#define FORWARDER_PATIENCE 1e3

struct forwarder_load {
    const struct closing_law *arrivals; /* the containers that come in; rate > 0 */
    double share;                       /* of their packets that go back, 0..1, above 0 */
    double singles;                     /* packets/s of the guest's own, beside them */
    double jitter;                      /* s, mean wait by which containers come later, >= 0 */
    double publish_packet;              /* s by which one more packet delays a container before */
    double arrivals_late;               /* s by which timeouts are noticed late there, mean */
    double late;                        /* s, the same for the guest's own */
};

/* A delay as values (s) and their weights, which add up to 1. */
#define FORWARDER_VALUES 320
struct forwarder_law {
    int n;
    double mean; /* s */
    double values[FORWARDER_VALUES], weights[FORWARDER_VALUES];
};

/* Where in its burst a packet is decides whether it is left behind. */
#define FORWARDER_PLACES 8
struct forwarder_place {
    double left;        /* share of the packets there that wait for another burst, or the timeout */
    double wait, wait2; /* s, s^2: how long these do, from their burst's reading on */
};

/* Means over the forwarded packets, and what the outgoing containers are like. */
struct forwarder {
    double port;    /* s, from leaving the incoming container to having been read */
    double fill;    /* s, until the outgoing container closes */
    double publish; /* s, its publication */
    /* Of short and of full bursts, from the first packet to the last. */
    struct forwarder_place places[2][FORWARDER_PLACES];
    double short_packets;                     /* share of the packets that come in short bursts */
    double wait_most;                         /* s, none of these waits is longer */
    double unloading, reading;                /* s, of a whole burst */
    double per_burst;                         /* outgoing containers for one incoming */
    double packets, packets_var, packets_met; /* of outgoing containers */
    double containers;                        /* outgoing/s */
    double gap_scv;
    double timeout_share;
};

/*
 * The guest's thread must not be overloaded: the caller has checked. size
 * 1..STREAM_SIZE_MAX, timeout > 0 and finite.
 */
void forwarder_solve(const struct forwarder_load *load, const struct end_costs *costs,
                     uint32_t size, double timeout, struct forwarder *ret);

/*
 * Up to a constant (the caller knows the mean): port and fill wait; and these
 * with the fill wait that the same packet had in the incoming container.
 */
void forwarder_one_way(const struct forwarder *forwarder, struct forwarder_law *ret);
void forwarder_through(const struct forwarder *forwarder, const struct closing_law *arrivals,
                       struct forwarder_law *ret);

#endif
