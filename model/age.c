// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/age.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 60
#define SMALL 1e-16 /* relative change of what is sought: done */

/*
 * Phases while it rises: arrival phase * services + phase of a service, those of all classes in a
 * row. While it falls: arrival phase.
 */
struct fluid {
    const struct matrix *d0;
    const struct age_class *classes;
    size_t n_classes, n, services, up;
    struct matrix rising; /* -Q++: within services */
    struct matrix done;   /* Q+- */
    struct matrix start;  /* Q-+ */
    struct matrix back;   /* the phase in which it is back where it began to rise */
    double *low;          /* time at level 0, by phase */
    double *rises;        /* time above, by rising phase */
};

static void fluid_free(struct fluid *f)
{
    matrix_free(&f->rising);
    matrix_free(&f->done);
    matrix_free(&f->start);
    matrix_free(&f->back);
    free(f->low);
    free(f->rises);
}

static void fluid_class(struct fluid *f, const struct age_class *class, size_t offset)
{
    const struct phases *s = class->service;
    for (size_t a = 0; a < f->n; a++)
        for (size_t i = 0; i < s->n; i++) {
            size_t at = a * f->services + offset + i;
            MATRIX(f->done, at, a) = s->leave[i];
            for (size_t j = 0; j < s->n; j++)
                MATRIX(f->rising, at, a * f->services + offset + j) = -s->rates[i][j];
            for (size_t b = 0; b < f->n; b++)
                MATRIX(f->start, b, at) = MATRIX(*class->d1, b, a) * s->start[i];
        }
}

static int fluid_init(const struct matrix *d0, const struct age_class *classes, size_t n_classes,
                      struct fluid *ret)
{
    struct fluid f = {.d0 = d0, .classes = classes, .n_classes = n_classes, .n = d0->rows};
    for (size_t k = 0; k < n_classes; k++)
        f.services += classes[k].service->n;
    f.up = f.n * f.services;
    f.low = calloc(f.n, sizeof(double));
    f.rises = calloc(f.up, sizeof(double));
    if (!f.low || !f.rises || matrix_init(&f.rising, f.up, f.up) ||
        matrix_init(&f.done, f.up, f.n) || matrix_init(&f.start, f.n, f.up) ||
        matrix_init(&f.back, f.up, f.n)) {
        fluid_free(&f);
        return -ENOMEM;
    }
    for (size_t k = 0, offset = 0; k < n_classes; offset += classes[k++].service->n)
        fluid_class(&f, &classes[k], offset);
    *ret = f;
    return 0;
}

/* ---- the phase on being back: X C X - X D - A X + B = 0 by doubling (Guo, Lin, Xu 2006) ---- */

struct doubling {
    struct matrix e, f, g, h; /* n by n, up by up, n by up, up by n */
    struct matrix small, next, wide, tall, spare, large;
};

static int doubling_alloc(struct doubling *d, size_t n, size_t up)
{
    *d = (struct doubling){0};
    if (matrix_init(&d->e, n, n) || matrix_init(&d->f, up, up) || matrix_init(&d->g, n, up) ||
        matrix_init(&d->h, up, n) || matrix_init(&d->small, n, n) || matrix_init(&d->next, n, n) ||
        matrix_init(&d->wide, n, up) || matrix_init(&d->tall, up, n) ||
        matrix_init(&d->spare, up, n) || matrix_init(&d->large, up, up))
        return -ENOMEM;
    return 0;
}

static void doubling_free(struct doubling *d)
{
    struct matrix *all[] = {&d->e,    &d->f,    &d->g,    &d->h,     &d->small,
                            &d->next, &d->wide, &d->tall, &d->spare, &d->large};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        matrix_free(all[i]);
}

static double fastest(const struct fluid *f)
{
    double most = 0;
    for (size_t i = 0; i < f->up; i++)
        most = fmax(most, MATRIX(f->rising, i, i));
    for (size_t i = 0; i < f->n; i++)
        most = fmax(most, -MATRIX(*f->d0, i, i));
    return most;
}

static void scale_and_add(struct matrix *m, double scale, double diagonal)
{
    for (size_t i = 0; i < m->rows * m->columns; i++)
        m->at[i] *= scale;
    for (size_t i = 0; diagonal != 0 && i < m->rows; i++)
        MATRIX(*m, i, i) += diagonal;
}

/*
 * Cayley's transform with shift c: with Dc = D + c and W = A + c - B Dc^-1 C,
 * E = 1 - 2c (Dc^-1 + Dc^-1 C W^-1 B Dc^-1), F = 1 - 2c W^-1, G = 2c Dc^-1 C W^-1, H = 2c W^-1 B
 * Dc^-1.
 */
static int doubling_begin(struct doubling *d, const struct fluid *f)
{
    struct matrix_factors factors;
    double c = fastest(f);
    matrix_copy(&d->small, f->d0);
    scale_and_add(&d->small, -1, c);
    int err = matrix_factor(&factors, &d->small);
    if (err)
        return err;
    matrix_identity(&d->e);
    matrix_divide(&factors, d->e.at, f->n);
    matrix_copy(&d->tall, &f->done);
    matrix_divide(&factors, d->tall.at, f->up);
    matrix_factors_free(&factors);

    matrix_copy(&d->large, &f->rising);
    scale_and_add(&d->large, 1, c);
    matrix_multiply(&d->large, -1, &d->tall, &f->start, 1);
    err = matrix_factor(&factors, &d->large);
    if (err)
        return err;
    matrix_identity(&d->f);
    matrix_divide(&factors, d->f.at, f->up);
    matrix_multiply(&d->g, 1, &d->e, &f->start, 0);
    matrix_divide(&factors, d->g.at, f->n);
    matrix_factors_free(&factors);
    matrix_multiply(&d->h, 2 * c, &d->f, &d->tall, 0);
    matrix_multiply(&d->e, 1, &d->g, &d->tall, 1);
    scale_and_add(&d->e, -2 * c, 1);
    scale_and_add(&d->f, -2 * c, 1);
    scale_and_add(&d->g, 2 * c, 0);
    return 0;
}

/* With Z = 1 - G H: E := E Z^-1 E, G += E Z^-1 G F, H += F H Z^-1 E, F := F F + F H Z^-1 G F. */
static int doubling_step(struct doubling *d, double *ret_change)
{
    struct matrix_factors factors;
    matrix_identity(&d->small);
    matrix_multiply(&d->small, -1, &d->g, &d->h, 1);
    int err = matrix_factor(&factors, &d->small);
    if (err)
        return err;
    matrix_copy(&d->small, &d->e);
    matrix_divide(&factors, d->small.at, d->e.rows);
    matrix_copy(&d->spare, &d->h);
    matrix_divide(&factors, d->spare.at, d->h.rows);
    matrix_factors_free(&factors);

    matrix_multiply(&d->tall, 1, &d->f, &d->spare, 0);
    matrix_multiply(&d->spare, 1, &d->tall, &d->e, 0);
    matrix_multiply(&d->wide, 1, &d->g, &d->f, 0);
    matrix_multiply(&d->g, 1, &d->small, &d->wide, 1);
    matrix_multiply(&d->large, 1, &d->f, &d->f, 0);
    matrix_multiply(&d->large, 1, &d->tall, &d->wide, 1);
    matrix_copy(&d->f, &d->large);
    double change = 0, most = 0;
    for (size_t i = 0; i < d->h.rows * d->h.columns; i++) {
        d->h.at[i] += d->spare.at[i];
        change = fmax(change, fabs(d->spare.at[i]));
        most = fmax(most, fabs(d->h.at[i]));
    }
    matrix_multiply(&d->next, 1, &d->small, &d->e, 0);
    matrix_copy(&d->e, &d->next);
    *ret_change = change / most;
    return 0;
}

static int fluid_return(struct fluid *f)
{
    struct doubling d;
    double change = INFINITY;
    int err = doubling_alloc(&d, f->n, f->up);
    if (!err)
        err = doubling_begin(&d, f);
    for (int step = 0; !err && !(change <= SMALL); step++)
        err = step < STEPS_MAX && !isnan(change) ? doubling_step(&d, &change) : -EDOM;
    if (!err)
        matrix_copy(&f->back, &d.h);
    doubling_free(&d);
    return err;
}

/* ---- levels ---- */

/* At level 0: low (D0 + Q-+ back) = 0, in any measure. */
static int fluid_boundary(struct fluid *f)
{
    struct matrix m = {0};
    struct matrix_factors factors;
    int err = matrix_init(&m, f->n, f->n);
    if (err)
        return err;
    matrix_copy(&m, f->d0);
    matrix_multiply(&m, 1, &f->start, &f->back, 1);
    for (size_t i = 0; i < f->n; i++)
        MATRIX(m, i, 0) = 1;
    err = matrix_factor(&factors, &m);
    if (!err) {
        f->low[0] = 1;
        matrix_divide(&factors, f->low, 1);
        matrix_factors_free(&factors);
    }
    matrix_free(&m);
    return err;
}

/* The density of the rising phases at level x is low Q-+ e^(K x); K = Q++ + back Q-+. */
static int fluid_levels(struct fluid *f, struct matrix *ret_k)
{
    struct matrix_factors factors;
    matrix_copy(ret_k, &f->rising);
    matrix_multiply(ret_k, -1, &f->back, &f->start, 1); /* -K */
    int err = matrix_factor(&factors, ret_k);
    if (err)
        return err;
    matrix_left(f->low, &f->start, f->rises);
    matrix_divide(&factors, f->rises, 1);
    matrix_factors_free(&factors);
    scale_and_add(ret_k, -1, 0);
    return 0;
}

/* Arrivals of a class (NULL: of all), by arrival phase. */
static void arrivals_of(const struct fluid *f, const struct age_class *class, double *ret)
{
    memset(ret, 0, f->n * sizeof(double));
    for (size_t k = 0; k < f->n_classes; k++)
        for (size_t a = 0; (!class || class == &f->classes[k]) && a < f->n; a++)
            for (size_t b = 0; b < f->n; b++)
                ret[a] += MATRIX(*f->classes[k].d1, a, b);
}

static double product(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Who begins to rise from a level above 0 has waited so long. */
static void wait_column(const struct fluid *f, const struct age_class *class, double *room,
                        double *ret)
{
    arrivals_of(f, class, room);
    matrix_right(&f->back, room, ret);
    double all = product(f->low, room, f->n) + product(f->rises, ret, f->up);
    for (size_t i = 0; i < f->up; i++)
        ret[i] /= all;
}

/* Where one has done with its service, it has been there so long. */
static void sojourn_column(const struct fluid *f, const struct age_class *class, size_t offset,
                           double *ret)
{
    const struct phases *s = class->service;
    memset(ret, 0, f->up * sizeof(double));
    for (size_t a = 0; a < f->n; a++)
        memcpy(ret + a * f->services + offset, s->leave, s->n * sizeof(double));
    double all = product(f->rises, ret, f->up);
    for (size_t i = 0; i < f->up; i++)
        ret[i] /= all;
}

static int fluid_laws(const struct fluid *f, const struct matrix *k, struct waiting *ret_waits,
                      struct waiting *ret_sojourns)
{
    size_t n = f->n_classes, laws = 2 * n + 1;
    double *columns = malloc(laws * f->up * sizeof(double)), *room = malloc(f->n * sizeof(double));
    struct waiting *all = calloc(laws, sizeof(*all));
    int err = columns && room && all ? 0 : -ENOMEM;
    for (size_t i = 0; !err && i <= n; i++)
        wait_column(f, i < n ? &f->classes[i] : NULL, room, columns + i * f->up);
    for (size_t i = 0, offset = 0; !err && i < n; offset += f->classes[i++].service->n)
        sojourn_column(f, &f->classes[i], offset, columns + (n + 1 + i) * f->up);
    if (!err)
        err = waiting_exponential(f->rises, k, columns, laws, all);
    if (!err) {
        memcpy(ret_waits, all, (n + 1) * sizeof(*all));
        memcpy(ret_sojourns, all + n + 1, n * sizeof(*all));
    }
    free(columns);
    free(room);
    free(all);
    return err;
}

int age_solve(const struct matrix *d0, const struct age_class *classes, size_t n_classes,
              struct waiting *ret_waits, struct waiting *ret_sojourns)
{
    struct fluid f;
    struct matrix k = {0};
    int err = fluid_init(d0, classes, n_classes, &f);
    if (err)
        return err;
    err = matrix_init(&k, f.up, f.up);
    if (!err)
        err = fluid_return(&f);
    if (!err)
        err = fluid_boundary(&f);
    if (!err)
        err = fluid_levels(&f, &k);
    if (!err)
        err = fluid_laws(&f, &k, ret_waits, ret_sojourns);
    matrix_free(&k);
    fluid_free(&f);
    return err;
}
