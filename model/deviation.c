// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/deviation.h"

#include <math.h>

#define POINTS (4 * TAIL_POINTS)
#define FAR 35   /* the law's end: e^-35 with Poisson arrivals */
#define TIMES 64 /* over how long a time work builds up */
#define TILTS 40
#define RATIO_MAX 40 /* of exponents; beyond, it never happens */
#define BEND 2       /* width of the correction that keeps the mean, in exponents */

/* Exponents of P(V > y) over the places y, before they are corrected for the mean. */
struct law {
    double at[POINTS], rate[POINTS], exponent[POINTS];
};

/* Where a curve of places and rates over the tilt, for one time, has come to. */
struct curve {
    double at, rate;
    int next; /* first place not reached yet */
};

/*
 * ln E[e^(x A)] of the work A that a stream brings in a time, and its slope in x. Even arrivals
 * at a random moment: n mean gaps bring n containers, and the rest of a gap one with that
 * probability; c of them, their long run, as a renewal process.
 */
struct growth {
    double value, slope;
};

struct tilted {
    double log, log_slope;         /* of E[e^(x S)] */
    double excess;                 /* E[e^(x S)] - 1 */
    double renewal, renewal_slope; /* for each gap in the long run */
    double random;                 /* SCV of the gaps, at most 1 */
};

static struct tilted tilt_class(const struct fast_class *c, double x)
{
    struct tilted t = {.random = fmin(1, fmax(0, c->gap_scv))};
    struct renewal_service service = renewal_service(c->service, c->service_var, c->fixed);
    t.log = renewal_log_service(x, &service, &t.log_slope);
    double log = fmin(t.log, 600), scv = t.random > 1e-9 ? t.random : 0;
    t.excess = expm1(log);
    t.renewal = scv > 0 ? expm1(log * scv) / scv : log;
    t.renewal_slope = t.log_slope * (scv > 0 ? exp(log * scv) : 1);
    return t;
}

static struct growth grow(const struct tilted *t, double gaps)
{
    double whole = floor(gaps), part = gaps - whole, more = 1 + part * t->excess;
    double even = (whole - gaps) * t->log + log(more);
    double even_slope = t->log_slope * (whole - gaps + part * (1 + t->excess) / more);
    return (struct growth){(1 - t->random) * even + gaps * t->renewal,
                           (1 - t->random) * even_slope + gaps * t->renewal_slope};
}

/* On to the next point of a curve: what it passes takes the least rate of all curves. */
static void curve_follow(struct curve *c, double at, double rate, struct law *law)
{
    if (!(at > c->at) || !isfinite(rate))
        return;
    for (; c->next < POINTS && law->at[c->next] <= at; c->next++) {
        double part = (law->at[c->next] - c->at) / (at - c->at);
        if (part >= 0)
            law->rate[c->next] = fmin(law->rate[c->next], c->rate + part * (rate - c->rate));
    }
    c->at = at;
    c->rate = rate;
}

/*
 * The rate of P(V > y): the least, over the times t, of what it takes that y + t of
 * work comes in t (Cramer: sup over x of x (y + t) - ln E[e^(x A(t))]).
 */
static void law_rates(const struct fast_class *classes, size_t n,
                      const struct renewal_wait *poisson, double slack, double unit,
                      struct law *law)
{
    struct curve curves[TIMES];
    double times[TIMES];
    for (int i = 0; i < TIMES; i++) {
        times[i] = unit * 1e-3 * pow(1e6, i / (TIMES - 1.0));
        curves[i] = (struct curve){.at = -times[i] * slack, .next = 1};
    }
    for (int j = 0; j < TILTS; j++) {
        double x = 0.05 * poisson->decay * pow(4000, j / (TILTS - 1.0));
        struct growth sums[TIMES] = {0};
        for (size_t k = 0; k < n; k++) {
            const struct fast_class *c = &classes[k];
            if (!(c->rate * c->count > 0) || !(c->service > 0))
                continue;
            struct renewal_service service = renewal_service(c->service, c->service_var, c->fixed);
            if (!(x < 0.999 * renewal_pole(&service)))
                return;
            struct tilted tilted = tilt_class(c, x);
            for (int i = 0; i < TIMES; i++) {
                struct growth g = grow(&tilted, c->rate * times[i]);
                sums[i].value += c->count * g.value;
                sums[i].slope += c->count * g.slope;
            }
        }
        for (int i = 0; i < TIMES; i++)
            curve_follow(&curves[i], sums[i].slope - times[i], x * sums[i].slope - sums[i].value,
                         law);
    }
}

static double poisson_at(const struct renewal_wait *w, double y)
{
    return fmax(1e-300, w->slow * exp(-w->decay * y) + w->fast * exp(-w->fast_decay * y));
}

/* The law with Poisson arrivals, its exponents multiplied as the rates are. */
static void law_exponents(const struct renewal_wait *poisson, struct law *law)
{
    double none = log(poisson_at(poisson, 0));
    law->exponent[0] = 0;
    for (int j = 1; j < POINTS; j++) {
        double ratio = law->rate[j] / (law->at[j] * poisson->decay);
        double e = (none - log(poisson_at(poisson, law->at[j]))) * fmin(RATIO_MAX, fmax(1, ratio));
        law->exponent[j] = fmax(law->exponent[j - 1], e);
    }
}

/* The exponent in the end is right but for a constant; what is known is the mean. */
static double corrected(double exponent, double constant)
{
    return exponent + constant * expm1(-exponent / (BEND + fabs(constant)));
}

static double law_mean(const struct law *law, double constant)
{
    double sum = 0, last = 1;
    for (int j = 1; j < POINTS; j++) {
        double p = exp(-corrected(law->exponent[j], constant));
        sum += (law->at[j] - law->at[j - 1]) * (p + last) / 2;
        last = p;
    }
    return sum;
}

static double law_constant(const struct law *law, double mean)
{
    double low = -20, high = 20;
    for (int i = 0; i < 40; i++) {
        double middle = (low + high) / 2;
        if (law_mean(law, middle) > mean)
            high = middle;
        else
            low = middle;
    }
    return (low + high) / 2;
}

void deviation_tail(const struct fast_class *classes, size_t n, const struct renewal_wait *poisson,
                    double utilisation, double mean, struct tail *ret)
{
    struct law law;
    struct mixing_sums sum;
    double slack = 1 - utilisation, far = FAR / poisson->decay;
    mixing_sum(classes, n, &sum);
    for (int j = 0; j < POINTS; j++) {
        double part = (double)j / (POINTS - 1);
        law.at[j] = far * part * part;
        law.rate[j] = INFINITY;
    }
    law_rates(classes, n, poisson, slack, (sum.work2 + sum.work_var) / (slack * slack), &law);
    law_exponents(poisson, &law);
    double constant = law_constant(&law, mean / utilisation);
    tail_zero(ret);
    for (int j = 0; j < POINTS; j += POINTS / TAIL_POINTS)
        tail_append(ret, law.at[j], utilisation * exp(-corrected(law.exponent[j], constant)));
}
