// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A direction's container size, handed from the control thread to the worker
 * as one atomic word: the worker sees all three numbers of one decision.
 */
#ifndef XENAGG_DATAPATH_TUNING_H
#define XENAGG_DATAPATH_TUNING_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/keys.h"

typedef _Atomic uint64_t tuning_word;

static inline void tuning_store(tuning_word *word, const struct keys_tuning *tuning)
{
    uint64_t value = (uint64_t)tuning->packets | (uint64_t)tuning->timeout_us << 16 |
                     (uint64_t)tuning->bytes << 40;
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static inline struct keys_tuning tuning_load(tuning_word *word)
{
    uint64_t value = atomic_load_explicit(word, memory_order_relaxed);

    return (struct keys_tuning){.packets = value & 0xffff,
                                .timeout_us = value >> 16 & 0xffffff,
                                .bytes = (uint32_t)(value >> 40)};
}

_Static_assert(KEYS_PACKETS_MAX <= 0xffff && KEYS_TIMEOUT_US_MAX <= 0xffffff &&
                   KEYS_BYTES_MAX <= 0xffffff,
               "a size fits its bits");

#endif
