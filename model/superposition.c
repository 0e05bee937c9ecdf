// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/superposition.h"

#include <errno.h>
#include <gsl/gsl_integration.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/poisson.h"

#define ORDER 20       /* Gauss-Legendre points of a panel */
#define DEPTH_MAX 14   /* halvings of a panel */
#define GONE 1e-18     /* a tail too small to matter */
#define ACCURACY 1e-14 /* of a panel, of the whole integral */
#define KINKS_MAX 64   /* timeouts that get an edge of their own */
#define PANEL_GROWTH 1.5

struct builder {
    const struct closing_law *closings;
    const double *counts;
    size_t n;
    double fastest, scale; /* s: what the accuracy is relative to */
    const gsl_integration_glfixed_table *table;
    struct superposition *out;
    size_t room;
    int error;
};

static double residual_tail(const struct builder *b, double t)
{
    double log_tail = 0;
    for (size_t i = 0; i < b->n && log_tail > log(GONE) * 2; i++)
        if (b->closings[i].rate > 0 && b->counts[i] > 0) {
            double tail = closing_residual_tail(&b->closings[i], t);
            log_tail += b->counts[i] * log(fmax(tail, 1e-300));
        }
    return exp(log_tail);
}

struct panel {
    double at[ORDER], weight[ORDER]; /* weight: times the tail */
    double plain, damped;            /* integrals of G and of e^{-fastest t} G */
};

static void panel_fill(const struct builder *b, double from, double to, struct panel *ret)
{
    ret->plain = ret->damped = 0;
    for (size_t i = 0; i < ORDER; i++) {
        double w;
        gsl_integration_glfixed_point(from, to, i, &ret->at[i], &w, b->table);
        ret->weight[i] = w * residual_tail(b, ret->at[i]);
        ret->plain += ret->weight[i];
        ret->damped += ret->weight[i] * exp(-b->fastest * ret->at[i]);
    }
}

static void builder_push(struct builder *b, const struct panel *p)
{
    struct superposition *s = b->out;
    if (s->n + ORDER > b->room) {
        size_t room = b->room ? 2 * b->room : 64 * ORDER;
        double *at = realloc(s->at, room * sizeof(*at));
        if (at)
            s->at = at;
        double *weight = at ? realloc(s->weight, room * sizeof(*weight)) : NULL;
        if (!weight) {
            b->error = -ENOMEM;
            return;
        }
        s->weight = weight;
        b->room = room;
    }
    memcpy(s->at + s->n, p->at, sizeof(p->at));
    memcpy(s->weight + s->n, p->weight, sizeof(p->weight));
    s->n += ORDER;
}

/* Halves the panel until its halves say what it said. */
static void builder_panel(struct builder *b, double from, double to, const struct panel *whole,
                          int depth)
{
    struct panel left, right;
    double middle = (from + to) / 2;
    panel_fill(b, from, middle, &left);
    panel_fill(b, middle, to, &right);
    double plain = fabs(left.plain + right.plain - whole->plain);
    double damped = fabs(left.damped + right.damped - whole->damped);
    if (b->error)
        return;
    if (depth == DEPTH_MAX ||
        (plain <= ACCURACY * b->scale && damped <= ACCURACY * fmin(b->scale, 1 / b->fastest))) {
        builder_push(b, &left);
        builder_push(b, &right);
        return;
    }
    builder_panel(b, from, middle, &left, depth + 1);
    builder_panel(b, middle, to, &right, depth + 1);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The timeouts, where the residual's slope has kinks; ascending. */
static size_t kinks(const struct builder *b, double end, double *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n && n < KINKS_MAX; i++)
        if (b->closings[i].rate > 0 && b->closings[i].timeout < end)
            ret[n++] = b->closings[i].timeout;
    qsort(ret, n, sizeof(*ret), compare);
    return n;
}

/* Panels that grow from a quarter of the fastest service to the end of the tail. */
static void builder_run(struct builder *b)
{
    double edges[KINKS_MAX], from = 0, end = 1 / b->out->rate;
    while (residual_tail(b, end) > GONE && end < 1e6 / b->out->rate)
        end *= 1.25;
    b->out->end = end;
    b->scale = fmin(end, 1 / b->out->rate);
    size_t n = kinks(b, end, edges), next = 0;
    double step = fmin(0.25 / b->fastest, end);
    while (from < end && !b->error) {
        double to = fmin(end, from > 0 ? fmax(from * PANEL_GROWTH, from + step) : step);
        while (next < n && edges[next] <= from)
            next++;
        if (next < n && edges[next] < to)
            to = edges[next];
        struct panel whole;
        panel_fill(b, from, to, &whole);
        builder_panel(b, from, to, &whole, 0);
        from = to;
    }
}

int superposition_init(const struct closing_law *closings, const double *counts, size_t n,
                       double fastest, struct superposition *ret)
{
    struct superposition s = {0};
    struct builder b = {
        .closings = closings, .counts = counts, .n = n, .fastest = fastest, .out = &s};
    gsl_integration_glfixed_table *table = gsl_integration_glfixed_table_alloc(ORDER);
    if (!table)
        return -ENOMEM;
    b.table = table;
    for (size_t i = 0; i < n; i++)
        s.rate += counts[i] * closings[i].containers;
    builder_run(&b);
    gsl_integration_glfixed_table_free(table);
    if (b.error) {
        superposition_free(&s);
        return b.error;
    }
    *ret = s;
    return 0;
}

void superposition_free(struct superposition *s)
{
    free(s->at);
    free(s->weight);
    s->at = s->weight = NULL;
    s->n = 0;
}

double superposition_residual(const struct superposition *s, double x, double *ret_slope)
{
    double integral = 0, moment = 0;
    for (size_t i = 0; i < s->n; i++) {
        double e = s->weight[i] * exp(-x * s->at[i]);
        integral += e;
        moment += e * s->at[i];
    }
    if (ret_slope)
        *ret_slope = integral - x * moment;
    return x * integral;
}

void superposition_poisson(const struct superposition *s, double rate, size_t n, double *ret)
{
    memset(ret, 0, n * sizeof(*ret));
    for (size_t i = 0; i < s->n; i++) {
        double x = rate * s->at[i], spread = 9 * sqrt(x) + 30;
        double first = floor(fmax(0, x - spread)), last = x + spread;
        double p = s->weight[i] * poisson_pmf(first, x);
        for (double j = first; j <= last && j < (double)n; j++) {
            ret[(size_t)j] += p;
            p *= x / (j + 1);
        }
    }
}
