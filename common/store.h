// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The store: a thin layer on libxenstore for what two or more programs do with
 * it. Always the real client library; XENSTORED_PATH points it at a sandbox's
 * xenstored. All calls block: never on a data path thread.
 *
 * Values read are bounded by the store itself (XENSTORE_PAYLOAD_MAX, 4096
 * bytes), and end in NUL here; what they say is still anybody's guess.
 */
#ifndef XENAGG_COMMON_STORE_H
#define XENAGG_COMMON_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/keys.h"

struct store;

/* Connects. 0 or -errno (-ENOENT, -ECONNREFUSED: no store is running). */
int store_open(struct store **ret);
void store_close(struct store *store);

/* The descriptor that is readable when a watch fired. */
int store_fd(const struct store *store);
/* Watches `path` and all below. The store fires once at once. 0 or -errno. */
int store_watch(struct store *store, const char *path, const char *token);
int store_unwatch(struct store *store, const char *path, const char *token);
/*
 * The next watch event that has arrived: 1 and copies of its path and token
 * (cut to the sizes given), 0 none, -errno the connection is broken: close it
 * and open another.
 */
int store_event(struct store *store, char *ret_path, size_t path_size, char *ret_token,
                size_t token_size);
/* Whether the connection still answers. */
bool store_alive(struct store *store);

/*
 * Transactions: all reads and writes in between belong to it. store_commit
 * returns -EAGAIN where another client was quicker: start anew. One at a time.
 */
int store_begin(struct store *store);
int store_commit(struct store *store);
void store_abort(struct store *store);
/*
 * Runs `step` in a transaction, anew while other clients are quicker (a bounded
 * number of times, then -EAGAIN), until it is committed: 0. Where `step` fails,
 * its error, and nothing was changed.
 */
int store_transact(struct store *store, int (*step)(struct store *store, void *context),
                   void *context);

/* "dir/key" into `ret` (NUL-terminated). Length, or -errno (-ENOENT; -E2BIG: longer than `size`).
 */
int store_read(struct store *store, const char *dir, const char *key, char *ret, size_t size);
/* A number in [min, max]: 0, -ENOENT, -EINVAL (malformed: caller names the place), -errno. */
int store_read_number(struct store *store, const char *dir, const char *key, unsigned long min,
                      unsigned long max, unsigned long *ret);
int store_write(struct store *store, const char *dir, const char *key, const char *value);
int store_writef(struct store *store, const char *dir, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The number of the domain that this runs in. 0 or -errno (-EINVAL: not a number). */
int store_own_domid(struct store *store, uint32_t *ret);
/* Removes `path` and all below; 0 also where it was not there. */
int store_remove(struct store *store, const char *path);
/* False only where the store says so: a broken connection takes nothing away. */
bool store_exists(struct store *store, const char *path);
/*
 * Names below `path`: a NULL-terminated list that the caller frees with one
 * free(), or NULL (errno: ENOENT, ...).
 */
char **store_list(struct store *store, const char *path, unsigned *ret_count);

/* Gives a folder to `owner`, readable by `reader`. */
int store_permit(struct store *store, const char *path, uint32_t owner, uint32_t reader);
/* Makes a folder that is so; what is then put into it inherits that. */
int store_make_folder(struct store *store, const char *path, uint32_t owner, uint32_t reader);

/* The XenbusState under "dir/state"; KEYS_STATE_UNKNOWN where missing or malformed. */
enum keys_state store_read_state(struct store *store, const char *dir);
/*
 * Writes it only where the folder still exists, -ENOENT: a removed device must
 * not come back half. A transaction of its own, where none is open.
 */
int store_write_state(struct store *store, const char *dir, enum keys_state state);

#endif
