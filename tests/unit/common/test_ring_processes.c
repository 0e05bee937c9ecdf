// SPDX-License-Identifier: GPL-2.0-or-later
/* A ring between two processes: pages and channel as the data path gets them. */
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/common/hv_fixture.h"
#include "tests/unit/common/ring_stream.h"

#define GUEST 5u
#define WAIT_MS 60000
#define PAGES 64u

/* What the guest tells by a pipe, as xenstore would. */
struct offer {
    uint32_t port, control, pages[PAGES];
};

struct bell {
    struct hv_channel *channel;
    pid_t victim;  /* killed ... */
    int patience;  /* ... at the wait of this number; 0: never */
    int last_wait; /* what the last wait came to */
};

static void bell_ring(void *context)
{
    const struct bell *bell = context;

    hv_channel_notify(bell->channel);
}

static int bell_await(void *context)
{
    struct bell *bell = context;
    struct pollfd polled = {.fd = hv_channel_fd(bell->channel), .events = POLLIN};

    if (bell->patience && --bell->patience == 0)
        kill(bell->victim, SIGKILL);
    bell->last_wait = poll(&polled, 1, WAIT_MS) > 0 ? hv_channel_accept(bell->channel) : -ETIMEDOUT;
    return bell->last_wait;
}

static struct ring_stream stream_of(struct hv_pages *control, struct hv_pages *pages,
                                    struct bell *bell, uint64_t bytes)
{
    struct ring_stream stream = {.seed = 11,
                                 .bytes = bytes,
                                 .longest = 131072 / 8,
                                 .context = bell,
                                 .wake_peer = bell_ring,
                                 .wait = bell_await};

    ring_init(&stream.ring, hv_pages_addresses(control)[0], hv_pages_addresses(pages),
              hv_pages_count(pages));
    return stream;
}

/* The guest: shares, tells, and takes what comes. Exit code 0: all of it, in order. */
static void guest_main(const char *spec, int offers, uint64_t bytes)
{
    struct hv_pages *control, *pages;
    struct hv_channel *channel;
    struct hv *hv;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (hv_open(spec, GUEST, &hv) || hv_share(hv, 0, 1, NULL, &control) ||
        hv_share(hv, 0, PAGES, NULL, &pages) || hv_channel_offer(hv, 0, &channel))
        _exit(2);
    struct offer offer = {.port = hv_channel_port(channel),
                          .control = hv_pages_references(control)[0]};
    memcpy(offer.pages, hv_pages_references(pages), sizeof(offer.pages));
    if (write(offers, &offer, sizeof(offer)) != sizeof(offer))
        _exit(2);
    struct bell bell = {.channel = channel};
    struct ring_stream stream = stream_of(control, pages, &bell, bytes);
    const char *wrong = ring_stream_take(&stream);
    if (wrong)
        print_error("the guest: %s\n", wrong);
    _exit(wrong ? 1 : 0);
}

/*
 * As a program of its own: our handle's thread may hold any lock while we fork,
 * the allocator's too, and a child that goes on without it waits for ever.
 */
static void guest_exec(const char *spec, int offers, uint64_t bytes)
{
    char descriptor[16], amount[32];

    snprintf(descriptor, sizeof(descriptor), "%d", offers);
    snprintf(amount, sizeof(amount), "%llu", (unsigned long long)bytes);
    execl("/proc/self/exe", "guest", spec, descriptor, amount, NULL);
    _exit(2);
}

struct guest {
    pid_t pid;
    struct hv_pages *control, *pages;
    struct hv_channel *channel;
};

static struct guest guest_start(struct hv_fixture *f, uint64_t bytes)
{
    struct guest guest;
    struct offer offer;
    int offers[2];

    assert_int_equal(pipe(offers), 0);
    guest.pid = fork();
    assert_true(guest.pid >= 0);
    if (guest.pid == 0)
        guest_exec(f->spec, offers[1], bytes);
    close(offers[1]);
    assert_int_equal(read(offers[0], &offer, sizeof(offer)), sizeof(offer));
    close(offers[0]);
    assert_int_equal(hv_map(f->hv, GUEST, &offer.control, 1, NULL, &guest.control), 0);
    assert_int_equal(hv_map(f->hv, GUEST, offer.pages, PAGES, NULL, &guest.pages), 0);
    assert_int_equal(hv_channel_bind(f->hv, GUEST, offer.port, &guest.channel), 0);
    return guest;
}

static void guest_release(struct guest *guest)
{
    hv_pages_release(guest->control);
    hv_pages_release(guest->pages);
    hv_channel_release(guest->channel);
}

static void megabytes_cross_in_order(void **state)
{
    const uint64_t bytes = 100000000;
    struct hv_fixture *f = *state;
    struct guest guest = guest_start(f, bytes);
    struct bell bell = {.channel = guest.channel};
    struct ring_stream stream = stream_of(guest.control, guest.pages, &bell, bytes);
    const char *wrong = ring_stream_send(&stream);
    int status;

    if (wrong)
        fail_msg("%s", wrong);
    assert_int_equal(waitpid(guest.pid, &status, 0), guest.pid);
    assert_int_equal(status, 0);
    guest_release(&guest);
}

/* Killed while the ring is full: the sender comes out of its wait. */
static void a_guest_that_dies_ends_the_wait(void **state)
{
    const uint64_t endless = UINT64_MAX / 8 * 8;
    struct hv_fixture *f = *state;

    for (int life = 1; life <= 10; life++) {
        struct guest guest = guest_start(f, endless);
        struct bell bell = {.channel = guest.channel, .victim = guest.pid, .patience = life};
        struct ring_stream stream = stream_of(guest.control, guest.pages, &bell, endless);
        const char *wrong = ring_stream_send(&stream);
        assert_string_equal(wrong, "nobody woke the producer");
        assert_int_equal(bell.last_wait, -ECONNRESET);
        waitpid(guest.pid, NULL, 0);
        guest_release(&guest);
    }
}

int main(int argc, char **argv)
{
    if (argc == 4)
        guest_main(argv[1], atoi(argv[2]), strtoull(argv[3], NULL, 10));
#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, hv_fixture_setup, hv_fixture_teardown)
    const struct CMUnitTest tests[] = {
        RING_TEST(megabytes_cross_in_order),
        RING_TEST(a_guest_that_dies_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
