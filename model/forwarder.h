// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that sends back what it gets. Its packets are not Poisson: each
 * container reaches its packer as one burst, so that the closing rule's
 * formulas do not hold for the second pass. Instead a short replay of the
 * guest's loop (take all containers, read what came of them, publish) over
 * containers whose sizes and gaps are evenly spread quantiles, not random: the
 * same arguments give the same answer.
 */
#ifndef XENAGG_MODEL_FORWARDER_H
#define XENAGG_MODEL_FORWARDER_H

#include <stdbool.h>

#include "model/closing.h"
#include "model/dimension.h"

struct forwarder_load {
    const struct closing_law *arrivals; /* the containers that come in; rate > 0 */
    double share;                       /* of their packets that go back, 0..1, above 0 */
    double singles;                     /* packets/s of the guest's own, beside them */
    double jitter;                      /* s, mean wait by which containers come later, >= 0 */
    double apart;                       /* s, at least, between two of them */
    bool law;                           /* values[] and weights[] are wanted */
};

#define FORWARDER_LAW 8

/* Means over the forwarded packets, and what the outgoing containers are like. */
struct forwarder {
    double ring;    /* s, an incoming container's wait for the guest, its wake-up included */
    double port;    /* s, from leaving the incoming container to having been read */
    double fill;    /* s, until the outgoing container closes */
    double publish; /* s, its publication */
    /* port + fill + publish as a law, if wanted: values in s, rising, and their weights. */
    double values[FORWARDER_LAW], weights[FORWARDER_LAW];
    double var;                               /* s^2, its variance */
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

#endif
