// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/qbd.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_linalg.h>

#include "model/phased.h"

/* ---- the gap of the superposition ---- */

/*
 * Moves of one stream's clock from phase i (0..k-1) to i + 1 and out. A fresh
 * Erlang leaves from its last phase only; the residual of one met in equilibrium
 * may leave from each.
 */
static void clock_moves(double rate, uint32_t k, bool fresh, uint32_t i, double *ret_on,
                        double *ret_out)
{
    uint32_t left = k - i; /* phases from this one on */
    *ret_out = fresh ? (left == 1 ? rate : 0) : rate / left;
    *ret_on = rate - *ret_out;
}

/* Clocks' phases as digits, the last stream's the fastest. */
static uint64_t all_phases(const uint32_t *sizes, size_t n_streams)
{
    uint64_t n = 1;
    for (size_t i = 0; i < n_streams; i++)
        n = phased_count(n, sizes[i]);
    return n;
}

/* Block b of T: stream b was the last to send a container. */
static void gap_block(const double *rates, const uint32_t *sizes, size_t n_streams, size_t b,
                      struct qbd_gap *gap)
{
    size_t n = gap->n / n_streams, offset = b * n, stride = n;
    for (size_t stream = 0; stream < n_streams; stream++) {
        stride /= sizes[stream];
        for (size_t state = 0; state < n; state++) {
            uint32_t phase = (uint32_t)(state / stride % sizes[stream]);
            double on, out;
            clock_moves(rates[stream], sizes[stream], stream == b, phase, &on, &out);
            MATRIX(gap->rates, offset + state, offset + state) -= on + out;
            gap->leave[offset + state] += out;
            if (on > 0)
                MATRIX(gap->rates, offset + state, offset + state + stride) += on;
        }
    }
}

int qbd_gap_init(const double *rates, const uint32_t *sizes, size_t n_streams, struct qbd_gap *ret)
{
    size_t block = (size_t)all_phases(sizes, n_streams), n = n_streams * block;
    struct qbd_gap gap = {
        .n = n, .start = calloc(n, sizeof(double)), .leave = calloc(n, sizeof(double))};
    if (!gap.start || !gap.leave || matrix_init(&gap.rates, n, n)) {
        qbd_gap_free(&gap);
        return -ENOMEM;
    }
    double containers = 0;
    for (size_t i = 0; i < n_streams; i++)
        containers += rates[i] / sizes[i];
    for (size_t i = 0; i < n_streams; i++) {
        gap.start[i * block] = rates[i] / sizes[i] / containers;
        gap_block(rates, sizes, n_streams, i, &gap);
    }
    *ret = gap;
    return 0;
}

void qbd_gap_free(struct qbd_gap *gap)
{
    free(gap->start);
    free(gap->leave);
    matrix_free(&gap->rates);
    gap->start = gap->leave = NULL;
}

void qbd_blocks(const struct qbd_gap *gap, const struct phases *service, struct quasi *quasi)
{
    size_t m = service->n;
    for (size_t a = 0; a < gap->n; a++)
        for (size_t b = 0; b < gap->n; b++)
            for (size_t s = 0; s < m; s++) {
                MATRIX(quasi->a0, a * m + s, b * m + s) = gap->leave[a] * gap->start[b];
                MATRIX(quasi->b1, a * m + s, b * m + s) = MATRIX(gap->rates, a, b);
            }
    matrix_copy(&quasi->a1, &quasi->b1);
    for (size_t a = 0; a < gap->n; a++)
        for (size_t s = 0; s < m; s++)
            for (size_t u = 0; u < m; u++) {
                MATRIX(quasi->a1, a * m + s, a * m + u) += service->rates[s][u];
                MATRIX(quasi->a2, a * m + s, a * m + u) = service->leave[s] * service->start[u];
            }
}

/* ---- the wait from R ---- */

/* Psi from R = (t (x) I) Psi: any row vector that meets t picks it; t itself is the safest. */
static void seen_by_arrivals(const struct quasi *quasi, const struct qbd_gap *gap, size_t m,
                             struct matrix *ret)
{
    double square = 0;
    for (size_t a = 0; a < gap->n; a++)
        square += gap->leave[a] * gap->leave[a];
    for (size_t a = 0; a < gap->n; a++)
        for (size_t b = 0; b < gap->n; b++)
            for (size_t s = 0; s < m; s++)
                for (size_t u = 0; u < m; u++)
                    MATRIX(*ret, s, u) += gap->leave[a] / square * gap->leave[b] *
                                          MATRIX(quasi->r, a * m + s, b * m + u);
}

/* w = v0 (I - K)^-1, v0 = pi0 (t (x) I) / lambda: phases met by arrivals, over all levels. */
static int phases_met(const struct quasi *quasi, const struct qbd_gap *gap, const struct matrix *k,
                      double *ret)
{
    size_t m = k->rows;
    double rate = 0;
    struct matrix_factors factors;
    struct matrix rest = {0};
    for (size_t s = 0; s < m; s++)
        ret[s] = 0;
    for (size_t a = 0; a < gap->n; a++)
        for (size_t s = 0; s < m; s++) {
            ret[s] += quasi->pi0[a * m + s] * gap->leave[a];
            rate += quasi->phase[a * m + s] * gap->leave[a];
        }
    int err = matrix_init(&rest, m, m);
    if (err)
        return err;
    matrix_identity(&rest);
    for (size_t i = 0; i < m * m; i++)
        rest.at[i] -= k->at[i];
    err = matrix_factor(&factors, &rest);
    matrix_free(&rest);
    if (err)
        return err;
    for (size_t s = 0; s < m; s++)
        ret[s] /= rate;
    matrix_divide(&factors, ret, 1);
    matrix_factors_free(&factors);
    return 0;
}

static void wait_fill(const struct phases *service, const struct matrix *k, const double *w,
                      struct qbd_wait *wait)
{
    size_t m = service->n;
    for (size_t j = 0; j < m; j++)
        for (size_t i = 0; i < m; i++) {
            wait->initial[j * m + i] = w[i] * MATRIX(*k, i, j);
            for (size_t l = 0; l < m; l++) {
                MATRIX(wait->rates, j * m + i, l * m + i) += service->rates[j][l];
                for (size_t h = 0; h < m; h++)
                    if (w[i] > 0)
                        MATRIX(wait->rates, j * m + i, l * m + h) +=
                            service->leave[j] * service->start[l] * MATRIX(*k, h, i) * w[h] / w[i];
            }
        }
}

int qbd_wait_init(const struct quasi *quasi, const struct qbd_gap *gap,
                  const struct phases *service, struct qbd_wait *ret)
{
    size_t m = service->n;
    double w[PHASES_MAX];
    struct matrix k = {0};
    struct qbd_wait wait = {.n = m * m, .initial = calloc(m * m, sizeof(double))};
    int err = wait.initial ? matrix_init(&k, m, m) : -ENOMEM;
    if (!err)
        err = matrix_init(&wait.rates, m * m, m * m);
    if (!err) {
        seen_by_arrivals(quasi, gap, m, &k);
        err = phases_met(quasi, gap, &k, w);
    }
    if (!err)
        wait_fill(service, &k, w, &wait);
    matrix_free(&k);
    if (err)
        qbd_wait_free(&wait);
    else
        *ret = wait;
    return err;
}

void qbd_wait_free(struct qbd_wait *wait)
{
    free(wait->initial);
    matrix_free(&wait->rates);
    wait->initial = NULL;
}

double qbd_wait_mean(const struct qbd_wait *wait)
{
    struct matrix_factors factors;
    double *ones = malloc(wait->n * sizeof(double)), mean = NAN;
    if (ones && matrix_factor(&factors, &wait->rates) == 0) {
        for (size_t i = 0; i < wait->n; i++)
            ones[i] = 1;
        matrix_solve(&factors, ones);
        mean = 0;
        for (size_t i = 0; i < wait->n; i++)
            mean -= wait->initial[i] * ones[i];
        matrix_factors_free(&factors);
    }
    free(ones);
    return mean;
}

double qbd_wait_tail(const struct qbd_wait *wait, double y)
{
    size_t n = wait->n;
    gsl_matrix *power = gsl_matrix_alloc(n, n), *rates = gsl_matrix_alloc(n, n);
    double tail = NAN;
    if (power && rates) {
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                gsl_matrix_set(rates, i, j, MATRIX(wait->rates, i, j) * y);
        gsl_linalg_exponential_ss(rates, power, GSL_PREC_DOUBLE);
        tail = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                tail += wait->initial[i] * gsl_matrix_get(power, i, j);
    }
    gsl_matrix_free(power);
    gsl_matrix_free(rates);
    return tail;
}

/* ---- the method ---- */

static uint64_t streams_of(const struct phased *phased)
{
    uint64_t n = 0;
    for (size_t i = 0; i < phased->n_classes; i++)
        n += phased->classes[i].count;
    return n;
}

static uint64_t count_phases(const struct phased *phased)
{
    uint64_t n = phased_count(phased->service.n, streams_of(phased));
    for (size_t i = 0; i < phased->n_classes; i++)
        for (uint64_t c = 0; n < UINT64_MAX && phased->classes[i].size > 1; c++) {
            if (c == phased->classes[i].count)
                break;
            n = phased_count(n, phased->classes[i].size);
        }
    return n;
}

static int gap_of(const struct phased *phased, struct qbd_gap *ret)
{
    size_t n = (size_t)streams_of(phased), place = 0;
    double *rates = malloc(n * sizeof(*rates));
    uint32_t *sizes = malloc(n * sizeof(*sizes));
    for (size_t i = 0; rates && sizes && i < phased->n_classes; i++)
        for (uint64_t c = 0; c < phased->classes[i].count; c++, place++) {
            rates[place] = phased->classes[i].rate;
            sizes[place] = phased->classes[i].size;
        }
    int err = rates && sizes ? qbd_gap_init(rates, sizes, n, ret) : -ENOMEM;
    free(rates);
    free(sizes);
    return err;
}

/* The fastest phase of any class's own service. */
static double fastest(const struct phased *phased)
{
    double most = 0;
    for (size_t i = 0; i < phased->n_classes; i++)
        for (uint32_t j = 0; j < phased->classes[i].service.n; j++)
            most = fmax(most, -phased->classes[i].service.rates[j][j]);
    return most;
}

/* Wait and service of each class; all share the wait, as in the renewal view. */
static int own_sojourns(const struct phased *phased, const struct waiting *wait,
                        struct waiting *ret)
{
    int err = 0;
    for (size_t i = 0; !err && i < phased->n_classes; i++)
        err = waiting_add(wait, &phased->classes[i].service, &ret[i]);
    return err;
}

static int answer_with(const struct phased *phased, const struct query *query,
                       const struct waiting *wait, const struct waiting *sojourn,
                       struct answer *ret)
{
    size_t n = phased->n_classes;
    const struct waiting **laws = calloc(2 * n, sizeof(*laws));
    struct waiting *own = calloc(n, sizeof(*own));
    int err = laws && own ? 0 : -ENOMEM;
    if (!err && !phased->alike)
        err = own_sojourns(phased, wait, own);
    for (size_t i = 0; !err && i < n; i++) {
        laws[i] = wait;
        laws[n + i] = phased->alike ? sojourn : &own[i];
    }
    if (!err)
        phased_answer(phased, query, wait, laws, laws + n, ret);
    for (size_t i = 0; own && i < n; i++)
        waiting_free(&own[i]);
    free(own);
    free(laws);
    return err;
}

static int answer_quasi(const struct phased *phased, const struct query *query,
                        const struct quasi *quasi, const struct qbd_gap *gap, struct answer *ret)
{
    struct waiting wait, sojourn;
    double *arrivals = malloc(gap->n * sizeof(double));
    int err = arrivals ? 0 : -ENOMEM;
    for (size_t a = 0; !err && a < gap->n; a++)
        arrivals[a] = gap->leave[a] / phased->container_rate;
    if (!err)
        err = waiting_solve(quasi, &phased->service, (const double *const[]){arrivals}, 1,
                            phased->alike ? 0 : fastest(phased), &wait, &sojourn);
    if (!err) {
        err = answer_with(phased, query, &wait, &sojourn, ret);
        waiting_free(&wait);
        waiting_free(&sojourn);
    }
    free(arrivals);
    return err;
}

static int solve_phased(const struct phased *phased, const struct query *query, struct answer *ret)
{
    struct quasi quasi;
    struct qbd_gap gap;
    int err = quasi_init(&quasi, (size_t)count_phases(phased));
    if (err)
        return err;
    err = gap_of(phased, &gap);
    if (!err) {
        qbd_blocks(&gap, &phased->service, &quasi);
        err = quasi_solve(&quasi);
        if (!err)
            err = answer_quasi(phased, query, &quasi, &gap, ret);
        qbd_gap_free(&gap);
    }
    quasi_free(&quasi);
    return err == -EDOM ? -ENOTSUP : err;
}

int qbd_solve(const struct query *query, const struct method_options *options, struct answer *ret,
              uint64_t *ret_phases)
{
    return phased_solve(query, options, count_phases, solve_phased, ret, ret_phases);
}
