// SPDX-License-Identifier: GPL-2.0-or-later
/* The unloading half of a link, its peer's half played by hand: an honest one, and one that lies.
 */
#include "tests/unit/common/testing.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "datapath/unloader.h"
#include "tests/unit/datapath/pair.h"

struct fixture {
    struct pair *pair;
    struct unloader unloader;
    struct echo echo;
    struct histogram delay;
    struct ring maker; /* the guest's end of tx */
    struct container_builder builder;
    uint32_t sequence, made, out;
    uint8_t memory[CONTAINER_MEMORY];
    uint8_t frame[CONTAINER_SUPER_MAX], expected[CONTAINER_SUPER_MAX];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f || pair_setup((void **)&f->pair))
        return -1;
    struct pair_end *backend = &f->pair->backend, *guest = &f->pair->guest;
    struct control_page *mapped = hv_pages_addresses(backend->control)[0];
    struct unloader_options options = {
        .shared = &mapped->tx,
        .pages = hv_pages_addresses(backend->tx),
        .n_pages = PAIR_PAGES,
        .channel = backend->channel,
        .echo = &f->echo,
        .delay = &f->delay,
    };
    ring_init(&f->maker, &f->pair->page->tx, hv_pages_addresses(guest->tx), PAIR_PAGES);
    container_begin(&f->builder, f->memory);
    *state = f;
    return unloader_init(&f->unloader, &options);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    unloader_free(&f->unloader);
    int error = pair_teardown((void **)&f->pair);
    free(f);
    return error;
}

static void put_frame(struct fixture *f, uint32_t length)
{
    frame_make(f->frame, length, f->made++);
    container_load(&f->builder, f->frame, length);
    container_take(&f->builder, length);
}

/* Into the ring, as it is. */
static void put_bytes(struct fixture *f, const void *bytes, uint32_t length)
{
    assert_true(ring_room(&f->maker) >= length);
    ring_write(&f->maker, bytes, length);
    ring_publish(&f->maker);
}

static void publish(struct fixture *f)
{
    struct container_header header = {
        .sequence = f->sequence++, .stamp = clock_ns(), .open_ns = 1000, .fill_ns = 400};

    container_finish(&f->builder, &header);
    put_bytes(f, f->memory, container_padded(f->builder.bytes));
    container_begin(&f->builder, f->memory);
}

static void publish_frames(struct fixture *f, uint32_t n, uint32_t length)
{
    for (uint32_t i = 0; i < n; i++)
        put_frame(f, length);
    publish(f);
}

static bool run(struct fixture *f)
{
    return unloader_run(&f->unloader, f->pair->backend.port, UINT64_MAX);
}

/* All that came out: frames of the numbers that follow. */
static void take_frames(struct fixture *f)
{
    uint32_t length;

    while ((length = wire_take(&f->pair->backend, f->frame))) {
        frame_make(f->expected, length, f->out++);
        assert_memory_equal(f->frame, f->expected, length);
    }
}

static void expect_broken(struct fixture *f, uint64_t packets)
{
    assert_non_null(f->unloader.broken);
    assert_int_equal(f->unloader.stats.malformed, 1);
    assert_int_equal(f->unloader.stats.packets, packets);
    take_frames(f);
    assert_int_equal(f->out, packets);
    assert_false(run(f)); /* and that is that */
    assert_int_equal(f->unloader.stats.malformed, 1);
}

/* --- honest -------------------------------------------------------------- */

static void unloads_in_order(void **state)
{
    struct fixture *f = *state;

    assert_false(run(f));
    publish_frames(f, 10, 100);
    publish_frames(f, 1, CONTAINER_FRAME_MAX);
    publish_frames(f, 3, 18);
    assert_true(run(f));
    take_frames(f);
    assert_int_equal(f->out, 14);
    const struct segment_unload *stats = &f->unloader.stats;
    assert_int_equal(stats->containers, 3);
    assert_int_equal(stats->packets, 14);
    assert_int_equal(stats->bytes, 10 * 100 + CONTAINER_FRAME_MAX + 3 * 18);
    assert_int_equal(stats->bytes_sq, 10 * segment_square(100) +
                                          segment_square(CONTAINER_FRAME_MAX) +
                                          3 * segment_square(18));
    assert_int_equal(stats->refused + stats->malformed + stats->lost, 0);
    assert_int_equal(stats->unload.n, 3);
    assert_int_equal(stats->unload.sum_b, 14);
    assert_int_equal(stats->unload.sum_bb, 110);
    assert_int_equal(stats->fill_ns, 14 * 400);
    assert_int_equal(histogram_count(&f->delay), 14);
    assert_int_equal(ring_room(&f->maker), PAIR_BYTES); /* all room was given back */
}

static void random_containers_come_out_as_they_went_in(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 1;

    for (int i = 0; i < 400; i++) {
        uint32_t longest = noise_next(&seed) % 4 ? 200 : CONTAINER_FRAME_MAX;
        for (uint32_t n = noise_between(&seed, 1, 12); n; n--)
            put_frame(f, noise_between(&seed, 18, longest));
        publish(f);
        assert_true(run(f));
        take_frames(f);
        assert_int_equal(f->out, f->made);
    }
    assert_null(f->unloader.broken);
    assert_int_equal(histogram_count(&f->delay), f->made);
}

static void time_that_is_up_leaves_the_rest(void **state)
{
    struct fixture *f = *state;
    uint32_t last = 0, rounds = 0;

    publish_frames(f, 500, 60);
    while (f->out < 500) {
        assert_true(unloader_run(&f->unloader, f->pair->backend.port, 0));
        take_frames(f);
        assert_true(f->out > last && f->out <= last + 16);
        assert_false(f->out < 500 && unloader_sleep(&f->unloader));
        last = f->out;
        rounds++;
    }
    unloader_run(&f->unloader, f->pair->backend.port, 0);
    assert_true(rounds >= 500 / 16);
    assert_int_equal(f->unloader.stats.containers, 1);
    assert_int_equal(f->unloader.stats.unload.n, 1);
    assert_int_equal(histogram_count(&f->delay), 500);
}

static void a_gap_in_the_sequence_is_counted(void **state)
{
    struct fixture *f = *state;

    f->sequence = UINT32_MAX - 1; /* where the first one begins is its own affair */
    publish_frames(f, 1, 60);
    f->sequence += 3; /* over the end of 32 bits */
    publish_frames(f, 1, 60);
    publish_frames(f, 1, 60);
    run(f);
    assert_int_equal(f->unloader.stats.lost, 3);
    assert_int_equal(f->unloader.stats.containers, 3);
}

static void a_super_frame_is_refused_and_the_rest_goes_on(void **state)
{
    const struct container_offload offload = {.length = 60000, .segmentation = 1};
    struct fixture *f = *state;

    put_frame(f, 100);
    assert_int_equal(container_take_super(&f->builder, &offload, f->frame), 0);
    put_frame(f, 100);
    publish(f);
    run(f);
    take_frames(f);
    assert_int_equal(f->out, 2);
    assert_int_equal(f->unloader.stats.packets, 2);
    assert_int_equal(f->unloader.stats.refused, 1);
    assert_int_equal(f->unloader.stats.containers, 1);
    assert_null(f->unloader.broken);
}

static void what_the_port_refuses_is_counted(void **state)
{
    struct fixture *f = *state;
    const struct segment_unload *stats = &f->unloader.stats;

    while (stats->refused == 0) { /* nobody takes frames out of the wire */
        publish_frames(f, 10, 9000);
        run(f);
    }
    for (int i = 0; i < 5; i++) {
        publish_frames(f, 10, 9000);
        run(f);
    }
    assert_int_equal(stats->packets + stats->refused, f->made);
    assert_int_equal(stats->bytes, 9000 * stats->packets);
    assert_int_equal(stats->bytes_sq, segment_square(9000) * stats->packets);
    uint32_t out = 0;
    while (wire_take(&f->pair->backend, f->frame))
        out++;
    assert_int_equal(out, stats->packets);
    assert_null(f->unloader.broken);
}

static void room_is_told_to_who_waits_for_it(void **state)
{
    struct fixture *f = *state;

    publish_frames(f, 1, 60);
    ring_room(&f->maker);
    assert_false(ring_want_room(&f->maker));
    assert_int_equal(hv_channel_accept(f->pair->guest.channel), 0);
    run(f);
    assert_int_equal(atomic_load(&f->pair->page->tx.wants_room), 0);
}

static void sleeps_only_on_an_empty_ring(void **state)
{
    struct fixture *f = *state;

    assert_true(unloader_sleep(&f->unloader));
    assert_int_equal(atomic_load(&f->pair->page->tx.asleep), 1);
    unloader_wake(&f->unloader);
    assert_int_equal(atomic_load(&f->pair->page->tx.asleep), 0);
    publish_frames(f, 1, 60);
    assert_false(unloader_sleep(&f->unloader));
    run(f);
    assert_true(unloader_sleep(&f->unloader));
}

/* --- not so -------------------------------------------------------------- */

static void an_impossible_index_breaks_it(void **state)
{
    static const uint32_t wrong[] = {1, 4, PAIR_BYTES + 8, 0x80000000u, UINT32_MAX};
    struct fixture *f = *state;

    publish_frames(f, 2, 60);
    run(f);
    struct unloader before = f->unloader;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        f->unloader = before;
        atomic_store(&f->pair->page->tx.produced, before.ring.index + wrong[i]);
        assert_false(run(f));
        assert_string_equal(f->unloader.broken, "the producer's index is impossible");
    }
    expect_broken(f, 2);
}

static void less_than_a_header_breaks_it(void **state)
{
    struct fixture *f = *state;

    publish_frames(f, 2, 60);
    put_bytes(f, f->memory, sizeof(struct container_header) - 8);
    run(f);
    expect_broken(f, 2);
}

static void half_a_container_breaks_it(void **state)
{
    struct fixture *f = *state;

    publish_frames(f, 2, 60);
    put_frame(f, 1000);
    struct container_header header = {.sequence = f->sequence};
    container_finish(&f->builder, &header);
    put_bytes(f, f->memory, 512);
    run(f);
    expect_broken(f, 2);
}

static void a_bad_header_breaks_it(void **state)
{
    struct fixture *f = *state;

    for (uint32_t bit = 0; bit < 96; bit++) {
        struct unloader before = f->unloader;
        put_frame(f, 60);
        struct container_header header = {0};
        container_finish(&f->builder, &header);
        f->memory[bit / 8] ^= (uint8_t)(1u << bit % 8);
        put_bytes(f, f->memory, container_padded(f->builder.bytes));
        run(f);
        assert_non_null(f->unloader.broken);
        assert_true(f->unloader.stats.packets <= 1); /* the one that was whole */
        while (wire_take(&f->pair->backend, f->frame))
            ;
        /* The same place again, whole. */
        f->unloader = before;
        f->maker.index = before.ring.index;
        atomic_store(&f->pair->page->tx.produced, before.ring.index);
        atomic_store(&f->pair->page->tx.consumed, before.ring.index);
        f->made = 0;
        container_begin(&f->builder, f->memory);
    }
    publish_frames(f, 1, 60);
    run(f);
    assert_null(f->unloader.broken);
    take_frames(f);
    assert_int_equal(f->out, 1);
}

/* The packets before the fault are delivered, none after it. */
static void a_bad_entry_breaks_it_there(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 5; i++)
        put_frame(f, 60);
    uint32_t at = f->builder.bytes;
    for (int i = 0; i < 5; i++)
        put_frame(f, 60);
    f->memory[at + 1] |= 0xc0; /* a kind that is none */
    publish(f);
    run(f);
    f->made = 5;
    expect_broken(f, 5);
}

static void bytes_left_over_break_it(void **state)
{
    struct fixture *f = *state;
    struct container_header header = {0};

    put_frame(f, 60);
    f->builder.bytes += 8;
    container_finish(&f->builder, &header);
    put_bytes(f, f->memory, container_padded(f->builder.bytes));
    run(f);
    expect_broken(f, 1);
}

/* Whatever the guest claims of times, figures stay finite and the packets go through. */
static void absurd_times_do_no_harm(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 2;

    for (int i = 0; i < 200; i++) {
        struct container_header header;
        noise_fill(&seed, &header, sizeof(header));
        header.sequence = f->sequence++;
        for (uint32_t n = noise_between(&seed, 1, 20); n; n--)
            put_frame(f, 60);
        container_finish(&f->builder, &header);
        put_bytes(f, f->memory, container_padded(f->builder.bytes));
        container_begin(&f->builder, f->memory);
        run(f);
        take_frames(f);
    }
    assert_null(f->unloader.broken);
    assert_int_equal(f->out, f->made);
    assert_int_equal(histogram_count(&f->delay), f->made);
    assert_true(histogram_quantile(&f->delay, 1) <= 68719476736.0);
    assert_true(f->unloader.stats.fill_ns <= f->made * (uint64_t)UINT32_MAX);
}

/* Noise in the ring, noise in its index: no answer but broken, no step beyond. */
static void noise_is_survived(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 3;
    unsigned broken = 0;

    for (int i = 0; i < 3000; i++) {
        struct container_header header;
        uint32_t length = noise_between(&seed, 8, 512) * 8;
        noise_fill(&seed, f->memory, length);
        memcpy(&header, f->memory, sizeof(header));
        header.version = CONTAINER_VERSION;
        header.flags = 0;
        header.bytes = length;
        header.count = noise_between(&seed, 1, 4);
        if (noise_next(&seed) % 8)
            memcpy(f->memory, &header, sizeof(header));
        if (noise_next(&seed) % 2)
            f->memory[65] &= 0x41;
        put_bytes(f, f->memory, length);
        if (noise_next(&seed) % 8 == 0)
            atomic_store(&f->pair->page->tx.produced, (uint32_t)noise_next(&seed));
        run(f);
        broken += f->unloader.broken != NULL;
        while (wire_take(&f->pair->backend, f->frame))
            ;
        /* A new link over the same pages. */
        f->unloader.broken = NULL;
        f->unloader.unloading = false;
        uint32_t index = (uint32_t)noise_next(&seed) & ~7u;
        f->unloader.ring.index = f->maker.index = index;
        atomic_store(&f->pair->page->tx.produced, index);
        atomic_store(&f->pair->page->tx.consumed, index);
    }
    assert_true(broken > 1000);
}

struct scribbler {
    struct fixture *f;
    atomic_bool stop;
};

/* Writes over the containers in the ring while they are being read. */
static void *scribble(void *context)
{
    struct scribbler *scribbler = context;
    void *const *pages = hv_pages_addresses(scribbler->f->pair->guest.tx);
    uint64_t seed = 4;

    while (!atomic_load(&scribbler->stop)) {
        volatile uint32_t *words = pages[noise_between(&seed, 0, PAIR_PAGES - 1)];
        words[noise_between(&seed, 0, RING_PAGE / 4 - 1)] = (uint32_t)noise_next(&seed);
        /* Often where headers are. */
        words[noise_between(&seed, 0, 3)] = noise_between(&seed, 0, CONTAINER_BYTES_MAX);
    }
    return NULL;
}

static void scribbling_is_survived(void **state)
{
    struct fixture *f = *state;
    struct scribbler scribbler = {.f = f};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, scribble, &scribbler), 0);
    for (int i = 0; i < 4000; i++) {
        publish_frames(f, 4, 900);
        run(f);
        while (wire_take(&f->pair->backend, f->frame))
            ;
        if (f->unloader.broken) {
            f->unloader.broken = NULL;
            f->unloader.unloading = false;
            f->unloader.ring.index = f->maker.index = 0;
            atomic_store(&f->pair->page->tx.produced, 0);
            atomic_store(&f->pair->page->tx.consumed, 0);
        }
    }
    atomic_store(&scribbler.stop, true);
    pthread_join(thread, NULL);
    assert_true(f->unloader.stats.packets > 0);
}

/* The most packets a container holds must not take the worker from the other guests for long. */
static void the_smallest_packets_are_unloaded_in_rounds(void **state)
{
    enum { PACKETS = 60000 };
    struct fixture *f = *state;
    uint32_t rounds = 0;

    for (int i = 0; i < PACKETS; i++) {
        memset(f->frame, 2, CONTAINER_FRAME_MIN);
        container_load(&f->builder, f->frame, CONTAINER_FRAME_MIN);
        container_take(&f->builder, CONTAINER_FRAME_MIN);
    }
    publish(f);
    while (f->unloader.stats.containers == 0) {
        assert_true(unloader_run(&f->unloader, f->pair->backend.port, 0));
        while (wire_take(&f->pair->backend, f->frame))
            ;
        rounds++;
    }
    assert_int_equal(f->unloader.stats.packets, PACKETS);
    assert_int_equal(histogram_count(&f->delay), PACKETS);
    assert_true(rounds >= PACKETS / 16);
}

int main(void)
{
#define UNLOADER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        UNLOADER_TEST(unloads_in_order),
        UNLOADER_TEST(random_containers_come_out_as_they_went_in),
        UNLOADER_TEST(time_that_is_up_leaves_the_rest),
        UNLOADER_TEST(a_gap_in_the_sequence_is_counted),
        UNLOADER_TEST(a_super_frame_is_refused_and_the_rest_goes_on),
        UNLOADER_TEST(what_the_port_refuses_is_counted),
        UNLOADER_TEST(room_is_told_to_who_waits_for_it),
        UNLOADER_TEST(sleeps_only_on_an_empty_ring),
        UNLOADER_TEST(an_impossible_index_breaks_it),
        UNLOADER_TEST(less_than_a_header_breaks_it),
        UNLOADER_TEST(half_a_container_breaks_it),
        UNLOADER_TEST(a_bad_header_breaks_it),
        UNLOADER_TEST(a_bad_entry_breaks_it_there),
        UNLOADER_TEST(bytes_left_over_break_it),
        UNLOADER_TEST(absurd_times_do_no_harm),
        UNLOADER_TEST(noise_is_survived),
        UNLOADER_TEST(scribbling_is_survived),
        UNLOADER_TEST(the_smallest_packets_are_unloaded_in_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
