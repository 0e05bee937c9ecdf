// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/closing.h"

#include <errno.h>
#include <math.h>

#include "model/poisson.h"
#include "model/stream.h"

#define RATE_MAX 1e12

/*
 * reach[j] = P(Poisson(a) >= n + j), below[j] = 1 - reach[j], for j = -2..2:
 * one incomplete gamma function and the terms between. The small side is
 * summed upwards, so that it keeps its relative precision.
 */
struct ladder {
    double below[5], reach[5];
};
#define AT(j) ((j) + 2)

static void ladder_climb(double n, double a, struct ladder *ret)
{
    double term[5]; /* P(Poisson(a) = n + j) */
    term[AT(0)] = poisson_pmf(n, a);
    term[AT(-1)] = n >= 1 ? term[AT(0)] * n / a : 0;
    term[AT(-2)] = n >= 2 ? term[AT(-1)] * (n - 1) / a : 0;
    term[AT(1)] = term[AT(0)] * a / (n + 1);
    if (term[AT(0)] == 0 && n >= 1) /* underflow: step from below would be 0/0 */
        term[AT(-1)] = term[AT(-2)] = 0;
    if (a < n) {
        ret->reach[AT(2)] = poisson_reaches(n + 2, a);
        for (int j = 1; j >= -2; j--)
            ret->reach[AT(j)] = n + j < 0 ? 1 : ret->reach[AT(j + 1)] + term[AT(j)];
        for (int j = -2; j <= 2; j++)
            ret->below[AT(j)] = 1 - ret->reach[AT(j)];
    } else {
        ret->below[AT(-2)] = poisson_below(n - 2, a);
        for (int j = -1; j <= 2; j++)
            ret->below[AT(j)] = ret->below[AT(j - 1)] + (n + j - 1 < 0 ? 0 : term[AT(j - 1)]);
        for (int j = -2; j <= 2; j++)
            ret->reach[AT(j)] = 1 - ret->below[AT(j)];
    }
}

/* No timeout, or one that never matters: closed by the k-th packet alone. */
static void by_count(struct closing_law *c)
{
    double n = c->size - 1;
    c->packets = c->packets_met = c->size;
    c->packets_var = 0;
    c->containers = c->rate / c->size;
    c->open_mean = n > 0 ? n / c->rate : 0;
    c->gap_scv = 1 / c->size;
    c->fill_mean = n > 0 ? n / (2 * c->rate) : 0;
    c->timeout_share = 0;
}

/* So few packets that each container holds one. */
static void lone(struct closing_law *c)
{
    c->packets = c->packets_met = 1;
    c->packets_var = 0;
    c->containers = c->rate;
    c->open_mean = c->fill_mean = c->timeout;
    c->gap_scv = 1;
    c->timeout_share = 1;
}

static void by_both(struct closing_law *c)
{
    double n = c->size - 1, a = c->rate * c->timeout;
    struct ladder l;
    ladder_climb(n, a, &l);
    double m = a * l.below[AT(-1)] + n * l.reach[AT(0)];
    double m2 = a * a * l.below[AT(-2)] + a * l.below[AT(-1)] + n * n * l.reach[AT(0)];
    /* lambda^2 times E[T^2], and lambda times the sum of the packets' fill waits */
    double open2 = a * a * l.below[AT(0)] + n * (n + 1) * l.reach[AT(2)];
    double waits = m + a * a / 2 * l.below[AT(-1)] + n * (n - 1) / 2 * l.reach[AT(1)];
    c->packets = 1 + m;
    c->packets_var = fmax(0, m2 - m * m);
    c->packets_met = c->packets + c->packets_var / c->packets;
    c->containers = c->rate / c->packets;
    c->open_mean = m / c->rate;
    c->gap_scv = (1 + fmax(0, open2 - m * m)) / (c->packets * c->packets);
    c->gap_scv = fmin(1, c->gap_scv);
    c->fill_mean = waits / (c->rate * c->packets);
    c->timeout_share = l.below[AT(0)];
}

/* Poisson(a) stays below n with probability under 1e-30: the timeout is idle. */
static int count_decides(double n, double a)
{
    return a > n + 13 * sqrt(n) + 80;
}

int closing_solve(double rate, uint32_t size, double timeout, struct closing_law *ret)
{
    if (!(rate >= 0 && rate <= RATE_MAX) || size < 1 || size > STREAM_SIZE_MAX || !(timeout > 0))
        return -EINVAL;
    struct closing_law c = {.rate = rate, .size = size, .timeout = timeout};
    double n = size - 1.0, a = rate * timeout;
    if (size == 1 || (rate > 0 && count_decides(n, a)))
        by_count(&c);
    else if (rate == 0 || a < 1e-9)
        lone(&c);
    else
        by_both(&c);
    *ret = c;
    return 0;
}

uint32_t closing_size(uint32_t size, double bytes_max, double mean_bytes)
{
    if (!(mean_bytes > 0) || !(bytes_max > 0))
        return size;
    double fit = floor(bytes_max / mean_bytes);
    return fit < 1 ? 1 : fit < size ? (uint32_t)fit : size;
}

/*
 * Integral of Q(m, .) from 0 to v, `below` being Q(m + 1, v): one incomplete
 * gamma function for both, what costs the most here.
 */
static double below_integral(double m, double v, double below)
{
    if (m <= 0)
        return 0;
    return v * (below - poisson_pmf(m, v)) + m * (1 - below);
}

double closing_fill_tail(const struct closing_law *c, double x)
{
    double n = c->size - 1;
    if (x < 0)
        return 1;
    if (n == 0 || x >= c->timeout)
        return 0;
    if (c->rate == 0 || c->packets == 1)
        return 1;
    double v = c->rate * x, a = fmin(c->rate * c->timeout, 1e300);
    double open = poisson_below(n, v), closed = below_integral(n - 1, a, poisson_below(n, a));
    double sum = open + closed - below_integral(n - 1, v, open);
    return fmin(1, fmax(0, sum / c->packets));
}

double closing_gap_tail(const struct closing_law *c, double u)
{
    if (u <= 0)
        return 1;
    double open = poisson_below(c->size, c->rate * fmin(u, c->timeout));
    return u > c->timeout ? open * exp(-c->rate * (u - c->timeout)) : open;
}

double closing_residual_tail(const struct closing_law *c, double t)
{
    if (t <= 0)
        return 1;
    double k = c->size, x = c->rate * t, a = c->rate * c->timeout;
    /* E[B] times the tail is the integral of the gap's tail from x to infinity. */
    if (t >= c->timeout)
        return fmin(1, poisson_below(k, a) * exp(a - x) / c->packets);
    double upper = isinf(a) ? k : below_integral(k, a, poisson_below(k + 1, a));
    double lower = below_integral(k, x, poisson_below(k + 1, x));
    double rest = isinf(a) ? 0 : poisson_below(k, a);
    return fmin(1, fmax(0, (upper - lower + rest) / c->packets));
}
