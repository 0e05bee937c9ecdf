// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random durations of a given mean and squared coefficient of variation: 0
 * fixed, below 1 a mixture of Erlang laws of neighbouring orders (order r for
 * exactly 1/r), 1 exponential, above 1 balanced two-phase hyperexponential.
 */
#ifndef XENAGG_MODEL_LAW_H
#define XENAGG_MODEL_LAW_H

#include <stdbool.h>

#include "model/random.h"

struct law {
    enum { LAW_FIXED, LAW_EXPONENTIAL, LAW_MIXED } kind;
    double mean;
    double split; /* LAW_MIXED: with this probability `first`, else `second` */
    struct random_gamma first, second;
};

/* mean >= 0, scv >= 0; below an scv of 1e-6 it is 0. */
struct law law_make(double mean, double scv);

static inline double law_draw(const struct law *law, struct random *random)
{
    if (law->kind == LAW_FIXED)
        return law->mean;
    if (law->kind == LAW_EXPONENTIAL)
        return law->mean * random_exponential(random);
    bool first = law->split > 0 && random_uniform(random) < law->split;
    return random_gamma(random, first ? &law->first : &law->second);
}

#endif
