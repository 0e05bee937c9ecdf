// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the two ends tell each other in xenstore before they share memory: the
 * frontend writes an offer into its folder, the backend reads and checks it.
 * docs/xenstore.md lists the keys.
 */
#ifndef XENAGG_DATAPATH_HANDSHAKE_H
#define XENAGG_DATAPATH_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/hv.h"
#include "common/ring.h"
#include "common/store.h"

#define HANDSHAKE_PAGES_MAX (1u << RING_ORDER_MAX)
/* Up to this order a ring's references stand in the store, as text; above it in a directory. */
#define HANDSHAKE_ORDER_TEXT 8u
#define HANDSHAKE_DIRECTORY_MAX 4u

struct handshake_offer {
    uint32_t control_reference, channel_port;
    uint32_t order; /* of each ring, in pages */
    uint32_t rx[HANDSHAKE_PAGES_MAX], tx[HANDSHAKE_PAGES_MAX];
    uint32_t directory[HANDSHAKE_DIRECTORY_MAX]; /* above HANDSHAKE_ORDER_TEXT */
};

/*
 * The directory: shared pages with the references of both rings, rx before tx,
 * 32 bits each in the hosts' byte order. How many pages it has; 0: there is none.
 */
uint32_t handshake_directory_pages(uint32_t order);
/* Fills it from rx and tx of the offer, and notes its references there. */
void handshake_directory_fill(struct handshake_offer *offer, const struct hv_pages *directory);
/* Copies rx and tx from it, once: what they say is the guest's word. */
void handshake_directory_take(struct handshake_offer *offer, const struct hv_pages *directory);

/* Into the frontend's folder, in one transaction, with state Initialised. 0 or -errno. */
int handshake_write(struct store *store, const char *frontend_dir,
                    const struct handshake_offer *offer);
/*
 * From the frontend's folder, which the guest wrote: 0, -ENOENT (not complete),
 * -EINVAL and in *ret_key the key whose value does not fit. Where there is a
 * directory, rx and tx have to be taken from there.
 */
int handshake_read(struct store *store, const char *frontend_dir, struct handshake_offer *ret,
                   const char **ret_key);

/*
 * Reads one direction's sizes from the backend's folder. A missing key keeps what
 * *tuning holds (a restarted store is empty); so does a malformed one, and is
 * said (once for each text: `said` remembers). `direction`: "rx" or "tx".
 */
struct handshake_said {
    char text[KEYS_TUNING_FIELDS][16];
};
void handshake_tuning(struct store *store, const char *backend_dir, const char *direction,
                      struct keys_interface interface, struct keys_tuning *tuning,
                      struct handshake_said *said);

#endif
