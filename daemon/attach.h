// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gives guests an interface as soon as they start, where their configuration
 * says `attach = yes`: what `xenaggctl attach` does, once for each domain. An
 * interface that somebody took away later is not given back; a domain that has
 * one already is left alone. Its address follows from the guest's name, so that
 * it is the same after a reboot.
 */
#ifndef XENAGG_DAEMON_ATTACH_H
#define XENAGG_DAEMON_ATTACH_H

#include "common/store.h"
#include "config/config.h"

/* The interface that a guest is given. */
#define ATTACH_HANDLE 0u

struct attacher;

/* Attaches nobody before it was configured. 0 or -ENOMEM. */
int attacher_create(uint32_t backend_domid, struct attacher **ret);
void attacher_destroy(struct attacher *attacher); /* NULL is fine */

/*
 * What holds from now on: copied. All domains are then looked at anew. May be
 * called while another thread is in attacher_run. 0 or -ENOMEM (as before).
 */
int attacher_configure(struct attacher *attacher, const struct config *config);
/* A domain came or went, or there is a new connection. */
void attacher_event(struct attacher *attacher);
/*
 * Attaches what is to be attached; nothing where nothing happened since. A
 * domain that has no name yet, or could not be given its interface (said once),
 * is tried again at the next call.
 */
void attacher_run(struct attacher *attacher, struct store *store);

#endif
