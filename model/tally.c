// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/tally.h"

#include <math.h>

void tally_init(struct tally *tally, double unit)
{
    memset(tally, 0, sizeof(*tally));
    tally->per_unit = 1 / unit;
}

void tally_merge(struct tally *tally, const struct tally *from)
{
    tally->zero += from->zero;
    for (int i = 0; i < TALLY_BINS; i++)
        tally->bins[i] += from->bins[i];
}

static double total(const struct tally *tally)
{
    double sum = tally->zero;
    for (int i = 0; i < TALLY_BINS; i++)
        sum += tally->bins[i];
    return sum;
}

static double edge(const struct tally *tally, int bin)
{
    int octave = bin >> TALLY_BITS, part = bin & ((1 << TALLY_BITS) - 1);
    double mantissa = 1 + (double)part / (1 << TALLY_BITS);
    return ldexp(mantissa, octave + TALLY_LOWEST) / tally->per_unit;
}

double tally_quantile(const struct tally *tally, double p)
{
    double wanted = p * total(tally), below = tally->zero;
    if (wanted <= below)
        return 0;
    for (int i = 0; i < TALLY_BINS; i++) {
        if (below + tally->bins[i] >= wanted && tally->bins[i] > 0) {
            double low = edge(tally, i), high = edge(tally, i + 1);
            return low + (high - low) * (wanted - below) / tally->bins[i];
        }
        below += tally->bins[i];
    }
    return edge(tally, TALLY_BINS);
}
