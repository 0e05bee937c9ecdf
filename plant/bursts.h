// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The containers that reach a guest, as the bursts that its own packer sees if
 * it sends the packets on: how many packets, and after which gap. Both are
 * known together, since the closing rule that made the one made the other
 * (docs/model.md, "The plant"): a full container of k took an Erlang time below
 * the timeout, a short one took the timeout; an exponential time came before.
 * Successive bursts are independent, packets being Poisson.
 */
#ifndef XENAGG_PLANT_BURSTS_H
#define XENAGG_PLANT_BURSTS_H

#include <stdbool.h>

#include "model/closing.h"

#define BURST_KINDS 13
#define BURST_GAPS 48

/* Containers of about `packets` packets: exactly so where there are few sizes. */
struct burst_kind {
    double share; /* of the containers; all kinds add up to 1 */
    double packets;
    bool full; /* closed by count; else by the timeout */
};

struct bursts {
    double rate;
    double timeout; /* s from a short container's first packet to its closing */
    struct burst_kind kinds[BURST_KINDS];
    int n;
    /* Of a full container's gap, at `first`, `first` + `step`, ...: ln P(gap > x), and the
       integrals of that probability, and of 2x times it, from 0 to x. */
    double first, step;
    double log_tail[BURST_GAPS], integral[BURST_GAPS], square[BURST_GAPS];
};

/*
 * `law`: of Poisson packets at a rate > 0. `late`: s by which the deadline is
 * noticed late; what comes meanwhile goes to the next container. `most`: gaps
 * beyond so many s will not be asked for, which may spare the table.
 */
void bursts_init(struct bursts *bursts, const struct closing_law *law, double late, double most);

/* P(the gap before a full, or a short, container > x). */
double bursts_gap_tail(const struct bursts *bursts, bool full, double x);

/* E[min(gap, x)] and, if not NULL, E[min(gap, x)^2]. x >= 0. */
double bursts_gap_within(const struct bursts *bursts, bool full, double x, double *ret_square);

#endif
