// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/session.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/* Watch events handled before the loop gets its turn again. */
#define EVENTS_AT_ONCE 64
#define TOKEN_SIZE 64

struct session {
    struct session_options options;
    struct store *store;
    struct event *readable, *tick;
    bool missed; /* its absence has been said */
};

struct store *session_store(const struct session *session)
{
    return session->store;
}

static void session_drop(struct session *session)
{
    if (session->readable)
        event_free(session->readable);
    session->readable = NULL;
    store_close(session->store);
    session->store = NULL;
}

static void watches_take(evutil_socket_t fd, short what, void *context)
{
    struct session *session = context;
    char path[2 * KEYS_PATH], token[TOKEN_SIZE];

    (void)fd, (void)what;
    for (int i = 0; i < EVENTS_AT_ONCE && session->store; i++) {
        int got = store_event(session->store, path, sizeof(path), token, sizeof(token));
        if (got < 0)
            session_drop(session);
        if (got <= 0)
            return;
        session->options.on_watch(session->options.context, path, token);
    }
    /* There may be more, already read from the socket: come again. */
    if (session->readable)
        event_active(session->readable, EV_READ, 0);
}

static int session_watch_all(struct session *session)
{
    int error = 0;

    for (int i = 0; !error && i < SESSION_WATCHES && session->options.watches[i].path; i++)
        error = store_watch(session->store, session->options.watches[i].path,
                            session->options.watches[i].token);
    return error;
}

static int session_connect(struct session *session)
{
    int error = store_open(&session->store);

    if (error)
        return error;
    session->readable = event_new(session->options.base, store_fd(session->store),
                                  EV_READ | EV_PERSIST, watches_take, session);
    error = session->readable ? session_watch_all(session) : -ENOMEM;
    if (!error && event_add(session->readable, NULL) < 0)
        error = -ENOMEM;
    if (error)
        session_drop(session);
    return error;
}

static void session_check(struct session *session)
{
    if (session->store && !store_alive(session->store)) {
        log_line(LOG_WARNING, session->options.subsystem, "the store is gone; waiting for it");
        session->missed = true;
        session_drop(session);
    }
    if (session->store)
        return;
    int error = session_connect(session);
    if (error && !session->missed) {
        log_line(LOG_WARNING, session->options.subsystem, "no store (%s); waiting for it",
                 strerror(-error));
        session->missed = true;
    }
    if (error)
        return;
    if (session->missed)
        log_line(LOG_NOTICE, session->options.subsystem, "connected to the store");
    session->missed = false;
    if (session->options.on_connect)
        session->options.on_connect(session->options.context);
}

static void session_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    session_check(context);
}

int session_new(const struct session_options *options, struct session **ret)
{
    struct session *session = calloc(1, sizeof(*session));
    struct timeval second = {.tv_sec = 1};

    if (!session)
        return -ENOMEM;
    session->options = *options;
    session->tick = event_new(options->base, -1, EV_PERSIST, session_tick, session);
    if (!session->tick || event_add(session->tick, &second) < 0) {
        session_free(session);
        return -ENOMEM;
    }
    *ret = session;
    session_check(session);
    return 0;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    session_drop(session);
    if (session->tick)
        event_free(session->tick);
    free(session);
}
