// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which guest interfaces there are, as xenstore has them: they come and go with
 * their folders below the backend's root; a guest's name is the toolstack's.
 *
 * Watch events only mark; guests_refresh reads what was marked, once for all
 * events that came together.
 */
#ifndef XENAGG_DAEMON_GUESTS_H
#define XENAGG_DAEMON_GUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/keys.h"
#include "common/store.h"
#include "config/config.h"
#include "plant/dimension.h"

#define GUESTS_MAX 4096u
#define GUESTS_STATE 16
#define GUESTS_FIXED 24

struct guest {
    struct keys_interface interface;
    char name[CONFIG_NAME]; /* "domain-7" where the toolstack gave none */
    /* What the tuning keys in its backend folder say now. */
    struct keys_tuning stored[DIRECTION_COUNT];
    bool stored_valid[DIRECTION_COUNT][KEYS_TUNING_FIELDS]; /* else missing or malformed */
    char stored_state[GUESTS_STATE];
    struct lane_size by_hand[DIRECTION_COUNT];      /* sizes fixed by hand; 0 packets: none */
    bool fix_due[DIRECTION_COUNT];                  /* the store does not say so yet */
    char fixed_text[DIRECTION_COUNT][GUESTS_FIXED]; /* as the store says it */
    bool stale;                                     /* to be read again */
    unsigned echoes; /* watch events still to come of what we wrote ourselves */
};

struct guests;

/* 0 or -ENOMEM. */
int guests_create(uint32_t backend_domid, struct guests **ret);
void guests_destroy(struct guests *guests); /* NULL is fine */
/* The folder to watch. */
const char *guests_root(const struct guests *guests);

/*
 * There is a new connection: everything has to be read and watched anew. Should
 * the store be empty (it was restarted), the interfaces that were known stay
 * until it is filled again: their data path goes on all the while.
 */
void guests_connected(struct guests *guests);
void guests_event(struct guests *guests, const char *path);
/* Whether guests_refresh has anything to do. */
bool guests_pending(const struct guests *guests);
/*
 * Reads at most `most` of the interfaces that are marked: then guests_pending
 * still holds, and it is to be called again. 0, -ENOMEM, -errno: the store did
 * not answer; what is marked stays marked.
 */
int guests_refresh(struct guests *guests, struct store *store, unsigned most);

/*
 * Fixes a size by hand (0 packets: frees it), as if the store said so, which is
 * still to be seen to. -ENOENT: no such interface.
 */
int guests_fix(struct guests *guests, struct keys_interface interface, enum direction direction,
               const struct lane_size *size);
/* The key for it in the backend's folder, and its value ("" for none): "64 200". */
const char *guests_fixed_key(enum direction direction);
void guests_fixed_text(const struct lane_size *size, char ret[static GUESTS_FIXED]);

/* Sorted by domid and handle; valid until the next guests_refresh. */
size_t guests_count(const struct guests *guests);
struct guest *guests_at(struct guests *guests, size_t index);

#endif
