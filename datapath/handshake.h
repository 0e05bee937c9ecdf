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

struct handshake_offer {
    uint32_t control_reference, channel_port;
    uint32_t order; /* of each ring, in pages */
    uint32_t rx[HANDSHAKE_PAGES_MAX], tx[HANDSHAKE_PAGES_MAX];
};

/* Into the frontend's folder, in one transaction, with state Initialised. 0 or -errno. */
int handshake_write(struct store *store, const char *frontend_dir,
                    const struct handshake_offer *offer);
/*
 * From the frontend's folder, which the guest wrote: 0, -ENOENT (not complete),
 * -EINVAL and in *ret_key the key whose value does not fit.
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
