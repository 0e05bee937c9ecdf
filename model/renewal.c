// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/renewal.h"

#include <complex.h>
#include <math.h>

#define FIXED 1e-6   /* an SCV below this is none */
#define MOST_SCV 1.1 /* of what follows a fixed part */
#define EVEN 400     /* orders of the gap above this change nothing that matters */
#define STEP                                                                                       \
    0.25 /* of the quadrature: errors of 1e-4 at most, where gaps and service hardly vary */
#define STEPS 60
#define NEGLIGIBLE (-28) /* ln |E[e^(zU)]| below which the integrand is left out */

/* ---- transforms ---- */

/* Balanced two-phase hyperexponential: probability of the first phase. */
static double hyper_split(double scv)
{
    return (1 + sqrt((scv - 1) / (scv + 1))) / 2;
}

struct renewal_service renewal_service(double mean, double variance, double fixed)
{
    double rest = mean - fixed;
    /* Nothing is left to vary, or too little for what varies: all of it does. */
    if (!(fixed > 0) || !(rest > 0) || variance > MOST_SCV * rest * rest)
        return (struct renewal_service){0, mean, mean > 0 ? variance / (mean * mean) : 0};
    return (struct renewal_service){fixed, rest, variance / (rest * rest)};
}

double renewal_pole(const struct renewal_service *service)
{
    double mean = service->mean, scv = service->scv;
    if (scv < FIXED)
        return INFINITY;
    return scv > 1 ? 2 * (1 - hyper_split(scv)) / mean : 1 / (mean * scv);
}

static double log_rest(double x, double mean, double scv, double *ret_slope)
{
    if (scv < FIXED) {
        *ret_slope = mean;
        return x * mean;
    }
    if (scv <= 1) {
        *ret_slope = mean / (1 - x * mean * scv);
        return -log1p(-x * mean * scv) / scv;
    }
    double p = hyper_split(scv), q = 1 - p;
    double a = 2 * p / mean, b = 2 * q / mean; /* rates */
    double more = p * x / (a - x) + q * x / (b - x);
    *ret_slope = (p * a / ((a - x) * (a - x)) + q * b / ((b - x) * (b - x))) / (1 + more);
    return log1p(more);
}

double renewal_log_service(double x, const struct renewal_service *service, double *ret_slope)
{
    double slope, value = log_rest(x, service->mean, service->scv, &slope);
    *ret_slope = service->fixed + slope;
    return x * service->fixed + value;
}

static double third_of_rest(double mean, double scv)
{
    double cube = mean * mean * mean;
    if (scv <= 1)
        return cube * (1 + scv) * (1 + 2 * scv);
    double p = hyper_split(scv);
    return 0.75 * cube * (1 / (p * p) + 1 / ((1 - p) * (1 - p)));
}

double renewal_third(const struct renewal_service *service)
{
    double f = service->fixed, m = service->mean, square = m * m * (1 + service->scv);
    return f * f * f + 3 * f * f * m + 3 * f * square + third_of_rest(m, service->scv);
}

/* The library's logarithm and quotient guard against overflow and lost digits that do not arise
 * here. */
static inline double complex logarithm(double complex z)
{
    double x = creal(z), y = cimag(z);
    return CMPLX(0.5 * log(x * x + y * y), atan2(y, x));
}

static inline double complex inverse(double complex z)
{
    return conj(z) / (creal(z) * creal(z) + cimag(z) * cimag(z));
}

/* ln E[e^(-z S)] for complex z */
static double complex log_rest_at(double complex z, double mean, double scv)
{
    if (scv < FIXED)
        return -z * mean;
    if (scv <= 1)
        return -logarithm(1 + z * mean * scv) / scv;
    double p = hyper_split(scv);
    double complex first = p * inverse(1 + z * mean / (2 * p));
    return logarithm(first + (1 - p) * inverse(1 + z * mean / (2 * (1 - p))));
}

static double complex log_service(double complex z, const struct renewal_service *service)
{
    return log_rest_at(z, service->mean, service->scv) - z * service->fixed;
}

/* ---- one stream ---- */

/* Newton on the logarithm over x, which rises through the root and is 0 there only. */
static double decay_of(double rate, double order, const struct renewal_service *service)
{
    double pole = renewal_pole(service), mean = service->fixed + service->mean;
    double variance = service->mean * service->mean * service->scv + 1 / (order * rate * rate);
    double x = fmin(0.9 * pole, 2 * (1 / rate - mean) / variance);
    for (int i = 0; i < 100; i++) {
        double slope, log_s = renewal_log_service(x, service, &slope);
        double ratio = (log_s - order * log1p(x / (order * rate))) / x;
        slope -= order / (order * rate + x);
        double next = x - x * ratio / (slope - ratio);
        if (!(next < pole))
            next = (x + pole) / 2;
        double step = fabs(next - x);
        x = fmax(next, x / 10);
        if (step < 1e-9 * x)
            break;
    }
    return x;
}

/*
 * With phi(z) = E[e^(z U)], U = service - gap: the cumulants of the wait are
 * integrals of ln(1 - phi(-z)) / z^(n+1) along Re z = -decay / 2, P(W = 0) is
 * the exponential of that of ln(1 - phi(-z)) / z. On y = sinh(t) decay / 2 the
 * trapezoidal rule converges geometrically.
 */
static void pollaczek(double rate, double order, const struct renewal_service *service,
                      struct renewal_wait *ret)
{
    double a = ret->decay / 2, none = 0, first = 0, second = 0, grown = 1, growth = exp(STEP);
    for (int i = 0; i < STEPS; i++, grown *= growth) { /* grown: e^t */
        double y = a * (grown - 1 / grown) / 2, weight = a * (grown + 1 / grown) / 2 * STEP;
        double complex z = CMPLX(-a, y), back = inverse(z);
        double complex log_phi =
            log_service(z, service) - order * logarithm(1 - z / (order * rate));
        if (i > 5 && creal(log_phi) < NEGLIGIBLE)
            break;
        double complex value = logarithm(1 - cexp(log_phi)) * back * (i ? weight : weight / 2);
        none += creal(value);
        value *= back;
        first += creal(value);
        second += creal(value * back);
    }
    ret->above = fmin(1, fmax(0, -expm1(-none / M_PI)));
    ret->mean = fmax(0, -first / M_PI);
    ret->square = fmax(0, 2 * second / M_PI) + ret->mean * ret->mean;
}

/*
 * Two exponentials with the right P(W > 0), mean, second moment and decay. Where there are none,
 * the slow one alone with the right mean.
 */
static void fit_tail(struct renewal_wait *w)
{
    double m = w->mean * w->decay, s = w->square * w->decay * w->decay / 2, p = w->above;
    double up = s - m,
           down = m - p; /* with B, b in units of the decay: B (1/b^2 - 1/b), B (1/b - 1) */
    double inverse = down != 0 ? up / down : 0;
    w->slow = fmin(1, m);
    w->fast = 0;
    w->fast_decay = w->decay;
    if (!(inverse > 1e-3 && inverse < 0.95))
        return;
    double b = down / (inverse - 1), a = p - b;
    if (!(a > 0) || a > 1.5 || fabs(b) > 1)
        return;
    w->slow = a;
    w->fast = b;
    w->fast_decay = w->decay / inverse;
}

void renewal_solve(double rate, double gap_scv, const struct renewal_service *service, double decay,
                   struct renewal_wait *ret)
{
    double order = fmin(EVEN, 1 / gap_scv);
    struct renewal_wait w = {.decay = decay > 0 ? decay : decay_of(rate, order, service)};
    if (service->scv == 1 && service->fixed == 0) {
        w.above = fmax(0, 1 - w.decay * service->mean);
        w.mean = w.above / w.decay;
        w.square = 2 * w.mean / w.decay;
    } else {
        pollaczek(rate, order, service, &w);
    }
    fit_tail(&w);
    *ret = w;
}

void renewal_decay(struct renewal_wait *wait, double decay)
{
    wait->decay = decay;
    fit_tail(wait);
}

void renewal_poisson(double utilisation, double mean, double square, double decay,
                     struct renewal_wait *ret)
{
    struct renewal_wait w = {.above = utilisation, .mean = mean, .square = square, .decay = decay};
    fit_tail(&w);
    *ret = w;
}

static double tail_at(const struct renewal_wait *w, double y)
{
    return w->slow * exp(-w->decay * y) + w->fast * exp(-w->fast_decay * y);
}

double renewal_quantile(const struct renewal_wait *w, double log_beyond)
{
    double beyond = exp(-log_beyond), high;
    if (!(w->slow > 0))
        return 0;
    double y = (log(w->slow) + log_beyond) / w->decay;
    if (w->fast == 0)
        return y;
    if (w->slow + w->fast <= beyond)
        return fmin(y, 0);
    double low = 0;
    for (high = fmax(y, 0) + 1 / w->fast_decay; tail_at(w, high) > beyond; high *= 2)
        low = high;
    for (int i = 0; i < 50; i++) {
        double middle = (low + high) / 2;
        if (tail_at(w, middle) > beyond)
            low = middle;
        else
            high = middle;
    }
    return high;
}
