// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One guest interface in the backend: its folder, its port, and, while the
 * frontend is there, its link. The control thread's.
 */
#ifndef XENAGG_BACKEND_INTERFACE_H
#define XENAGG_BACKEND_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/report.h"
#include "common/hv.h"
#include "common/segment.h"
#include "common/store.h"
#include "datapath/handshake.h"
#include "datapath/worker.h"

/* What all interfaces share. */
struct interface_home {
    uint32_t domid; /* the backend's */
    struct hv *hv;
    struct segment *segment;
};

struct interface;

/*
 * `slot`: a free one of the segment, `generation`: what tells this use of it from
 * earlier ones. `worker` will run its link. 0 or -ENOMEM.
 */
int interface_new(const struct interface_home *home, struct keys_interface id, uint32_t slot,
                  uint32_t generation, uint32_t worker_index, struct worker *worker,
                  struct interface **ret);
/* Disconnects at once, where it has to, and closes the port. */
void interface_free(struct interface *interface);

struct keys_interface interface_id(const struct interface *interface);
uint32_t interface_slot(const struct interface *interface);

/* Not connected: worth a look even without an event. */
bool interface_waits(const struct interface *interface);
/* Watches the frontend's folder, with INTERFACE_TOKEN; on every new connection to the store. */
void interface_watch(const struct interface *interface, struct store *store);
void interface_unwatch(const struct interface *interface, struct store *store);
#define INTERFACE_TOKEN "frontend"

/*
 * Looks at the store and goes one or more steps on. False: the interface has
 * ended (its folder and its domain are gone, or it was taken offline): free it.
 */
bool interface_step(struct interface *interface, struct store *store);
/* Begins to close: flushes, says Closing. interface_closed tells when the frontend followed. */
void interface_close(struct interface *interface, struct store *store);
bool interface_closed(struct interface *interface, struct store *store);
/* The last word: state Closed. */
void interface_leave(struct interface *interface, struct store *store);
/* Takes figures that are not the worker's; once a second. */
void interface_tick(struct interface *interface);

#endif
