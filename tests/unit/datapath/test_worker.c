// SPDX-License-Identifier: GPL-2.0-or-later
/* Links on workers: a backend's and a guest's, in two threads as in two domains. */
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "datapath/worker.h"
#include "tests/unit/datapath/pair.h"

#define WAIT_MS 30000

/* One end of one link, and what it showed last. */
struct side {
    struct pair_end *end;
    struct link *link;
    struct worker *worker;
    _Atomic uint64_t rounds, shown, dropped, packets;
};

struct fixture {
    struct pair *pair;
    struct worker *backend_worker, *guest_worker;
    struct side backend, guest;
    uint8_t frame[CONTAINER_FRAME_MAX + 1], expected[CONTAINER_FRAME_MAX];
};

static void shown(void *context, struct link *link, const struct segment_sleep *sleep)
{
    struct side *side = context;

    atomic_store(&side->rounds, sleep->rounds);
    atomic_store(&side->dropped, link->packer.stats.dropped_ring_full);
    atomic_store(&side->packets, link->packer.stats.packets);
    atomic_fetch_add(&side->shown, 1);
}

static int side_link(struct side *side, enum link_end end)
{
    struct link_options options = {
        .end = end,
        .port = side->end->port,
        .channel = side->end->channel,
        .control = side->end->control,
        .rx = side->end->rx,
        .tx = side->end->tx,
        .tuning = &side->end->tuning,
        .keep_delays = end == LINK_BACKEND,
        .export = shown,
        .export_context = side,
    };

    return link_new(&options, &side->link);
}

/* Both ends' links exist; a test adds those that it wants to run. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct worker_options options = {0};

    if (!f || pair_setup((void **)&f->pair) || worker_start(&options, &f->backend_worker) ||
        worker_start(&options, &f->guest_worker))
        return -1;
    f->backend.end = &f->pair->backend;
    f->guest.end = &f->pair->guest;
    f->backend.worker = f->backend_worker;
    f->guest.worker = f->guest_worker;
    *state = f;
    return side_link(&f->backend, LINK_BACKEND) || side_link(&f->guest, LINK_FRONTEND);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    worker_remove(f->backend_worker, f->backend.link);
    worker_remove(f->guest_worker, f->guest.link);
    link_free(f->backend.link);
    link_free(f->guest.link);
    worker_stop(f->backend_worker);
    worker_stop(f->guest_worker);
    int error = pair_teardown((void **)&f->pair);
    free(f);
    return error;
}

static void add(struct side *side)
{
    assert_int_equal(worker_add(side->worker, side->link), 0);
}

static bool readable(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    return poll(&polled, 1, WAIT_MS) == 1;
}

/* Takes frames of the numbers from `first` on, waiting for each. */
static void await_frames(struct fixture *f, const struct side *side, uint32_t first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!readable(side->end->wire))
            fail_msg("frame %u of %u never came", first + i, first + n);
        uint32_t length = wire_take(side->end, f->frame);
        frame_make(f->expected, length, first + i);
        assert_memory_equal(f->frame, f->expected, length);
    }
}

static void send_frames(struct fixture *f, const struct side *side, uint32_t first, uint32_t n,
                        uint32_t length)
{
    for (uint32_t i = 0; i < n; i++) {
        frame_make(f->frame, length, first + i);
        assert_true(wire_send(side->end, f->frame, length));
    }
}

/* --- frames -------------------------------------------------------------- */

static void frames_cross_both_ways(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 1;
    uint32_t sent = 0;

    pair_tune(f->backend.end, 16, 200, CONTAINER_BYTES_MAX);
    pair_tune(f->guest.end, 16, 200, CONTAINER_BYTES_MAX);
    add(&f->backend);
    add(&f->guest);
    for (int burst = 0; burst < 200; burst++) {
        uint32_t n = noise_between(&seed, 1, 60);
        uint32_t length = noise_between(&seed, 18, burst % 8 ? 300 : CONTAINER_FRAME_MAX);
        send_frames(f, &f->backend, sent, n, length);
        send_frames(f, &f->guest, sent, n, length);
        await_frames(f, &f->guest, sent, n);
        await_frames(f, &f->backend, sent, n);
        sent += n;
    }
}

/* As many as the ring holds many times over, with nobody pausing. */
static void a_stream_is_carried_whole(void **state)
{
    enum { FRAMES = 20000, AHEAD = 500 };
    struct fixture *f = *state;

    pair_tune(f->backend.end, 64, 100, CONTAINER_BYTES_MAX);
    add(&f->backend);
    add(&f->guest);
    send_frames(f, &f->backend, 0, AHEAD, 1400);
    for (uint32_t sent = AHEAD; sent < FRAMES; sent++) {
        send_frames(f, &f->backend, sent, 1, 1400);
        await_frames(f, &f->guest, sent - AHEAD, 1);
    }
    await_frames(f, &f->guest, FRAMES - AHEAD, AHEAD);
}

/* Shorter than the worker, new as it is, takes its timers to be late: it waits awake. */
static void a_short_timeout_is_not_cut(void **state)
{
    enum { FRAMES = 5, TIMEOUT_US = 31 };
    struct fixture *f = *state;
    const struct segment_pack *stats = &f->backend.link->packer.stats;

    pair_tune(f->backend.end, 10, TIMEOUT_US, CONTAINER_BYTES_MAX);
    add(&f->backend);
    add(&f->guest);
    for (uint32_t i = 0; i < FRAMES; i++) {
        send_frames(f, &f->backend, i, 1, 200);
        await_frames(f, &f->guest, i, 1);
    }
    worker_remove(f->backend_worker, f->backend.link);
    assert_int_equal(stats->closed[CLOSING_TIMEOUT], FRAMES);
    assert_true(stats->fill_ns >= FRAMES * TIMEOUT_US * 1000ull);
}

/* Here in the debt of a month, which rounds would not have paid at the end of the test. */
static void a_debt_to_nobody_is_forgiven(void **state)
{
    struct fixture *f = *state;

    pair_tune(f->backend.end, 1, 100, CONTAINER_BYTES_MAX);
    pair_tune(f->guest.end, 1, 100, CONTAINER_BYTES_MAX);
    f->backend.link->deficit_ns = f->guest.link->deficit_ns = -30ll * 86400 * 1000000000;
    add(&f->backend);
    add(&f->guest);
    send_frames(f, &f->backend, 0, 10, 200);
    await_frames(f, &f->guest, 0, 10);
    send_frames(f, &f->guest, 10, 10, 200);
    await_frames(f, &f->backend, 10, 10);
}

static void sizes_may_change_under_way(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 2;
    uint32_t sent = 0;

    add(&f->backend);
    add(&f->guest);
    for (int i = 0; i < 300; i++) {
        uint32_t n = noise_between(&seed, 1, 40);
        pair_tune(f->backend.end, noise_between(&seed, 1, 30), noise_between(&seed, 1, 2000),
                  noise_between(&seed, KEYS_BYTES_MIN, KEYS_BYTES_MAX));
        send_frames(f, &f->backend, sent, n, noise_between(&seed, 18, 1500));
        await_frames(f, &f->guest, sent, n); /* what is open leaves by its timeout */
        sent += n;
    }
}

static void a_link_let_go_and_taken_up_loses_nothing(void **state)
{
    struct fixture *f = *state;
    uint32_t sent = 0;

    pair_tune(f->backend.end, 1000, 4000000, CONTAINER_BYTES_MAX);
    add(&f->backend);
    add(&f->guest);
    for (int i = 0; i < 50; i++) {
        send_frames(f, &f->backend, sent, 20, 200);
        /* What is open is published when it is let go, long before its timeout. */
        worker_remove(f->backend_worker, f->backend.link);
        add(&f->backend);
        sent += 20;
    }
    worker_remove(f->backend_worker, f->backend.link);
    add(&f->backend);
    pair_tune(f->backend.end, 1, 100, CONTAINER_BYTES_MAX);
    send_frames(f, &f->backend, sent, 1, 200);
    await_frames(f, &f->guest, 0, sent + 1);
}

/* --- peers that fail ----------------------------------------------------- */

static enum link_failure await_failure(const struct side *side, const char **ret_text)
{
    assert_true(readable(worker_failures_fd(side->worker)));
    worker_failures_accept(side->worker);
    return link_failure(side->link, ret_text);
}

static void a_peer_that_goes_fails_its_link(void **state)
{
    struct fixture *f = *state;

    add(&f->backend);
    assert_int_equal(link_failure(f->backend.link, NULL), LINK_FINE);
    hv_channel_release(f->pair->guest.channel);
    f->pair->guest.channel = NULL;
    assert_int_equal(await_failure(&f->backend, NULL), LINK_PEER_GONE);
}

static void a_peer_that_breaks_the_format_fails_its_link(void **state)
{
    struct fixture *f = *state;
    const char *text;

    add(&f->backend);
    atomic_store(&f->pair->page->tx.produced, 12);
    hv_channel_notify(f->pair->guest.channel);
    assert_int_equal(await_failure(&f->backend, &text), LINK_PEER_BROKE);
    assert_string_equal(text, "the producer's index is impossible");
}

static void a_lying_consumer_fails_its_link(void **state)
{
    struct fixture *f = *state;
    const char *text;

    pair_tune(f->backend.end, 1, 100, CONTAINER_BYTES_MAX);
    add(&f->backend);
    atomic_store(&f->pair->page->rx.consumed, 0x40000000);
    send_frames(f, &f->backend, 0, 1, 100);
    assert_int_equal(await_failure(&f->backend, &text), LINK_PEER_BROKE);
    assert_string_equal(text, "the consumer's index is impossible");
}

/* Two guests of one worker: what one does is nothing to the other. */
static void a_bad_guest_is_nothing_to_another(void **state)
{
    struct fixture *f = *state;
    struct side backend = {.worker = f->backend_worker}, guest = {.worker = f->guest_worker};
    struct pair *second;
    uint32_t sent = 0;

    assert_int_equal(pair_make(f->pair->backend.hv, f->pair->dir, 6, &second), 0);
    backend.end = &second->backend;
    guest.end = &second->guest;
    assert_int_equal(side_link(&backend, LINK_BACKEND), 0);
    assert_int_equal(side_link(&guest, LINK_FRONTEND), 0);
    pair_tune(backend.end, 4, 100, CONTAINER_BYTES_MAX);
    add(&f->backend);
    add(&backend);
    add(&guest);
    for (uint32_t i = 0; i < 20; i++, sent += 10) {
        if (i == 5) /* the first one's guest never ran: it fills the ring with nonsense */
            memset(hv_pages_addresses(f->pair->guest.tx)[0], 0xa5, RING_PAGE);
        if (i == 6)
            atomic_store(&f->pair->page->tx.produced, 4096);
        if (i == 7)
            hv_channel_notify(f->pair->guest.channel);
        send_frames(f, &backend, sent, 10, 300);
        await_frames(f, &guest, sent, 10);
    }
    const char *text;
    assert_int_equal(await_failure(&f->backend, &text), LINK_PEER_BROKE);
    assert_string_equal(text, "a container's header does not fit");
    assert_int_equal(link_failure(backend.link, NULL), LINK_FINE);
    worker_remove(f->backend_worker, backend.link);
    worker_remove(f->guest_worker, guest.link);
    link_free(backend.link);
    link_free(guest.link);
    pair_free(second);
}

/*
 * Its guest takes nothing: the ring fills, then frames are dropped and counted,
 * and the worker sleeps. Half a second of sleep is some rounds, of spinning a
 * hundred thousand.
 */
static void a_stalled_guest_costs_no_cpu(void **state)
{
    struct fixture *f = *state;
    uint32_t sent = 0;

    pair_tune(f->backend.end, 4, 100, CONTAINER_BYTES_MAX);
    add(&f->backend);
    for (uint64_t start = clock_ns(); atomic_load(&f->backend.dropped) == 0;) {
        send_frames(f, &f->backend, sent++, 1, 1400);
        assert_true(clock_ns() - start < WAIT_MS * 1000000ull);
        usleep(100);
    }
    usleep(20000); /* what was under way comes to rest */
    uint64_t rounds = atomic_load(&f->backend.rounds), times = atomic_load(&f->backend.shown);
    usleep(600000);
    /* The heartbeat showed the figures meanwhile. */
    for (uint64_t start = clock_ns(); atomic_load(&f->backend.shown) <= times + 1;) {
        assert_true(clock_ns() - start < WAIT_MS * 1000000ull);
        usleep(10000);
    }
    assert_in_range(atomic_load(&f->backend.rounds) - rounds, 0, 1000);
    /* It takes again, and what was kept for it comes out, the oldest first. */
    add(&f->guest);
    await_frames(f, &f->guest, 0, PAIR_BYTES / 1500);
}

static void held_shown(void *context, const struct segment_sleep *sleep, uint64_t held)
{
    (void)sleep;
    atomic_store((_Atomic uint64_t *)context, held);
}

/* Packets that have nowhere to go when their link ends. */
static void what_a_guest_never_took_is_counted(void **state)
{
    struct fixture *f = *state;
    _Atomic uint64_t held = 0;
    struct worker_options options = {.export = held_shown, .export_context = &held};
    uint32_t length = CONTAINER_FRAME_MAX;

    worker_stop(f->backend_worker);
    assert_int_equal(worker_start(&options, &f->backend_worker), 0);
    f->backend.worker = f->backend_worker;
    pair_tune(f->backend.end, 1, 100, CONTAINER_BYTES_MAX);
    add(&f->backend); /* nobody at the other end */
    frame_make(f->frame, length, 0);
    for (int i = 0; i < WAIT_MS && !atomic_load(&f->backend.dropped); i++) {
        wire_send(f->backend.end, f->frame, length);
        usleep(1000);
    }
    assert_true(atomic_load(&f->backend.dropped) > 0);
    assert_int_equal(atomic_load(&held), 0);
    worker_remove(f->backend_worker, f->backend.link);
    assert_int_equal(packer_held(&f->backend.link->packer), 1);
    for (int i = 0; i < WAIT_MS && !atomic_load(&held); i++)
        usleep(1000);
    assert_int_equal(atomic_load(&held), 1);
    worker_stop(f->backend_worker); /* before `held` goes */
    assert_int_equal(worker_start(&(struct worker_options){0}, &f->backend_worker), 0);
    f->backend.worker = f->backend_worker;
}

int main(void)
{
#define WORKER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        WORKER_TEST(frames_cross_both_ways),
        WORKER_TEST(a_stream_is_carried_whole),
        WORKER_TEST(a_short_timeout_is_not_cut),
        WORKER_TEST(a_debt_to_nobody_is_forgiven),
        WORKER_TEST(sizes_may_change_under_way),
        WORKER_TEST(a_link_let_go_and_taken_up_loses_nothing),
        WORKER_TEST(a_peer_that_goes_fails_its_link),
        WORKER_TEST(a_peer_that_breaks_the_format_fails_its_link),
        WORKER_TEST(a_lying_consumer_fails_its_link),
        WORKER_TEST(a_bad_guest_is_nothing_to_another),
        WORKER_TEST(a_stalled_guest_costs_no_cpu),
        WORKER_TEST(what_a_guest_never_took_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
