// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/ring.h"

#include <errno.h>
#include <string.h>

#include "common/container.h"

_Static_assert((RING_PAGE << RING_ORDER_MIN) >= 2 * CONTAINER_BYTES_MAX,
               "the smallest ring holds two of the largest containers");

void ring_init(struct ring *ring, struct ring_shared *shared, void *const *pages, uint32_t n_pages)
{
    *ring = (struct ring){.shared = shared, .pages = pages, .size = n_pages * RING_PAGE};
}

/* Bytes between two indices, or -EPROTO where no honest peer can have got there. */
static int64_t index_distance(const struct ring *ring, uint32_t ahead, uint32_t behind)
{
    uint32_t distance = ahead - behind;

    return distance > ring->size || distance % CONTAINER_ALIGN ? -EPROTO : (int64_t)distance;
}

int64_t ring_room(struct ring *ring)
{
    ring->seen = atomic_load_explicit(&ring->shared->consumed, memory_order_acquire);
    int64_t used = index_distance(ring, ring->index, ring->seen);

    return used < 0 ? used : ring->size - used;
}

int64_t ring_available(const struct ring *ring)
{
    uint32_t produced = atomic_load_explicit(&ring->shared->produced, memory_order_acquire);

    return index_distance(ring, produced, ring->index);
}

/* The part of [index, index + length) that lies in one page. */
static uint8_t *page_part(const struct ring *ring, uint32_t index, uint32_t length,
                          uint32_t *ret_part)
{
    uint32_t offset = index & (ring->size - 1);
    uint32_t in_page = offset % RING_PAGE;

    *ret_part = length < RING_PAGE - in_page ? length : RING_PAGE - in_page;
    return (uint8_t *)ring->pages[offset / RING_PAGE] + in_page;
}

void ring_write(struct ring *ring, const void *bytes, uint32_t length)
{
    const uint8_t *from = bytes;
    uint32_t part;

    for (; length; from += part, length -= part, ring->index += part) {
        uint8_t *to = page_part(ring, ring->index, length, &part);
        memcpy(to, from, part);
    }
}

void ring_copy(const struct ring *ring, void *ret, uint32_t length)
{
    uint8_t *to = ret;
    uint32_t index = ring->index, part;

    for (; length; to += part, length -= part, index += part) {
        const uint8_t *from = page_part(ring, index, length, &part);
        memcpy(to, from, part);
    }
}

/*
 * Both ends store their index, then look at the other's flag; the other sets
 * its flag, then looks at the index. With a total order over the four (seq_cst)
 * at least one of them sees the other, so no wake-up is ever lost.
 */
static bool index_publish(_Atomic uint32_t *index, uint32_t value, _Atomic uint32_t *flag)
{
    atomic_store_explicit(index, value, memory_order_seq_cst);
    return atomic_load_explicit(flag, memory_order_seq_cst) &&
           atomic_exchange_explicit(flag, 0, memory_order_seq_cst);
}

bool ring_publish(struct ring *ring)
{
    return index_publish(&ring->shared->produced, ring->index, &ring->shared->asleep);
}

bool ring_release(struct ring *ring, uint32_t length)
{
    ring->index += length;
    return index_publish(&ring->shared->consumed, ring->index, &ring->shared->wants_room);
}

bool ring_sleep(struct ring *ring)
{
    atomic_store_explicit(&ring->shared->asleep, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&ring->shared->produced, memory_order_seq_cst) == ring->index)
        return true;
    ring_wake(ring);
    return false;
}

void ring_wake(struct ring *ring)
{
    atomic_store_explicit(&ring->shared->asleep, 0, memory_order_relaxed);
}

/* A release between ring_room() and here went by without a look at the flag: compare with then. */
bool ring_want_room(struct ring *ring)
{
    atomic_store_explicit(&ring->shared->wants_room, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&ring->shared->consumed, memory_order_seq_cst) == ring->seen)
        return false;
    atomic_store_explicit(&ring->shared->wants_room, 0, memory_order_relaxed);
    return true;
}
