// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A log-linear histogram of durations: HISTOGRAM_STEPS equal bins in each
 * octave, so every bin is within 1/16 of its value, from 64 ns to 69 s. Plain
 * fixed-width counters without pointers: it can lie in shared memory, be copied
 * with memcpy, and two samples of one histogram can be subtracted.
 */
#ifndef XENAGG_COMMON_HISTOGRAM_H
#define XENAGG_COMMON_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 16u   /* bins per octave */
#define HISTOGRAM_OCTAVES 31u /* 32 ns * 2^31 = 69 s */
#define HISTOGRAM_BINS (HISTOGRAM_STEPS * HISTOGRAM_OCTAVES)

struct histogram {
    uint64_t sum_ns;               /* of the values themselves, not of their bins */
    uint32_t bins[HISTOGRAM_BINS]; /* wrap around; differences stay right */
};

void histogram_add(struct histogram *histogram, uint64_t ns, uint32_t times);
/* Adds the counts of `more`. */
void histogram_merge(struct histogram *histogram, const struct histogram *more);
/* Counts since `before`, an earlier copy of the same histogram. */
void histogram_difference(const struct histogram *now, const struct histogram *before,
                          struct histogram *ret);
uint64_t histogram_count(const struct histogram *histogram);
/* Mean in ns; 0 where nothing was counted. */
double histogram_mean(const struct histogram *histogram);
/* Variance in ns^2, of the bins' middles; 0 where empty. */
double histogram_variance(const struct histogram *histogram);
/* Share of the counts above `ns`, 0..1, interpolated in its bin; 0 where empty. */
double histogram_above(const struct histogram *histogram, double ns);
/* Value (ns) below which `share` (0..1) of the counts lie, interpolated in its bin; 0 where empty.
 */
double histogram_quantile(const struct histogram *histogram, double share);
/*
 * What the sum of two independent values is distributed like, one from each
 * (empty where one of them is). The counts mean nothing by themselves: they add
 * up to about 1e9.
 */
void histogram_convolve(const struct histogram *a, const struct histogram *b,
                        struct histogram *ret);

#endif
