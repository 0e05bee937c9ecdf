// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's end of one interface: its port, what it shares with the backend,
 * and, while the backend is there, its link. On a libevent loop.
 */
#ifndef XENAGG_FRONTEND_DEVICE_H
#define XENAGG_FRONTEND_DEVICE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/keys.h"

struct device_options {
    struct event_base *base;
    const char *hypervisor; /* of hv_open */
    const char *interface;  /* name of the TAP */
    struct keys_interface id;
    bool follow;         /* a restored domain has another number: looks it up in the store */
    uint32_t realtime;   /* priority of its worker, see struct worker_options */
    uint32_t ring_order; /* pages of each ring, as a power of two */
};

struct device;

/* 0 or -errno; what failed has been logged. */
int device_new(const struct device_options *options, struct device **ret);
/* Flushes, waits a bounded time for the backend, then ends the loop. */
void device_stop(struct device *device);
void device_free(struct device *device);

#endif
