// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/fast.h"

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
 * cancel. Value and slope of sum r k (z^(1/k) - 1) - eta.
 */
static double decay_excess(const struct fast_class *classes, size_t n, double eta, double *slope)
{
    double value = -eta, d = -1;
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        double r = c->rate * c->count, s = c->service;
        if (!(r > 0) || !(s > 0))
            continue;
        double spread = c->service_var / s; /* s times the service's SCV */
        double log_z = eta * s, growth = s; /* ln z and its slope */
        if (spread > 1e-9 * s) {
            log_z = -log1p(-eta * spread) * s / spread;
            growth = s / (1 - eta * spread);
        }
        double e = expm1(log_z * c->gap_scv);
        value += r * (c->gap_scv > 1e-12 ? e / c->gap_scv : log_z);
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
static double decay_rate(const struct fast_class *classes, size_t n, const struct sums *sum)
{
    double pole = decay_pole(classes, n), slope, value;
    double eta = 2 * (1 - sum->work) / (sum->work2_gap + sum->work_var + 1e-9 * sum->work2);
    eta = fmin(eta, 0.9 * pole);
    for (int i = 0; i < 60; i++) {
        value = decay_excess(classes, n, eta, &slope);
        if (value > 0)
            break;
        eta = isinf(pole) ? 2 * eta : eta + 0.5 * (pole - eta);
    }
    for (int i = 0; i < 60 && value > 0; i++) {
        double step = value / slope;
        if (!(step > 1e-13 * eta) || !isfinite(step))
            break;
        eta -= step;
        value = decay_excess(classes, n, eta, &slope);
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

/* How Poisson-like the other streams make the queue look to this one. */
static double mixing(const struct fast_class *c, double share, double rho, double cs)
{
    if (share >= 1)
        return 0;
    double x = 0.1934 * (1 - 0.594 * c->gap_scv) * (1 - rho) / rho *
               pow(1 / share - 1, 1 - 0.2944 * pow(rho, 3.358));
    return x * 2 / (1 + cs);
}

/* Weight of the Poisson limit in the mean. */
static double upper_weight(const struct fast_class *classes, size_t n, const struct sums *sum)
{
    double s_e = sum->work2 / sum->work, cs = sum->work_var / sum->work2;
    double weights = 0, u = 0;
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        double w = c->count * c->rate * c->service * c->service * (1 - c->gap_scv);
        if (!(w > 0))
            continue;
        double x = mixing(c, c->rate * s_e / sum->work, sum->work, cs);
        weights += w;
        u += w * x / (1 + x);
    }
    return weights > 0 ? u / weights : 1;
}

/*
 * A stream's own containers come evenly spaced, and so find less of the work
 * that its earlier ones left than a Poisson arrival does: V less a share that
 * grows with the stream's part of the work; the average over the work stays.
 */
static void own_waits(const struct fast_class *classes, size_t n, const struct sums *sum,
                      const struct fast_queue *queue, double *ret_waits)
{
    double rho = sum->work, total = 0, s_e = sum->work2 / sum->work;
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        double even = fmax(0, 1 - c->gap_scv), share = fmin(1, c->rate * s_e / rho);
        ret_waits[i] = even > 0 && share > 0 ? pow(share, 1 - rho) * even : 0;
        total += c->count * c->rate * c->service / rho * ret_waits[i];
    }
    double spread = queue->virtual_wait - queue->mean;
    for (size_t i = 0; i < n; i++) {
        double less = total > 0 ? spread * ret_waits[i] / total : 0;
        ret_waits[i] = fmax(0, queue->virtual_wait - less);
    }
}

static void no_answer(struct fast_queue *ret, size_t n, double *ret_waits, double wait)
{
    ret->mean = ret->virtual_wait = ret->lower = ret->upper = wait;
    for (size_t i = 0; ret_waits && i < n; i++)
        ret_waits[i] = wait;
}

void fast_solve(const struct fast_class *classes, size_t n, struct fast_queue *ret,
                double *ret_waits)
{
    struct sums sum = sum_up(classes, n);
    struct fast_queue q = {.utilisation = sum.work, .rate = sum.rate, .stable = sum.work < 1};
    if (!q.stable || !(sum.work > 0)) {
        q.decay = q.stable ? INFINITY : 0;
        no_answer(&q, n, ret_waits, q.stable ? 0 : INFINITY);
        *ret = q;
        return;
    }
    double residual = (sum.work2 + sum.work_var) / 2;
    q.upper = residual / (1 - sum.work);
    q.decay = decay_rate(classes, n, &sum);
    q.lower = sum.poisson ? q.upper : fmin(q.upper, lower_wait(&sum, q.decay));
    q.mean = q.lower;
    if (!sum.poisson && q.upper > q.lower)
        q.mean += upper_weight(classes, n, &sum) * (q.upper - q.lower);
    q.virtual_wait = sum.work * q.mean + residual;
    if (ret_waits)
        own_waits(classes, n, &sum, &q, ret_waits);
    *ret = q;
}
