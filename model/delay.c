// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/delay.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "model/falling.h"
#include "model/poisson.h"

/* Gauss-Legendre, 12 points, the positive half (Abramowitz and Stegun, table 25.4). */
static const double node[] = {0.125233408511469, 0.367831498998180, 0.587317954286617,
                              0.769902674194305, 0.904117256370475, 0.981560634246719};
static const double weight[] = {0.249147045813403, 0.233492536538355, 0.203167426723066,
                                0.160078328543346, 0.106939325995318, 0.047175336386512};
#define NODES 6
#define FLAT 6    /* panels where the density hardly changes */
#define FALLING 8 /* ... where it falls */
#define NEAR 12   /* towards x, where what follows begins: each a third of the one before */

/* Density of the fill wait between its steps at 0 and at the timeout. */
static double fill_density(const struct closing_law *c, double x)
{
    double n = c->size - 1, v = c->rate * x;
    return c->rate / c->packets * poisson_below(n, v);
}

struct sum {
    const struct closing_law *fill;
    delay_tail *tail;
    const void *context;
    double x;
};

static double term(const struct sum *s, double u)
{
    return fill_density(s->fill, u) * s->tail(s->context, s->x - u);
}

static double panel(const struct sum *s, double from, double to)
{
    double middle = (from + to) / 2, half = (to - from) / 2, sum = 0;
    for (size_t i = 0; i < NODES; i++)
        sum += weight[i] * (term(s, middle - half * node[i]) + term(s, middle + half * node[i]));
    return half * sum;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Over the fill waits from 0 to `end`. */
static double convolve(const struct sum *s, double end)
{
    double edges[FLAT + FALLING + NEAR + 1], n = s->fill->size - 1, sum = 0;
    double fall = fmin(end, fmax(0, n - 9 * sqrt(n)) / s->fill->rate);
    double gone = fmin(end, (n + 9 * sqrt(n) + 30) / s->fill->rate);
    int count = 0;
    for (int i = 0; i < FLAT; i++)
        edges[count++] = fall * i / FLAT;
    for (int i = 0; i <= FALLING; i++)
        edges[count++] = fall + (gone - fall) * i / FALLING;
    for (double part = s->x / 3; count < FLAT + FALLING + NEAR + 1; part /= 3)
        edges[count++] = fmin(gone, s->x - part);
    qsort(edges, (size_t)count, sizeof(*edges), compare);
    for (int i = 0; i + 1 < count; i++)
        if (edges[i + 1] > edges[i])
            sum += panel(s, edges[i], edges[i + 1]);
    return sum;
}

double delay_probability(const struct closing_law *fill, delay_tail *tail, const void *context,
                         double x)
{
    struct sum s = {fill, tail, context, x};
    double n = fill->size - 1;
    if (x < 0)
        return 1;
    if (n == 0)
        return tail(context, x);
    if (fill->rate == 0 || fill->packets == 1)
        return x < fill->timeout ? 1 : tail(context, x - fill->timeout);
    double end = fmin(x, fill->timeout), sum = (1 - closing_fill_tail(fill, 0)) * tail(context, x);
    if (x < fill->timeout)
        sum += closing_fill_tail(fill, x);
    else
        sum +=
            closing_fill_tail(fill, fill->timeout * (1 - 1e-15)) * tail(context, x - fill->timeout);
    return fmin(1, sum + convolve(&s, end));
}

struct convolved {
    const struct closing_law *fill;
    delay_tail *tail;
    const void *context;
};

static double convolved_tail(const void *context, double x)
{
    const struct convolved *c = context;
    return delay_probability(c->fill, c->tail, c->context, x);
}

double delay_quantile(const struct closing_law *fill, delay_tail *tail, const void *context,
                      double p, double typical)
{
    struct convolved convolved = {fill, tail, context};
    struct falling f = {.beyond = 1 - p,
                        .high = typical,
                        .at_low = 1,
                        .edge = 0.98,
                        .precision = 1e-9,
                        .trials = 80};
    if (convolved_tail(&convolved, 0) <= f.beyond)
        return 0;
    for (int i = 0; i < 200; i++) {
        f.at_high = log(fmax(convolved_tail(&convolved, f.high), 1e-300) / f.beyond);
        if (!(f.at_high > 0))
            break;
        f.low = f.high;
        f.at_low = f.at_high;
        f.high *= 1.6;
    }
    return falling_find(f, convolved_tail, &convolved);
}
