// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/strata.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sf_gamma.h>
#include <math.h>

#define GRID 128

/*
 * The tail on a grid, finer where it ends, then inverted between its points:
 * a fill wait ends within a few standard deviations of size / rate.
 */
void strata_fill(const struct closing_law *c, double values[static STRATA])
{
    double n = c->size - 1, at[GRID + 1], tail[GRID + 1];
    double end = c->timeout;
    if (c->rate > 0 && n > 0)
        end = fmin(end, (n + 7 * sqrt(n) + 25) / c->rate);
    for (int i = 0; i <= GRID; i++) {
        at[i] = end * i / GRID;
        tail[i] = closing_fill_tail(c, at[i]);
    }
    tail[GRID] = 0;
    for (int j = 0, i = 0; j < STRATA; j++) {
        double beyond = 1 - (j + 0.5) / STRATA;
        if (n == 0 || beyond > tail[0]) {
            values[j] = 0;
            continue;
        }
        while (i < GRID - 1 && tail[i + 1] > beyond)
            i++;
        /* At the timeout the law has a step: what is left there waits so long. */
        double left = i == GRID - 1 && end == c->timeout ? closing_fill_tail(c, end * (1 - 1e-12))
                                                         : tail[i + 1];
        double fall = tail[i] - left, part = fall > 0 ? (tail[i] - beyond) / fall : 1;
        values[j] = at[i] + fmin(1, part) * (at[i + 1] - at[i]);
    }
}

/* Newton on the logarithm, which is convex: from 0 it rises to the root. */
static double hyper_quantile(double scv, double beyond)
{
    double p = 0.5 * (1 + sqrt((scv - 1) / (scv + 1))), x = 0;
    for (int i = 0; i < 60; i++) {
        double first = p * exp(-2 * p * x), second = (1 - p) * exp(-2 * (1 - p) * x);
        double tail = first + second, hazard = (2 * p * first + 2 * (1 - p) * second) / tail;
        double step = log(tail / beyond) / hazard;
        x += step;
        if (!(step > 1e-9 * x))
            break;
    }
    return x;
}

/*
 * Gamma of mean 1: Wilson and Hilferty's approximation, then Newton on what is exact. Of high order
 * the approximation is near enough (1e-4 of the spread), and the exact function costs much.
 */
#define EXACT_ORDER 40
static double gamma_quantile(double p, double order)
{
    double root = 1 - 1 / (9 * order) + gsl_cdf_ugaussian_Pinv(p) / (3 * sqrt(order));
    int sign;
    double x = fmax(root * root * root, 1e-3 * p) * order, scale = lgamma_r(order, &sign);
    for (int i = 0; i < 8 && order < EXACT_ORDER; i++) {
        double density = exp((order - 1) * log(x) - x - scale);
        double step = (gsl_sf_gamma_inc_P(order, x) - p) / density;
        x = fmin(2 * x, fmax(x / 2, x - step));
        if (!(fabs(step) > 1e-7 * x))
            break;
    }
    return x / order;
}

static double service_quantile(double scv, double p)
{
    if (scv < STRATA_FIXED)
        return 1;
    if (scv > 1 + 1e-9)
        return hyper_quantile(scv, 1 - p);
    if (scv > 1 - 1e-9)
        return -log1p(-p);
    return gamma_quantile(p, 1 / scv);
}

void strata_service(double scv, double values[static STRATA])
{
    double sum = 0;
    for (int j = 0; j < STRATA; j++) {
        values[j] = service_quantile(scv, (j + 0.5) / STRATA);
        sum += values[j];
    }
    /* The last stratum's middle lies below its mean: it makes up for what is missing. */
    values[STRATA - 1] += fmax(0, STRATA - sum);
}

/* One point; where the law ends, it ends there. */
static void append(const struct tail *tail, const double values[static STRATA], double x,
                   struct tail *ret)
{
    tail_append(ret, x, fmax(1e-300, tail_sum_probability(tail, values, STRATA, x)));
}

void strata_add(const struct tail *tail, double scale, const double values[static STRATA],
                struct tail *ret)
{
    double scaled[STRATA];
    for (int j = 0; j < STRATA; j++)
        scaled[j] = scale * values[j];
    /* Equal steps out to 1e-3, wider ones beyond. */
    double near = tail_sum_quantile(tail, scaled, STRATA, 1e-3);
    double far = fmax(4 * near, 1.5 * tail_quantile(tail, 1e-12));
    const int steps = 2 * TAIL_POINTS / 3, rest = TAIL_POINTS - 1 - steps;
    /* Nothing is below the least value: a narrow law needs all points above it. */
    double least = fmin(scaled[0] * (1 - 1e-9), near);
    tail_zero(ret);
    tail_append(ret, 0, tail_sum_probability(tail, scaled, STRATA, 0));
    for (int i = 0; i < steps; i++)
        append(tail, scaled, least + (near - least) * i / (steps - 1), ret);
    for (int i = 1; i <= rest; i++)
        append(tail, scaled, near + (far - near) * i * i / ((double)rest * rest), ret);
}
