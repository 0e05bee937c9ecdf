// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/phases.h"

#include <errno.h>
#include <math.h>

#define SLACK 1e-9 /* of an order that is meant to be whole */

static void fit_hyperexponential(double mean, double scv, struct phases *ret)
{
    double split = (1 + sqrt((scv - 1) / (scv + 1))) / 2;
    double shares[2] = {split, 1 - split};
    ret->n = 2;
    for (int i = 0; i < 2; i++) {
        ret->start[i] = shares[i];
        ret->leave[i] = 2 * shares[i] / mean;
        ret->rates[i][i] = -ret->leave[i];
    }
}

/* Orders r - 1 (with probability `split`) and r, entered in phase 1 or 0. */
static void fit_mixed_erlang(double mean, double scv, uint32_t r, struct phases *ret)
{
    double root = sqrt(fmax(0, r * (1 + scv) - (double)r * r * scv));
    double split = r > 1 ? fmax(0, (r * scv - root) / (1 + scv)) : 0;
    double rate = (r - split) / mean;
    ret->n = r;
    ret->start[0] = 1 - split;
    if (r > 1)
        ret->start[1] = split;
    for (uint32_t i = 0; i < r; i++) {
        ret->rates[i][i] = -rate;
        if (i + 1 < r)
            ret->rates[i][i + 1] = rate;
    }
    ret->leave[r - 1] = rate;
}

int phases_fit(double mean, double scv, struct phases *ret)
{
    if (!isfinite(mean) || mean <= 0 || !isfinite(scv) || scv < 0)
        return -EINVAL;
    if (scv * PHASES_MAX < 1 - SLACK)
        return -ENOTSUP;
    struct phases phases = {0};
    if (scv > 1)
        fit_hyperexponential(mean, scv, &phases);
    else
        fit_mixed_erlang(mean, scv, (uint32_t)fmax(1, ceil(1 / scv - SLACK)), &phases);
    *ret = phases;
    return 0;
}
