// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/published.h"

#include <errno.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/answer.h"
#include "model/delay.h"
#include "model/tail.h"
#include "model/waiting.h"

#define TERMS_MAX 4000000.0
#define GONE 1e-17
#define NEWTON_MAX 60

typedef double vector[PHASES_MAX];
typedef double square[PHASES_MAX][PHASES_MAX];

/*
 * Exponential service: with x = mu (1 - sigma), sigma = A*(x) is the same as
 * E[e^{-x residual}] = rho, free of cancellation near saturation. Its left side
 * is convex, so that Newton from 0 comes up to the root from below.
 */
static double exponential_root(const struct superposition *gaps, double mu)
{
    double target = 1 - gaps->rate / mu, x = 0, slope;
    for (int i = 0; i < 200; i++) {
        double off = target - superposition_residual(gaps, x, &slope), step = off / slope;
        x = fmin(mu, x + step);
        if (!(fabs(step) > 1e-14 * x))
            break;
    }
    return x;
}

/* Uniformised: e^{M t} = sum Poisson(j; rate t) P^j with P = I + M / rate. */
struct uniform {
    const struct phases *service;
    double rate;   /* 1/s */
    size_t n;      /* terms */
    double *terms; /* integral of Poisson(j; rate t) G(t) dt */
    double arrivals;
};

static int uniform_init(const struct superposition *gaps, const struct phases *service, double mean,
                        struct uniform *ret)
{
    struct uniform u = {.service = service, .arrivals = gaps->rate};
    double slowest = INFINITY;
    for (uint32_t i = 0; i < service->n; i++) {
        u.rate = fmax(u.rate, -service->rates[i][i]);
        slowest = fmin(slowest, -service->rates[i][i]);
    }
    double x = u.rate * gaps->end, n = x + 9 * sqrt(x) + 40;
    /* P^j has died down long before where the server is mostly idle. */
    double idle = 1 - gaps->rate * mean;
    n = fmin(n, 60 * (service->n + u.rate / (slowest * idle)));
    u.n = (size_t)fmin(n, TERMS_MAX);
    u.terms = malloc(u.n * sizeof(*u.terms));
    if (!u.terms)
        return -ENOMEM;
    superposition_poisson(gaps, u.rate, u.n, u.terms);
    *ret = u;
    return 0;
}

/* M = S + s a and P = I + M / rate. */
static void wait_rates(const struct uniform *u, const vector a, square ret_rates, square ret_p)
{
    const struct phases *s = u->service;
    for (uint32_t i = 0; i < s->n; i++)
        for (uint32_t j = 0; j < s->n; j++) {
            ret_rates[i][j] = s->rates[i][j] + s->leave[i] * a[j];
            ret_p[i][j] = ret_rates[i][j] / u->rate + (i == j);
        }
}

static void times(uint32_t n, const vector row, square m, vector ret)
{
    vector sum = {0};
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++)
            sum[j] += row[i] * m[i][j];
    memcpy(ret, sum, sizeof(vector));
}

/* beta A*[M] for M = S + s a, and its derivative by each a[j] (row j). */
static void arrive(const struct uniform *u, const vector a, vector ret, square ret_slope)
{
    const struct phases *s = u->service;
    uint32_t n = s->n;
    square rates, p, d = {0}, dz = {0};
    vector v, z = {0}, step;
    wait_rates(u, a, rates, p);
    memcpy(v, s->start, sizeof(v));
    for (size_t j = 0; j < u->n; j++) { /* v = beta P^j, d[i] = its derivative */
        double g = u->terms[j], left = 0, flow = 0;
        for (uint32_t i = 0; i < n; i++) {
            z[i] += g * v[i];
            left += fabs(v[i]);
            flow += v[i] * s->leave[i] / u->rate;
            for (uint32_t k = 0; k < n; k++) {
                dz[i][k] += g * d[i][k];
                left += fabs(d[i][k]);
            }
        }
        if (left < GONE)
            break;
        for (uint32_t i = 0; i < n; i++) {
            times(n, d[i], p, d[i]);
            d[i][i] += flow;
        }
        times(n, v, p, v);
    }
    /* beta A*[M] = beta + (beta + z M) M / rate */
    times(n, z, rates, step);
    for (uint32_t i = 0; i < n; i++)
        step[i] += s->start[i];
    vector end;
    times(n, step, rates, end);
    double from = 0, from_z = 0;
    for (uint32_t i = 0; i < n; i++) {
        ret[i] = s->start[i] + end[i] / u->arrivals;
        from += step[i] * s->leave[i];
        from_z += z[i] * s->leave[i];
    }
    for (uint32_t i = 0; i < n; i++) { /* dM = s e_i' */
        vector change;
        times(n, dz[i], rates, change);
        change[i] += from_z;
        times(n, change, rates, ret_slope[i]);
        ret_slope[i][i] += from;
        for (uint32_t k = 0; k < n; k++)
            ret_slope[i][k] /= u->arrivals;
    }
}

/* x := x (I - slope)^-1, a row vector. */
static int solve_step(uint32_t n, square slope, vector x)
{
    double matrix[PHASES_MAX * PHASES_MAX], solution[PHASES_MAX];
    size_t order[PHASES_MAX];
    int sign;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++)
            matrix[i * n + j] = (i == j) - slope[j][i];
    gsl_matrix_view m = gsl_matrix_view_array(matrix, n, n);
    gsl_vector_view b = gsl_vector_view_array(x, n), s = gsl_vector_view_array(solution, n);
    gsl_permutation p = {n, order};
    gsl_linalg_LU_decomp(&m.matrix, &p, &sign);
    for (uint32_t i = 0; i < n; i++)
        if (!(fabs(matrix[i * n + i]) > 1e-300))
            return -EDOM;
    gsl_linalg_LU_solve(&m.matrix, &p, &b.vector, &s.vector);
    memcpy(x, solution, n * sizeof(*x));
    return 0;
}

/*
 * a = beta A*[S + s a]: the right side is a power series in a with terms >= 0,
 * so that Newton from 0 rises to the least solution, which is the one wanted.
 */
static int matrix_root(const struct uniform *u, vector ret)
{
    vector a = {0};
    for (int i = 0; i < NEWTON_MAX; i++) {
        vector next;
        square slope;
        double largest = 0;
        arrive(u, a, next, slope);
        for (uint32_t j = 0; j < u->service->n; j++)
            next[j] -= a[j];
        int r = solve_step(u->service->n, slope, next);
        if (r < 0)
            return r;
        for (uint32_t j = 0; j < u->service->n; j++) {
            a[j] += next[j];
            largest = fmax(largest, fabs(next[j]));
        }
        if (!isfinite(largest))
            return -EDOM;
        if (largest < 1e-13)
            break;
    }
    for (uint32_t j = 0; j < u->service->n; j++)
        a[j] = fmax(0, a[j]);
    memcpy(ret, a, sizeof(a));
    return 0;
}

int published_wait_solve(const struct superposition *gaps, const struct phases *service,
                         double mean, struct published_wait *ret)
{
    struct published_wait w = {.n = service->n};
    struct uniform u;
    square p;
    if (service->n == 1) {
        double mu = service->leave[0], x = exponential_root(gaps, mu);
        w.start[0] = 1 - x / mu;
        w.rates[0][0] = -x;
        *ret = w;
        return 0;
    }
    int r = uniform_init(gaps, service, mean, &u);
    if (r < 0)
        return r;
    r = matrix_root(&u, w.start);
    if (r == 0) {
        wait_rates(&u, w.start, w.rates, p);
        *ret = w;
    }
    free(u.terms);
    return r;
}

double published_wait_mean(const struct published_wait *wait)
{
    double matrix[PHASES_MAX * PHASES_MAX], ones[PHASES_MAX], x[PHASES_MAX], sum = 0;
    size_t order[PHASES_MAX];
    int sign;
    uint32_t n = wait->n;
    for (uint32_t i = 0; i < n; i++) {
        ones[i] = 1;
        for (uint32_t j = 0; j < n; j++)
            matrix[i * n + j] = -wait->rates[i][j];
    }
    gsl_matrix_view m = gsl_matrix_view_array(matrix, n, n);
    gsl_vector_view b = gsl_vector_view_array(ones, n), s = gsl_vector_view_array(x, n);
    gsl_permutation p = {n, order};
    gsl_linalg_LU_decomp(&m.matrix, &p, &sign);
    gsl_linalg_LU_solve(&m.matrix, &p, &b.vector, &s.vector);
    for (uint32_t i = 0; i < n; i++)
        sum += wait->start[i] * x[i];
    return sum;
}

/* ---- the laws of wait and sojourn ---- */

/* P(X > y): at0 e^{-rate y}, or a Poisson mixture where the service has phases. */
struct law_of {
    bool exponential;
    double at0, rate;
    struct waiting mixture;
    double far; /* s: beyond, the tail is nothing */
};

static double law_tail(const void *context, double y)
{
    const struct law_of *law = context;
    if (law->exponential)
        return law->at0 * exp(-law->rate * y);
    return y < law->far ? waiting_tail(&law->mixture, y) : 0;
}

static double law_quantile(const struct law_of *law, double p)
{
    if (!law->exponential)
        return waiting_quantile(&law->mixture, p);
    return fmax(0, log(law->at0 / (1 - p)) / law->rate);
}

static void law_free(struct law_of *law)
{
    if (!law->exponential)
        waiting_free(&law->mixture);
}

/* Two stages: the wait, then (for the sojourn) a service. */
struct stages {
    const struct published_wait *wait;
    const struct phases *service; /* NULL: the wait alone */
    double rate;
    square wait_p, service_p;
    vector leave, now, then; /* out of the wait; where the mass is */
};

static void stages_init(const struct published_wait *wait, const struct phases *service,
                        struct stages *ret)
{
    struct stages s = {.wait = wait, .service = service};
    double none = 1;
    for (uint32_t i = 0; i < wait->n; i++)
        s.rate = fmax(s.rate, -wait->rates[i][i]);
    for (uint32_t i = 0; service && i < service->n; i++)
        s.rate = fmax(s.rate, -service->rates[i][i]);
    for (uint32_t i = 0; i < wait->n; i++) {
        s.now[i] = wait->start[i];
        none -= wait->start[i];
        for (uint32_t j = 0; j < wait->n; j++) {
            s.wait_p[i][j] = wait->rates[i][j] / s.rate + (i == j);
            s.leave[i] -= wait->rates[i][j] / s.rate;
        }
    }
    for (uint32_t i = 0; service && i < service->n; i++) {
        s.then[i] = none * service->start[i];
        for (uint32_t j = 0; j < service->n; j++)
            s.service_p[i][j] = service->rates[i][j] / s.rate + (i == j);
    }
    *ret = s;
}

static double stages_left(const struct stages *s)
{
    double sum = 0;
    for (uint32_t i = 0; i < PHASES_MAX; i++)
        sum += s->now[i] + s->then[i];
    return sum;
}

static void stages_step(struct stages *s)
{
    double over = 0;
    for (uint32_t i = 0; i < s->wait->n; i++)
        over += s->now[i] * s->leave[i];
    times(s->wait->n, s->now, s->wait_p, s->now);
    if (!s->service)
        return;
    times(s->service->n, s->then, s->service_p, s->then);
    for (uint32_t i = 0; i < s->service->n; i++)
        s->then[i] += over * s->service->start[i];
}

#define STEPS_MAX 400000
#define SETTLED 32

/* Until nothing is left, or what is left falls by the same share at every step. */
static int mixture_of(struct stages *s, struct waiting *ret)
{
    struct waiting w = {.rate = s->rate, .decay = 0};
    size_t room = 0, calm = 0;
    for (double left = stages_left(s); w.n < STEPS_MAX && calm < SETTLED; w.n++) {
        if (w.n == room) {
            room = room ? 2 * room : 256;
            double *over = realloc(w.over, room * sizeof(*over));
            if (!over) {
                free(w.over);
                return -ENOMEM;
            }
            w.over = over;
        }
        w.over[w.n] = left;
        stages_step(s);
        double next = stages_left(s), decay = left > 0 ? next / left : 0;
        calm = fabs(decay - w.decay) < 1e-13 || next < GONE ? calm + 1 : 0;
        w.decay = decay;
        left = next;
    }
    *ret = w;
    return 0;
}

static int law_init(const struct published_wait *wait, const struct phases *service,
                    struct law_of *ret)
{
    struct law_of law = {.exponential = wait->n == 1 && (!service || service->n == 1)};
    if (law.exponential) {
        /* Wait and service of its queue's own law: exponential, too. */
        law.at0 = service ? 1 : wait->start[0];
        law.rate = -wait->rates[0][0];
        *ret = law;
        return 0;
    }
    struct stages stages;
    stages_init(wait, service, &stages);
    int r = mixture_of(&stages, &law.mixture);
    if (r < 0)
        return r;
    law.far = waiting_quantile(&law.mixture, 1 - 1e-15);
    *ret = law;
    return 0;
}

/* ---- the answer ---- */

struct work {
    struct closing_law *closings;
    double *counts;
    struct superposition gaps;
    double rate, mean, second; /* containers/s; moments of the common service */
};

static int work_init(const struct query *query, struct work *ret)
{
    size_t n = query->n_streams;
    struct work w = {.closings = calloc(n, sizeof(*w.closings)),
                     .counts = calloc(n, sizeof(*w.counts))};
    if (!w.closings || !w.counts) {
        free(w.closings);
        free(w.counts);
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const struct stream *s = &query->streams[i];
        double mean, variance, rate;
        (void)closing_solve(s->rate, s->size, s->timeout, &w.closings[i]); /* was checked */
        answer_service(s, &w.closings[i], &mean, &variance);
        w.counts[i] = s->count;
        rate = s->count * w.closings[i].containers;
        w.rate += rate;
        w.mean += rate * mean;
        w.second += rate * (variance + mean * mean);
    }
    if (w.rate > 0) {
        w.mean /= w.rate;
        w.second /= w.rate;
    }
    *ret = w;
    return 0;
}

static void work_free(struct work *w)
{
    free(w->closings);
    free(w->counts);
    superposition_free(&w->gaps);
}

/* Phases of a service; a variation too small for them is raised to the least they have. */
static int service_phases(double mean, double variance, struct phases *ret)
{
    double scv = fmax(1.0 / PHASES_MAX, variance / (mean * mean));
    return phases_fit(mean, fabs(scv - 1) < 1e-9 ? 1 : scv, ret);
}

static double table_tail(const void *context, double x)
{
    return tail_probability(context, x);
}

/* A law whose tail costs a sum, as a table. */
#define TABULATE 2000 /* from so many steps of the mixture to the 99th percentile on */

static void tabulate(const struct law_of *law, struct tail *ret)
{
    double far = law_quantile(law, 1 - 1e-12);
    tail_zero(ret);
    for (int i = 0; i < TAIL_POINTS; i++) {
        double x = far * i * i / ((TAIL_POINTS - 1.0) * (TAIL_POINTS - 1.0));
        tail_append(ret, x, law_tail(law, x));
    }
}

static int stream_answer(const struct stream *stream, const struct closing_law *closing,
                         const struct published_wait *wait, const struct phases *common,
                         double common_mean, struct stream_delay *ret)
{
    struct phases own;
    struct law_of sojourn;
    struct tail table;
    double variance;
    struct stream_delay d = *ret;
    answer_met(stream, closing, &d.service_mean, &variance);
    int r = service_phases(d.service_mean, variance, &own);
    /* Its container's service may have another law than the queue's mixture. */
    bool same = fabs(d.service_mean - common_mean) <= 1e-9 * common_mean && own.n == common->n;
    if (r == 0)
        r = law_init(wait, same ? common : &own, &sojourn);
    if (r < 0)
        return r;
    d.wait_mean = published_wait_mean(wait);
    d.delay_mean = d.fill_mean + d.wait_mean + d.service_mean;
    delay_tail *tail = law_tail;
    const void *context = &sojourn;
    if (!sojourn.exponential && sojourn.mixture.rate * law_quantile(&sojourn, 0.99) > TABULATE) {
        tabulate(&sojourn, &table);
        tail = table_tail;
        context = &table;
    }
    d.delay_p50 = delay_quantile(closing, tail, context, 0.5, d.delay_mean);
    d.delay_p99 = fmax(d.delay_p50, delay_quantile(closing, tail, context, 0.99, d.delay_mean));
    law_free(&sojourn);
    *ret = d;
    return 0;
}

static int wait_answer(const struct query *query, const struct published_wait *wait,
                       struct answer *ret)
{
    struct law_of law;
    int r = law_init(wait, NULL, &law);
    if (r < 0)
        return r;
    ret->wait = (struct wait_summary){published_wait_mean(wait), law_quantile(&law, 0.5),
                                      law_quantile(&law, 0.99), law_quantile(&law, 0.999)};
    for (size_t i = 0; i < query->n_tail; i++)
        ret->tail[i] = law_tail(&law, query->tail_at[i]);
    law_free(&law);
    return 0;
}

static int work_solve(const struct query *query, struct work *w, struct answer *ret)
{
    struct phases service;
    struct published_wait wait;
    double fastest = 0;
    int r = service_phases(w->mean, w->second - w->mean * w->mean, &service);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < service.n; i++)
        fastest = fmax(fastest, -service.rates[i][i]);
    r = superposition_init(w->closings, w->counts, query->n_streams, fastest, &w->gaps);
    if (r == 0)
        r = published_wait_solve(&w->gaps, &service, w->mean, &wait);
    if (r == 0)
        r = wait_answer(query, &wait, ret);
    for (size_t i = 0; r == 0 && i < query->n_streams; i++)
        r = stream_answer(&query->streams[i], &w->closings[i], &wait, &service, w->mean,
                          &ret->streams[i]);
    return r;
}

int published_solve(const struct query *query, const struct method_options *options,
                    struct answer *ret, uint64_t *ret_phases)
{
    struct work w;
    (void)options;
    (void)ret_phases;
    int r = work_init(query, &w);
    if (r < 0)
        return r;
    double utilisation = w.rate * w.mean;
    struct answer answer = *ret;
    answer_begin(query, w.closings, utilisation < 1, utilisation, &answer);
    if (utilisation < 1 && w.rate > 0)
        r = work_solve(query, &w, &answer);
    if (r == 0)
        *ret = answer;
    work_free(&w);
    return r;
}
