// SPDX-License-Identifier: GPL-2.0-or-later
/* The hypervisor interface without a hypervisor, between honest processes that come and go. */
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/unit/common/hv_fixture.h"
#include "tests/unit/common/peer.h"

#define GUEST 5u

static uint32_t *word_at(struct hv_pages *pages, uint32_t page, uint32_t offset)
{
    return (uint32_t *)hv_pages_addresses(pages)[page] + offset;
}

static bool is_readable(struct hv_channel *channel)
{
    struct pollfd polled = {.fd = hv_channel_fd(channel), .events = POLLIN};

    return poll(&polled, 1, 0) == 1;
}

/* --- pages --------------------------------------------------------------- */

static void shared_pages_are_one_memory(void **state)
{
    struct hv_fixture *f = *state;
    struct peer guest = peer_start(f->spec, GUEST);
    uint32_t references[8];
    struct hv_pages *pages;

    assert_int_equal(peer_share(&guest, 0, 8, references), 0);
    for (uint32_t page = 0; page < 8; page++)
        peer_write(&guest, 0, page, 1023, 100 + page);
    assert_int_equal(hv_map(f->hv, GUEST, references, 8, NULL, &pages), 0);
    assert_int_equal(hv_pages_count(pages), 8);
    for (uint32_t page = 0; page < 8; page++) {
        assert_int_equal(*word_at(pages, page, 0), 0); /* zeroed */
        assert_int_equal(*word_at(pages, page, 1023), 100 + page);
        *word_at(pages, page, 7) = 200 + page;
        assert_int_equal(peer_read(&guest, 0, page, 7), 200 + page);
    }
    hv_pages_release(pages);
    peer_stop(&guest);
}

static void counts_are_bounded(void **state)
{
    struct hv_fixture *f = *state;
    struct peer guest = peer_start(f->spec, GUEST);
    uint32_t references[HV_SHARE_MAX + 1] = {0};
    struct hv_pages *pages = NULL;

    assert_int_equal(hv_share(f->hv, GUEST, 0, NULL, &pages), -EINVAL);
    assert_int_equal(hv_share(f->hv, GUEST, HV_SHARE_MAX + 1, NULL, &pages), -EINVAL);
    assert_int_equal(hv_map(f->hv, GUEST, references, 0, NULL, &pages), -EINVAL);
    assert_int_equal(hv_map(f->hv, GUEST, references, HV_SHARE_MAX + 1, NULL, &pages), -EINVAL);
    assert_null(pages);
    assert_int_equal(peer_share(&guest, 0, HV_SHARE_MAX, references), 0);
    assert_int_equal(hv_map(f->hv, GUEST, references, HV_SHARE_MAX, NULL, &pages), 0);
    *word_at(pages, HV_SHARE_MAX - 1, 1023) = 42;
    assert_int_equal(peer_read(&guest, 0, HV_SHARE_MAX - 1, 1023), 42);
    hv_pages_release(pages);
    peer_stop(&guest);
}

static void wrong_references_are_refused(void **state)
{
    struct hv_fixture *f = *state;
    struct peer guest = peer_start(f->spec, GUEST);
    uint32_t r[8], wrong[8];
    struct hv_pages *pages = NULL;

    assert_int_equal(peer_share(&guest, 0, 8, r), 0);
    assert_int_equal(hv_map(f->hv, GUEST, r, 7, NULL, &pages), -ENOENT);
    assert_int_equal(hv_map(f->hv, GUEST, r + 1, 7, NULL, &pages), -ENOENT);
    assert_int_equal(hv_map(f->hv, GUEST, r + 4, 4, NULL, &pages), -ENOENT);
    memcpy(wrong, r, sizeof(r));
    wrong[7]++;
    assert_int_equal(hv_map(f->hv, GUEST, wrong, 8, NULL, &pages), -EINVAL);
    memcpy(wrong, r, sizeof(r));
    wrong[3] = r[4], wrong[4] = r[3];
    assert_int_equal(hv_map(f->hv, GUEST, wrong, 8, NULL, &pages), -EINVAL);
    for (uint32_t i = 0; i < 8; i++)
        wrong[i] = UINT32_MAX - 3 + i; /* wraps around */
    assert_true(hv_map(f->hv, GUEST, wrong, 8, NULL, &pages) < 0);
    for (uint32_t i = 0; i < 8; i++)
        wrong[i] = r[0] + 1000 + i;
    assert_int_equal(hv_map(f->hv, GUEST, wrong, 8, NULL, &pages), -ENOENT);
    assert_int_equal(hv_map(f->hv, GUEST + 1, r, 8, NULL, &pages), -ENOENT); /* no such domain */
    assert_null(pages);
    peer_stop(&guest);
}

static void only_the_named_domain_may_map(void **state)
{
    struct hv_fixture *f = *state;
    struct peer guest = peer_start(f->spec, GUEST), other = peer_start(f->spec, GUEST + 1);
    uint32_t references[1], port;
    struct hv_channel *channel = NULL;
    struct hv_pages *pages = NULL;

    assert_int_equal(peer_share(&guest, 7, 1, references), 0);
    assert_int_equal(peer_offer(&guest, 7, &port), 0);
    assert_int_equal(hv_map(f->hv, GUEST, references, 1, NULL, &pages), -ENOENT);
    assert_int_equal(hv_channel_bind(f->hv, GUEST, port, &channel), -ENOENT);
    assert_int_equal(peer_map(&other, GUEST, references, 1), -ENOENT);
    assert_int_equal(peer_bind(&other, GUEST, port), -ENOENT);
    assert_null(pages);
    assert_null(channel);
    peer_stop(&other);
    peer_stop(&guest);
}

static void a_released_share_is_gone_but_not_its_mappings(void **state)
{
    struct hv_fixture *f = *state;
    struct peer guest = peer_start(f->spec, GUEST);
    uint32_t references[2];
    struct hv_pages *pages, *again = NULL;

    assert_int_equal(peer_share(&guest, 0, 2, references), 0);
    peer_write(&guest, 0, 1, 5, 77);
    assert_int_equal(hv_map(f->hv, GUEST, references, 2, NULL, &pages), 0);
    peer_unmap(&guest, 0);
    assert_int_equal(hv_map(f->hv, GUEST, references, 2, NULL, &again), -ENOENT);
    assert_int_equal(*word_at(pages, 1, 5), 77);
    peer_kill(&guest);
    *word_at(pages, 1, 5) += 1;
    assert_int_equal(*word_at(pages, 1, 5), 78);
    hv_pages_release(pages);
}

static void farewell_bytes_say_who_is_there(void **state)
{
    const struct hv_farewell guests = {.own_offset = 8, .peer_offset = 9};
    const struct hv_farewell ours = {.own_offset = 9, .peer_offset = 8};
    struct hv_fixture *f = *state;
    struct hv *guest;
    struct hv_pages *shared, *mapped;

    assert_int_equal(hv_open(f->spec, GUEST, &guest), 0);
    assert_int_equal(hv_share(guest, 0, 1, &guests, &shared), 0);
    const uint8_t *bytes = hv_pages_addresses(shared)[0];
    assert_int_equal(bytes[8], 1);
    assert_int_equal(bytes[9], 0);
    assert_int_equal(hv_map(f->hv, GUEST, hv_pages_references(shared), 1, &ours, &mapped), 0);
    assert_int_equal(bytes[9], 1);
    hv_pages_release(mapped);
    assert_int_equal(bytes[9], 0);
    assert_int_equal(bytes[8], 1);
    hv_pages_release(shared);
    hv_close(guest);
}

/* --- channels ------------------------------------------------------------ */

static void notifications_go_both_ways(void **state)
{
    struct hv_fixture *f = *state;
    struct peer guest = peer_start(f->spec, GUEST);
    struct hv_channel *channel;
    uint32_t port;

    assert_int_equal(peer_offer(&guest, 0, &port), 0);
    assert_int_equal(hv_channel_bind(f->hv, GUEST, port, &channel), 0);
    assert_int_equal(hv_channel_port(channel), port);
    assert_false(is_readable(channel));
    assert_int_equal(hv_channel_accept(channel), 0);
    for (int i = 0; i < 100; i++) {
        hv_channel_notify(channel);
        assert_int_equal(peer_await(&guest, 0), 0);
        assert_int_equal(peer_notify(&guest, 0), 0);
        assert_int_equal(channel_await(channel), 0);
        assert_false(is_readable(channel));
    }
    hv_channel_release(channel);
    peer_stop(&guest);
}

/* Any number of notifications is one to take, and none of them blocks. */
static void notifications_add_up(void **state)
{
    struct hv_fixture *f = *state;
    struct peer guest = peer_start(f->spec, GUEST);
    struct hv_channel *channel;
    uint32_t port;

    assert_int_equal(peer_offer(&guest, 0, &port), 0);
    assert_int_equal(hv_channel_bind(f->hv, GUEST, port, &channel), 0);
    for (int i = 0; i < 20000; i++)
        hv_channel_notify(channel);
    assert_int_equal(peer_await(&guest, 0), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(peer_notify(&guest, 0), 0);
    assert_int_equal(channel_await(channel), 0);
    assert_false(is_readable(channel));
    /* And none is lost after that. */
    hv_channel_notify(channel);
    assert_int_equal(peer_await(&guest, 0), 0);
    hv_channel_release(channel);
    peer_stop(&guest);
}

static void what_was_notified_before_the_binding_is_found(void **state)
{
    struct hv_fixture *f = *state;
    struct peer guest = peer_start(f->spec, GUEST);
    struct hv_channel *channel;
    uint32_t port;

    assert_int_equal(peer_offer(&guest, 0, &port), 0);
    peer_notify(&guest, 0);
    assert_int_equal(hv_channel_bind(f->hv, GUEST, port, &channel), 0);
    assert_int_equal(channel_await(channel), 0);
    hv_channel_release(channel);
    peer_stop(&guest);
}

static void wrong_ports_are_refused(void **state)
{
    struct hv_fixture *f = *state;
    struct peer guest = peer_start(f->spec, GUEST);
    struct hv_channel *channel = NULL;
    uint32_t port, references[1];

    assert_int_equal(peer_offer(&guest, 0, &port), 0);
    assert_int_equal(peer_share(&guest, 0, 1, references), 0);
    assert_int_equal(hv_channel_bind(f->hv, GUEST, port + 1000, &channel), -ENOENT);
    assert_int_equal(hv_channel_bind(f->hv, GUEST, references[0], &channel), -ENOENT);
    assert_int_equal(hv_channel_bind(f->hv, GUEST, UINT32_MAX, &channel), -ENOENT);
    assert_int_equal(hv_channel_bind(f->hv, GUEST + 1, port, &channel), -ENOENT);
    peer_release(&guest, 0);
    assert_int_equal(hv_channel_bind(f->hv, GUEST, port, &channel), -ENOENT);
    assert_null(channel);
    peer_stop(&guest);
}

static void nobody_has_gone_who_never_came(void **state)
{
    struct hv_fixture *f = *state;
    struct hv_channel *channel;

    assert_int_equal(hv_channel_offer(f->hv, GUEST, &channel), 0);
    assert_int_equal(hv_channel_accept(channel), 0);
    hv_channel_notify(channel);
    assert_false(is_readable(channel));
    hv_channel_release(channel);
}

/* --- peers that go ------------------------------------------------------- */

static void a_killed_guest_is_noticed(void **state)
{
    struct hv_fixture *f = *state;
    struct peer guest = peer_start(f->spec, GUEST);
    struct hv_channel *channel;
    uint32_t port;

    assert_int_equal(peer_offer(&guest, 0, &port), 0);
    assert_int_equal(hv_channel_bind(f->hv, GUEST, port, &channel), 0);
    peer_kill(&guest);
    assert_int_equal(channel_await(channel), -ECONNRESET);
    assert_int_equal(hv_channel_accept(channel), -ECONNRESET);
    hv_channel_notify(channel); /* to nobody: no signal, no block */
    assert_int_equal(hv_channel_accept(channel), -ECONNRESET);
    hv_channel_release(channel);
}

static void a_killed_backend_is_noticed(void **state)
{
    struct hv_fixture *f = *state;
    struct peer backend = peer_start(f->spec, 1);
    struct hv_channel *channel;

    assert_int_equal(hv_channel_offer(f->hv, 1, &channel), 0);
    assert_int_equal(peer_bind(&backend, 0, hv_channel_port(channel)), 0);
    peer_kill(&backend);
    assert_int_equal(channel_await(channel), -ECONNRESET);
    hv_channel_notify(channel);
    assert_int_equal(hv_channel_accept(channel), -ECONNRESET);
    hv_channel_release(channel);
}

static void a_clean_release_is_noticed_at_both_ends(void **state)
{
    struct hv_fixture *f = *state;
    struct peer guest = peer_start(f->spec, GUEST);
    struct hv_channel *channel;
    uint32_t port;

    assert_int_equal(peer_offer(&guest, 0, &port), 0);
    assert_int_equal(hv_channel_bind(f->hv, GUEST, port, &channel), 0);
    peer_release(&guest, 0);
    assert_int_equal(channel_await(channel), -ECONNRESET);
    hv_channel_release(channel);

    assert_int_equal(peer_offer(&guest, 0, &port), 0);
    assert_int_equal(hv_channel_bind(f->hv, GUEST, port, &channel), 0);
    hv_channel_release(channel);
    assert_int_equal(peer_await(&guest, 1), -ECONNRESET);
    peer_stop(&guest);
}

static void a_new_backend_takes_over_what_the_old_one_had(void **state)
{
    struct hv_fixture *f = *state;
    struct peer backend = peer_start(f->spec, 1);
    struct hv_channel *channel;
    struct hv_pages *pages;

    assert_int_equal(hv_share(f->hv, 1, 4, NULL, &pages), 0);
    assert_int_equal(hv_channel_offer(f->hv, 1, &channel), 0);
    for (uint32_t life = 0; life < 5; life++) {
        assert_int_equal(peer_bind(&backend, 0, hv_channel_port(channel)), 0);
        assert_int_equal(peer_map(&backend, 0, hv_pages_references(pages), 4), 0);
        assert_int_equal(hv_channel_accept(channel), 0);
        assert_int_equal(peer_read(&backend, 0, 2, 9), life);
        peer_write(&backend, 0, 2, 9, life + 1);
        hv_channel_notify(channel);
        assert_int_equal(peer_await(&backend, 0), 0);
        peer_notify(&backend, 0);
        assert_int_equal(channel_await(channel), 0);
        peer_kill(&backend);
        assert_int_equal(channel_await(channel), -ECONNRESET);
        backend = peer_start(f->spec, 1);
    }
    peer_kill(&backend);
    hv_channel_release(channel);
    hv_pages_release(pages);
}

/* More of them than any fixed table might have been made for; the oldest is the one that goes. */
static void one_of_many_channels_says_so(void **state)
{
    enum { CHANNELS = 200 };
    struct hv_fixture *f = *state;
    struct peer first = peer_start(f->spec, GUEST), second = peer_start(f->spec, GUEST + 1);
    struct hv_channel *channels[CHANNELS];
    uint32_t port;

    for (int i = 0; i < CHANNELS; i++) {
        assert_int_equal(peer_offer(i ? &second : &first, 0, &port), 0);
        assert_int_equal(hv_channel_bind(f->hv, i ? GUEST + 1 : GUEST, port, &channels[i]), 0);
    }
    peer_kill(&first);
    assert_int_equal(channel_await(channels[0]), -ECONNRESET);
    assert_int_equal(hv_channel_accept(channels[CHANNELS - 1]), 0);
    peer_kill(&second);
    for (int i = 0; i < CHANNELS; i++) {
        assert_int_equal(channel_await(channels[i]), -ECONNRESET);
        hv_channel_release(channels[i]);
    }
}

/* One guest's end is nothing to the others. */
static void other_guests_stay(void **state)
{
    enum { GUESTS = 6 };
    struct hv_fixture *f = *state;
    struct peer guests[GUESTS];
    struct hv_channel *channels[GUESTS];
    uint32_t port;

    for (uint32_t i = 0; i < GUESTS; i++) {
        guests[i] = peer_start(f->spec, GUEST + i);
        assert_int_equal(peer_offer(&guests[i], 0, &port), 0);
        assert_int_equal(hv_channel_bind(f->hv, GUEST + i, port, &channels[i]), 0);
    }
    for (uint32_t i = 0; i < GUESTS; i++) {
        peer_kill(&guests[i]);
        assert_int_equal(channel_await(channels[i]), -ECONNRESET);
        for (uint32_t j = i + 1; j < GUESTS; j++) {
            assert_int_equal(hv_channel_accept(channels[j]), 0);
            peer_notify(&guests[j], 0);
            assert_int_equal(channel_await(channels[j]), 0);
        }
        hv_channel_release(channels[i]);
    }
}

/* --- handles ------------------------------------------------------------- */

static void bad_specs_are_refused(void **state)
{
    struct hv_fixture *f = *state;
    struct hv *hv = NULL;
    char spec[300];

    assert_int_equal(hv_open("", 0, &hv), -EINVAL);
    assert_int_equal(hv_open("remote:/tmp", 0, &hv), -EINVAL);
    assert_int_equal(hv_open("local:/does/not/exist", 0, &hv), -ENOENT);
    snprintf(spec, sizeof(spec), "%s/%0200d", f->spec, 0);
    assert_true(hv_open(spec, 0, &hv) < 0);
    assert_null(hv);
}

static void several_processes_speak_for_one_domain(void **state)
{
    struct hv_fixture *f = *state;
    struct peer first = peer_start(f->spec, GUEST), second = peer_start(f->spec, GUEST);
    uint32_t references[2][4], ports[2];
    struct hv_channel *channels[2];
    struct hv_pages *pages[2];

    assert_int_equal(peer_share(&first, 0, 4, references[0]), 0);
    assert_int_equal(peer_share(&second, 0, 4, references[1]), 0);
    assert_int_equal(peer_offer(&first, 0, &ports[0]), 0);
    assert_int_equal(peer_offer(&second, 0, &ports[1]), 0);
    peer_write(&first, 0, 3, 0, 111);
    peer_write(&second, 0, 3, 0, 222);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hv_map(f->hv, GUEST, references[i], 4, NULL, &pages[i]), 0);
        assert_int_equal(hv_channel_bind(f->hv, GUEST, ports[i], &channels[i]), 0);
    }
    assert_int_equal(*word_at(pages[0], 3, 0), 111);
    assert_int_equal(*word_at(pages[1], 3, 0), 222);
    peer_kill(&first);
    assert_int_equal(channel_await(channels[0]), -ECONNRESET);
    peer_notify(&second, 0);
    assert_int_equal(channel_await(channels[1]), 0);
    for (int i = 0; i < 2; i++) {
        hv_pages_release(pages[i]);
        hv_channel_release(channels[i]);
    }
    peer_stop(&second);
}

static void a_dead_process_leaves_its_place_to_the_next(void **state)
{
    struct hv_fixture *f = *state;
    uint32_t references[1];
    struct hv_pages *pages = NULL;

    for (int life = 0; life < 40; life++) { /* more than there are places */
        struct peer guest = peer_start(f->spec, GUEST);
        assert_int_equal(peer_share(&guest, 0, 1, references), 0);
        assert_int_equal(hv_map(f->hv, GUEST, references, 1, NULL, &pages), 0);
        hv_pages_release(pages);
        pages = NULL;
        peer_kill(&guest); /* its socket stays behind */
        assert_int_equal(hv_map(f->hv, GUEST, references, 1, NULL, &pages), -ENOENT);
        assert_null(pages);
    }
}

static void places_run_out_politely(void **state)
{
    struct hv_fixture *f = *state;
    struct hv *handles[64];
    int n = 0, error = 0;

    while (n < 64 && (error = hv_open(f->spec, GUEST, &handles[n])) == 0)
        n++;
    assert_int_equal(error, -EADDRINUSE);
    assert_true(n >= 16);
    hv_close(handles[0]);
    assert_int_equal(hv_open(f->spec, GUEST, &handles[0]), 0);
    while (n)
        hv_close(handles[--n]);
}

/* A number in use is not given out again, however many were in between. */
static void numbers_are_unique_among_the_living(void **state)
{
    struct hv_fixture *f = *state;
    struct hv_pages *keeper, *pages;
    struct hv_channel *channel;

    assert_int_equal(hv_share(f->hv, GUEST, 3, NULL, &keeper), 0);
    assert_int_equal(hv_channel_offer(f->hv, GUEST, &channel), 0);
    const uint32_t *kept = hv_pages_references(keeper);
    for (uint32_t given = 0; given < (1u << 20) + HV_SHARE_MAX; given += HV_SHARE_MAX) {
        assert_int_equal(hv_share(f->hv, GUEST, HV_SHARE_MAX, NULL, &pages), 0);
        const uint32_t *fresh = hv_pages_references(pages);
        for (uint32_t i = 0; i < HV_SHARE_MAX; i++) {
            assert_true(fresh[i] == fresh[0] + i);
            if ((fresh[i] >= kept[0] && fresh[i] <= kept[2]) ||
                fresh[i] == hv_channel_port(channel))
                fail_msg("%u was given out twice", fresh[i]);
        }
        hv_pages_release(pages);
    }
    hv_channel_release(channel);
    hv_pages_release(keeper);
}

/* What hv.h says of HV_SHARE_TEXT: as text, apart by blanks, in a node of 2048 bytes. */
static void references_fit_a_node(void **state)
{
    struct hv_fixture *f = *state;
    struct hv *handles[64];
    struct hv_pages *pages;
    int n = 0;

    while (n < 64 && hv_open(f->spec, GUEST, &handles[n]) == 0)
        n++;
    for (int i = 0; i < n; i++) {
        size_t text = 0;
        assert_int_equal(hv_share(handles[i], 0, HV_SHARE_TEXT, NULL, &pages), 0);
        for (uint32_t r = 0; r < HV_SHARE_TEXT; r++)
            text += (size_t)snprintf(NULL, 0, "%u ", hv_pages_references(pages)[r]);
        assert_true(text - 1 <= 2048);
        hv_pages_release(pages);
    }
    while (n)
        hv_close(handles[--n]);
}

/* The handle's thread must not take signals that a program waits for elsewhere. */
static void signals_are_left_to_the_program(void **state)
{
    sigset_t blocked, before, pending;
    (void)state; /* its handle, and thread, exist */

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    signal(SIGUSR1, SIG_DFL);
    kill(getpid(), SIGUSR1); /* would end us in a thread that does not block it */
    sigpending(&pending);
    assert_int_equal(sigismember(&pending, SIGUSR1), 1);
    signal(SIGUSR1, SIG_IGN); /* discards it */
    signal(SIGUSR1, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void interrupted(int signal)
{
    (void)signal;
}

/* Signals, and what the kernel does for io_uring in a thread's name, cut its calls short. */
static void interruptions_fail_nothing(void **state)
{
    struct hv_fixture *f = *state;
    struct peer guest = peer_start(f->spec, GUEST);
    const struct itimerval often = {.it_interval.tv_usec = 100, .it_value.tv_usec = 100},
                           never = {0};
    struct sigaction action = {.sa_handler = interrupted}; /* without SA_RESTART */
    uint32_t references[4], port;
    int errors = 0;

    assert_int_equal(peer_share(&guest, 0, 4, references), 0);
    assert_int_equal(peer_offer(&guest, 0, &port), 0);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 2000; i++) {
        struct hv_pages *pages = NULL;
        struct hv_channel *channel = NULL;
        errors += hv_map(f->hv, GUEST, references, 4, NULL, &pages) != 0;
        errors += hv_channel_bind(f->hv, GUEST, port, &channel) != 0;
        hv_pages_release(pages);
        hv_channel_release(channel);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    signal(SIGALRM, SIG_DFL);
    assert_int_equal(errors, 0);
    peer_stop(&guest);
}

static void any_order_of_release_is_fine(void **state)
{
    struct hv_fixture *f = *state;
    uint64_t seed = 1;

    for (int round = 0; round < 50; round++) {
        struct hv *guest;
        struct hv_pages *pages[2];
        struct hv_channel *channels[2];
        assert_int_equal(hv_open(f->spec, GUEST, &guest), 0);
        assert_int_equal(hv_share(guest, 0, 2, NULL, &pages[0]), 0);
        assert_int_equal(hv_map(f->hv, GUEST, hv_pages_references(pages[0]), 2, NULL, &pages[1]),
                         0);
        assert_int_equal(hv_channel_offer(guest, 0, &channels[0]), 0);
        assert_int_equal(hv_channel_bind(f->hv, GUEST, hv_channel_port(channels[0]), &channels[1]),
                         0);
        uint32_t order = noise_between(&seed, 0, 15);
        hv_pages_release(pages[order & 1]);
        if (order & 2)
            hv_pages_release(pages[~order & 1]);
        hv_channel_release(channels[order >> 2 & 1]);
        hv_channel_notify(channels[~order >> 2 & 1]);
        hv_channel_release(channels[~order >> 2 & 1]);
        if (!(order & 2))
            hv_pages_release(pages[~order & 1]);
        hv_close(guest);
    }
    hv_close(NULL);
    hv_pages_release(NULL);
    hv_channel_release(NULL);
}

int main(int argc, char **argv)
{
    peer_main(argc, argv);
#define HV_TEST(name) cmocka_unit_test_setup_teardown(name, hv_fixture_setup, hv_fixture_teardown)
    const struct CMUnitTest tests[] = {
        HV_TEST(shared_pages_are_one_memory),
        HV_TEST(counts_are_bounded),
        HV_TEST(wrong_references_are_refused),
        HV_TEST(only_the_named_domain_may_map),
        HV_TEST(a_released_share_is_gone_but_not_its_mappings),
        HV_TEST(farewell_bytes_say_who_is_there),
        HV_TEST(notifications_go_both_ways),
        HV_TEST(notifications_add_up),
        HV_TEST(what_was_notified_before_the_binding_is_found),
        HV_TEST(wrong_ports_are_refused),
        HV_TEST(nobody_has_gone_who_never_came),
        HV_TEST(a_killed_guest_is_noticed),
        HV_TEST(a_killed_backend_is_noticed),
        HV_TEST(a_clean_release_is_noticed_at_both_ends),
        HV_TEST(a_new_backend_takes_over_what_the_old_one_had),
        HV_TEST(one_of_many_channels_says_so),
        HV_TEST(other_guests_stay),
        HV_TEST(bad_specs_are_refused),
        HV_TEST(several_processes_speak_for_one_domain),
        HV_TEST(a_dead_process_leaves_its_place_to_the_next),
        HV_TEST(places_run_out_politely),
        HV_TEST(numbers_are_unique_among_the_living),
        HV_TEST(references_fit_a_node),
        HV_TEST(signals_are_left_to_the_program),
        HV_TEST(interruptions_fail_nothing),
        HV_TEST(any_order_of_release_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
