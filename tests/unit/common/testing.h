// SPDX-License-Identifier: GPL-2.0-or-later
/* What every test of common/ includes: cmocka with what it needs, and numbers from a seed. */
#ifndef XENAGG_TESTS_UNIT_COMMON_TESTING_H
#define XENAGG_TESTS_UNIT_COMMON_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* splitmix64: the same numbers in every run. */
static inline uint64_t noise_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* Uniform in [low, high], as near as a test needs. */
static inline uint32_t noise_between(uint64_t *state, uint32_t low, uint32_t high)
{
    return low + (uint32_t)(noise_next(state) % ((uint64_t)high - low + 1));
}

static inline void noise_fill(uint64_t *state, void *bytes, size_t length)
{
    uint8_t *to = bytes;

    for (size_t i = 0; i < length; i++)
        to[i] = (uint8_t)noise_next(state);
}

#endif
