// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/histogram.h"

#include <stddef.h>
#include <string.h>

/* The lowest octave starts at 32 ns; what is below lands in its first bin. */
#define FIRST_BIT 5

static unsigned bin_of(uint64_t ns)
{
    if (ns < (1u << FIRST_BIT))
        return 0;
    unsigned octave = 63u - (unsigned)__builtin_clzll(ns);
    if (octave >= FIRST_BIT + HISTOGRAM_OCTAVES)
        return HISTOGRAM_BINS - 1;
    unsigned step = (unsigned)(ns >> (octave - 4)) & (HISTOGRAM_STEPS - 1);
    return (octave - FIRST_BIT) * HISTOGRAM_STEPS + step;
}

static double bin_start(unsigned bin)
{
    if (bin == 0)
        return 0;
    uint64_t base = 1ull << (bin / HISTOGRAM_STEPS + FIRST_BIT);
    return (double)base * (1.0 + (double)(bin % HISTOGRAM_STEPS) / HISTOGRAM_STEPS);
}

void histogram_add(struct histogram *histogram, uint64_t ns, uint32_t times)
{
    histogram->bins[bin_of(ns)] += times;
    histogram->sum_ns += ns * times;
}

void histogram_merge(struct histogram *histogram, const struct histogram *more)
{
    histogram->sum_ns += more->sum_ns;
    for (unsigned i = 0; i < HISTOGRAM_BINS; i++)
        histogram->bins[i] += more->bins[i];
}

void histogram_difference(const struct histogram *now, const struct histogram *before,
                          struct histogram *ret)
{
    ret->sum_ns = now->sum_ns - before->sum_ns;
    for (unsigned i = 0; i < HISTOGRAM_BINS; i++)
        ret->bins[i] = now->bins[i] - before->bins[i];
}

uint64_t histogram_count(const struct histogram *histogram)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BINS; i++)
        count += histogram->bins[i];
    return count;
}

double histogram_mean(const struct histogram *histogram)
{
    uint64_t count = histogram_count(histogram);
    return count ? (double)histogram->sum_ns / (double)count : 0;
}

double histogram_variance(const struct histogram *histogram)
{
    double n = 0, sum = 0, squares = 0;

    for (unsigned i = 0; i < HISTOGRAM_BINS; i++) {
        double middle = (bin_start(i) + bin_start(i + 1)) / 2, w = histogram->bins[i];
        n += w;
        sum += w * middle;
        squares += w * middle * middle;
    }
    double variance = n > 0 ? squares / n - sum / n * (sum / n) : 0;
    return variance > 0 ? variance : 0;
}

double histogram_above(const struct histogram *histogram, double ns)
{
    double n = 0, above = 0;

    for (unsigned i = 0; i < HISTOGRAM_BINS; i++) {
        double start = bin_start(i), end = bin_start(i + 1), w = histogram->bins[i];
        n += w;
        above += ns <= start ? w : ns < end ? w * (end - ns) / (end - start) : 0;
    }
    return n > 0 ? above / n : 0;
}

double histogram_quantile(const struct histogram *histogram, double share)
{
    double wanted = share * (double)histogram_count(histogram);
    double below = 0;
    unsigned last = 0;

    if (wanted <= 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_BINS; i++) {
        double here = histogram->bins[i];
        if (here == 0)
            continue;
        last = i;
        if (below + here >= wanted)
            return bin_start(i) + (wanted - below) / here * (bin_start(i + 1) - bin_start(i));
        below += here;
    }
    return bin_start(last + 1);
}

struct share {
    double ns, share;
};

/* The bins that are not empty, by their middles. */
static unsigned shares_of(const struct histogram *histogram, struct share ret[HISTOGRAM_BINS])
{
    double all = (double)histogram_count(histogram);
    unsigned n = 0;

    for (unsigned i = 0; i < HISTOGRAM_BINS; i++)
        if (histogram->bins[i])
            ret[n++] =
                (struct share){(bin_start(i) + bin_start(i + 1)) / 2, histogram->bins[i] / all};
    return n;
}

void histogram_convolve(const struct histogram *a, const struct histogram *b, struct histogram *ret)
{
    struct share of_a[HISTOGRAM_BINS], of_b[HISTOGRAM_BINS];
    unsigned n_a = shares_of(a, of_a), n_b = shares_of(b, of_b);
    const double scale = 1e9;

    memset(ret, 0, sizeof(*ret));
    for (unsigned i = 0; i < n_a; i++)
        for (unsigned j = 0; j < n_b; j++)
            histogram_add(ret, (uint64_t)(of_a[i].ns + of_b[j].ns),
                          (uint32_t)(of_a[i].share * of_b[j].share * scale + 0.5));
    ret->sum_ns =
        (uint64_t)((histogram_mean(a) + histogram_mean(b)) * (double)histogram_count(ret));
}
