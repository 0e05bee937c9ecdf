// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/ticks.h"

#include <math.h>
#include <time.h>

#include "common/clock.h"

static uint64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * CLOCK_SECOND + (uint64_t)now.tv_nsec;
}

void ticks_begin(struct ticks *ticks)
{
    ticks->began_ns = clock_ns();
    ticks->lap_ns = cpu_ns();
}

void ticks_lap(struct ticks *ticks, enum ticks_part part)
{
    uint64_t now = cpu_ns();

    ticks->cpu[part] += (double)(now - ticks->lap_ns) * 1e-9;
    ticks->lap_ns = now;
}

void ticks_end(struct ticks *ticks)
{
    ticks->last = (double)(clock_ns() - ticks->began_ns) * 1e-9;
    ticks->sum += ticks->last;
    ticks->max = fmax(ticks->max, ticks->last);
    ticks->count++;
}

double ticks_mean(const struct ticks *ticks)
{
    return ticks->count ? ticks->sum / (double)ticks->count : NAN;
}

double ticks_cpu(const struct ticks *ticks, enum ticks_part part)
{
    return ticks->count ? ticks->cpu[part] / (double)ticks->count : NAN;
}
