// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One thread for a set of links. Each round: every link unloads, reads its port
 * and publishes, within a budget of time, so that a greedy guest can't delay
 * the others, nor one direction the other. With nothing left to do it sleeps until a descriptor, an
 * event or the next deadline. No xenstore call ever runs on it.
 */
#ifndef XENAGG_DATAPATH_WORKER_H
#define XENAGG_DATAPATH_WORKER_H

#include <stdbool.h>

#include "datapath/link.h"

/* A link's share of one round. */
#define WORKER_BUDGET_NS 200000ull

/*
 * Called on the worker's thread about every LINK_EXPORT_NS while it is awake. `held`: packets that
 * links held, for the peer did not take them, when they were removed.
 */
typedef void worker_export(void *context, const struct segment_sleep *sleep, uint64_t held);

struct worker_options {
    worker_export *export; /* NULL: none */
    void *export_context;
    int realtime; /* priority, 1..WORKER_REALTIME_MAX; 0: an ordinary thread, raised */
};
#define WORKER_REALTIME_MAX 50

struct worker;

/* Starts the thread. 0 or -errno. */
int worker_start(const struct worker_options *options, struct worker **ret);
/* All links must have been removed. */
void worker_stop(struct worker *worker);

/* Both return when the worker's thread has done it. */
int worker_add(struct worker *worker, struct link *link);
/* What is open is published first, and what has come is unloaded, within a bounded time. */
void worker_remove(struct worker *worker, struct link *link);

/*
 * Notifies the worker as a peer would, to see how long it takes to wake: about
 * ten times a second, from another thread. Only a worker that slept counts it.
 */
void worker_probe(struct worker *worker);

/* Readable when a link has failed; worker_failures_accept takes that. */
int worker_failures_fd(const struct worker *worker);
void worker_failures_accept(struct worker *worker);

#endif
