// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/tail.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/falling.h"

void tail_zero(struct tail *tail)
{
    tail->n = 0;
}

void tail_append(struct tail *tail, double at, double probability)
{
    double log_p = log(fmin(probability, 1));
    if (!(probability > 0) || !isfinite(at) || tail->n == TAIL_POINTS)
        return;
    if (tail->n > 0 && (at <= tail->at[tail->n - 1] || log_p > tail->log[tail->n - 1]))
        return;
    if (tail->n == 0)
        at = 0;
    if (tail->n > 0)
        tail->slope[tail->n - 1] = (log_p - tail->log[tail->n - 1]) / (at - tail->at[tail->n - 1]);
    tail->at[tail->n] = at;
    tail->log[tail->n++] = log_p;
}

/* The interval that holds x, as the index of its left end. n >= 2. */
static size_t interval_at(const double *points, size_t n, double x)
{
    size_t low = 0, high = n - 1;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (points[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    return low;
}

double tail_probability(const struct tail *t, double x)
{
    if (x < 0)
        return 1;
    if (t->n == 0)
        return 0;
    if (t->n == 1)
        return x > 0 ? 0 : exp(t->log[0]);
    size_t i = interval_at(t->at, t->n, x);
    return exp(t->log[i] + t->slope[i] * (x - t->at[i]));
}

double tail_quantile(const struct tail *t, double beyond)
{
    double log_q = log(beyond);
    if (t->n == 0 || log_q >= t->log[0])
        return 0;
    size_t low = 0, high = t->n - 1;
    if (high == 0)
        return 0;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (t->log[middle] > log_q)
            low = middle;
        else
            high = middle;
    }
    double fall = t->log[low] - t->log[high];
    if (!(fall > 0))
        return t->at[high];
    return t->at[low] + (t->log[low] - log_q) / fall * (t->at[high] - t->at[low]);
}

void tail_scale(const struct tail *t, double factor, struct tail *ret)
{
    struct tail scaled = {.n = t->n};
    double shift = factor > 0 ? log(factor) : -INFINITY;
    if (!(factor > 0))
        scaled.n = 0;
    for (size_t i = 0; i < scaled.n; i++) {
        scaled.at[i] = t->at[i];
        scaled.log[i] = fmin(0, t->log[i] + shift);
        if (i > 0)
            scaled.slope[i - 1] =
                (scaled.log[i] - scaled.log[i - 1]) / (scaled.at[i] - scaled.at[i - 1]);
    }
    *ret = scaled;
}

void tail_stretch(const struct tail *tail, double factor, struct tail *ret)
{
    *ret = *tail;
    for (size_t i = 0; i < ret->n; i++) {
        ret->at[i] *= factor;
        ret->slope[i] /= factor;
    }
}

void tail_shift(const struct tail *t, double by, struct tail *ret)
{
    struct tail shifted = {.n = 0};
    tail_append(&shifted, 0, 1);
    tail_append(&shifted, by * (1 - 1e-9), 1);
    if (t->n == 0)
        tail_append(&shifted, by, 1e-300);
    for (size_t i = 0; i < t->n; i++)
        tail_append(&shifted, t->at[i] + by, exp(t->log[i]));
    *ret = shifted;
}

void tail_mix(const struct tail *x, const struct tail *y, double share, struct tail *ret)
{
    struct tail mixed = {.n = 0};
    size_t i = 0, j = 0, all = x->n + y->n;
    for (size_t taken = 0; taken < all; taken++) { /* both rows of points as one */
        bool from_x = j == y->n || (i < x->n && x->at[i] <= y->at[j]);
        double at = from_x ? x->at[i++] : y->at[j++];
        bool fits = all <= TAIL_POINTS || taken % 2 == 0 || taken + 1 == all;
        if (fits)
            tail_append(&mixed, at,
                        share * tail_probability(x, at) + (1 - share) * tail_probability(y, at));
    }
    *ret = mixed;
}

/*
 * e^x for x <= 0, to 1e-9: in powers of two, without a branch, so that the
 * compiler does several at once.
 */
static inline double falling_exp(double x)
{
    const double round = 0x1.8p52;
    double scaled = fmax(x, -700) * M_LOG2E, whole = scaled + round;
    double f = (scaled - (whole - round)) * M_LN2;
    double series =
        1 +
        f * (1 + f * (1.0 / 2 +
                      f * (1.0 / 6 +
                           f * (1.0 / 24 + f * (1.0 / 120 + f * (1.0 / 720 + f * (1.0 / 5040)))))));
    union {
        double value;
        uint64_t bits;
    } power = {.value = whole}, result = {.value = series};
    result.bits += power.bits << 52;
    return result.value;
}

#define CHUNK 64

double tail_sum_probability(const struct tail *t, const double *values, size_t n, double x)
{
    double sum = 0, logs[CHUNK];
    size_t at = t->n, i = 0;
    if (t->n < 2) {
        for (; i < n; i++)
            sum += tail_probability(t, x - values[i]);
        return sum / (double)n;
    }
    while (i < n && values[i] <= x) { /* the values rise, so the places in the table fall */
        size_t count = 0;
        for (; count < CHUNK && i < n && values[i] <= x; i++) {
            double y = x - values[i];
            while (at > 0 && t->at[at - 1] > y)
                at--;
            size_t from = at == t->n ? at - 2 : at - 1;
            logs[count++] = t->log[from] + t->slope[from] * (y - t->at[from]);
        }
        for (size_t j = 0; j < count; j++)
            sum += falling_exp(logs[j]);
    }
    return (sum + (double)(n - i)) / (double)n;
}

struct sum {
    const struct tail *tail;
    const double *values;
    size_t n;
};

static double sum_tail(const void *context, double x)
{
    const struct sum *sum = context;
    return tail_sum_probability(sum->tail, sum->values, sum->n, x);
}

double tail_sum_quantile(const struct tail *t, const double *values, size_t n, double beyond)
{
    struct sum sum = {t, values, n};
    double at_low = log(1 / beyond);
    struct falling f = {.beyond = beyond,
                        .low = values[0],
                        .high = values[n - 1] + tail_quantile(t, beyond),
                        .at_low = at_low,
                        .at_high = -at_low,
                        .edge = 0.95,
                        .precision = 1e-7,
                        .trials = 60};
    return falling_find(f, sum_tail, &sum);
}
