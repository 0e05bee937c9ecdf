// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/law.h"

#include <math.h>

#define SCV_FIXED 1e-6

static struct law hyperexponential(double mean, double scv)
{
    double split = (1 + sqrt((scv - 1) / (scv + 1))) / 2;
    return (struct law){.kind = LAW_MIXED,
                        .mean = mean,
                        .split = split,
                        .first = random_gamma_law(1, mean / (2 * split)),
                        .second = random_gamma_law(1, mean / (2 * (1 - split)))};
}

/* Orders r - 1 and r of one rate, 1/r <= scv < 1/(r-1) (Tijms 1994). */
static struct law mixed_erlang(double mean, double scv)
{
    double r = fmax(2, ceil(1 / scv - 1e-9));
    double root = sqrt(fmax(0, r * (1 + scv) - r * r * scv));
    double split = fmax(0, (r * scv - root) / (1 + scv));
    return (struct law){.kind = LAW_MIXED,
                        .mean = mean,
                        .split = split,
                        .first = random_gamma_law(r - 1, mean / (r - split)),
                        .second = random_gamma_law(r, mean / (r - split))};
}

struct law law_make(double mean, double scv)
{
    if (mean == 0 || scv < SCV_FIXED)
        return (struct law){.kind = LAW_FIXED, .mean = mean};
    if (scv == 1)
        return (struct law){.kind = LAW_EXPONENTIAL, .mean = mean};
    return scv > 1 ? hyperexponential(mean, scv) : mixed_erlang(mean, scv);
}
