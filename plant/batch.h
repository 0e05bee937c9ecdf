// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The closing rule for packets that come in bursts: Poisson bursts of a
 * geometric number of packets, all at once, as an index of dispersion above 1
 * suggests. A short replay with evenly spread (not random) quantiles: the same
 * arguments always give the same answer.
 */
#ifndef XENAGG_PLANT_BATCH_H
#define XENAGG_PLANT_BATCH_H

#include <stdint.h>

#include "model/closing.h"

/* Packets that come closer together than Poisson's are taken as bursts from this index on. */
#define BATCH_DISPERSION 1.5

/*
 * rate > 0 packets/s, dispersion > 1 (mean burst (dispersion + 1) / 2), size
 * 1..STREAM_SIZE_MAX, timeout finite and > 0. Of the law `open_mean` is not told (0), and the
 * functions of closing.h that take one are about Poisson packets.
 */
void batch_closing_solve(double rate, double dispersion, uint32_t size, double timeout,
                         struct closing_law *ret);

#endif
