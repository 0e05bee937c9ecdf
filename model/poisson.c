// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/poisson.h"

#include <math.h>

/* A chance of a count below the mean that is none. */
#define NONE 1e-34

/* ln(n!) - (n + 1/2) ln n + n - ln(2 pi)/2, for n >= 1. */
static double stirling_error(double n)
{
    static const double few[] = {0.0,
                                 0.081061466795327258,
                                 0.041340695955409294,
                                 0.027677925684998339,
                                 0.020790672103765093,
                                 0.016644691189821192,
                                 0.013876128823070748,
                                 0.01189670994589177,
                                 0.010411265261972096,
                                 0.0092554621827127329,
                                 0.0083305634333628713,
                                 0.0075736754879518408,
                                 0.0069428401072095299,
                                 0.0064089941880042071,
                                 0.0059513701127588477,
                                 0.0055547335519628014};
    if (n < 16 && n == floor(n))
        return few[(int)n];
    if (n < 16)
        return lgamma(n + 1) - (n + 0.5) * log(n) + n - 0.5 * log(2 * M_PI);
    double n2 = n * n;
    return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - 1.0 / (1680 * n2)) / n2) / n2) / n;
}

/*
 * n ln(n/x) + x - n >= 0. Near x = n, where it matters, the difference is wrong by
 * n |t| of the last digit, t being at most of the order of n^(-1/2).
 */
static double deviance(double n, double x)
{
    double t = (x - n) / n;
    if (t > 1e3 || t < -0.999) /* 1 + t may be 0 */
        return x - n - n * log(x / n);
    return fmax(0, n * (t - log1p(t)));
}

double poisson_pmf(double n, double x)
{
    if (n < 0)
        return 0;
    if (x <= 0)
        return n == 0;
    if (n == 0)
        return exp(-x);
    return exp(-stirling_error(n) - deviance(n, x)) / sqrt(2 * M_PI * n);
}

/* 1 + x/(n+1) + x^2/((n+1)(n+2)) + ..., x < n + 1: all terms from P(n) up, relative to it. */
static double terms_above(double n, double x)
{
    double term = 1, sum = 1;
    while (term > 1e-17 * sum) {
        n++;
        term *= x / n;
        sum += term;
    }
    return sum;
}

/* 1 + n/x + n(n-1)/x^2 + ..., n <= x: from P(n) down. */
static double terms_below(double n, double x)
{
    double term = 1, sum = 1, per = 1 / x;
    for (; n > 0 && term > 1e-17 * sum; n--) {
        term *= n * per;
        sum += term;
    }
    return sum;
}

double poisson_below(double n, double x)
{
    if (n <= 0)
        return 0;
    if (x <= 0)
        return 1;
    if (n == 1)
        return exp(-x);
    if (!(x < 1e300))
        return 0;
    if (x < n)
        return 1 - poisson_reaches(n, x);
    double last = poisson_pmf(n - 1, x);
    return last > NONE ? fmin(1, last * terms_below(n - 1, x)) : 0;
}

double poisson_reaches(double n, double x)
{
    if (n <= 0)
        return 1;
    if (x <= 0)
        return 0;
    if (n == 1)
        return -expm1(-x);
    if (!(x < 1e300))
        return 1;
    /* The small side is summed, so that it keeps its relative precision. */
    if (x >= n)
        return 1 - poisson_below(n, x);
    return fmin(1, poisson_pmf(n, x) * terms_above(n, x));
}
