// SPDX-License-Identifier: GPL-2.0-or-later
/* The packing half of a link, its peer's half played by hand. */
#include "tests/unit/common/testing.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/keys.h"
#include "datapath/packer.h"
#include "tests/unit/datapath/pair.h"

struct fixture {
    struct pair *pair;
    struct packer packer;
    struct echo echo;
    struct histogram delay;
    struct ring taker; /* the guest's end of rx */
    uint32_t sent, taken, containers;
    uint8_t frame[CONTAINER_FRAME_MAX + 2], expected[CONTAINER_FRAME_MAX + 2];
    uint8_t container[CONTAINER_BYTES_MAX];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f || pair_setup((void **)&f->pair))
        return -1;
    struct pair_end *backend = &f->pair->backend, *guest = &f->pair->guest;
    struct control_page *mapped = hv_pages_addresses(backend->control)[0];
    struct packer_options options = {
        .shared = &mapped->rx,
        .pages = hv_pages_addresses(backend->rx),
        .n_pages = PAIR_PAGES,
        .channel = backend->channel,
        .echo = &f->echo,
        .tuning = &backend->tuning,
        .delay = &f->delay,
    };
    ring_init(&f->taker, &f->pair->page->rx, hv_pages_addresses(guest->rx), PAIR_PAGES);
    *state = f;
    return packer_init(&f->packer, &options);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    packer_free(&f->packer);
    int error = pair_teardown((void **)&f->pair);
    free(f);
    return error;
}

static void send_frames(struct fixture *f, uint32_t n, uint32_t length)
{
    for (uint32_t i = 0; i < n; i++) {
        frame_make(f->frame, length, f->sent);
        assert_true(wire_send(&f->pair->backend, f->frame, length));
        f->sent++;
    }
}

static bool read_some(struct fixture *f, uint64_t until_ns)
{
    uint64_t now = clock_ns();
    struct packer_view view = {.latest_ns = now, .empty_ns = now};
    bool worked = false;

    return packer_read(&f->packer, f->pair->backend.port, &view, until_ns, &worked);
}

static void read_all(struct fixture *f)
{
    assert_true(read_some(f, UINT64_MAX));
}

/* Takes one container and checks: frames of the numbers that follow. Its count, 0: none. */
static uint32_t take_container(struct fixture *f, uint32_t length)
{
    uint32_t bytes = ring_take(&f->taker, f->container);
    struct container_reader reader;
    struct container_entry entry;
    int more;

    if (!bytes)
        return 0;
    assert_int_equal(container_open(&reader, f->container, bytes), 0);
    assert_int_equal(reader.header.sequence, f->containers);
    while ((more = container_next(&reader, &entry)) == 1) {
        uint32_t expected = length ? length : CONTAINER_ETHERNET + entry.payload_bytes;
        frame_make(f->expected, expected, f->taken++);
        assert_int_equal(entry.payload_bytes, expected - CONTAINER_ETHERNET);
        assert_memory_equal(entry.ethernet, f->expected, CONTAINER_ETHERNET);
        assert_memory_equal(entry.payload, f->expected + CONTAINER_ETHERNET, entry.payload_bytes);
    }
    assert_int_equal(more, 0);
    f->containers++;
    return reader.header.count;
}

static void take_all(struct fixture *f, uint32_t length)
{
    while (take_container(f, length))
        ;
}

/* Nothing is lost without being counted. */
static void expect_balance(const struct fixture *f)
{
    const struct segment_pack *stats = &f->packer.stats;
    uint64_t open = packer_held(&f->packer);
    uint64_t closed = 0;

    assert_int_equal(stats->packets, stats->published_packets + open);
    assert_int_equal(stats->reads, stats->packets + stats->dropped_ring_full + stats->dropped_size);
    for (int reason = 0; reason < CLOSING_REASONS; reason++)
        closed += stats->closed[reason];
    assert_int_equal(closed, stats->containers + f->packer.pending);
    assert_int_equal(stats->containers, stats->notified + stats->spared);
    assert_int_equal(stats->publish.n, stats->containers);
    assert_int_equal(stats->publish.sum_b, stats->published_packets);
    assert_int_equal(histogram_count(&f->delay), stats->published_packets);
}

/* --- closing ------------------------------------------------------------- */

static void closes_by_count(void **state)
{
    struct fixture *f = *state;

    pair_tune(&f->pair->backend, 4, 1000000, CONTAINER_BYTES_MAX);
    send_frames(f, 10, 100);
    read_all(f);
    assert_int_equal(take_container(f, 100), 4);
    assert_int_equal(take_container(f, 100), 4);
    assert_int_equal(take_container(f, 100), 0);
    assert_int_equal(f->packer.builder.count, 2);
    assert_int_equal(f->packer.stats.closed[CLOSING_COUNT], 2);
    assert_int_equal(f->packer.stats.packets, 10);
    assert_int_equal(f->packer.stats.bytes, 1000);
    assert_int_equal(f->packer.stats.bytes_sq, 10 * segment_square(100));
    expect_balance(f);
}

static void one_packet_a_container_is_possible(void **state)
{
    struct fixture *f = *state;

    pair_tune(&f->pair->backend, 1, 1, KEYS_BYTES_MIN);
    send_frames(f, 50, 60);
    read_all(f);
    for (int i = 0; i < 50; i++)
        assert_int_equal(take_container(f, 60), 1);
    assert_int_equal(f->packer.builder.count, 0);
    assert_int_equal(packer_deadline(&f->packer), UINT64_MAX);
    expect_balance(f);
}

static void closes_by_timeout(void **state)
{
    struct fixture *f = *state;
    uint64_t before = clock_ns();

    pair_tune(&f->pair->backend, 100, 5000, CONTAINER_BYTES_MAX);
    assert_int_equal(packer_deadline(&f->packer), UINT64_MAX);
    send_frames(f, 3, 100);
    read_all(f);
    uint64_t deadline = packer_deadline(&f->packer);
    assert_true(deadline >= before + 5000000 && deadline <= clock_ns() + 5000000);
    assert_false(packer_settle(&f->packer, deadline - 1));
    assert_int_equal(take_container(f, 100), 0);
    assert_true(packer_settle(&f->packer, deadline));
    assert_int_equal(take_container(f, 100), 3);
    assert_int_equal(f->packer.stats.closed[CLOSING_TIMEOUT], 1);
    assert_int_equal(packer_deadline(&f->packer), UINT64_MAX);
    assert_false(packer_settle(&f->packer, UINT64_MAX)); /* nothing is open */
    expect_balance(f);
}

/* The frame that does not fit any more begins the next container. */
static void closes_by_bytes(void **state)
{
    struct fixture *f = *state;

    pair_tune(&f->pair->backend, 1000, 1000000, KEYS_BYTES_MIN);
    send_frames(f, 7, CONTAINER_FRAME_MAX);
    read_all(f);
    take_all(f, CONTAINER_FRAME_MAX);
    assert_int_equal(f->taken, 6);
    assert_int_equal(f->packer.stats.closed[CLOSING_BYTES], 6);
    assert_int_equal(f->packer.builder.count, 1);
    packer_flush(&f->packer);
    take_all(f, CONTAINER_FRAME_MAX);
    assert_int_equal(f->taken, 7);
    expect_balance(f);
}

static void keeps_to_the_byte_limit(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 1;

    pair_tune(&f->pair->backend, 1000, 1000000, 20000);
    for (int i = 0; i < 2000; i++) {
        send_frames(f, 1, noise_between(&seed, 18, 3000));
        read_all(f);
        uint32_t before = f->taken;
        take_container(f, 0);
        if (f->taken > before) {
            struct container_header header;
            memcpy(&header, f->container, sizeof(header));
            assert_true(header.bytes <= 20000 && header.bytes > 20000 - 3020);
        }
    }
    assert_true(f->packer.stats.closed[CLOSING_BYTES] > 100);
    expect_balance(f);
}

static void flushes_what_is_open(void **state)
{
    struct fixture *f = *state;

    packer_flush(&f->packer);
    assert_int_equal(take_container(f, 0), 0); /* nothing, not an empty one */
    send_frames(f, 5, 64);
    read_all(f);
    packer_flush(&f->packer);
    assert_int_equal(take_container(f, 64), 5);
    assert_int_equal(f->packer.stats.closed[CLOSING_FLUSH], 1);
    expect_balance(f);
}

static void sizes_may_change_at_any_time(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 2;

    for (int i = 0; i < 3000; i++) {
        pair_tune(&f->pair->backend, noise_between(&seed, 1, 40),
                  noise_between(&seed, 1, KEYS_TIMEOUT_US_MAX),
                  noise_between(&seed, KEYS_BYTES_MIN, KEYS_BYTES_MAX));
        send_frames(f, noise_between(&seed, 0, 12), noise_between(&seed, 18, 2000));
        read_all(f);
        packer_settle(&f->packer, noise_next(&seed) % 8 ? 0 : UINT64_MAX);
        take_all(f, 0);
        expect_balance(f);
    }
    packer_flush(&f->packer);
    take_all(f, 0);
    assert_int_equal(f->taken, f->sent);
    assert_int_equal(f->packer.stats.packets, f->sent);
}

/* A smaller count takes hold of what is open already. */
static void a_smaller_count_closes_at_once(void **state)
{
    struct fixture *f = *state;

    pair_tune(&f->pair->backend, 100, 1000000, CONTAINER_BYTES_MAX);
    send_frames(f, 20, 100);
    read_all(f);
    pair_tune(&f->pair->backend, 8, 1000000, CONTAINER_BYTES_MAX);
    assert_true(packer_settle(&f->packer, 0));
    assert_int_equal(take_container(f, 100), 20);
    pair_tune(&f->pair->backend, 100, 1000000, CONTAINER_BYTES_MAX);
    send_frames(f, 3, 100);
    read_all(f);
    pair_tune(&f->pair->backend, 100, 10, CONTAINER_BYTES_MAX);
    assert_true(packer_settle(&f->packer, clock_ns() + 10000));
    assert_int_equal(take_container(f, 100), 3);
}

/* --- frames -------------------------------------------------------------- */

static void every_size_goes_through_or_is_counted(void **state)
{
    struct fixture *f = *state;

    memset(f->frame, 1, sizeof(f->frame));
    for (uint32_t length = 1; length < CONTAINER_FRAME_MIN; length++)
        assert_true(wire_send(&f->pair->backend, f->frame, length));
    for (uint32_t length = CONTAINER_FRAME_MAX + 1; length <= CONTAINER_FRAME_MAX + 2; length++)
        assert_true(wire_send(&f->pair->backend, f->frame, length));
    read_all(f);
    assert_int_equal(f->packer.stats.dropped_size, 15);
    assert_int_equal(f->packer.stats.packets, 0);
    assert_int_equal(f->packer.builder.count, 0);
    send_frames(f, 1, CONTAINER_FRAME_MIN);
    send_frames(f, 1, CONTAINER_FRAME_MAX);
    read_all(f);
    packer_flush(&f->packer);
    take_all(f, 0);
    assert_int_equal(f->taken, 2);
    expect_balance(f);
}

static void other_headers_are_counted(void **state)
{
    struct fixture *f = *state;

    pair_tune(&f->pair->backend, 10, 1000000, CONTAINER_BYTES_MAX);
    send_frames(f, 10, 100); /* two flows in turn: every second one is another's */
    read_all(f);
    assert_int_equal(take_container(f, 100), 10);
    assert_int_equal(f->packer.stats.own_header, 5);
}

static void time_that_is_up_stops_the_reading(void **state)
{
    struct fixture *f = *state;

    send_frames(f, 5, 100);
    assert_false(read_some(f, 0));
    assert_int_equal(f->packer.stats.reads, 0);
    read_all(f);
    assert_int_equal(f->packer.stats.reads, 5);
}

/* --- a peer that does not take, or lies ---------------------------------- */

/* Sends until the ring is full and one closed container waits. */
static void fill_the_ring(struct fixture *f)
{
    pair_tune(&f->pair->backend, 4, 1000000, CONTAINER_BYTES_MAX);
    while (!f->packer.pending) {
        send_frames(f, 4, 1400);
        read_some(f, UINT64_MAX);
    }
}

static void a_full_ring_leaves_the_port_alone(void **state)
{
    struct fixture *f = *state;

    fill_the_ring(f);
    uint64_t reads = f->packer.stats.reads;
    send_frames(f, 100, 1400);
    for (int i = 0; i < 10; i++)
        assert_false(read_some(f, UINT64_MAX)); /* not empty, but not to be read */
    assert_true(f->packer.stats.reads - reads <= 64);
    assert_int_equal(f->packer.stats.dropped_ring_full, 0);
    expect_balance(f);
    /* The peer takes again: all of it comes, in order. */
    while (f->taken < f->sent) {
        take_all(f, 1400);
        read_some(f, UINT64_MAX);
        packer_settle(&f->packer, UINT64_MAX);
    }
    assert_false(f->packer.pending);
    expect_balance(f);
}

static void stall(struct fixture *f)
{
    f->packer.closed_ns -= 2 * PACKER_STALL_NS; /* as if so much time had passed */
}

static void a_stalled_peers_packets_are_dropped_and_counted(void **state)
{
    struct fixture *f = *state;

    fill_the_ring(f);
    uint32_t kept = f->sent;
    stall(f);
    send_frames(f, 100, 1400);
    read_all(f);
    assert_int_equal(f->packer.stats.dropped_ring_full, 100);
    expect_balance(f);
    /* What was packed before the stall is kept, in order; nothing of what was dropped comes. */
    take_all(f, 1400);
    packer_settle(&f->packer, UINT64_MAX);
    take_all(f, 1400);
    assert_int_equal(f->taken, kept);
    expect_balance(f);
    assert_int_equal(f->packer.stats.dropped_ring_full, 100);
}

/* The byte limit found the ring full: a closed container waits, and a frame beside it. */
static void a_frame_carried_over_a_stall_is_kept(void **state)
{
    struct fixture *f = *state;

    pair_tune(&f->pair->backend, 1000, 1000000, KEYS_BYTES_MIN);
    while (!f->packer.pending) {
        send_frames(f, 1, CONTAINER_FRAME_MAX);
        read_some(f, UINT64_MAX);
    }
    assert_true(f->packer.carried > 0);
    uint32_t kept = f->sent;
    stall(f);
    send_frames(f, 10, 1000);
    read_all(f);
    assert_int_equal(f->packer.stats.dropped_ring_full, 10);
    expect_balance(f);
    while (f->taken < kept) {
        take_all(f, 0);
        packer_flush(&f->packer);
    }
    assert_int_equal(f->taken, kept);
    expect_balance(f);
}

/* A stalled peer must not keep the worker awake. */
static void a_stall_has_no_deadline_in_the_past(void **state)
{
    struct fixture *f = *state;

    fill_the_ring(f);
    uint64_t deadline = packer_deadline(&f->packer);
    assert_true(deadline > clock_ns() && deadline <= clock_ns() + PACKER_STALL_NS);
    stall(f);
    read_all(f);
    assert_int_equal(packer_deadline(&f->packer), UINT64_MAX);
    assert_false(packer_sleep(&f->packer)); /* no room, and asked to be told */
    assert_int_not_equal(f->pair->page->rx.wants_room, 0);
}

static void a_waiting_packer_asks_for_room(void **state)
{
    struct fixture *f = *state;

    assert_false(packer_sleep(&f->packer));
    assert_int_equal(f->pair->page->rx.wants_room, 0); /* nothing waits: nothing is asked */
    fill_the_ring(f);
    assert_false(packer_sleep(&f->packer));
    assert_true(ring_available(&f->taker) > 0);
    uint32_t before = f->taker.index;
    assert_true(ring_release(&f->taker, 8));
    assert_int_equal(f->taker.index, before + 8);
}

static void an_impossible_index_breaks_the_packer_only(void **state)
{
    static const uint32_t wrong[] = {1, 7, 0x80000000u, UINT32_MAX, 1u << 20};
    struct fixture *f = *state;

    pair_tune(&f->pair->backend, 1, 1000000, CONTAINER_BYTES_MAX);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        f->packer.broken = false;
        atomic_store(&f->pair->page->rx.consumed, f->packer.ring.index + wrong[i]);
        send_frames(f, 1, 100);
        read_some(f, UINT64_MAX);
        assert_true(f->packer.broken);
    }
    assert_int_equal(f->packer.stats.containers, 0);
}

/* A peer that gives back more than it got, little by little: never more than a ring is written. */
static void a_wandering_index_costs_a_ring_at_most(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 3;

    pair_tune(&f->pair->backend, 8, 1000000, CONTAINER_BYTES_MAX);
    for (int i = 0; i < 5000 && !f->packer.broken; i++) {
        send_frames(f, 8, 200);
        read_some(f, UINT64_MAX);
        atomic_store(&f->pair->page->rx.consumed,
                     f->packer.ring.index - noise_between(&seed, 0, PAIR_BYTES / 8) * 8);
        if (f->packer.pending)
            stall(f);
    }
    assert_false(f->packer.broken); /* each index was possible */
    expect_balance(f);
}

/* --- what is said -------------------------------------------------------- */

static void times_add_up(void **state)
{
    struct fixture *f = *state;
    struct container_header header;

    pair_tune(&f->pair->backend, 10, 1000000, CONTAINER_BYTES_MAX);
    uint64_t before = clock_ns();
    for (int i = 0; i < 10; i++) {
        send_frames(f, 1, 100);
        read_all(f);
    }
    uint64_t passed = clock_ns() - before;
    assert_int_equal(take_container(f, 100), 10);
    memcpy(&header, f->container, sizeof(header));
    assert_true(header.open_ns > 0 && header.open_ns <= passed);
    assert_true(header.fill_ns > 0 && header.fill_ns < header.open_ns);
    assert_true(header.stamp >= before && header.stamp <= clock_ns());
    assert_true(f->packer.stats.fill_ns >= 10ull * header.fill_ns &&
                f->packer.stats.fill_ns < 10ull * (header.fill_ns + 1));
    assert_true(f->packer.stats.publish_wait_ns <= passed);
    assert_true(f->packer.stats.read_ns <= passed);
    /* Squares of ten times that have this sum: from all alike to all in one. */
    double sum = (double)f->packer.stats.read_ns, squares = (double)f->packer.stats.read_sq;
    assert_true((squares + 10) * SEGMENT_SQUARE >= sum * sum / 10);
    assert_true(squares * SEGMENT_SQUARE <= sum * sum);
}

static void notifies_only_who_sleeps(void **state)
{
    struct fixture *f = *state;

    pair_tune(&f->pair->backend, 1, 1000000, CONTAINER_BYTES_MAX);
    assert_true(ring_sleep(&f->taker));
    send_frames(f, 3, 100);
    read_all(f);
    assert_int_equal(f->packer.stats.notified, 1);
    assert_int_equal(f->packer.stats.spared, 2);
    expect_balance(f);
}

int main(void)
{
#define PACKER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        PACKER_TEST(closes_by_count),
        PACKER_TEST(one_packet_a_container_is_possible),
        PACKER_TEST(closes_by_timeout),
        PACKER_TEST(closes_by_bytes),
        PACKER_TEST(keeps_to_the_byte_limit),
        PACKER_TEST(flushes_what_is_open),
        PACKER_TEST(sizes_may_change_at_any_time),
        PACKER_TEST(a_smaller_count_closes_at_once),
        PACKER_TEST(every_size_goes_through_or_is_counted),
        PACKER_TEST(other_headers_are_counted),
        PACKER_TEST(time_that_is_up_stops_the_reading),
        PACKER_TEST(a_full_ring_leaves_the_port_alone),
        PACKER_TEST(a_stalled_peers_packets_are_dropped_and_counted),
        PACKER_TEST(a_frame_carried_over_a_stall_is_kept),
        PACKER_TEST(a_stall_has_no_deadline_in_the_past),
        PACKER_TEST(a_waiting_packer_asks_for_room),
        PACKER_TEST(an_impossible_index_breaks_the_packer_only),
        PACKER_TEST(a_wandering_index_costs_a_ring_at_most),
        PACKER_TEST(times_add_up),
        PACKER_TEST(notifies_only_who_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
