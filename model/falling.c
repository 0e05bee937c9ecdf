// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/falling.h"

#include <math.h>

/* Takes the logarithm at x for one of the ends; the other's counts half from now on. */
static void narrow(struct falling *f, double x, double at)
{
    if (at > 0) {
        f->low = x;
        f->at_low = at;
        f->at_high /= 2;
    } else {
        f->high = x;
        f->at_high = fmin(at, -1e-300);
        f->at_low /= 2;
    }
}

double falling_find(struct falling f, falling_tail *tail, const void *context)
{
    for (int i = 0; i < f.trials && f.high - f.low > f.precision * f.high; i++) {
        double line = f.at_low / (f.at_low - f.at_high);
        double part = i % 4 == 3 ? 0.5 : fmin(f.edge, fmax(1 - f.edge, line));
        double x = f.low + part * (f.high - f.low);
        narrow(&f, x, log(fmax(tail(context, x), 1e-300) / f.beyond));
    }
    return f.high;
}
