// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A clock for tests that must not depend on how busy the host is. The linker puts it in
 * place of the C library's (--wrap): every look at it takes LOOK_NS, nothing else takes any.
 */
#include <stdint.h>
#include <time.h>

#include "common/clock.h"

#define LOOK_NS 1000ull

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    static uint64_t now = CLOCK_SECOND;

    (void)clock;
    now += LOOK_NS;
    ret->tv_sec = (time_t)(now / CLOCK_SECOND);
    ret->tv_nsec = (long)(now % CLOCK_SECOND);
    return 0;
}
