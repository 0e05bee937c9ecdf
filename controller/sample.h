// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Samples: what the backend counted between two looks at its measurement
 * segment. Notices a restarted backend (another file) and a slot that went to
 * another guest; neither is ever taken for traffic.
 */
#ifndef XENAGG_CONTROLLER_SAMPLE_H
#define XENAGG_CONTROLLER_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/segment.h"

/*
 * One interface. `delta` is a difference of two samples, in the form of the
 * segment's own: every counter and histogram counts what was added, and all
 * that is no counter (tuning, ids, echo_max_ns) is the newer sample's. Where
 * seconds is 0 there is no earlier sample to subtract, or none newer: then the
 * counters are 0.
 */
struct sample_interface {
    double seconds;
    double age; /* s since the backend last wrote the slot */
    struct segment_interface delta;
};

struct sample_worker {
    uint32_t worker;
    double seconds;
    struct segment_worker delta; /* but `held` is all since the backend started */
};

struct sample {
    uint64_t at_ns; /* CLOCK_MONOTONIC */
    size_t n_interfaces, n_workers;
    struct sample_interface *interfaces; /* in no order; by delta.domid and .handle */
    struct sample_worker *workers;
    bool restarted; /* the backend is another one than at the last sample */
};

struct sampler;

/* `path` is copied. Nothing is opened yet. 0 or -ENOMEM. */
int sampler_create(const char *path, struct sampler **ret);
void sampler_destroy(struct sampler *sampler); /* NULL is fine */

/*
 * Takes a sample at `now_ns` (CLOCK_MONOTONIC). `ret` borrows from the sampler
 * until the next call. 0; -ENOENT (no segment: the backend is not there, or
 * gone), -EPROTO (not a segment of this version), -errno; then `ret` is empty.
 */
int sampler_take(struct sampler *sampler, uint64_t now_ns, struct sample *ret);

/* Counts from `before` to `now`. Both of the same slot, worker and generation. */
void sample_subtract(const struct segment_interface *now, const struct segment_interface *before,
                     struct segment_interface *ret);

#endif
