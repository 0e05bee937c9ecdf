// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A byte ring between two address spaces: one producer, one consumer. Its bytes
 * are an array of pages, its indices lie in a control page, each end's on a
 * cache line of its own. Indices count bytes since the start, modulo 2^32, in
 * multiples of CONTAINER_ALIGN.
 *
 * The peer is not trusted: its index is read once, checked, and only the
 * private copy is used. Nothing here notifies: publish and release say whether
 * the peer sleeps and must be woken.
 */
#ifndef XENAGG_COMMON_RING_H
#define XENAGG_COMMON_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RING_PAGE 4096u
#define RING_ORDER_MIN 6u /* 256 KB: two of the largest containers */
#define RING_ORDER_MAX 11u /* 8 MB */

/* In the control page; zero at the start. */
struct ring_shared {
    _Alignas(64) _Atomic uint32_t produced;
    _Atomic uint32_t wants_room; /* 1: the producer waits for room */
    _Alignas(64) _Atomic uint32_t consumed;
    _Atomic uint32_t asleep; /* 1: the consumer waits for bytes */
};
_Static_assert(sizeof(struct ring_shared) == 128, "one cache line for each end");

/* One end's private view, of the producer or the consumer. */
struct ring {
    struct ring_shared *shared;
    void *const *pages; /* borrowed */
    uint32_t size;      /* bytes, a power of two */
    uint32_t index;     /* this end's own, not yet published */
    uint32_t seen;      /* the consumer's, when the producer last looked */
};

void ring_init(struct ring *ring, struct ring_shared *shared, void *const *pages, uint32_t n_pages);

/* --- producer ------------------------------------------------------------ */

/* Bytes that can be written, or -EPROTO: the consumer's index is impossible. */
int64_t ring_room(struct ring *ring);
/* Copies in at the private index and moves it. The caller has checked the room. */
void ring_write(struct ring *ring, const void *bytes, uint32_t length);
/* Makes what was written visible. True: the consumer sleeps, notify it. */
bool ring_publish(struct ring *ring);
/*
 * Asks to be woken when bytes are released. True: there was a release since
 * ring_room() last looked, look again; nothing was asked then.
 */
bool ring_want_room(struct ring *ring);

/* --- consumer ------------------------------------------------------------ */

/* Bytes that can be read, or -EPROTO: the producer's index is impossible. */
int64_t ring_available(const struct ring *ring);
/* Copies out from the private index, without moving it. The caller has checked. */
void ring_copy(const struct ring *ring, void *ret, uint32_t length);
/* Gives `length` bytes back. True: the producer waits for room, notify it. */
bool ring_release(struct ring *ring, uint32_t length);
/* Announces sleep. False: there are bytes after all, and nothing was announced. */
bool ring_sleep(struct ring *ring);
/* Takes the announcement back. */
void ring_wake(struct ring *ring);

#endif
