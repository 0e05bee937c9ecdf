// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/judge.h"

#include <math.h>
#include <string.h>

/* A lane with less than this share of the packets is not in use. */
#define STRAY_SHARE 0.01

void judge_container(struct judge *judge, enum judge_lane lane)
{
    struct judge_sums *open = &judge->open[lane], *sums = &judge->sums[lane];

    if (open->n == 0)
        return;
    sums->clusters++;
    sums->n += open->n;
    sums->x += open->x;
    sums->nn += open->n * open->n;
    sums->xx += open->x * open->x;
    sums->nx += open->n * open->x;
    memset(open, 0, sizeof(*open));
}

void judge_add(struct judge *judge, const struct judge *more)
{
    for (int lane = 0; lane < JUDGE_LANES; lane++) {
        struct judge_sums *to = &judge->sums[lane];
        const struct judge_sums *from = &more->sums[lane];
        to->clusters += from->clusters;
        to->n += from->n;
        to->x += from->x;
        to->nn += from->nn;
        to->xx += from->xx;
        to->nx += from->nx;
    }
}

static bool in_use(const struct judge *judge, enum judge_lane lane, bool through)
{
    const struct judge_sums *sums = judge->sums;

    if (through || lane == JUDGE_THROUGH)
        return through && lane == JUDGE_THROUGH && sums[lane].n > 0;
    return sums[lane].n > STRAY_SHARE * (sums[JUDGE_RX].n + sums[JUDGE_TX].n);
}

bool judge_full(const struct judge *judge, bool through)
{
    bool any = false;

    for (enum judge_lane lane = 0; lane < JUDGE_LANES; lane++) {
        if (!in_use(judge, lane, through))
            continue;
        if (judge->sums[lane].clusters < JUDGE_CONTAINERS)
            return false;
        any = true;
    }
    return any;
}

/* The ratio and its standard error (a mean of clusters of different size). */
static double ratio(const struct judge_sums *s, double *ret_variance)
{
    double r = s->x / s->n;
    double squares = fmax(0, s->xx - 2 * r * s->nx + r * r * s->nn);
    double corrected = s->clusters > 1 ? s->clusters / (s->clusters - 1) : 1;

    *ret_variance = squares * corrected / (s->n * s->n);
    return r;
}

static struct judge_verdict verdict_of(double measured, double variance,
                                       const struct promise *promise)
{
    struct judge_verdict v = {.measured = measured, .error = sqrt(variance)};

    v.limit = promise->percentile > 0 ? 1 - promise->percentile / 100 : promise->delay;
    v.kept = v.measured <= v.limit + JUDGE_ERRORS * v.error;
    return v;
}

bool judge_verdict(const struct judge *judge, const struct promise *promise, bool through,
                   struct judge_verdict *ret)
{
    double sum = 0, sum_variance = 0;
    struct judge_verdict worst = {.measured = -1};

    for (enum judge_lane lane = 0; lane < JUDGE_LANES; lane++) {
        double variance = 0, r;
        if (!in_use(judge, lane, through))
            continue;
        r = ratio(&judge->sums[lane], &variance);
        struct judge_verdict one = verdict_of(r, variance, promise);
        sum += r;
        sum_variance += variance;
        if (worst.measured < 0 || (worst.kept && !one.kept) ||
            (worst.kept == one.kept && one.measured > worst.measured))
            worst = one;
    }
    if (worst.measured < 0)
        return false;
    *ret = worst;
    if (promise->scope == SCOPE_FORWARDING &&
        !through) /* nothing is forwarded: one after another */
        *ret = verdict_of(sum, sum_variance, promise);
    return true;
}
