// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A weighted log-linear histogram of durations, for percentiles out of a
 * simulation: 64 bins an octave over 64 octaves around a unit, linear between
 * the edges of a bin. What lies under 2^-20 units counts as zero.
 */
#ifndef XENAGG_MODEL_TALLY_H
#define XENAGG_MODEL_TALLY_H

#include <stdint.h>
#include <string.h>

#define TALLY_BITS 6
#define TALLY_OCTAVES 64
#define TALLY_LOWEST (-20) /* log2 of the smallest value kept apart from 0, in units */
#define TALLY_BINS (TALLY_OCTAVES << TALLY_BITS)

struct tally {
    double per_unit; /* 1 / unit */
    double zero;     /* weight under the lowest bin */
    double bins[TALLY_BINS];
};

/* `unit` > 0: a typical value, in the unit of the values added. */
void tally_init(struct tally *tally, double unit);

static inline void tally_add(struct tally *tally, double value, double weight)
{
    double scaled = value * tally->per_unit;
    uint64_t bits;
    memcpy(&bits, &scaled, sizeof(bits));
    int64_t bin =
        (int64_t)(bits >> (52 - TALLY_BITS)) - ((int64_t)(1023 + TALLY_LOWEST) << TALLY_BITS);
    if (bin < 0 || !(scaled > 0))
        tally->zero += weight;
    else
        tally->bins[bin < TALLY_BINS ? bin : TALLY_BINS - 1] += weight;
}

/* Adds what `from` holds; the units must be equal. */
void tally_merge(struct tally *tally, const struct tally *from);

/* The value that a share `p` in 0..1 of the weight does not exceed; 0 where nothing was added. */
double tally_quantile(const struct tally *tally, double p);

#endif
