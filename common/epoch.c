// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/epoch.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

#define READ_TRIES 100

/*
 * The value moves as 32-bit relaxed atomics between two stores of the epoch:
 * free of data races also by the letter of C, and at the price of plain moves.
 */
void epoch_write(void *shared, const void *value, size_t size)
{
    _Atomic uint32_t *to = shared;
    const uint32_t *from = value;
    uint32_t epoch = atomic_load_explicit(&to[0], memory_order_relaxed) | 1u;

    atomic_store_explicit(&to[0], epoch, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 1; i < size / sizeof(uint32_t); i++)
        atomic_store_explicit(&to[i], from[i], memory_order_relaxed);
    atomic_store_explicit(&to[0], epoch + 1, memory_order_release);
}

int epoch_read(const void *shared, void *ret, size_t size)
{
    const _Atomic uint32_t *from = shared;
    uint32_t *to = ret;

    for (int tries = 0; tries < READ_TRIES; tries++) {
        uint32_t before = atomic_load_explicit(&from[0], memory_order_acquire);
        if (before & 1u)
            continue;
        for (size_t i = 1; i < size / sizeof(uint32_t); i++)
            to[i] = atomic_load_explicit(&from[i], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&from[0], memory_order_relaxed) == before) {
            to[0] = before;
            return 0;
        }
    }
    return -EAGAIN;
}
