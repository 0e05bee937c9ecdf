// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A connection to the store on a libevent loop that outlives the store: where
 * it is missing or restarted, that is said once, and the session connects again
 * and sets its watches anew. All callbacks run on the loop.
 */
#ifndef XENAGG_COMMON_SESSION_H
#define XENAGG_COMMON_SESSION_H

#include <event2/event.h>

#include "common/store.h"

#define SESSION_WATCHES 4

struct session_watch {
    const char *path; /* borrowed */
    const char *token;
};

struct session_options {
    struct event_base *base;
    const char *subsystem;                         /* for log lines */
    struct session_watch watches[SESSION_WATCHES]; /* ends at a NULL path */
    /* Connected, also again: nothing that was read before holds. May be NULL. */
    void (*on_connect)(void *context);
    void (*on_watch)(void *context, const char *path, const char *token);
    void *context;
};

struct session;

/* Tries to connect at once; goes on trying, each second, from the loop. 0 or -ENOMEM. */
int session_new(const struct session_options *options, struct session **ret);
void session_free(struct session *session);
/* NULL while there is no connection. */
struct store *session_store(const struct session *session);

#endif
