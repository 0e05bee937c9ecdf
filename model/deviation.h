// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The law of the work that a random moment finds at a server that many
 * streams share, by large deviations (docs/model.md, "The interpolated wait"):
 * how much less likely than with Poisson arrivals it is that streams whose
 * gaps are even ever bring so much in any time.
 */
#ifndef XENAGG_MODEL_DEVIATION_H
#define XENAGG_MODEL_DEVIATION_H

#include <stddef.h>

#include "model/mixing.h"
#include "model/renewal.h"
#include "model/tail.h"

/*
 * `poisson`: the wait if all arrivals were Poisson. utilisation in (0, 1);
 * mean (s, > 0) of the work found, which `ret` will have.
 */
void deviation_tail(const struct fast_class *classes, size_t n, const struct renewal_wait *poisson,
                    double utilisation, double mean, struct tail *ret);

#endif
