// SPDX-License-Identifier: GPL-2.0-or-later
/* METHOD_FAST of method_solve: the interpolated wait (fast_queue.h), any number, any size. */
#ifndef XENAGG_MODEL_FAST_H
#define XENAGG_MODEL_FAST_H

#include <stdint.h>

#include "model/fast_queue.h"
#include "model/method.h"

/* Arguments as method_solve, which has checked the query. 0 or -ENOMEM. */
int fast_solve(const struct query *query, const struct method_options *options, struct answer *ret,
               uint64_t *ret_phases);

/* Of wait and service together, for the containers of one class, whose mean wait is `wait`. */
void fast_sojourn(const struct fast_queue *queue, const struct fast_class *class, double wait,
                  const struct fast_tails *tails, struct tail *ret);

/* A wait, and after it a service of the class. */
void fast_add_service(const struct tail *wait, const struct fast_class *class, struct tail *ret);

#endif
