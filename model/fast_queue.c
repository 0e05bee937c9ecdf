// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/fast_queue.h"

#include <math.h>
#include <stdlib.h>

#include "model/deviation.h"
#include "model/renewal.h"

/*
 * Fitted to simulation: the fitting set of `./run bench model` (tests/bench/grid.h),
 * half of its first 1000 cases, those of up to twelve different streams.
 */
#define TAIL_NEAR 0.3366
#define TAIL_NEAR_KEPT 0.0828
#define TAIL_FAR 0.3497
#define TAIL_FAR_KEPT 1.2312
#define TAIL_POWER 1.5796

/*
 * Arrivals' and service's cumulants at decay rate eta: the root is where they
 * cancel. Value and slope of sum r k (z^(1/k) - 1) - eta. `poisson`: as if all
 * arrivals were.
 */
static double decay_excess(const struct fast_class *classes, size_t n, double eta, bool poisson,
                           double *slope)
{
    double value = -eta, d = -1;
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        double r = c->rate * c->count, s = c->service, scv = poisson ? 1 : c->gap_scv;
        if (!(r > 0) || !(s > 0))
            continue;
        struct renewal_service service = renewal_service(s, c->service_var, c->fixed);
        double growth, log_z = renewal_log_service(eta, &service, &growth);
        double e = expm1(log_z * scv);
        value += r * (scv > 1e-12 ? e / scv : log_z);
        d += r * growth * (1 + e);
    }
    *slope = d;
    return value;
}

/* Above this eta some service has no finite transform any more. */
static double decay_pole(const struct fast_class *classes, size_t n)
{
    double pole = INFINITY;
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        struct renewal_service service = renewal_service(c->service, c->service_var, c->fixed);
        if (c->rate > 0 && c->count > 0 && c->service > 0)
            pole = fmin(pole, renewal_pole(&service));
    }
    return pole;
}

/*
 * The excess is convex with a root at 0 and one above. Over eta it only rises,
 * nearly straight, through the root that is wanted: Newton on that, kept below the pole.
 */
static double decay_rate(const struct fast_class *classes, size_t n, const struct mixing_sums *sum,
                         bool poisson)
{
    double pole = decay_pole(classes, n), slope;
    double gaps = poisson ? sum->work2 : sum->work2_gap;
    double eta = 2 * (1 - sum->work) / (gaps + sum->work_var + 1e-9 * sum->work2);
    eta = fmin(eta, 0.9 * pole);
    for (int i = 0; i < 100; i++) {
        double ratio = decay_excess(classes, n, eta, poisson, &slope) / eta;
        double next = eta - eta * ratio / (slope - ratio);
        if (!(next < pole))
            next = (eta + pole) / 2;
        if (!isfinite(next)) /* far too large a guess: the excess overflowed */
            next = eta / 2;
        double step = fabs(next - eta);
        eta = fmax(next, eta / 10);
        if (step < 1e-7 * eta) /* quadratic: the next step is below rounding */
            break;
    }
    return eta;
}

/* All streams as one: what its containers ask for. */
static double one_service(const struct mixing_sums *sum)
{
    return sum->work2 / sum->work;
}

static struct renewal_service one_service_law(const struct mixing_sums *sum)
{
    double mean = one_service(sum);
    if (sum->exponential)
        return (struct renewal_service){0, mean, 1};
    return renewal_service(mean, sum->work_var / sum->work2 * mean * mean,
                           sum->work_fixed / sum->work);
}

/*
 * The gap SCV that one renewal stream would need to have this decay rate; that of the work where
 * it cannot have it.
 */
static double decay_scv(const struct mixing_sums *sum, double eta)
{
    struct renewal_service law = one_service_law(sum);
    double mean = one_service(sum), slope;
    double rate = sum->work / mean, long_run = sum->work2_gap / sum->work2, c = long_run;
    double log_z = eta < renewal_pole(&law) ? renewal_log_service(eta, &law, &slope) : 0;
    if (!(log_z > 0) || !(rate * log_z < eta))
        return long_run;
    for (int i = 0; i < 50; i++) { /* Newton; the left side is convex in c */
        double e = expm1(log_z * c), excess = rate * e / c - eta;
        double step = excess / (rate * (log_z * (1 + e) - e / c) / c);
        c = step < c ? c - step : c / 2;
        if (!(fabs(step) > 1e-9 * c))
            break;
    }
    return isfinite(c) ? c : long_run;
}

#define BY_DECAY                                                                                   \
    0.621 /* between the gaps' variation in the long run and that of the decay rate                \
           */

/*
 * The wait if all streams were one renewal stream. For streams that are alike
 * both ways to find its variation are one; where they differ the truth lies between.
 */
static void lower_wait(const struct mixing_sums *sum, double eta, struct renewal_wait *ret)
{
    double mean = one_service(sum), long_run = fmax(1e-9, sum->work2_gap / sum->work2);
    double by_decay = fmax(1e-9, decay_scv(sum, eta));
    double scv = long_run * pow(by_decay / long_run, BY_DECAY);
    double same = fabs(scv / long_run - 1) < 1e-6 ? eta : 0;
    struct renewal_service law = one_service_law(sum);
    renewal_solve(sum->work / mean, fmin(1, scv), &law, same, ret);
    renewal_decay(ret, eta);
}

/* Sums of what the streams' own containers find less. */
struct deficit {
    double by_work, by_number;
};

/*
 * Each stream's mixing and weight, and the work that its own containers find
 * less (left in `wait`); returns the weight of the Poisson limit in the mean.
 */
static double mix_streams(const struct mixing *mixing, const struct fast_class *classes, size_t n,
                          struct fast_share *ret_shares, struct deficit *ret_deficit)
{
    double weights = 0, u = 0;
    struct deficit d = {0, 0};
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        double work = c->count * c->rate * c->service;
        double w = work * c->service * fmax(0, 1 - c->gap_scv);
        struct mixing_view view = mixing_look(mixing, c);
        double x = w > 0 ? view.mixing : 0;
        weights += w;
        u += w * x / (1 + x);
        d.by_work += work * view.less;
        d.by_number += c->count * c->rate * view.less;
        if (ret_shares)
            ret_shares[i] = (struct fast_share){.wait = view.less, .mixing = x, .weight = w};
    }
    for (size_t i = 0; ret_shares && weights > 0 && i < n; i++)
        ret_shares[i].weight /= weights;
    *ret_deficit = d;
    return weights > 0 ? u / weights : 1;
}

/*
 * A stream's own wait: V less its deficit, scaled so that the average over the work is kept. Turns
 * the queue's mean into the average over containers.
 */
static void own_waits(const struct deficit *deficit, size_t n, struct fast_queue *queue,
                      struct fast_share *ret_shares)
{
    double by_work = deficit->by_work / queue->utilisation;
    double v = queue->virtual_wait, scale = by_work > 0 ? (v - queue->mean) / by_work : 0;
    queue->mean = fmax(0, v - scale * deficit->by_number / queue->rate);
    for (size_t i = 0; ret_shares && i < n; i++)
        ret_shares[i].wait = fmax(0, v - scale * ret_shares[i].wait);
}

static void no_answer(struct fast_queue *ret, size_t n, struct fast_share *ret_shares, double wait)
{
    ret->mean = ret->by_work = ret->virtual_wait = ret->lower = ret->upper = wait;
    for (size_t i = 0; ret_shares && i < n; i++)
        ret_shares[i] = (struct fast_share){.wait = wait};
}

void fast_queue_solve(const struct fast_class *classes, size_t n, struct fast_queue *ret,
                      struct fast_share *ret_shares)
{
    struct mixing_sums sum;
    mixing_sum(classes, n, &sum);
    struct fast_queue q = {.utilisation = sum.work,
                           .rate = sum.rate,
                           .stable = sum.work<1, .service = sum.rate> 0 ? sum.work / sum.rate : 0,
                           .exponential = sum.exponential};
    if (!q.stable || !(sum.work > 0)) {
        q.decay = q.stable ? INFINITY : 0;
        no_answer(&q, n, ret_shares, q.stable ? 0 : INFINITY);
        *ret = q;
        return;
    }
    double residual = (sum.work2 + sum.work_var) / 2;
    q.upper = residual / (1 - sum.work);
    q.decay = decay_rate(classes, n, &sum, false);
    struct renewal_wait lower = {.mean = q.upper};
    if (!sum.poisson)
        lower_wait(&sum, q.decay, &lower);
    q.lower = fmin(q.upper, lower.mean);
    struct mixing mixing;
    struct deficit deficit;
    mixing_init(classes, n, &sum, &mixing);
    double u = mix_streams(&mixing, classes, n, ret_shares, &deficit);
    q.mean = q.by_work = q.lower + u * (q.upper - q.lower);
    q.virtual_wait = sum.work * q.by_work + residual;
    own_waits(&deficit, n, &q, ret_shares);
    *ret = q;
}

/* Both ends of the interpolation, and where in between a quantile lies. */
struct ends {
    struct renewal_wait low, high;
    double near, spread; /* near + spread D, D how far out */
};

/*
 * The wait that is exceeded with probability e^-log_beyond. Long waits build up over many gaps:
 * the further out, the more the gaps' long run counts, and the less their mixing.
 */
static double quantile_at(const struct ends *e, const struct fast_share *shares, size_t n,
                          double log_beyond)
{
    double high = renewal_quantile(&e->high, log_beyond);
    double c = 1 / (e->near + e->spread * fmax(0, high * e->high.decay)), u = 0, weights = 0;
    for (size_t i = 0; i < n; i++) {
        double x = c * shares[i].mixing;
        u += isinf(x) ? shares[i].weight : shares[i].weight * x / (1 + x);
        weights += shares[i].weight;
    }
    if (!(weights > 0)) /* Poisson arrivals: the upper end itself */
        u = 1;
    return (1 - u) * renewal_quantile(&e->low, log_beyond) + u * high;
}

/* E[W^2] of M/G/1 (Takacs). */
static double poisson_square(const struct fast_class *classes, size_t n, double rho, double mean)
{
    double third = 0;
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        struct renewal_service service = renewal_service(c->service, c->service_var, c->fixed);
        if (c->rate * c->count > 0 && c->service > 0)
            third += c->rate * c->count * renewal_third(&service);
    }
    return 2 * mean * mean + third / (3 * (1 - rho));
}

static void tail_of(const struct ends *e, const struct fast_share *shares, size_t n,
                    struct tail *ret)
{
    double none = -log(fmax(e->low.above, e->high.above)), some = none + 40;
    tail_zero(ret);
    for (int i = 0; i < 60; i++) { /* where the wait begins to be above 0 */
        double middle = (none + some) / 2;
        if (quantile_at(e, shares, n, middle) > 0)
            some = middle;
        else
            none = middle;
    }
    /* Closer together where the shape bends, out to e^-30. */
    tail_append(ret, 0, exp(-some));
    for (int i = 1; i < TAIL_POINTS; i++) {
        double t = (double)i / (TAIL_POINTS - 1), log_beyond = some + 30 * t * t;
        tail_append(ret, quantile_at(e, shares, n, log_beyond), exp(-log_beyond));
    }
}

static struct ends ends_of(const struct fast_class *classes, size_t n,
                           const struct mixing_sums *sum, const struct fast_queue *queue)
{
    double rho = sum->work, decay = queue->decay;
    double kept = (sum->work2_gap + sum->work_var) / (sum->work2 + sum->work_var);
    struct ends e = {.near = TAIL_NEAR - TAIL_NEAR_KEPT * kept,
                     .spread = (TAIL_FAR + TAIL_FAR_KEPT * kept) * pow(rho, TAIL_POWER)};
    if (!sum->poisson)
        decay = queue->exponential ? (1 - rho) / queue->service : decay_rate(classes, n, sum, true);
    renewal_poisson(rho, queue->upper, poisson_square(classes, n, rho, queue->upper), decay,
                    &e.high);
    e.low = e.high;
    if (!sum->poisson)
        lower_wait(sum, queue->decay, &e.low);
    return e;
}

void fast_queue_tails(const struct fast_class *classes, const struct fast_share *shares, size_t n,
                      const struct fast_queue *queue, struct fast_tails *ret)
{
    struct mixing_sums sum;
    mixing_sum(classes, n, &sum);
    tail_zero(&ret->by_work);
    tail_zero(&ret->found);
    tail_zero(&ret->sojourn);
    if (!queue->stable || !(queue->utilisation > 0))
        return;
    struct ends e = ends_of(classes, n, &sum, queue);
    tail_of(&e, shares, n, &ret->by_work);
    if (queue->exponential) {
        e.low = (struct renewal_wait){.above = 1, .slow = 1, .decay = e.low.decay};
        e.high = (struct renewal_wait){.above = 1, .slow = 1, .decay = e.high.decay};
        tail_of(&e, shares, n, &ret->sojourn);
        tail_scale(&ret->sojourn, sum.work, &ret->found);
        return;
    }
    if (sum.poisson) /* what arrivals meet is what there is */
        ret->found = ret->by_work;
    else
        deviation_tail(classes, n, &e.high, sum.work, queue->virtual_wait, &ret->found);
}

void fast_queue_tail(const struct fast_queue *queue, const struct fast_tails *tails, double mean,
                     struct tail *ret)
{
    double beyond = mean - queue->by_work, most = queue->virtual_wait - queue->by_work;
    if (beyond > 0 && most > 0)
        tail_mix(&tails->found, &tails->by_work, fmin(1, beyond / most), ret);
    else
        tail_scale(&tails->by_work, queue->by_work > 0 ? mean / queue->by_work : 1, ret);
}
