// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The keeper of the store: a thread of its own does all that asks xenstore,
 * since libxenstore waits for an answer as long as it takes. Which guests there
 * are comes out, what was decided goes in; who calls here never waits for the
 * store. Where the store hangs, decisions pile up to the latest one, and are
 * written when it answers again.
 */
#ifndef XENAGG_DAEMON_KEEPER_H
#define XENAGG_DAEMON_KEEPER_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "controller/report.h"
#include "daemon/guests.h"

/* Without a sign of life for so long, the store hangs. */
#define KEEPER_HANGS_SECONDS 3.0

/* A guest interface, as the store had it when it last answered. */
struct keeper_guest {
    struct keys_interface interface;
    char name[CONFIG_NAME];
    struct lane_size by_hand[DIRECTION_COUNT]; /* sizes fixed by hand; 0 packets: none */
};

/* A list that is used again and again; all zero: empty. The caller frees `list`. */
struct keeper_guests {
    struct keeper_guest *list; /* sorted by domid and handle */
    size_t n, room;
};

struct keeper_state {
    bool connected;
    double silent; /* s without a sign of life; normally below a second */
};

struct keeper;

/* Starts the thread, which goes on trying to connect. 0 or -errno. */
int keeper_start(uint32_t backend_domid, struct keeper **ret);
/* Ends it; one that hangs in the store is left behind after a while. NULL is fine. */
void keeper_stop(struct keeper *keeper);

/* The guests now. 0 or -ENOMEM (`ret` as it was). */
int keeper_guests(struct keeper *keeper, struct keeper_guests *ret);
/* What the store shall say from now on: copies. 0 or -ENOMEM (as before). */
int keeper_want(struct keeper *keeper, const struct tick_report *report);
/*
 * Fixes a size by hand, or frees it (0 packets): in what keeper_guests says at
 * once, and in the store as soon as it answers. 0; -ENOENT: no such interface;
 * -ENOMEM.
 */
int keeper_fix(struct keeper *keeper, struct keys_interface interface, enum direction direction,
               const struct lane_size *size);
/* Which guests get an interface when they start (daemon/attach.h): copies. 0 or -ENOMEM. */
int keeper_configure(struct keeper *keeper, const struct config *config);
void keeper_look(struct keeper *keeper, struct keeper_state *ret);

#endif
