// SPDX-License-Identifier: GPL-2.0-or-later
/* Many handles in one process, each with its thread: for the thread sanitizer, and for races at
 * start. */
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/unit/common/hv_fixture.h"

#define GUEST 5u
#define WAIT_MS 30000

static int channel_await(struct hv_channel *channel)
{
    struct pollfd polled = {.fd = hv_channel_fd(channel), .events = POLLIN};

    return poll(&polled, 1, WAIT_MS) > 0 ? hv_channel_accept(channel) : -ETIMEDOUT;
}

struct starter {
    pthread_t thread;
    pthread_barrier_t *barrier;
    const char *spec;
    struct hv *hv;
    struct hv_channel *channel;
};

static void *start(void *context)
{
    struct starter *starter = context;

    pthread_barrier_wait(starter->barrier);
    if (hv_open(starter->spec, GUEST, &starter->hv) == 0)
        hv_channel_offer(starter->hv, 0, &starter->channel);
    return NULL;
}

/* All at once: none may take the place of another that is just coming up. */
static void simultaneous_starts_do_not_collide(void **state)
{
    enum { STARTERS = 8, ROUNDS = 100 };
    struct hv_fixture *f = *state;
    pthread_barrier_t barrier;

    pthread_barrier_init(&barrier, NULL, STARTERS);
    for (int round = 0; round < ROUNDS; round++) {
        struct starter starters[STARTERS];
        struct hv_channel *channels[STARTERS];
        int bound = 0;
        for (int i = 0; i < STARTERS; i++) {
            starters[i] = (struct starter){.barrier = &barrier, .spec = f->spec};
            assert_int_equal(pthread_create(&starters[i].thread, NULL, start, &starters[i]), 0);
        }
        for (int i = 0; i < STARTERS; i++)
            pthread_join(starters[i].thread, NULL);
        for (int i = 0; i < STARTERS; i++)
            for (int j = 0; j < i; j++)
                assert_int_not_equal(hv_channel_port(starters[i].channel),
                                     hv_channel_port(starters[j].channel));
        for (int i = 0; i < STARTERS; i++)
            bound += starters[i].channel &&
                     hv_channel_bind(f->hv, GUEST, hv_channel_port(starters[i].channel),
                                     &channels[bound]) == 0;
        for (int i = 0; i < bound; i++)
            hv_channel_release(channels[i]);
        for (int i = 0; i < STARTERS; i++) {
            hv_channel_release(starters[i].channel);
            hv_close(starters[i].hv);
        }
        assert_int_equal(bound, STARTERS);
    }
    pthread_barrier_destroy(&barrier);
}

struct player {
    struct hv_channel *channel;
    int rounds;
    const char *wrong;
};

static void *play(void *context)
{
    struct player *player = context;

    for (int i = 0; i < player->rounds && !player->wrong; i++) {
        if (channel_await(player->channel) < 0)
            player->wrong = "nobody notified";
        hv_channel_notify(player->channel);
    }
    return NULL;
}

/* A worker's use of a channel while another thread makes and releases others. */
static void channels_are_independent_of_each_other(void **state)
{
    enum { ROUNDS = 2000 };
    struct hv_fixture *f = *state;
    struct player players[2] = {{.rounds = ROUNDS}, {.rounds = ROUNDS}};
    pthread_t threads[2];
    struct hv *guest;

    assert_int_equal(hv_open(f->spec, GUEST, &guest), 0);
    assert_int_equal(hv_channel_offer(guest, 0, &players[0].channel), 0);
    assert_int_equal(
        hv_channel_bind(f->hv, GUEST, hv_channel_port(players[0].channel), &players[1].channel), 0);
    hv_channel_notify(players[0].channel); /* the first ball */
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, play, &players[i]), 0);
    for (int round = 0; round < 200; round++) {
        struct hv_channel *channels[2];
        struct hv_pages *pages[2];
        assert_int_equal(hv_channel_offer(guest, 0, &channels[0]), 0);
        assert_int_equal(hv_share(guest, 0, 1, NULL, &pages[0]), 0);
        assert_int_equal(hv_channel_bind(f->hv, GUEST, hv_channel_port(channels[0]), &channels[1]),
                         0);
        assert_int_equal(hv_map(f->hv, GUEST, hv_pages_references(pages[0]), 1, NULL, &pages[1]),
                         0);
        hv_channel_release(channels[round & 1]);
        assert_int_equal(channel_await(channels[~round & 1]), -ECONNRESET);
        hv_channel_release(channels[~round & 1]);
        hv_pages_release(pages[round & 1]);
        hv_pages_release(pages[~round & 1]);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++)
        if (players[i].wrong)
            fail_msg("%s", players[i].wrong);
    for (int i = 0; i < 2; i++)
        hv_channel_release(players[i].channel);
    hv_close(guest);
}

int main(void)
{
#define HV_TEST(name) cmocka_unit_test_setup_teardown(name, hv_fixture_setup, hv_fixture_teardown)
    const struct CMUnitTest tests[] = {
        HV_TEST(simultaneous_starts_do_not_collide),
        HV_TEST(channels_are_independent_of_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
