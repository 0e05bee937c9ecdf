// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/percentile.h"

#include <math.h>
#include <stddef.h>

#define CELLS 24
/* erfc() of more is none: less than 1e-6. */
#define FAR_OUT 3.5

struct rest rest_wait(double mean, double decay)
{
    if (!(mean > 0) || !(decay > 0))
        return (struct rest){fmax(0, mean), 0};
    /* above e^{-decay y} of this mean: above = mean decay, E[W^2] = 2 mean / decay. */
    double square = 2 * mean * fmax(mean, 1 / decay);
    return (struct rest){mean, square - mean * mean};
}

struct rest rest_wakeup(double wakeup, double mean)
{
    /* Always or never: none; in between as a uniform part, which it is at high load. */
    return (struct rest){mean, fmax(0, mean * (wakeup - mean) / 3)};
}

struct rest rest_service(double mean, double scv)
{
    return (struct rest){mean, scv * mean * mean};
}

void rest_add(struct rest *sum, struct rest part)
{
    sum->mean += part.mean;
    sum->var += part.var;
}

/* P(rest - first > t) = above e^{-t / scale} for t >= 0, 1 for t < 0. */
struct shifted {
    double first, above, scale;
};

static struct shifted shift(struct rest rest)
{
    double sd = sqrt(fmax(0, rest.var));
    if (sd <= rest.mean)
        return (struct shifted){rest.mean - sd, 1, sd};
    double scale = (rest.var + rest.mean * rest.mean) / (2 * rest.mean);
    return (struct shifted){0, rest.mean / scale, scale};
}

static double shifted_tail(const struct shifted *s, double t)
{
    if (t < 0)
        return 1;
    return s->scale > 0 ? s->above * exp(-t / s->scale) : 0;
}

/*
 * P(Poisson(x) < n), from the normal law of the cube root of a gamma variate. Of a count
 * n, that is asked about at many x: what it takes, once.
 */
struct count {
    double n, spread, middle, per_root;
};

static struct count count_of(double n)
{
    return (struct count){n, 3 * sqrt(n) * M_SQRT1_2, 1 - 1 / (9 * n), 1 / cbrt(n)};
}

/* `root`: the cube root of x. */
static double below(const struct count *c, double x, double root)
{
    if (c->n < 2)
        return c->n > 0 ? exp(-x) : 0;
    double z = c->spread * (root * c->per_root - c->middle);
    return z < -FAR_OUT ? 1 : z > FAR_OUT ? 0 : 0.5 * erfc(z);
}

/* The fill wait in cells of the same width: the probability beyond each of their edges. */
struct cells {
    double width, beyond[CELLS + 1];
    double below[CELLS + 1]; /* see cells_add() */
    int n;
};

/* The integral of P(Poisson < n) from 0 to x, where P(Poisson(x) < n) is `open`. */
static double below_integral(const struct count *fewer, double x, double root, double open)
{
    return fewer->n > 0 ? x * below(fewer, x, root) + fewer->n * (1 - open) : 0;
}

/* Cube roots of 0, 1, ... CELLS */
static const double roots[CELLS + 1] = {
    0,           1,           1.259921050, 1.442249570, 1.587401052, 1.709975947, 1.817120593,
    1.912931183, 2,           2.080083823, 2.154434690, 2.223980091, 2.289428485, 2.351334688,
    2.410142264, 2.466212074, 2.519842100, 2.571281591, 2.620741394, 2.668401649, 2.714417617,
    2.758924176, 2.802039331, 2.843866980, 2.884499141};

/* The last edge is the timeout (with what waits for it still beyond) or all but the end. */
static void cells_fill(const struct closing_law *c, double scale, struct cells *ret)
{
    struct count n = count_of(c->size - 1), fewer = count_of(c->size - 2);
    double a = c->rate * c->timeout, at_timeout = fmax(0, fewer.n);
    ret->n = 0;
    if (!(scale > 0) || n.n == 0)
        return;
    if (isfinite(a)) {
        double root = cbrt(a);
        at_timeout = below_integral(&fewer, a, root, below(&n, a, root));
    }
    double end = fmin(c->timeout, (n.n + 4.5 * sqrt(n.n) + 8) / fmax(c->rate, 1e-300));
    double step = c->rate * end / CELLS, step_root = cbrt(step);
    ret->n = CELLS;
    ret->width = scale * end / CELLS;
    for (int i = 0; i <= CELLS; i++) {
        double x = step * i, root = step_root * roots[i], open = below(&n, x, root);
        double past = at_timeout - below_integral(&fewer, x, root, open);
        ret->beyond[i] = c->rate > 0 ? fmin(1, fmax(0, (open + past) / c->packets)) : 1;
    }
    if (end < c->timeout)
        ret->beyond[CELLS] = 0;
}

/*
 * The rest's tail falls by the same factor from edge to edge: what it adds to all cells below
 * one, relative to the tail from there.
 */
static void cells_add(struct cells *cells, const struct shifted *rest)
{
    double fall = rest->scale > 0 ? exp(-cells->width / rest->scale) : 0;
    double mean = rest->scale * (1 - fall) / cells->width; /* of a cell's, from that of its end */
    cells->below[0] = 1 - cells->beyond[0];
    for (int i = 0; i < cells->n; i++)
        cells->below[i + 1] =
            cells->below[i] * fall + (cells->beyond[i] - cells->beyond[i + 1]) * mean;
}

/* P(cells + rest > x): evenly within each cell, what is beyond the last at its edge. */
static double cells_tail(const struct cells *cells, const struct shifted *rest, double x)
{
    double y = x - rest->first, width = cells->width;
    if (y < 0)
        return 1;
    int at = y < cells->n * width ? (int)(y / width) : cells->n;
    double tail = shifted_tail(rest, fmax(0, y - at * width)), sum = cells->below[at] * tail;
    if (at == cells->n)
        return sum + cells->beyond[at] * tail;
    double part = ((at + 1) * width - y + rest->scale * (rest->above - tail)) / width;
    double mass = cells->beyond[at] - cells->beyond[at + 1];
    return sum + cells->beyond[at + 1] + mass * fmin(1, fmax(0, part));
}

double percentile_fill(const struct closing_law *fill, double scale, struct rest rest, double p)
{
    struct shifted s = shift(rest);
    struct cells cells = {.n = 0};
    double alone = s.above > 1 - p ? s.scale * log(s.above / (1 - p)) : 0;
    if (fill)
        cells_fill(fill, scale, &cells);
    if (cells.n == 0)
        return s.first + alone;
    cells_add(&cells, &s);
    /* Illinois, on the logarithm: the tail is about exponential where it ends. */
    double low = s.first, high = s.first + alone + CELLS * cells.width;
    double at_low = log(1 / (1 - p)), at_high = -at_low;
    for (int i = 0; i < 40 && high - low > 1e-4 * high; i++) {
        double part = fmin(0.95, fmax(0.05, at_low / (at_low - at_high)));
        double middle = low + part * (high - low);
        double at = log(fmax(cells_tail(&cells, &s, middle), 1e-12) / (1 - p));
        if (at > 0) {
            low = middle;
            at_low = at;
            at_high /= 2;
        } else {
            high = middle;
            at_high = fmin(at, -1e-12);
            at_low /= 2;
        }
    }
    return (low + high) / 2;
}

/* Values as masses at GRID + 1 evenly spaced points, between two of which their mean is kept. */
#define GRID 512

static void grid_fill(const double *values, const double *weights, int n, double step,
                      double ret[GRID + 1])
{
    for (int i = 0; i <= GRID; i++)
        ret[i] = 0;
    for (int i = 0; i < n; i++) {
        double at = fmin(GRID, fmax(0, values[i] / step));
        int cell = at < GRID ? (int)at : GRID - 1;
        ret[cell] += weights[i] * (cell + 1 - at);
        ret[cell + 1] += weights[i] * (at - cell);
    }
}

double percentile_values(const double *values, const double *weights, int n, struct rest rest,
                         double p)
{
    struct shifted s = shift(rest);
    double mass[GRID + 1], most = 0, beyond = 1, near = 0;
    for (int i = 0; i < n; i++)
        most = fmax(most, values[i]);
    double step = fmax(most, 1e-12) / GRID, fall = s.scale > 0 ? exp(-step / s.scale) : 0;
    grid_fill(values, weights, n, step, mass);
    /* From point to point: what lies beyond, and of what lies before, its tail. */
    for (int i = 0; i <= GRID; i++) {
        near = near * fall + mass[i] * s.above;
        beyond = i < GRID ? beyond - mass[i] : 0;
        double left = beyond + near, next = beyond + near * fall;
        if (left <= 1 - p)
            return s.first + i * step;
        if (next <= 1 - p || i == GRID) {
            double rise = s.scale > 0 ? s.scale * log(near / fmax(1e-300, 1 - p - beyond)) : 0;
            return s.first + i * step + rise;
        }
    }
    return s.first + most;
}
