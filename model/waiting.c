// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/waiting.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 200000
#define GONE 1e-16       /* an over[] too small to matter */
#define SETTLED 1e-13    /* change of the ratio from step to step ... */
#define SETTLED_STEPS 24 /* ... for so many steps: the rest is geometric */
#define NEGLIGIBLE 1e-18 /* Poisson weights left out */

/*
 * With Y(y) = sum_n R^(n-1) X_n, X_n the phases once n services are left to
 * wait for: Y' = Y S + R Y s sigma, tail = phase Y 1. Uniformised, and turned
 * round so that one sequence serves all kinds: F := F P' + R'(F sigma') e', where
 * P = I + S / rate, e = s / rate, and over[j] = <F_j, Y(0)>.
 */
struct sweep {
    const struct quasi *quasi;
    const struct phases *service;
    size_t n, m; /* phases of the process, of the service */
    double rate;
    double *f, *row, *passed; /* n * m, n, n */
    double *from;             /* Y(0) of kind i at from + i * n * m: wait, then sojourns */
    size_t n_laws;
};

static int sweep_init(struct sweep *w, const struct quasi *quasi, const struct phases *service,
                      size_t n_kinds)
{
    size_t n = quasi->r.rows, m = service->n;
    *w = (struct sweep){.quasi = quasi, .service = service, .n = n, .m = m, .n_laws = 2 * n_kinds};
    for (size_t s = 0; s < m; s++)
        w->rate = fmax(w->rate, -service->rates[s][s]);
    w->f = malloc(n * m * sizeof(double));
    w->row = malloc(n * sizeof(double));
    w->passed = malloc(n * sizeof(double));
    w->from = calloc(2 * n_kinds * n * m, sizeof(double));
    if (!w->f || !w->row || !w->passed || !w->from)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        for (size_t s = 0; s < m; s++)
            w->f[i * m + s] = quasi->phase[i];
    return 0;
}

static void sweep_free(struct sweep *w)
{
    free(w->f);
    free(w->row);
    free(w->passed);
    free(w->from);
}

/* Y(0): R C for the wait, C for wait and service; C picks the kind's arrivals. */
static void sweep_kind(struct sweep *w, size_t kind, const double *arrivals)
{
    size_t n = w->n, m = w->m;
    double *wait = w->from + kind * n * m;
    double *sojourn = w->from + (w->n_laws / 2 + kind) * n * m;
    for (size_t i = 0; i < n; i++)
        for (size_t a = 0; a < n / m; a++)
            for (size_t s = 0; s < m && arrivals[a] > 0; s++)
                wait[i * m + s] += MATRIX(w->quasi->r, i, a * m + s) * arrivals[a];
    for (size_t i = 0; i < n; i++)
        sojourn[i * m + i % m] = arrivals[i / m];
}

static double sweep_over(const struct sweep *w, size_t law)
{
    const double *from = w->from + law * w->n * w->m;
    double sum = 0;
    for (size_t i = 0; i < w->n * w->m; i++)
        sum += w->f[i] * from[i];
    return sum;
}

static void sweep_step(struct sweep *w)
{
    const struct phases *service = w->service;
    size_t m = w->m;
    for (size_t i = 0; i < w->n; i++) {
        w->row[i] = 0;
        for (size_t s = 0; s < m; s++)
            w->row[i] += w->f[i * m + s] * service->start[s];
    }
    matrix_left(w->row, &w->quasi->r, w->passed);
    for (size_t i = 0; i < w->n; i++) {
        double next[PHASES_MAX];
        for (size_t s = 0; s < m; s++) {
            double sum = w->f[i * m + s] * w->rate;
            for (size_t t = 0; t < m; t++)
                sum += service->rates[s][t] * w->f[i * m + t];
            next[s] = (sum + w->passed[i] * service->leave[s]) / w->rate;
        }
        memcpy(w->f + i * m, next, m * sizeof(double));
    }
}

static bool waiting_push(struct waiting *law, double over)
{
    if ((law->n & (law->n - 1)) == 0) {
        double *larger = realloc(law->over, (law->n ? 2 * law->n : 1) * sizeof(double));
        if (!larger)
            return false;
        law->over = larger;
    }
    law->over[law->n++] = fmax(0, over);
    return true;
}

/* Whether all laws have become geometric; `calm` counts the steps since they did. */
static bool settled(struct waiting *laws, size_t n_laws, int *calm)
{
    bool gone = true, steady = true;
    for (size_t i = 0; i < n_laws; i++) {
        struct waiting *law = &laws[i];
        double last = law->over[law->n - 1], before = law->n > 1 ? law->over[law->n - 2] : 0;
        double ratio = before > 0 ? fmin(last / before, 1) : 0;
        gone = gone && last < GONE;
        steady = steady && law->n > 2 && fabs(ratio - law->decay) < SETTLED;
        law->decay = ratio;
    }
    *calm = steady ? *calm + 1 : 0;
    return gone || *calm >= SETTLED_STEPS;
}

void waiting_free(struct waiting *waiting)
{
    free(waiting->over);
    waiting->over = NULL;
    waiting->n = 0;
}

int waiting_solve(const struct quasi *quasi, const struct phases *service,
                  const double *const *kinds, size_t n_kinds, double rate,
                  struct waiting *ret_waits, struct waiting *ret_sojourns)
{
    struct sweep w;
    struct waiting *laws = calloc(2 * n_kinds, sizeof(*laws));
    bool ok = sweep_init(&w, quasi, service, n_kinds) == 0 && laws;
    w.rate = fmax(w.rate, rate);
    for (size_t i = 0; ok && i < n_kinds; i++)
        sweep_kind(&w, i, kinds[i]);
    int calm = 0;
    for (int step = 0; ok && step < STEPS_MAX; step++) {
        for (size_t i = 0; i < w.n_laws; i++) {
            laws[i].rate = w.rate;
            ok = ok && waiting_push(&laws[i], sweep_over(&w, i));
        }
        if (!ok || settled(laws, w.n_laws, &calm))
            break;
        sweep_step(&w);
    }
    for (size_t i = 0; laws && i < w.n_laws; i++)
        if (!ok)
            waiting_free(&laws[i]);
    if (ok) {
        memcpy(ret_waits, laws, n_kinds * sizeof(*laws));
        memcpy(ret_sojourns, laws + n_kinds, n_kinds * sizeof(*laws));
    }
    free(laws);
    sweep_free(&w);
    return ok ? 0 : -ENOMEM;
}

static double column_product(const double *row, const double *column, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += row[i] * column[i];
    return sum;
}

/* row := row (I + generator / rate), in place. */
static void row_step(double *row, const struct matrix *generator, double rate, double *room)
{
    matrix_left(row, generator, room);
    for (size_t i = 0; i < generator->rows; i++)
        row[i] = fmax(0, row[i] + room[i] / rate);
}

int waiting_exponential(const double *row, const struct matrix *generator, const double *columns,
                        size_t n_laws, struct waiting *ret)
{
    size_t n = generator->rows;
    double *now = malloc(n * sizeof(double)), *room = malloc(n * sizeof(double)), rate = 0;
    struct waiting *laws = calloc(n_laws, sizeof(*laws));
    bool ok = now && room && laws;
    int calm = 0;
    for (size_t i = 0; i < n; i++)
        rate = fmax(rate, -MATRIX(*generator, i, i));
    if (ok)
        memcpy(now, row, n * sizeof(double));
    for (int step = 0; ok && step < STEPS_MAX; step++) {
        for (size_t i = 0; i < n_laws; i++) {
            laws[i].rate = rate;
            ok = ok && waiting_push(&laws[i], column_product(now, columns + i * n, n));
        }
        if (!ok || settled(laws, n_laws, &calm))
            break;
        row_step(now, generator, rate, room);
    }
    for (size_t i = 0; laws && !ok && i < n_laws; i++)
        waiting_free(&laws[i]);
    if (ok)
        memcpy(ret, laws, n_laws * sizeof(*laws));
    free(now);
    free(room);
    free(laws);
    return ok ? 0 : -ENOMEM;
}

double waiting_mean(const struct waiting *waiting)
{
    double sum = 0;
    for (size_t j = waiting->n; j-- > 0;)
        sum += waiting->over[j];
    if (waiting->n > 0 && waiting->decay < 1)
        sum += waiting->over[waiting->n - 1] * waiting->decay / (1 - waiting->decay);
    return sum / waiting->rate;
}

/* over[j], also beyond those that are kept */
static double over_at(const struct waiting *waiting, size_t j)
{
    if (j < waiting->n)
        return waiting->over[j];
    return waiting->over[waiting->n - 1] * pow(waiting->decay, (double)(j - waiting->n + 1));
}

/* Probabilities that a service takes more than 0, 1, ... steps of this rate, to the last that
 * matters. */
static int service_over(const struct phases *service, double rate, struct waiting *ret)
{
    double now[PHASES_MAX], next[PHASES_MAX], left = 1;
    memcpy(now, service->start, sizeof(now));
    *ret = (struct waiting){.rate = rate};
    while (left > GONE && ret->n < STEPS_MAX) {
        if (!waiting_push(ret, left)) {
            waiting_free(ret);
            return -ENOMEM;
        }
        left = 0;
        for (uint32_t j = 0; j < service->n; j++) {
            next[j] = now[j];
            for (uint32_t i = 0; i < service->n; i++)
                next[j] += now[i] * service->rates[i][j] / rate;
            left += next[j];
        }
        memcpy(now, next, sizeof(now));
    }
    return 0;
}

/* Steps add up: more than j in all, those of the service being l or already more. */
int waiting_add(const struct waiting *wait, const struct phases *service, struct waiting *ret)
{
    struct waiting steps, sum = {.rate = wait->rate, .decay = wait->decay};
    int err = service_over(service, wait->rate, &steps);
    for (size_t j = 0; !err && j < wait->n + steps.n; j++) {
        double over = j < steps.n ? steps.over[j] : 0;
        for (size_t l = 1; l <= j && l <= steps.n; l++) {
            double this = steps.over[l - 1] - (l < steps.n ? steps.over[l] : 0);
            over += this * (wait->n > 0 ? over_at(wait, j - l) : 0);
        }
        err = waiting_push(&sum, over) ? 0 : -ENOMEM;
    }
    waiting_free(&steps);
    if (err)
        waiting_free(&sum);
    else
        *ret = sum;
    return err;
}

/* So far out that none of the over[] that are kept has a weight. */
static double beyond_last(const struct waiting *waiting, double x)
{
    double last = waiting->over[waiting->n - 1], steps = (double)waiting->n - 1;
    if (!(waiting->decay > 0) || !(last > 0))
        return 0;
    return exp(log(last) - steps * log(waiting->decay) - x * (1 - waiting->decay));
}

double waiting_tail(const struct waiting *waiting, double y)
{
    double x = waiting->rate * y;
    if (waiting->n == 0)
        return 0;
    if (x == 0)
        return waiting->over[0];
    if (x - 10 * sqrt(x) > (double)waiting->n + 40)
        return beyond_last(waiting, x);
    double middle = floor(x), sum = 0;
    int sign;
    double peak = exp(middle * log(x) - x - lgamma_r(middle + 1, &sign));
    double weight = peak, last = (double)waiting->n - 1;
    double over = over_at(waiting, (size_t)middle);
    for (double j = middle; j >= 0 && weight > NEGLIGIBLE; j--) {
        sum += weight * over;
        weight *= j / x;
        if (j > last + 1 && waiting->decay > 0)
            over /= waiting->decay;
        else if (j > 0)
            over = over_at(waiting, (size_t)j - 1);
    }
    weight = peak;
    over = over_at(waiting, (size_t)middle);
    for (double j = middle + 1; weight > NEGLIGIBLE; j++) {
        weight *= x / j;
        over = j > last ? over * waiting->decay : waiting->over[(size_t)j];
        sum += weight * over;
    }
    return sum;
}

double waiting_quantile(const struct waiting *waiting, double p)
{
    double q = 1 - p, low = 0, high = 1 / waiting->rate;
    if (waiting_tail(waiting, 0) <= q)
        return 0;
    while (waiting_tail(waiting, high) > q) {
        low = high;
        high *= 2;
    }
    while (high - low > 1e-12 * high) {
        double middle = (low + high) / 2;
        if (waiting_tail(waiting, middle) > q)
            low = middle;
        else
            high = middle;
    }
    return high;
}
