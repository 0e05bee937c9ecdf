// SPDX-License-Identifier: GPL-2.0-or-later
/* The one clock that durations are measured in. */
#ifndef XENAGG_COMMON_CLOCK_H
#define XENAGG_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_SECOND 1000000000ull

/* ns of CLOCK_MONOTONIC. */
static inline uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * CLOCK_SECOND + (uint64_t)now.tv_nsec;
}

#endif
