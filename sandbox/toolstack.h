// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a toolstack does in xenstore when guests come and go. Their interfaces
 * are common/device.h's.
 */
#ifndef XENAGG_SANDBOX_TOOLSTACK_H
#define XENAGG_SANDBOX_TOOLSTACK_H

#include <stdint.h>

#include "common/store.h"

/* A running guest: its name and the folders that a guest's domain has. 0 or -errno. */
int toolstack_create(struct store *store, uint32_t domid, const char *name);
/* Removes all of a guest and its interfaces without a word, as a destroyed domain goes. */
int toolstack_destroy(struct store *store, uint32_t domid);

#endif
