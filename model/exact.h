// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The queue with the dependence between successive gaps kept: arrivals as a
 * Markovian arrival process made of the streams' Erlang clocks (Kronecker sums),
 * streams that are alike lumped into how many of them are in each phase, service
 * phase-type. A reference for small systems: the phases multiply.
 */
#ifndef XENAGG_MODEL_EXACT_H
#define XENAGG_MODEL_EXACT_H

#include "model/method.h"

/* METHOD_EXACT of method_solve. */
int exact_solve(const struct query *query, const struct method_options *options, struct answer *ret,
                uint64_t *ret_phases);

#endif
