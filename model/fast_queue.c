// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/fast_queue.h"

#include <math.h>

#include "model/renewal.h"
#include "model/strata.h"

/*
 * Fitted to simulation: the fitting set of `./run bench model` (tests/bench/grid.h),
 * exponential, Erlang, hyperexponential and fixed service.
 */
#define MIX_JUMPS 1.4585
#define MIX_JUMPS_SHARE 3.1669
#define MIX_JUMPS_GAP 1.5868
#define MIX_JUMPS_SCV 2.42
#define MIX_BRIDGE 1.8271
#define MIX_ROOT 2.9393
#define MIX_ROOT_KEPT 5.6379
#define MIX_ROOT_KEPT2 4.6828
#define TAIL_NEAR 0.422
#define TAIL_NEAR_KEPT 0.2446
#define TAIL_FAR 0.3513
#define TAIL_FAR_KEPT 0.8889
#define TAIL_POWER 1.34

/* Sums over all streams. */
struct sums {
    double rate;      /* r */
    double work;      /* r s: the utilisation */
    double work2;     /* r s^2 */
    double work2_gap; /* r s^2 c2 */
    double work_var;  /* r v */
    bool poisson;     /* every gap exponential */
    bool exponential; /* every service exponential, of one mean */
};

static struct sums sum_up(const struct fast_class *classes, size_t n)
{
    struct sums sum = {.poisson = true, .exponential = true};
    double first = 0;
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        double r = c->rate * c->count, s2 = c->service * c->service;
        if (!(r > 0) || !(c->service > 0))
            continue;
        first = first > 0 ? first : c->service;
        sum.rate += r;
        sum.work += r * c->service;
        sum.work2 += r * s2;
        sum.work2_gap += r * s2 * c->gap_scv;
        sum.work_var += r * c->service_var;
        sum.poisson &= c->gap_scv > 1 - 1e-9;
        sum.exponential &=
            fabs(c->service - first) <= 1e-9 * first && fabs(c->service_var - s2) <= 1e-9 * s2;
    }
    return sum;
}

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
        double growth, log_z = renewal_log_service(eta, s, c->service_var / (s * s), &growth);
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
        if (c->rate > 0 && c->count > 0 && c->service > 0)
            pole = fmin(pole, renewal_pole(c->service, c->service_var / (c->service * c->service)));
    }
    return pole;
}

/*
 * The excess is convex with a root at 0 and one above. Over eta it only rises,
 * nearly straight, through the root that is wanted: Newton on that, kept below the pole.
 */
static double decay_rate(const struct fast_class *classes, size_t n, const struct sums *sum,
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
static double one_service(const struct sums *sum)
{
    return sum->work2 / sum->work;
}

static double one_service_scv(const struct sums *sum)
{
    return sum->exponential ? 1 : sum->work_var / sum->work2;
}

/*
 * The gap SCV that one renewal stream would need to have this decay rate; that of the work where
 * it cannot have it.
 */
static double decay_scv(const struct sums *sum, double eta)
{
    double mean = one_service(sum), scv = one_service_scv(sum), slope;
    double rate = sum->work / mean, long_run = sum->work2_gap / sum->work2, c = long_run;
    double log_z = eta < renewal_pole(mean, scv) ? renewal_log_service(eta, mean, scv, &slope) : 0;
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

#define BY_DECAY 0.7 /* between the gaps' variation in the long run and that of the decay rate */

/*
 * The wait if all streams were one renewal stream. For streams that are alike
 * both ways to find its variation are one; where they differ the truth lies between.
 */
static void lower_wait(const struct sums *sum, double eta, struct renewal_wait *ret)
{
    double mean = one_service(sum), long_run = fmax(1e-9, sum->work2_gap / sum->work2);
    double by_decay = fmax(1e-9, decay_scv(sum, eta));
    double scv = long_run * pow(by_decay / long_run, BY_DECAY);
    double same = fabs(scv / long_run - 1) < 1e-6 ? eta : 0;
    renewal_solve(sum->work / mean, fmin(1, scv), mean, one_service_scv(sum), same, ret);
    renewal_decay(ret, eta);
}

/*
 * How Poisson-like the queue looks to a stream, x: 0 as if its containers alone
 * were in step, infinite as if they came at random. theta compares its mean gap
 * with the time in which the queue forgets. Three regimes in one sum: at low load a
 * container only meets other streams' containers (share); in heavy traffic what lies between
 * two of its own is a bridge; between the two found by simulation (docs/model.md).
 */
struct mixing_law {
    double load;        /* rho / (1 - rho) */
    double noise;       /* 1 + SCV of the service */
    double jumps, root; /* coefficients for this SCV and variation of gaps */
};

static struct mixing_law mixing_law_make(const struct sums *sum)
{
    double cs = one_service_scv(sum), ca = sum->work2_gap / sum->work2, rho = sum->work;
    double kept = (ca + cs) / (1 + cs); /* variation that is left in the long run */
    return (struct mixing_law){
        .load = rho / (1 - rho),
        .noise = 1 + cs,
        .jumps = fmax(0, MIX_JUMPS - MIX_JUMPS_SHARE * cs / (1 + cs) + MIX_JUMPS_GAP * ca +
                             MIX_JUMPS_SCV * cs),
        .root = fabs(MIX_ROOT - MIX_ROOT_KEPT * kept + MIX_ROOT_KEPT2 * kept * kept)};
}

static double mixing(const struct mixing_law *law, const struct fast_class *c,
                     const struct sums *sum)
{
    double share = c->rate * c->service / sum->work, alone = 1 - share;
    double in_step = c->rate * one_service(sum) / sum->work;
    double theta = 1 / (law->load * law->load * law->noise * in_step);
    if (!(share > 0))
        return INFINITY;
    if (alone < 1e-12)
        return 0;
    return alone / (share + law->load * law->jumps * share +
                    MIX_BRIDGE / (theta + law->root * sqrt(theta)));
}

/* Each stream's mixing and weight; returns the weight of the Poisson limit in the mean. */
static double mix_streams(const struct fast_class *classes, size_t n, const struct sums *sum,
                          struct fast_share *ret_shares)
{
    struct mixing_law law = mixing_law_make(sum);
    double weights = 0, u = 0;
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        double w = c->rate * c->service * c->service * fmax(0, 1 - c->gap_scv);
        double x = w > 0 ? mixing(&law, c, sum) : 0;
        weights += c->count * w;
        u += c->count * w * x / (1 + x);
        if (ret_shares)
            ret_shares[i] = (struct fast_share){.mixing = x, .weight = c->count * w};
    }
    for (size_t i = 0; ret_shares && weights > 0 && i < n; i++)
        ret_shares[i].weight /= weights;
    return weights > 0 ? u / weights : 1;
}

/*
 * How much less of the work that its own earlier ones left a container finds
 * than a Poisson arrival would, in proportion: all of it at low load (r s^2),
 * what the shortfall of arrivals before it comes to near saturation (s).
 */
static double evenness(const struct fast_class *c, double rho)
{
    double even = 1 - c->gap_scv, share = c->rate * c->service / rho;
    return even > 0 && share > 0 ? even * c->service * pow(fmin(1, share), 1 - rho) : 0;
}

/*
 * A stream's own wait: V less that; the average over the work is kept. Turns
 * the queue's mean into the average over containers.
 */
static void own_waits(const struct fast_class *classes, size_t n, struct fast_queue *queue,
                      struct fast_share *ret_shares)
{
    double rho = queue->utilisation, by_work = 0, by_number = 0;
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        double less = evenness(c, rho), number = c->count * c->rate;
        by_work += number * c->service / rho * less;
        by_number += number / queue->rate * less;
        if (ret_shares)
            ret_shares[i].wait = less;
    }
    double v = queue->virtual_wait, scale = by_work > 0 ? (v - queue->mean) / by_work : 0;
    queue->mean = fmax(0, v - scale * by_number);
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
    struct sums sum = sum_up(classes, n);
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
    double u = mix_streams(classes, n, &sum, ret_shares);
    q.mean = q.by_work = q.lower + u * (q.upper - q.lower);
    q.virtual_wait = sum.work * q.by_work + residual;
    if (ret_shares || !q.exponential)
        own_waits(classes, n, &q, ret_shares);
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
        if (c->rate * c->count > 0 && c->service > 0)
            third += c->rate * c->count *
                     renewal_third(c->service, c->service_var / (c->service * c->service));
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

static struct ends ends_of(const struct fast_class *classes, size_t n, const struct sums *sum,
                           const struct fast_queue *queue)
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

/*
 * What is left of the service that a random moment meets, in units of its
 * mean service: a uniform part of one picked by its length.
 */
static void residual_strata(double scv, double values[static STRATA])
{
    double lengths[STRATA], sum = 0, mean = (1 + scv) / 2;
    strata_service(scv, lengths);
    for (int j = 0; j < STRATA; j++)
        sum += lengths[j];
    double reached = 0, total = 0;
    for (int j = 0, i = 0; j < STRATA; j++) {
        double wanted = sum * (j + 0.5) / STRATA;
        while (i < STRATA - 1 && reached + lengths[i] < wanted)
            reached += lengths[i++];
        values[j] = lengths[i] * fmod(0.5 + j * 0.6180339887498949, 1); /* evenly spread */
        total += values[j];
    }
    for (int j = 0; j < STRATA; j++)
        values[j] *= mean * STRATA / total;
}

void fast_queue_tails(const struct fast_class *classes, const struct fast_share *shares, size_t n,
                      const struct fast_queue *queue, struct fast_tails *ret)
{
    struct sums sum = sum_up(classes, n);
    double residual[STRATA];
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
    residual_strata(one_service_scv(&sum), residual);
    strata_add(&ret->by_work, one_service(&sum), residual, &ret->found);
    tail_scale(&ret->found, sum.work, &ret->found);
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
