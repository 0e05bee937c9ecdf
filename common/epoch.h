// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One value in shared memory, one writer, any number of readers, no locks. The
 * value's first 32-bit word is its epoch: odd while the writer is at it. Sizes
 * are multiples of 4.
 */
#ifndef XENAGG_COMMON_EPOCH_H
#define XENAGG_COMMON_EPOCH_H

#include <stddef.h>

/* Publishes `value` (its own first word is ignored). Never blocks. */
void epoch_write(void *shared, const void *value, size_t size);
/*
 * Copies the value out. 0, or -EAGAIN where the writer did not pause within a
 * bounded number of tries; `ret` then holds nothing of use.
 */
int epoch_read(const void *shared, void *ret, size_t size);

#endif
