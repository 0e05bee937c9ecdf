// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/fast_queue.h"

#include <math.h>

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
        double spread = c->service_var / s; /* s times the service's SCV */
        double log_z = eta * s, growth = s; /* ln z and its slope */
        if (spread > 1e-9 * s) {
            log_z = -log1p(-eta * spread) * s / spread;
            growth = s / (1 - eta * spread);
        }
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
    double spread = 0;
    for (size_t i = 0; i < n; i++)
        if (classes[i].rate > 0 && classes[i].count > 0 && classes[i].service > 0)
            spread = fmax(spread, classes[i].service_var / classes[i].service);
    return spread > 0 ? 1 / spread : INFINITY;
}

/*
 * The excess is convex with a root at 0 and one above: go right until it is
 * positive, then Newton comes down to the root without passing it.
 */
static double decay_rate(const struct fast_class *classes, size_t n, const struct sums *sum,
                         bool poisson)
{
    double pole = decay_pole(classes, n), slope, value;
    double gaps = poisson ? sum->work2 : sum->work2_gap;
    double eta = 2 * (1 - sum->work) / (gaps + sum->work_var + 1e-9 * sum->work2);
    eta = fmin(eta, 0.9 * pole);
    for (int i = 0; i < 60; i++) {
        value = decay_excess(classes, n, eta, poisson, &slope);
        if (value > 0)
            break;
        eta = isinf(pole) ? 2 * eta : eta + 0.5 * (pole - eta);
    }
    for (int i = 0; i < 60 && value > 0; i++) {
        double step = value / slope;
        if (!(step > 1e-13 * eta) || !isfinite(step))
            break;
        eta -= step;
        value = decay_excess(classes, n, eta, poisson, &slope);
        if (step < 1e-7 * eta) /* quadratic: the next step is below rounding */
            break;
    }
    return eta;
}

/* Kraemer and Langenbach-Belz' two-moment mean for the whole stream. */
static double two_moments(const struct sums *sum)
{
    double rho = sum->work, ca = sum->work2_gap / sum->work2, cs = sum->work_var / sum->work2;
    double mean = (sum->work2_gap + sum->work_var) / (2 * (1 - rho));
    if (ca + cs < 1e-12)
        return 0;
    return mean * exp(-2 * (1 - rho) * (1 - ca) * (1 - ca) / (3 * rho * (ca + cs)));
}

/* The wait if all streams were one renewal stream of this decay rate. */
static double lower_wait(const struct sums *sum, double eta)
{
    double s_e = sum->work2 / sum->work;
    double cs = sum->work_var / sum->work2, ca = sum->work2_gap / sum->work2;
    if (sum->exponential)
        return fmax(0, 1 / eta - s_e);
    double gap = pow(cs, 0.78);
    if (cs < 0.25) /* towards a random walk's: 0.58 standard deviations, 1/3 for Poisson */
        gap += (1 - cs / 0.25) * fmin(1.0 / 3, 0.5826 * sqrt(ca));
    double klb = two_moments(sum);
    return cs > 1 ? klb : fmax(klb, 1 / eta - gap * s_e);
}

/*
 * How Poisson-like the other streams make the queue look to each, with its
 * weight; returns the weight of the Poisson limit in the mean.
 */
static double mix_streams(const struct fast_class *classes, size_t n, const struct sums *sum,
                          struct fast_share *ret_shares)
{
    double rho = sum->work, s_e = sum->work2 / rho, cs = sum->work_var / sum->work2;
    double scale = 0.1934 * (1 - rho) / rho * 2 / (1 + cs);
    double power = 1 - 0.2944 * pow(rho, 3.358), weights = 0, u = 0;
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        double w = c->rate * c->service * c->service * fmax(0, 1 - c->gap_scv);
        double share = c->rate * s_e / rho, x = 0;
        if (w > 0 && share < 1)
            x = scale * (1 - 0.594 * c->gap_scv) * pow(1 / share - 1, power);
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
    ret->mean = ret->virtual_wait = ret->lower = ret->upper = wait;
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
    q.lower = sum.poisson ? q.upper : fmin(q.upper, lower_wait(&sum, q.decay));
    double u = mix_streams(classes, n, &sum, ret_shares);
    q.mean = q.lower + u * (q.upper - q.lower);
    q.virtual_wait = sum.work * q.mean + residual;
    if (ret_shares || !q.exponential)
        own_waits(classes, n, &q, ret_shares);
    *ret = q;
}

/* Both ends of the interpolation as exponential tails of the right mean and decay. */
struct ends {
    double low_decay, high_decay; /* 1/s */
    double low_log, high_log;     /* ln of the tails at 0 */
    double spread;                /* 0.191 + spread D */
};

/* The wait that is exceeded with probability e^-log_beyond. */
static double quantile_at(const struct ends *e, const struct fast_share *shares, size_t n,
                          double log_beyond)
{
    double low = e->low_log + log_beyond, high = e->high_log + log_beyond;
    double c = 1 / (0.191 + e->spread * fmax(0, high)), u = 0, weights = 0;
    for (size_t i = 0; i < n; i++) {
        double x = c * shares[i].mixing;
        u += shares[i].weight * x / (1 + x);
        weights += shares[i].weight;
    }
    if (!(weights > 0)) /* Poisson arrivals: the upper end itself */
        u = 1;
    return (1 - u) * low / e->low_decay + u * high / e->high_decay;
}

static void tail_of(const struct ends *e, const struct fast_share *shares, size_t n,
                    struct tail *ret)
{
    double none = -fmax(e->low_log, e->high_log), some = none + 40;
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

void fast_queue_tails(const struct fast_class *classes, const struct fast_share *shares, size_t n,
                      const struct fast_queue *queue, struct tail *ret_wait,
                      struct tail *ret_sojourn)
{
    struct sums sum = sum_up(classes, n);
    double rho = queue->utilisation;
    tail_zero(ret_wait);
    if (ret_sojourn)
        tail_zero(ret_sojourn);
    if (!queue->stable || !(rho > 0))
        return;
    struct ends e = {.low_decay = queue->decay, .high_decay = queue->decay};
    if (!sum.poisson)
        e.high_decay =
            queue->exponential ? (1 - rho) / queue->service : decay_rate(classes, n, &sum, true);
    e.low_log = log(fmin(1, e.low_decay * queue->lower) + 1e-300);
    e.high_log = log(fmin(1, e.high_decay * queue->upper) + 1e-300);
    e.spread = 0.7305 * pow(rho, 1.2);
    tail_of(&e, shares, n, ret_wait);
    if (!ret_sojourn || !queue->exponential)
        return;
    e.low_log = e.high_log = 0;
    tail_of(&e, shares, n, ret_sojourn);
}
