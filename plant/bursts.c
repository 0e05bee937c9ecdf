// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/bursts.h"

#include <math.h>

#include "model/poisson.h"

/* Less than this share of the containers is none. */
#define SHARE_MIN 1e-12
#define LOG_NONE (-690.0)

static void kind_add(struct bursts *b, double share, double packets, bool full)
{
    b->kinds[b->n++] = (struct burst_kind){share, packets, full};
}

/* Those with 1 + Poisson(a) packets, fewer than k, in cells of neighbouring sizes. */
static void kinds_short(struct bursts *b, double k, double a, double share)
{
    double most = fmin(k - 2, ceil(a + 5 * sqrt(a) + 8)), middle = fmin(a, most);
    double least = fmax(0, floor(middle - 5 * sqrt(middle) - 3)), sum = 0;
    int cells = (int)fmin(BURST_KINDS - 1, most - least + 1), first = b->n;
    for (int i = 0; i < cells; i++) {
        double from = floor(least + (most - least + 1) * i / cells);
        double to = floor(least + (most - least + 1) * (i + 1) / cells) - 1;
        double weight = poisson_pmf(from, a);
        if (to > from) /* Simpson's rule over the sizes, half a packet more at both ends */
            weight = (to - from + 1) *
                     (weight + 4 * poisson_pmf((from + to) / 2, a) + poisson_pmf(to, a)) / 6;
        kind_add(b, weight, 1 + (from + to) / 2, false);
        sum += weight;
    }
    for (int i = first; i < b->n; i++)
        b->kinds[i].share = sum > 0 ? b->kinds[i].share * share / sum : share / cells;
}

/* Density of a full container's gap, times P(full), and its slope. */
struct density {
    double value, slope;
};

/* ln of (k - 1)!, less k ln(rate): what all of a table's densities have in common. */
static double density_scale(const struct bursts *b, double k)
{
    int sign;
    return lgamma_r(k, &sign) - k * log(b->rate);
}

static struct density density(const struct bursts *b, double k, double scale, double x)
{
    double open = k > 1 ? fmin(x, b->timeout) : x, relative = -b->rate;
    if (k > 1 && !(open > 0))
        return (struct density){0, 0};
    double power = k > 1 ? (k - 1) * log(open) : 0;
    if (k > 1 && x <= b->timeout)
        relative += (k - 1) / open;
    double value = exp(power - b->rate * x - scale);
    return (struct density){value, relative * value};
}

/* Integral of a tail between two points `width` apart, where it is exponential between them. */
static double between(double log_from, double log_to, double width)
{
    double fall = log_from - log_to;
    return exp(log_from) * width * (fall > 1e-6 ? -expm1(-fall) / fall : 1 - fall / 2);
}

/* ... and where its centre lies. */
static double centre(double log_from, double log_to, double width)
{
    return width * fmax(0.1, 0.5 - (log_from - log_to) / 12);
}

static void gap_integrals(struct bursts *b)
{
    b->integral[0] = b->first;
    b->square[0] = b->first * b->first;
    for (int i = 1; i < BURST_GAPS; i++) {
        double from = b->log_tail[i - 1], to = b->log_tail[i];
        double part = between(from, to, b->step), x = b->first + b->step * (i - 1);
        b->integral[i] = b->integral[i - 1] + part;
        b->square[i] = b->square[i - 1] + 2 * (x + centre(from, to, b->step)) * part;
    }
}

/*
 * The table of a full container's gap. The tail is summed from its far end, so
 * that it keeps its relative precision; beyond the table it falls exponentially.
 */
static void gap_table(struct bursts *b, double k, double most)
{
    double sd = sqrt(k), low = fmax(0, k - 6 * sd), high = k + 6 * sd + 8, mass[BURST_GAPS];
    if (k > 1)
        high = fmin(high, b->rate * b->timeout + 20);
    low = fmin(low, fmax(0, high - 6 * sd));
    b->first = low / b->rate;
    b->step = (high - low) / b->rate / (BURST_GAPS - 1);
    if (most <= b->first) /* all that is asked for is certain */
        return;
    double scale = density_scale(b, k), tail = 0;
    struct density before = density(b, k, scale, b->first);
    for (int i = 0; i < BURST_GAPS - 1; i++) { /* trapezoids, put right by Euler and Maclaurin */
        struct density after = density(b, k, scale, b->first + b->step * (i + 1));
        double right = b->step * (before.slope - after.slope) / 12;
        mass[i] = b->step * fmax(0, (before.value + after.value) / 2 + right);
        before = after;
    }
    tail = before.value / b->rate; /* the far end's exponential */
    for (int i = BURST_GAPS - 1; i >= 0; i--) {
        tail += i < BURST_GAPS - 1 ? mass[i] : 0;
        b->log_tail[i] = tail;
    }
    for (int i = 0; i < BURST_GAPS; i++) {
        b->log_tail[i] /= tail > 0 ? tail : 1;
        b->log_tail[i] = b->log_tail[i] > 1e-299 ? log(b->log_tail[i]) : LOG_NONE;
    }
    gap_integrals(b);
}

void bursts_init(struct bursts *b, const struct closing_law *law, double late, double most)
{
    double k = law->size, a = law->rate * law->timeout;
    double full = k > 1 ? poisson_reaches(k - 1, a) : 1;
    b->rate = law->rate;
    b->timeout = law->timeout;
    b->n = 0;
    if (full > SHARE_MIN) {
        kind_add(b, full, k, true);
        gap_table(b, k, most);
    }
    if (full < 1 - SHARE_MIN || b->n == 0)
        kinds_short(b, k, a, 1 - full);
    b->timeout += late;
}

double bursts_gap_tail(const struct bursts *b, bool full, double x)
{
    if (!full)
        return x <= b->timeout ? 1 : exp(-b->rate * (x - b->timeout));
    double at = (x - b->first) / b->step;
    if (at <= 0)
        return 1;
    if (at >= BURST_GAPS - 1)
        return exp(b->log_tail[BURST_GAPS - 1] - b->rate * b->step * (at - (BURST_GAPS - 1)));
    int i = (int)at;
    return exp(b->log_tail[i] + (at - i) * (b->log_tail[i + 1] - b->log_tail[i]));
}

static double short_within(const struct bursts *b, double x, double *ret_square)
{
    double t = b->timeout, one = 1 / b->rate, idle = x - t;
    if (idle <= 0) {
        if (ret_square)
            *ret_square = x * x;
        return x;
    }
    double over = -expm1(-idle * b->rate) * one, tail = exp(-idle * b->rate);
    if (ret_square) /* t^2 + the integral of 2 x exp(-rate (x - t)) */
        *ret_square = t * t + 2 * (t * over + one * over - one * idle * tail);
    return t + over;
}

double bursts_gap_within(const struct bursts *b, bool full, double x, double *ret_square)
{
    if (!full)
        return short_within(b, x, ret_square);
    double at = (x - b->first) / b->step;
    if (at <= 0) {
        if (ret_square)
            *ret_square = x * x;
        return x;
    }
    if (at >= BURST_GAPS - 1) {
        double end = exp(b->log_tail[BURST_GAPS - 1]), one = 1 / b->rate;
        double from = b->first + b->step * (BURST_GAPS - 1), idle = x - from;
        double over = -expm1(-idle * b->rate) * one, tail = exp(-idle * b->rate);
        if (ret_square)
            *ret_square = b->square[BURST_GAPS - 1] +
                          2 * end * (from * over + one * over - one * idle * tail);
        return b->integral[BURST_GAPS - 1] + end * over;
    }
    int i = (int)at;
    double part = at - i, width = part * b->step;
    double log_here = b->log_tail[i] + part * (b->log_tail[i + 1] - b->log_tail[i]);
    double more = between(b->log_tail[i], log_here, width);
    if (ret_square)
        *ret_square = b->square[i] +
                      2 * (b->first + b->step * i + centre(b->log_tail[i], log_here, width)) * more;
    return b->integral[i] + more;
}
