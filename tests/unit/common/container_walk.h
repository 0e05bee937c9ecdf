// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Walks a container that anybody may have made, and holds the reader to its
 * contract: what it hands out lies in the container, one entry after the other
 * to the very end, within the documented limits, or it says -EPROTO.
 */
#ifndef XENAGG_TESTS_UNIT_COMMON_CONTAINER_WALK_H
#define XENAGG_TESTS_UNIT_COMMON_CONTAINER_WALK_H

#include <stdint.h>

#include "common/container.h"

struct container_walk {
    const char *broken; /* what the reader broke; NULL: nothing */
    uint32_t entries;   /* walked before the end or the error */
    uint64_t touched;   /* a sum of every byte handed out, so that a sanitizer sees them read */
};

/* `bytes` should be an allocation of exactly `length` bytes. 0: a valid container, or -EPROTO. */
int container_walk(const uint8_t *bytes, uint32_t length, struct container_walk *ret);

#endif
