// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The toolstack's part of a guest interface's life in xenstore: makes its two
 * folders, waits for its two ends, removes it (docs/xenstore.md). Written in
 * the order and with the permissions that xl uses for its own devices.
 *
 * Where the backend is comes from the caller, never from the guest's folder:
 * the guest can write what it likes there.
 */
#ifndef XENAGG_COMMON_DEVICE_H
#define XENAGG_COMMON_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/mac.h"
#include "common/store.h"

#define DEVICE_BRIDGE 16 /* IFNAMSIZ */
#define DEVICE_NAME 128

/* Handle to be chosen: the lowest that is free. */
#define DEVICE_ANY_HANDLE UINT32_MAX

/* Largest frame 9018 bytes: Ethernet header and VLAN tag taken off. */
#define DEVICE_MTU_MIN 68ul
#define DEVICE_MTU_MAX 9000ul

struct device {
    struct keys_interface interface;
    uint32_t backend_domid;
    char mac[MAC_TEXT];
    char bridge[DEVICE_BRIDGE]; /* empty: none */
    uint32_t mtu;               /* 0: not said */
};

/* Canonical form of a unicast MAC address; NULL as text: a new one of Xen's range. 0, -EINVAL,
 * -EIO. */
int device_mac(const char *text, char ret[static MAC_TEXT]);
/* Whether the kernel would take it as an interface's name. */
bool device_bridge_valid(const char *name);

/*
 * A VM that runs, by its number or by its name in xenstore. 0; -ENOENT: there
 * is none; -ENOTUNIQ: several have the name; -errno.
 */
int device_find_vm(struct store *store, const char *vm, uint32_t *ret_domid);
/* Its name, "" where it has none. Returns `ret`. */
const char *device_vm_name(struct store *store, uint32_t domid, char ret[static DEVICE_NAME]);

/*
 * Writes both folders in one transaction; sets the handle where any was asked.
 * 0; -ENOENT: no such domain (the guest's or the backend's); -EEXIST: that
 * handle is taken; -ENOSPC: all are; -errno.
 */
int device_attach(struct store *store, struct device *device);

/* Whether anything of the device is in xenstore, be it half of it. */
bool device_exists(struct store *store, const struct device *device);
/* Asks the backend to close: online = 0, state Closing. 0; -ENOENT: it has no folder. */
int device_close(struct store *store, const struct device *device);
/* Removes both folders, and the guest's folder below the backend once it is empty. 0 or -errno. */
int device_remove(struct store *store, const struct device *device);

/* States of both ends; KEYS_STATE_CLOSED for an end whose folder is gone. */
struct device_states {
    enum keys_state backend, frontend;
};
void device_states(struct store *store, const struct device *device, struct device_states *ret);

/* Until both ends are Connected; until the backend is Closed. 0, -ETIMEDOUT, -errno. */
int device_await_connected(struct store *store, const struct device *device, double seconds,
                           struct device_states *ret);
int device_await_closed(struct store *store, const struct device *device, double seconds,
                        struct device_states *ret);

#endif
