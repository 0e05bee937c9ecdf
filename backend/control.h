// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The backend's control thread: finds guest interfaces in xenstore, walks each
 * through its states, and hands links to workers. On a libevent loop.
 */
#ifndef XENAGG_BACKEND_CONTROL_H
#define XENAGG_BACKEND_CONTROL_H

#include <event2/event.h>
#include <stdint.h>

#define CONTROL_WORKERS_MAX 16u

struct control_options {
    struct event_base *base;
    const char *hypervisor; /* of hv_open */
    const char *segment;    /* path of the measurement segment */
    uint32_t domid;         /* the backend's */
    unsigned workers;       /* 1..CONTROL_WORKERS_MAX */
    unsigned realtime;      /* priority of their threads, see struct worker_options */
};

struct control;

/* 0 or -errno; what failed has been logged. */
int control_new(const struct control_options *options, struct control **ret);
/* Closes all interfaces in order, within a bounded time, then ends the loop. */
void control_stop(struct control *control);
void control_free(struct control *control);

#endif
