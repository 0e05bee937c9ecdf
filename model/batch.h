// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The closing rule for packets that do not come singly: bursts (each container
 * that a guest forwards reaches its packer as one), with or without single
 * packets between. A short replay with evenly spread (not random) quantiles:
 * the same arguments always give the same answer.
 */
#ifndef XENAGG_MODEL_BATCH_H
#define XENAGG_MODEL_BATCH_H

#include "model/closing.h"

struct batch_source {
    /* Bursts are the containers of `from`, `share` (0..1] of whose packets go on ... */
    const struct closing_law *from;
    double share;
    /* ... or, where `from` is NULL, `burst` packets each, Poisson with `bursts` per second. */
    double burst, bursts;
    /* Packets/s that come singly, evenly, beside the bursts; >= 0. */
    double singles;
};

/* As struct closing_law; fill_mean is over the packets of bursts, fill_singles over the others. */
struct batch_closing {
    double packets, packets_var, packets_met;
    double containers;
    double gap_scv;
    double fill_mean, fill_singles;
    double timeout_share;
};

/* size 1..STREAM_SIZE_MAX, timeout finite and > 0, some burst rate > 0. */
void batch_closing_solve(const struct batch_source *source, uint32_t size, double timeout,
                         struct batch_closing *ret);

#endif
