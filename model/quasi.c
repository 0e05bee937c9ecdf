// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/quasi.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 60
#define SMALL 1e-17 /* what still goes up, over the rates: done */

int quasi_init(struct quasi *ret, size_t n)
{
    struct quasi q = {0};
    struct matrix *all[] = {&q.a0, &q.a1, &q.a2, &q.b1, &q.r, &q.g};
    int err = 0;
    for (int i = 0; i < 6; i++)
        err = err ? err : matrix_init(all[i], n, n);
    q.pi0 = calloc(n, sizeof(double));
    q.phase = calloc(n, sizeof(double));
    if (err || !q.pi0 || !q.phase) {
        quasi_free(&q);
        return -ENOMEM;
    }
    *ret = q;
    return 0;
}

void quasi_free(struct quasi *q)
{
    struct matrix *all[] = {&q->a0, &q->a1, &q->a2, &q->b1, &q->r, &q->g};
    for (int i = 0; i < 6; i++)
        matrix_free(all[i]);
    free(q->pi0);
    free(q->phase);
    q->pi0 = q->phase = NULL;
}

static double largest(const struct matrix *m)
{
    double max = 0;
    for (size_t i = 0; i < m->rows * m->columns; i++)
        max = fmax(max, fabs(m->at[i]));
    return max;
}

/* What cyclic reduction carries from step to step, and its room to work in. */
struct reduction {
    struct matrix up, within, down; /* between the levels that are left */
    struct matrix first; /* within level 1, what follows eliminated: tends to A1 + A0 G */
    struct matrix x, y, spare;
};

static int reduction_init(struct reduction *c, const struct quasi *q)
{
    struct matrix *all[] = {&c->up, &c->within, &c->down, &c->first, &c->x, &c->y, &c->spare};
    for (int i = 0; i < 7; i++)
        if (matrix_init(all[i], q->a0.rows, q->a0.rows))
            return -ENOMEM;
    matrix_copy(&c->up, &q->a0);
    matrix_copy(&c->within, &q->a1);
    matrix_copy(&c->down, &q->a2);
    matrix_copy(&c->first, &q->a1);
    return 0;
}

static void reduction_free(struct reduction *c)
{
    struct matrix *all[] = {&c->up, &c->within, &c->down, &c->first, &c->x, &c->y, &c->spare};
    for (int i = 0; i < 7; i++)
        matrix_free(all[i]);
}

/* Eliminates every other level. */
static int reduction_step(struct reduction *c)
{
    struct matrix_factors factors;
    size_t n = c->up.rows;
    int err = matrix_factor(&factors, &c->within);
    if (err)
        return err;
    matrix_copy(&c->x, &c->up);
    matrix_copy(&c->y, &c->down);
    matrix_divide(&factors, c->x.at, n);
    matrix_divide(&factors, c->y.at, n);
    matrix_factors_free(&factors);

    matrix_multiply(&c->spare, 1, &c->x, &c->down, 0);
    for (size_t i = 0; i < n * n; i++) {
        c->first.at[i] -= c->spare.at[i];
        c->within.at[i] -= c->spare.at[i];
    }
    matrix_multiply(&c->within, -1, &c->y, &c->up, 1);
    matrix_multiply(&c->spare, -1, &c->x, &c->up, 0);
    matrix_copy(&c->up, &c->spare);
    matrix_multiply(&c->spare, -1, &c->y, &c->down, 0);
    matrix_copy(&c->down, &c->spare);
    return 0;
}

/* R = -A0 U^-1 and G = -U^-1 A2 with U = A1 + A0 G. */
static int rates_from(struct quasi *q, const struct matrix *u)
{
    struct matrix_factors factors;
    size_t n = u->rows;
    int err = matrix_factor(&factors, u);
    if (err)
        return err;
    for (size_t i = 0; i < n * n; i++)
        q->r.at[i] = -q->a0.at[i];
    matrix_divide(&factors, q->r.at, n);
    double *column = malloc(n * sizeof(double));
    for (size_t j = 0; column && j < n; j++) {
        for (size_t i = 0; i < n; i++)
            column[i] = -MATRIX(q->a2, i, j);
        matrix_solve(&factors, column);
        for (size_t i = 0; i < n; i++)
            MATRIX(q->g, i, j) = column[i];
    }
    matrix_factors_free(&factors);
    err = column ? 0 : -ENOMEM;
    free(column);
    return err;
}

static int solve_rates(struct quasi *q)
{
    struct reduction c = {0};
    double rate = largest(&q->a1);
    int err = reduction_init(&c, q);
    for (int step = 0; !err; step++) {
        double up = largest(&c.up);
        if (up <= SMALL * rate)
            break;
        err = step < STEPS_MAX && isfinite(up) ? reduction_step(&c) : -EDOM;
    }
    if (!err)
        err = rates_from(q, &c.first);
    reduction_free(&c);
    return err;
}

/*
 * pi0 (B1 + R A2) = 0 with one column replaced by (I - R)^-1 1, which makes the
 * levels sum to 1.
 */
static int solve_boundary(struct quasi *q)
{
    size_t n = q->r.rows;
    struct matrix m = {0};
    struct matrix_factors factors = {0};
    double *ones = malloc(n * sizeof(double));
    int err = ones ? matrix_init(&m, n, n) : -ENOMEM;
    if (err)
        goto out;
    for (size_t i = 0; i < n * n; i++)
        m.at[i] = -q->r.at[i];
    for (size_t i = 0; i < n; i++) {
        MATRIX(m, i, i) += 1;
        ones[i] = 1;
        q->pi0[i] = q->phase[i] = 0;
    }
    err = matrix_factor(&factors, &m);
    if (err)
        goto out;
    matrix_solve(&factors, ones);
    matrix_copy(&m, &q->b1);
    matrix_multiply(&m, 1, &q->r, &q->a2, 1);
    for (size_t i = 0; i < n; i++)
        MATRIX(m, i, 0) = ones[i];
    struct matrix_factors boundary;
    err = matrix_factor(&boundary, &m);
    if (err)
        goto out;
    q->pi0[0] = 1;
    matrix_divide(&boundary, q->pi0, 1);
    matrix_factors_free(&boundary);
    memcpy(q->phase, q->pi0, n * sizeof(double));
    matrix_divide(&factors, q->phase, 1);
out:
    matrix_factors_free(&factors);
    matrix_free(&m);
    free(ones);
    return err;
}

int quasi_solve(struct quasi *quasi)
{
    int err = solve_rates(quasi);
    return err ? err : solve_boundary(quasi);
}

double quasi_residual(const struct quasi *q)
{
    size_t n = q->r.rows;
    struct matrix a = {0}, b = {0};
    double worst = NAN;
    if (!matrix_init(&a, n, n) && !matrix_init(&b, n, n)) {
        matrix_copy(&a, &q->a1);
        matrix_multiply(&a, 1, &q->a0, &q->g, 1);
        matrix_copy(&b, &q->a2);
        matrix_multiply(&b, 1, &a, &q->g, 1);
        worst = largest(&b);
        matrix_copy(&a, &q->a1);
        matrix_multiply(&a, 1, &q->r, &q->a2, 1);
        matrix_copy(&b, &q->a0);
        matrix_multiply(&b, 1, &q->r, &a, 1);
        worst = fmax(worst, largest(&b)) / largest(&q->a1);
    }
    matrix_free(&a);
    matrix_free(&b);
    return worst;
}
