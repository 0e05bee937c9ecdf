// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/percentile.h"

#include <math.h>
#include <stddef.h>

#define CELLS 24

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

/* P(Poisson(x) < n), from the normal law of the cube root of a gamma variate. */
static double below(double n, double x)
{
    if (n <= 0)
        return 0;
    double z = 3 * sqrt(n) * (cbrt(x / n) - 1 + 1 / (9 * n));
    return n < 2 ? exp(-x) : 0.5 * erfc(z * M_SQRT1_2);
}

/* The fill wait in cells: edges, and the probability beyond each. */
struct cells {
    double edge[CELLS + 1], beyond[CELLS + 1];
    int n;
};

static double fill_beyond(const struct closing_law *c, double x, double at_timeout)
{
    double n = c->size - 1, v = c->rate * x, open = below(n, v);
    double integral = n > 1 ? v * below(n - 1, v) + (n - 1) * (1 - open) : 0;
    return fmin(1, fmax(0, (open + at_timeout - integral) / c->packets));
}

/* The last edge is the timeout (with what waits for it still beyond) or all but the end. */
static void cells_fill(const struct closing_law *c, double scale, struct cells *ret)
{
    double n = c->size - 1, a = c->rate * c->timeout, end = c->timeout;
    double at_timeout = n > 1 ? n - 1 : 0;
    if (!(scale > 0) || n == 0) {
        ret->n = 0;
        return;
    }
    double most = (n + 4.5 * sqrt(n) + 8) / fmax(c->rate, 1e-300);
    if (isfinite(a) && n > 1)
        at_timeout = a * below(n - 1, a) + (n - 1) * (1 - below(n, a));
    end = fmin(end, most);
    ret->n = CELLS;
    for (int i = 0; i <= CELLS; i++) {
        double x = end * i / CELLS;
        ret->edge[i] = scale * x;
        ret->beyond[i] = c->rate > 0 ? fill_beyond(c, x, at_timeout) : 1;
    }
    if (end < c->timeout)
        ret->beyond[CELLS] = 0;
}

/* P(cells + rest > x): evenly within each cell, what is beyond the last at its edge. */
static double cells_tail(const struct cells *cells, const struct shifted *rest, double x)
{
    double y = x - rest->first, sum = (1 - cells->beyond[0]) * shifted_tail(rest, y);
    double before = shifted_tail(rest, y - cells->edge[0]);
    for (int i = 0; i < cells->n; i++) {
        double from = cells->edge[i], to = cells->edge[i + 1], width = to - from;
        double mass = cells->beyond[i] - cells->beyond[i + 1];
        double after = shifted_tail(rest, y - to), part;
        if (y <= from)
            part = 1;
        else if (y < to)
            part = (to - y + rest->scale * (rest->above - before)) / width;
        else
            part = rest->scale * (after - before) / width;
        sum += mass * fmin(1, fmax(0, part));
        before = after;
    }
    return sum + cells->beyond[cells->n] * before;
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
    /* Illinois, on the logarithm: the tail is about exponential where it ends. */
    double low = s.first, high = s.first + alone + cells.edge[CELLS];
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
