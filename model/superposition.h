// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gap between containers of all streams together, seen as a renewal
 * process (docs/model.md, "The published answer at any size"). The residual of
 * the superposition is the least of the streams' residuals, so its tail is the
 * product of theirs, and
 *
 *     A*(s) = 1 - (s / rate) (1 - s integral_0^inf e^{-s t} G(t) dt).
 *
 * The tail is kept at the points of a quadrature that is good for every
 * e^{-s t} with s up to `fastest`; a transform then is one sum.
 */
#ifndef XENAGG_MODEL_SUPERPOSITION_H
#define XENAGG_MODEL_SUPERPOSITION_H

#include <stddef.h>

#include "model/closing.h"

struct superposition {
    double rate; /* containers/s of all streams */
    size_t n;
    double *at;     /* s */
    double *weight; /* of the quadrature, times the residual's tail there */
    double end;     /* s: beyond, the tail is below 1e-18 */
};

/*
 * closings[i] counts counts[i] times; those of rate 0 are left out, one at
 * least must not be. `fastest` in 1/s. 0 or -ENOMEM.
 */
int superposition_init(const struct closing_law *closings, const double *counts, size_t n,
                       double fastest, struct superposition *ret);
void superposition_free(struct superposition *superposition);

/*
 * 1 - E[e^{-s residual}] = s integral e^{-s t} G(t) dt, in 0..1, without
 * cancellation; *ret_slope (if not NULL) is its derivative. 0 <= s <= fastest.
 */
double superposition_residual(const struct superposition *superposition, double s,
                              double *ret_slope);

/*
 * g[j] = integral of Poisson(j; rate t) G(t) dt for j < n: what a uniformised
 * matrix exponential of that rate needs.
 */
void superposition_poisson(const struct superposition *superposition, double rate, size_t n,
                           double *ret);

#endif
