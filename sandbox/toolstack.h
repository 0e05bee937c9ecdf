// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a toolstack does in xenstore when guests come and go: a domain's folder,
 * both device folders of an interface, their permissions, and their end.
 */
#ifndef XENAGG_SANDBOX_TOOLSTACK_H
#define XENAGG_SANDBOX_TOOLSTACK_H

#include "common/keys.h"
#include "common/store.h"

struct toolstack_interface {
    struct keys_interface interface;
    uint8_t mac[6];     /* of the guest's end */
    unsigned mtu;       /* 0: not said, 1500 */
    const char *bridge; /* NULL: none */
};

/* A running guest: its name and the folders that a guest's domain has. 0 or -errno. */
int toolstack_create(struct store *store, uint32_t domid, const char *name);
/* Gives it an interface, both folders in one transaction, state Initialising. */
int toolstack_attach(struct store *store, const struct toolstack_interface *device);
/* Asks both ends to close it: online 0, the backend's state Closing. */
int toolstack_close(struct store *store, struct keys_interface interface);
/* Removes both folders. */
int toolstack_detach(struct store *store, struct keys_interface interface);
/* Removes all of a guest without a word, as a destroyed domain goes. */
int toolstack_destroy(struct store *store, uint32_t domid);

#endif
