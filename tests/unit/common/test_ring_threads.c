// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Both ends of a ring in two threads that sleep and wake each other: under
 * thread sanitizer this is the test of its memory order. A lost wake-up shows
 * as a wait that nobody ends.
 */
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/ring.h"
#include "tests/unit/common/ring_stream.h"

#define PAGES_MAX 64u
#define WAIT_MS 60000

struct bells {
    int own, peer;
};

static void bell_ring(void *context)
{
    const struct bells *bells = context;
    uint64_t one = 1;

    if (write(bells->peer, &one, sizeof(one)) < 0)
        abort();
}

static int bell_await(void *context)
{
    const struct bells *bells = context;
    struct pollfd polled = {.fd = bells->own, .events = POLLIN};
    uint64_t pending;

    if (poll(&polled, 1, WAIT_MS) <= 0)
        return -ETIMEDOUT;
    return read(bells->own, &pending, sizeof(pending)) == sizeof(pending) ? 0 : -EIO;
}

struct exchange {
    struct ring_shared shared;
    void *pages[PAGES_MAX];
    uint32_t n_pages;
    int fds[2];
    struct bells bells[2];
    struct ring_stream ends[2];
};

static struct exchange *exchange_make(uint32_t n_pages, uint64_t bytes, uint32_t longest)
{
    struct exchange *x = aligned_alloc(64, sizeof(*x));

    assert_non_null(x);
    memset(x, 0, sizeof(*x));
    x->n_pages = n_pages;
    for (uint32_t i = 0; i < n_pages; i++)
        assert_non_null(x->pages[i] = malloc(RING_PAGE));
    for (int i = 0; i < 2; i++)
        assert_true((x->fds[i] = eventfd(0, EFD_CLOEXEC)) >= 0);
    for (int i = 0; i < 2; i++) {
        x->bells[i] = (struct bells){x->fds[i], x->fds[1 - i]};
        x->ends[i] = (struct ring_stream){.seed = 7,
                                          .bytes = bytes,
                                          .longest = longest,
                                          .context = &x->bells[i],
                                          .wake_peer = bell_ring,
                                          .wait = bell_await};
        ring_init(&x->ends[i].ring, &x->shared, x->pages, n_pages);
    }
    return x;
}

static void exchange_free(struct exchange *x)
{
    for (uint32_t i = 0; i < x->n_pages; i++)
        free(x->pages[i]);
    close(x->fds[0]);
    close(x->fds[1]);
    free(x);
}

static void *take_thread(void *context)
{
    return (void *)ring_stream_take(context);
}

static void exchange_run(uint32_t n_pages, uint64_t bytes, uint32_t longest)
{
    struct exchange *x = exchange_make(n_pages, bytes, longest);
    pthread_t thread;
    void *taken;

    assert_int_equal(pthread_create(&thread, NULL, take_thread, &x->ends[1]), 0);
    const char *sent = ring_stream_send(&x->ends[0]);
    pthread_join(thread, &taken);
    if (sent || taken)
        fail_msg("producer: %s; consumer: %s", sent ? sent : "fine",
                 taken ? (const char *)taken : "fine");
    print_message("%u pages: producer slept %llu times, consumer %llu\n", n_pages,
                  (unsigned long long)x->ends[0].sleeps, (unsigned long long)x->ends[1].sleeps);
    exchange_free(x);
}

/* So small a ring that both ends sleep all the time. */
static void loses_no_wake_up(void **state)
{
    (void)state;
    exchange_run(1, 8000000, RING_PAGE / 8 / 2);
    exchange_run(1, 1000000, 2);
    exchange_run(2, 8000000, RING_PAGE / 8);
}

/* The largest records in the smallest ring that is used. */
static void carries_megabytes_in_order(void **state)
{
    (void)state;
    exchange_run(PAGES_MAX, 64000000, 131072 / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loses_no_wake_up),
        cmocka_unit_test(carries_megabytes_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
