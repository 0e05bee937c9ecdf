// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A quasi-birth-death process whose levels all have the same phases (Neuts
 * 1981): generator blocks A0 up, A1 within, A2 down, B1 within level 0. Here
 * the level is the number of containers in the system.
 */
#ifndef XENAGG_MODEL_QUASI_H
#define XENAGG_MODEL_QUASI_H

#include "model/matrix.h"

struct quasi {
    struct matrix a0, a1, a2, b1; /* given */
    struct matrix r;              /* A0 + R A1 + R^2 A2 = 0 */
    struct matrix g;              /* A2 + A1 G + A0 G^2 = 0 */
    double *pi0;                  /* stationary vector of level 0; level n: pi0 R^n */
    double *phase;                /* pi0 (I - R)^-1: stationary vector of the phases */
};

/* Room for blocks of n by n, all zero. 0 or -ENOMEM; then nothing is held. */
int quasi_init(struct quasi *ret, size_t n);
void quasi_free(struct quasi *quasi);

/*
 * From a0, a1, a2, b1: G and R by cyclic reduction (Bini and Meini 1996), then
 * the boundary. The process must be positive recurrent. 0, -ENOMEM, -EDOM
 * (no solution was found: it was not).
 */
int quasi_solve(struct quasi *quasi);

/* Largest absolute elements of the two equations above, over that of A1: how well they hold. */
double quasi_residual(const struct quasi *quasi);

#endif
