// SPDX-License-Identifier: GPL-2.0-or-later
/* What the daemon's ticks take: in all, and the processor's time of their parts. */
#ifndef XENAGG_DAEMON_TICKS_H
#define XENAGG_DAEMON_TICKS_H

#include <stdint.h>

enum ticks_part {
    TICKS_SAMPLE,  /* reading the measurements */
    TICKS_CONTROL, /* estimates, model, decisions */
    TICKS_REST,    /* handing over to the store's and the history's threads, logging */
    TICKS_PARTS
};

struct ticks {
    uint64_t count;
    double last, sum, max;   /* s by the wall's clock */
    double cpu[TICKS_PARTS]; /* s of the processor, sums over all ticks */
    uint64_t began_ns, lap_ns;
};

/* All on one thread, in this order: begin, a lap at the end of each part, end. */
void ticks_begin(struct ticks *ticks);
void ticks_lap(struct ticks *ticks, enum ticks_part part);
void ticks_end(struct ticks *ticks);

/* s, means over all ticks; NAN before the first. */
double ticks_mean(const struct ticks *ticks);
double ticks_cpu(const struct ticks *ticks, enum ticks_part part);

#endif
