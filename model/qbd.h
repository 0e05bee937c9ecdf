// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The published solution, literally (docs/model.md, "The published solution"):
 * the superposition of Erlang streams as a renewal process with one phase-type
 * gap, PH/PH/1 as a quasi-birth-death process of (number of streams) times
 * (product of the sizes) times (service phases) phases. A reference for the
 * transform form (method `published`), which gives the same answer at any size.
 */
#ifndef XENAGG_MODEL_QBD_H
#define XENAGG_MODEL_QBD_H

#include "model/method.h"
#include "model/phases.h"
#include "model/quasi.h"

/* METHOD_QBD of method_solve. */
int qbd_solve(const struct query *query, const struct method_options *options, struct answer *ret,
              uint64_t *ret_phases);

/* The gap between containers of all streams together: phase-type, started by `start`. */
struct qbd_gap {
    size_t n;
    double *start;       /* alpha */
    struct matrix rates; /* T */
    double *leave;       /* t = -T 1 */
};

/* Erlang streams, each by itself: rates (packets/s, > 0) and sizes. 0 or -ENOMEM. */
int qbd_gap_init(const double *rates, const uint32_t *sizes, size_t n_streams, struct qbd_gap *ret);
void qbd_gap_free(struct qbd_gap *gap);

/* A0, A1, A2, B1 of PH/PH/1; `quasi` as initialised with gap->n * service->n phases. */
void qbd_blocks(const struct qbd_gap *gap, const struct phases *service, struct quasi *quasi);

/*
 * The wait as a phase-type law of service->n squared phases, from R: initial
 * vector and matrix. With the rows of R, R = (t (x) I) Psi, the m by m matrix
 * K = Psi (t (x) I) is the rate matrix seen by arrivals; v0 = pi0 (t (x) I) / lambda
 * their level 0, w = v0 (I - K)^-1, D = diag(w):
 *     initial[j m + i] = w_i K_ij,   matrix = S (x) I + (s sigma) (x) (D^-1 K' D)
 * (derived in docs/model.md, "Waiting time from R"; cf. Sengupta 1989, Ramaswami 1990).
 */
struct qbd_wait {
    size_t n;            /* m * m */
    double *initial;     /* its sum is P(W > 0) */
    struct matrix rates; /* sub-generator */
};

/* `quasi` solved. 0, -ENOMEM, -EDOM. */
int qbd_wait_init(const struct quasi *quasi, const struct qbd_gap *gap,
                  const struct phases *service, struct qbd_wait *ret);
void qbd_wait_free(struct qbd_wait *wait);
/* -initial matrix^-1 1; NAN without memory */
double qbd_wait_mean(const struct qbd_wait *wait);
/* initial exp(matrix y) 1; NAN without memory */
double qbd_wait_tail(const struct qbd_wait *wait, double y);

#endif
