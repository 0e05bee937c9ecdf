// SPDX-License-Identifier: GPL-2.0-or-later
/* METHOD_FAST of method_solve: the interpolated wait (fast_queue.h), any number, any size. */
#ifndef XENAGG_MODEL_FAST_H
#define XENAGG_MODEL_FAST_H

#include <stdint.h>

#include "model/method.h"

/* Arguments as method_solve, which has checked the query. 0 or -ENOMEM. */
int fast_solve(const struct query *query, const struct method_options *options, struct answer *ret,
               uint64_t *ret_phases);

#endif
