// SPDX-License-Identifier: GPL-2.0-or-later
/* A session outlives its store: real xenstored processes that come, die and come again. */
#include "tests/unit/common/testing.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "common/session.h"
#include "tests/unit/common/store_fixture.h"

#define DIR "/local/domain/0/backend/vagg"
#define PATIENCE_S 30

struct listener {
    struct event_base *base;
    struct session *session;
    unsigned connects, events;
    unsigned wanted_connects, wanted_events; /* the loop ends once both are reached */
    char path[128], token[32];               /* of the last event */
};

static void listener_look(struct listener *listener)
{
    if (listener->connects >= listener->wanted_connects &&
        listener->events >= listener->wanted_events)
        event_base_loopbreak(listener->base);
}

static void connected(void *context)
{
    struct listener *listener = context;

    listener->connects++;
    listener_look(listener);
}

static void watched(void *context, const char *path, const char *token)
{
    struct listener *listener = context;

    listener->events++;
    snprintf(listener->path, sizeof(listener->path), "%s", path);
    snprintf(listener->token, sizeof(listener->token), "%s", token);
    listener_look(listener);
}

static void listener_open(struct listener *listener)
{
    struct session_options options = {
        .subsystem = "test",
        .watches = {{DIR, "backend"}, {"@releaseDomain", "domains"}},
        .on_connect = connected,
        .on_watch = watched,
        .context = listener,
    };

    *listener = (struct listener){.base = event_base_new()};
    assert_non_null(listener->base);
    options.base = listener->base;
    assert_int_equal(session_new(&options, &listener->session), 0);
}

static void listener_close(struct listener *listener)
{
    session_free(listener->session);
    event_base_free(listener->base);
}

/* Runs the loop until so much has happened in all. */
static void listener_await(struct listener *listener, unsigned connects, unsigned events)
{
    struct timeval limit = {.tv_sec = PATIENCE_S};

    listener->wanted_connects = connects;
    listener->wanted_events = events;
    if (listener->connects >= connects && listener->events >= events)
        return;
    event_base_loopexit(listener->base, &limit);
    event_base_dispatch(listener->base);
    assert_true(listener->connects >= connects && listener->events >= events);
}

static void connects_at_once_and_sets_its_watches(void **state)
{
    struct store_fixture *f = *state;
    struct listener listener;

    listener_open(&listener);
    assert_int_equal(listener.connects, 1);
    assert_non_null(session_store(listener.session));
    listener_await(&listener, 1, 2); /* each fires once when it is set */
    store_write(f->store, DIR "/5/0", "state", "1");
    listener_await(&listener, 1, 3);
    assert_string_equal(listener.path, DIR "/5/0/state");
    assert_string_equal(listener.token, "backend");
    listener_close(&listener);
}

/* More events than are handled at once, none of them announced again by the descriptor. */
static void takes_every_event_of_a_burst(void **state)
{
    enum { BURST = 500 };
    struct store_fixture *f = *state;
    struct listener listener;
    char key[16];

    listener_open(&listener);
    listener_await(&listener, 1, 2);
    for (int i = 0; i < BURST; i++) {
        snprintf(key, sizeof(key), "%d", i);
        store_write(f->store, DIR, key, "1");
    }
    listener_await(&listener, 1, 2 + BURST);
    assert_string_equal(listener.path, DIR "/499");
    listener_close(&listener);
}

static void waits_for_a_store_that_is_not_there_yet(void **state)
{
    struct store_fixture *f = *state;
    struct listener listener;

    store_close(f->store);
    f->store = NULL;
    store_fixture_kill(f);
    listener_open(&listener);
    assert_int_equal(listener.connects, 0);
    assert_null(session_store(listener.session));
    store_fixture_start(f);
    listener_await(&listener, 1, 2);
    assert_non_null(session_store(listener.session));
    listener_close(&listener);
}

static void survives_a_restarted_store(void **state)
{
    struct store_fixture *f = *state;
    struct listener listener;

    listener_open(&listener);
    listener_await(&listener, 1, 2);
    for (unsigned life = 2; life < 4; life++) {
        store_close(f->store);
        f->store = NULL;
        store_fixture_kill(f);
        store_fixture_start(f);
        listener_await(&listener, life, listener.events + 2);
        assert_int_equal(store_open(&f->store), 0);
        store_write(f->store, DIR "/5/0", "state", "1");
        listener_await(&listener, life, listener.events + 1);
        assert_string_equal(listener.path, DIR "/5/0/state");
    }
    listener_close(&listener);
}

int main(void)
{
#define SESSION_TEST(name)                                                                         \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        SESSION_TEST(connects_at_once_and_sets_its_watches),
        SESSION_TEST(takes_every_event_of_a_burst),
        SESSION_TEST(waits_for_a_store_that_is_not_there_yet),
        SESSION_TEST(survives_a_restarted_store),
    };
    int impossible = store_fixture_possible();

    return impossible ? impossible : cmocka_run_group_tests(tests, NULL, NULL);
}
