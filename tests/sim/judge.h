// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Was a promise kept? Asked of every rule in the same way, with what the plant
 * knows of each packet, and never of what a rule believes.
 *
 * Windows: ticks put together until each lane in use has moved at least
 * JUDGE_CONTAINERS containers. In a window a lane is summed up by a ratio: the
 * sum of its packets' delays over their number (a promised mean), or the number
 * of those above the promised delay (a percentile). Packets of one container
 * share its fate, so the ratio's standard error is that of a mean of clusters;
 * a promise counts as broken where the ratio is more than JUDGE_ERRORS of them
 * above what was promised.
 */
#ifndef XENAGG_TESTS_SIM_JUDGE_H
#define XENAGG_TESTS_SIM_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "plant/dimension.h"

#define JUDGE_CONTAINERS 100.0
#define JUDGE_ERRORS 2.0

/* Lanes that are judged: the directions, or the way through the guest. */
enum judge_lane { JUDGE_RX, JUDGE_TX, JUDGE_THROUGH, JUDGE_LANES };

/* Sums over clusters of n packets that come to x together. */
struct judge_sums {
    double clusters, n, x, nn, xx, nx;
};

struct judge {
    struct judge_sums open[JUDGE_LANES]; /* the container at hand */
    struct judge_sums sums[JUDGE_LANES];
};

struct judge_verdict {
    double measured; /* mean: s; percentile: share of packets above the delay */
    double error;    /* its standard error */
    double limit;    /* what was promised, in the same unit */
    bool kept;
};

/* A packet that had this delay (s). */
static inline void judge_packet(struct judge *judge, enum judge_lane lane,
                                const struct promise *promise, double delay)
{
    judge->open[lane].n++;
    judge->open[lane].x += promise->percentile > 0 ? delay > promise->delay : delay;
}

/* All of a container's packets were told. */
void judge_container(struct judge *judge, enum judge_lane lane);
void judge_add(struct judge *judge, const struct judge *more);
/* `through`: what is promised is the way through the guest, and it forwards. */
bool judge_full(const struct judge *judge, bool through);
/* False: there was nothing to judge. */
bool judge_verdict(const struct judge *judge, const struct promise *promise, bool through,
                   struct judge_verdict *ret);

#endif
