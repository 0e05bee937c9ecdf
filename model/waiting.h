// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The law of the wait in a first-in-first-out queue that was solved by
 * matrices. Its tail is a matrix exponential; uniformised, a
 * Poisson mixture: P(X > y) = sum_j Poisson(j; rate y) over[j], where over[j]
 * falls geometrically in the end (docs/model.md, "Waiting time from R").
 */
#ifndef XENAGG_MODEL_WAITING_H
#define XENAGG_MODEL_WAITING_H

#include <stddef.h>

#include "model/phases.h"
#include "model/quasi.h"

struct waiting {
    double rate;  /* 1/s */
    double *over; /* n of them; NULL where there is none */
    size_t n;
    double decay; /* over[j + 1] / over[j] beyond the last */
};

/*
 * Waits of the arrivals of several kinds, and waits plus service. Phases of the
 * process: arrival phase * service.n + service phase; at level 0 the service
 * phase is that of the next service.
 * kinds[i][a]: rate of arrivals of kind i in arrival phase a, over that kind's mean
 * rate. `rate`: theirs at least (1/s); 0: as it comes. ret_waits, ret_sojourns: n_kinds entries
 * each. 0 or -ENOMEM (nothing is held then).
 */
int waiting_solve(const struct quasi *quasi, const struct phases *service,
                  const double *const *kinds, size_t n_kinds, double rate,
                  struct waiting *ret_waits, struct waiting *ret_sojourns);
/* A wait and then a service, whose phases leave no faster than the wait's rate. 0 or -ENOMEM. */
int waiting_add(const struct waiting *wait, const struct phases *service, struct waiting *ret);
/*
 * Laws P(X > y) = row e^(generator y) column, one for each of n_laws columns that
 * come one after the other. 0 or -ENOMEM (nothing is held then).
 */
int waiting_exponential(const double *row, const struct matrix *generator, const double *columns,
                        size_t n_laws, struct waiting *ret);
void waiting_free(struct waiting *waiting);

double waiting_mean(const struct waiting *waiting);
/* P(X > y), y >= 0 */
double waiting_tail(const struct waiting *waiting, double y);
/* The least y with P(X > y) <= 1 - p, 0 < p < 1. */
double waiting_quantile(const struct waiting *waiting, double p);

#endif
