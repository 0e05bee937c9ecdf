// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Delays by the time when their packets were sent: one histogram per tenth of a
 * second, so that any span of the past can be asked for. Bounded: what is older
 * than its capacity is forgotten. Not thread-safe.
 */
#ifndef XENAGG_SANDBOX_TIMELINE_H
#define XENAGG_SANDBOX_TIMELINE_H

#include <stdint.h>

#include "common/histogram.h"

#define TIMELINE_BIN_NS 100000000ull

struct timeline;

/* 0 or -ENOMEM (2 KB per tenth of a second). */
int timeline_create(double seconds, struct timeline **ret);
void timeline_free(struct timeline *timeline);

/* `sent_ns` on any one clock. Times before the capacity are left out. */
void timeline_add(struct timeline *timeline, uint64_t sent_ns, uint64_t delay_ns);
/* Sums the bins that begin in [from_ns, to_ns), a span of at most its capacity. */
void timeline_sum(const struct timeline *timeline, uint64_t from_ns, uint64_t to_ns,
                  struct histogram *ret);

#endif
