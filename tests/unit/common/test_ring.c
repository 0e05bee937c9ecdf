// SPDX-License-Identifier: GPL-2.0-or-later
/* The ring's two ends in one thread: its arithmetic, and a peer that lies. */
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/container.h"
#include "common/ring.h"

#define PAGES 4u
#define SIZE (PAGES * RING_PAGE)

/* Pages that lie apart, in no order: the memory between them belongs to the sanitizer. */
struct fixture {
    struct ring_shared shared;
    void *pages[PAGES];
    struct ring producer, consumer;
};

static int fixture_make(void **state)
{
    static const unsigned order[PAGES] = {2, 0, 3, 1};
    struct fixture *f = aligned_alloc(64, sizeof(*f));

    if (!f)
        return -1;
    memset(f, 0, sizeof(*f));
    for (unsigned i = 0; i < PAGES; i++)
        if (!(f->pages[order[i]] = malloc(RING_PAGE)))
            return -1;
    ring_init(&f->producer, &f->shared, f->pages, PAGES);
    ring_init(&f->consumer, &f->shared, f->pages, PAGES);
    *state = f;
    return 0;
}

static int fixture_free(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < PAGES; i++)
        free(f->pages[i]);
    free(f);
    return 0;
}

/* Both ends as they are after `index` bytes went through. */
static void indices_set(struct fixture *f, uint32_t index)
{
    f->producer.index = f->consumer.index = index;
    atomic_store(&f->shared.produced, index);
    atomic_store(&f->shared.consumed, index);
}

static void starts_empty(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ring_room(&f->producer), SIZE);
    assert_int_equal(ring_available(&f->consumer), 0);
}

static void shows_nothing_before_it_is_published(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[64] = {0};

    ring_write(&f->producer, bytes, sizeof(bytes));
    assert_int_equal(ring_available(&f->consumer), 0);
    assert_int_equal(ring_room(&f->producer), SIZE - 64);
    assert_false(ring_publish(&f->producer));
    assert_int_equal(ring_available(&f->consumer), 64);
}

static void round_trip(struct fixture *f, uint64_t *seed, uint32_t length)
{
    uint8_t sent[SIZE], taken[SIZE];

    noise_fill(seed, sent, length);
    assert_int_equal(ring_room(&f->producer), SIZE);
    ring_write(&f->producer, sent, length);
    ring_publish(&f->producer);
    assert_int_equal(ring_room(&f->producer), SIZE - length);
    assert_int_equal(ring_available(&f->consumer), length);
    ring_copy(&f->consumer, taken, length);
    assert_memory_equal(sent, taken, length);
    /* A copy moves nothing: a second one finds the same. */
    ring_copy(&f->consumer, taken, length);
    assert_memory_equal(sent, taken, length);
    ring_release(&f->consumer, length);
    assert_int_equal(ring_available(&f->consumer), 0);
}

/* Every page border, the ring's own end, and the end of the 32-bit index. */
static void wraps_across_pages(void **state)
{
    static const uint32_t borders[] = {0, RING_PAGE, 3 * RING_PAGE, SIZE, 0x80000000u};
    static const uint32_t lengths[] = {8, 64, 4088, 4096, 4104, 8192, SIZE - 4096, SIZE - 8, SIZE};
    struct fixture *f = *state;
    uint64_t seed = 1;

    for (size_t b = 0; b < COUNT_OF(borders); b++)
        for (int32_t off = -32; off <= 32; off += 8)
            for (size_t l = 0; l < COUNT_OF(lengths); l++) {
                indices_set(f, borders[b] + (uint32_t)off);
                round_trip(f, &seed, lengths[l]);
            }
}

static void carries_a_stream_in_random_pieces(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 2, sent_seed = 3, taken_seed = 3;
    uint8_t sent[SIZE], taken[SIZE], expected[SIZE];

    indices_set(f, 0u - 10 * SIZE);
    for (int i = 0; i < 2000; i++) {
        uint32_t piece = noise_between(&seed, 0, (uint32_t)ring_room(&f->producer) / 8) * 8;
        noise_fill(&sent_seed, sent, piece);
        ring_write(&f->producer, sent, piece);
        ring_publish(&f->producer);
        piece = noise_between(&seed, 0, (uint32_t)ring_available(&f->consumer) / 8) * 8;
        ring_copy(&f->consumer, taken, piece);
        ring_release(&f->consumer, piece);
        noise_fill(&taken_seed, expected, piece);
        assert_memory_equal(taken, expected, piece);
    }
}

/* What the peer may honestly say: 0..SIZE bytes apart, aligned. */
static int64_t honest(uint32_t distance, int64_t answer)
{
    return distance <= SIZE && distance % CONTAINER_ALIGN == 0 ? answer : -EPROTO;
}

static void peer_says(struct fixture *f, uint32_t own, uint32_t peer)
{
    f->producer.index = f->consumer.index = own;
    atomic_store(&f->shared.consumed, peer);
    atomic_store(&f->shared.produced, peer);
    assert_int_equal(ring_room(&f->producer), honest(own - peer, SIZE - (int64_t)(own - peer)));
    assert_int_equal(ring_available(&f->consumer), honest(peer - own, peer - own));
}

static void believes_no_impossible_index(void **state)
{
    static const uint32_t owns[] = {0, 8, SIZE, 0x7ffffff8u, 0x80000000u, 0xfffffff8u};
    struct fixture *f = *state;
    uint64_t seed = 4;

    for (size_t o = 0; o < COUNT_OF(owns); o++) {
        for (uint32_t near = 0; near <= 2 * SIZE + 64; near++) {
            peer_says(f, owns[o], owns[o] + near);
            peer_says(f, owns[o], owns[o] - near);
        }
        for (int i = 0; i < 100000; i++)
            peer_says(f, owns[o], (uint32_t)noise_next(&seed));
    }
}

static void wakes_a_sleeping_consumer_once(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[8] = {0};

    assert_true(ring_sleep(&f->consumer));
    ring_write(&f->producer, bytes, 8);
    assert_true(ring_publish(&f->producer));
    ring_write(&f->producer, bytes, 8);
    assert_false(ring_publish(&f->producer));
    ring_wake(&f->consumer);
    assert_int_equal(ring_available(&f->consumer), 16);
}

static void consumer_does_not_sleep_on_bytes(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[8] = {0};

    ring_write(&f->producer, bytes, 8);
    ring_publish(&f->producer);
    assert_false(ring_sleep(&f->consumer));
    /* It announced nothing, so the next bytes cost no notification. */
    ring_write(&f->producer, bytes, 8);
    assert_false(ring_publish(&f->producer));
}

static void wakes_a_waiting_producer_once(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[SIZE] = {0};

    ring_write(&f->producer, bytes, SIZE);
    ring_publish(&f->producer);
    assert_int_equal(ring_room(&f->producer), 0);
    assert_false(ring_want_room(&f->producer));
    assert_true(ring_release(&f->consumer, 8));
    assert_false(ring_release(&f->consumer, 8));
    assert_int_equal(ring_room(&f->producer), 16);
}

/* The consumer releases everything after the producer found no room, and before it says so. */
static void producer_does_not_sleep_on_room(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[SIZE] = {0};

    ring_write(&f->producer, bytes, SIZE);
    ring_publish(&f->producer);
    assert_int_equal(ring_room(&f->producer), 0);
    assert_false(ring_release(&f->consumer, SIZE));
    assert_true(ring_want_room(&f->producer));
    /* It announced nothing, so the next release costs no notification. */
    assert_int_equal(ring_room(&f->producer), SIZE);
    ring_write(&f->producer, bytes, 8);
    ring_publish(&f->producer);
    assert_false(ring_release(&f->consumer, 8));
}

/* Flags of a hostile peer are anything; they cost a notification, nothing else. */
static void any_flag_is_only_a_flag(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[8] = {0};

    atomic_store(&f->shared.asleep, 0xdeadbeefu);
    atomic_store(&f->shared.wants_room, 0xffffffffu);
    ring_write(&f->producer, bytes, 8);
    assert_true(ring_publish(&f->producer));
    assert_true(ring_release(&f->consumer, 8));
    assert_int_equal(atomic_load(&f->shared.asleep), 0);
    assert_int_equal(atomic_load(&f->shared.wants_room), 0);
    assert_int_equal(ring_room(&f->producer), SIZE);
}

int main(void)
{
#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_free)
    const struct CMUnitTest tests[] = {
        RING_TEST(starts_empty),
        RING_TEST(shows_nothing_before_it_is_published),
        RING_TEST(wraps_across_pages),
        RING_TEST(carries_a_stream_in_random_pieces),
        RING_TEST(believes_no_impossible_index),
        RING_TEST(wakes_a_sleeping_consumer_once),
        RING_TEST(consumer_does_not_sleep_on_bytes),
        RING_TEST(wakes_a_waiting_producer_once),
        RING_TEST(producer_does_not_sleep_on_room),
        RING_TEST(any_flag_is_only_a_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
