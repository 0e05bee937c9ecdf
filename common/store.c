// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

struct store {
    struct xs_handle *xs;
    xs_transaction_t transaction;
};

#define STORE_PATH (2 * KEYS_PATH)
/* Each lost to another client that wrote the same nodes meanwhile. */
#define COMMIT_TRIES 100

static int last_error(void)
{
    return errno ? -errno : -EIO;
}

int store_open(struct store **ret)
{
    struct store *store = calloc(1, sizeof(*store));

    if (!store)
        return -ENOMEM;
    errno = 0;
    store->xs = xs_open(0);
    if (!store->xs) {
        int error = last_error();
        free(store);
        return error;
    }
    *ret = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    xs_close(store->xs);
    free(store);
}

int store_fd(const struct store *store)
{
    return xs_fileno(store->xs);
}

int store_watch(struct store *store, const char *path, const char *token)
{
    return xs_watch(store->xs, path, token) ? 0 : last_error();
}

int store_unwatch(struct store *store, const char *path, const char *token)
{
    return xs_unwatch(store->xs, path, token) ? 0 : last_error();
}

int store_event(struct store *store, char *ret_path, size_t path_size, char *ret_token,
                size_t token_size)
{
    errno = 0;
    char **event = xs_check_watch(store->xs);
    if (!event)
        return errno == EAGAIN || errno == 0 ? 0 : last_error();
    snprintf(ret_path, path_size, "%s", event[XS_WATCH_PATH]);
    snprintf(ret_token, token_size, "%s", event[XS_WATCH_TOKEN]);
    free(event);
    return 1;
}

bool store_alive(struct store *store)
{
    unsigned length;
    char *value = xs_read(store->xs, XBT_NULL, "/", &length);
    bool alive = value || errno == ENOENT || errno == EACCES;

    free(value);
    return alive;
}

int store_begin(struct store *store)
{
    store->transaction = xs_transaction_start(store->xs);
    return store->transaction != XBT_NULL ? 0 : last_error();
}

static int transaction_end(struct store *store, bool abort)
{
    bool done = xs_transaction_end(store->xs, store->transaction, abort);
    int error = done ? 0 : last_error();

    store->transaction = XBT_NULL;
    return error;
}

int store_commit(struct store *store)
{
    return transaction_end(store, false);
}

void store_abort(struct store *store)
{
    transaction_end(store, true);
}

int store_transact(struct store *store, int (*step)(struct store *store, void *context),
                   void *context)
{
    int error = -EAGAIN;

    for (int tries = 0; error == -EAGAIN && tries < COMMIT_TRIES; tries++) {
        error = store_begin(store);
        if (error)
            return error;
        error = step(store, context);
        if (error)
            store_abort(store);
        else
            error = store_commit(store);
    }
    return error;
}

static int path_join(char path[static STORE_PATH], const char *dir, const char *key)
{
    int length = snprintf(path, STORE_PATH, "%s/%s", dir, key);
    return length < STORE_PATH ? 0 : -ENAMETOOLONG;
}

int store_read(struct store *store, const char *dir, const char *key, char *ret, size_t size)
{
    char path[STORE_PATH];
    unsigned length;
    int error = path_join(path, dir, key);

    if (error)
        return error;
    errno = 0;
    char *value = xs_read(store->xs, store->transaction, path, &length);
    if (!value)
        return last_error();
    if (length >= size) {
        free(value);
        return -E2BIG;
    }
    /* A NUL inside a value ends it: what is behind can't be text. */
    memcpy(ret, value, length);
    ret[length] = '\0';
    free(value);
    return (int)strlen(ret);
}

int store_read_number(struct store *store, const char *dir, const char *key, unsigned long min,
                      unsigned long max, unsigned long *ret)
{
    char text[32];
    int length = store_read(store, dir, key, text, sizeof(text));

    if (length < 0)
        return length == -E2BIG ? -EINVAL : length;
    return keys_number(text, min, max, ret);
}

int store_write(struct store *store, const char *dir, const char *key, const char *value)
{
    char path[STORE_PATH];
    int error = path_join(path, dir, key);

    if (error)
        return error;
    errno = 0;
    return xs_write(store->xs, store->transaction, path, value, (unsigned)strlen(value))
               ? 0
               : last_error();
}

int store_writef(struct store *store, const char *dir, const char *key, const char *format, ...)
{
    char value[2048];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    if (length < 0 || length >= (int)sizeof(value))
        return -E2BIG;
    return store_write(store, dir, key, value);
}

/* A path that does not begin with a slash lies in the folder of the domain that asks. */
int store_own_domid(struct store *store, uint32_t *ret)
{
    unsigned long domid;
    unsigned length;

    errno = 0;
    char *text = xs_read(store->xs, XBT_NULL, "domid", &length); /* ends in a NUL of the library */
    if (!text)
        return last_error();
    int error = keys_number(text, 0, KEYS_DOMID_MAX, &domid);
    free(text);
    if (!error)
        *ret = (uint32_t)domid;
    return error;
}

int store_remove(struct store *store, const char *path)
{
    errno = 0;
    if (xs_rm(store->xs, store->transaction, path) || errno == ENOENT)
        return 0;
    return last_error();
}

/* 0 or -errno. */
static int path_look(struct store *store, const char *path)
{
    unsigned count;

    errno = 0;
    char **names = xs_directory(store->xs, store->transaction, path, &count);
    int error = names ? 0 : last_error();

    free(names);
    return error;
}

bool store_exists(struct store *store, const char *path)
{
    return path_look(store, path) != -ENOENT;
}

/* The library's list has no end of its own. */
static char **list_terminate(char **names, unsigned count)
{
    size_t size = (count + 1) * sizeof(char *);

    for (unsigned i = 0; i < count; i++)
        size += strlen(names[i]) + 1;
    char **list = malloc(size);
    if (!list)
        return NULL;
    char *at = (char *)&list[count + 1];
    for (unsigned i = 0; i < count; i++) {
        list[i] = at;
        at = stpcpy(at, names[i]) + 1;
    }
    list[count] = NULL;
    return list;
}

char **store_list(struct store *store, const char *path, unsigned *ret_count)
{
    unsigned count;

    errno = 0;
    char **names = xs_directory(store->xs, store->transaction, path, &count);
    if (!names)
        return NULL;
    char **list = list_terminate(names, count);
    free(names);
    if (list)
        *ret_count = count;
    return list;
}

int store_permit(struct store *store, const char *path, uint32_t owner, uint32_t reader)
{
    struct xs_permissions permissions[2] = {{.id = owner, .perms = XS_PERM_NONE},
                                            {.id = reader, .perms = XS_PERM_READ}};
    errno = 0;
    return xs_set_permissions(store->xs, store->transaction, path, permissions, 2) ? 0
                                                                                   : last_error();
}

int store_make_folder(struct store *store, const char *path, uint32_t owner, uint32_t reader)
{
    char parent[STORE_PATH];
    const char *slash = strrchr(path, '/');

    if (!slash || (size_t)(slash - path) >= sizeof(parent))
        return -EINVAL;
    snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
    int error = store_write(store, parent, slash + 1, "");
    return error ? error : store_permit(store, path, owner, reader);
}

enum keys_state store_read_state(struct store *store, const char *dir)
{
    unsigned long state;
    int error =
        store_read_number(store, dir, "state", KEYS_STATE_UNKNOWN, KEYS_STATE_CLOSED, &state);

    return error ? KEYS_STATE_UNKNOWN : (enum keys_state)state;
}

struct state_change {
    const char *dir;
    enum keys_state state;
};

/* The look and the write are one, or the folder could go in between. */
static int state_put(struct store *store, void *context)
{
    const struct state_change *change = context;
    int error = path_look(store, change->dir);

    return error ? error : store_writef(store, change->dir, "state", "%d", (int)change->state);
}

int store_write_state(struct store *store, const char *dir, enum keys_state state)
{
    struct state_change change = {.dir = dir, .state = state};

    if (store->transaction != XBT_NULL)
        return state_put(store, &change);
    return store_transact(store, state_put, &change);
}
