// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/poisson.h"

#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_sf_log.h>
#include <math.h>

/* ln(n!) - (n + 1/2) ln n + n - ln(2 pi)/2, for n >= 1. */
static double stirling_error(double n)
{
    if (n < 16)
        return lgamma(n + 1) - (n + 0.5) * log(n) + n - 0.5 * log(2 * M_PI);
    double n2 = n * n;
    return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - 1.0 / (1680 * n2)) / n2) / n2) / n;
}

/* n ln(n/x) + x - n >= 0, exact where n is near x. */
static double deviance(double n, double x)
{
    double t = (x - n) / n;
    if (t > 1e3 || t < -0.999) /* no cancellation there, and 1 + t may be 0 */
        return x - n - n * log(x / n);
    return -n * gsl_sf_log_1plusx_mx(t);
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
    double off = deviance(n, x);
    if (off >
        (x < n ? 40 : 80)) /* both tails are at most exp(-off): 1 to rounding, or below 1e-30 */
        return x < n;
    return gsl_sf_gamma_inc_Q(n, x);
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
    /* The lower tail keeps its relative precision as long as GSL can give it. */
    if (x >= n)
        return 1 - poisson_below(n, x);
    if (deviance(n, x) > 650)
        return 0;
    return gsl_sf_gamma_inc_P(n, x);
}
