// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/tail.h"

#include <math.h>
#include <stdbool.h>

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
    double slope = (t->log[i + 1] - t->log[i]) / (t->at[i + 1] - t->at[i]);
    return exp(t->log[i] + slope * (x - t->at[i]));
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
    }
    *ret = scaled;
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

double tail_sum_probability(const struct tail *t, const double *values, size_t n, double x)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += tail_probability(t, x - values[i]);
    return sum / (double)n;
}

double tail_sum_quantile(const struct tail *t, const double *values, size_t n, double beyond)
{
    double least = INFINITY, most = 0;
    for (size_t i = 0; i < n; i++) {
        least = fmin(least, values[i]);
        most = fmax(most, values[i]);
    }
    double low = least, high = most + tail_quantile(t, beyond);
    for (int i = 0; i < 60 && high - low > 1e-7 * high; i++) {
        double middle = (low + high) / 2;
        if (tail_sum_probability(t, values, n, middle) > beyond)
            low = middle;
        else
            high = middle;
    }
    return high;
}
