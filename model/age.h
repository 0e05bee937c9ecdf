// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * First in, first out with a service of its own for every class of arrivals
 * (MMAP[K]/PH[K]/1), by the age of the container in service
 * (docs/model.md, "The same queue with dependence kept"): a fluid that rises
 * while one is served and falls, once it is done, by the gap to the next.
 */
#ifndef XENAGG_MODEL_AGE_H
#define XENAGG_MODEL_AGE_H

#include "model/matrix.h"
#include "model/phases.h"
#include "model/waiting.h"

struct age_class {
    const struct matrix *d1; /* moves of the arrival phases with an arrival of this class, 1/s */
    const struct phases *service;
};

/*
 * `d0`: moves without an arrival, n by n as each d1. ret_waits: n_classes + 1
 * entries, the last for all arrivals; ret_sojourns: n_classes. The
 * utilisation must be below 1. 0, -ENOMEM, -EDOM (no solution was found).
 */
int age_solve(const struct matrix *d0, const struct age_class *classes, size_t n_classes,
              struct waiting *ret_waits, struct waiting *ret_sojourns);

#endif
