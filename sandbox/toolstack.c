// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/toolstack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/keys.h"

#define BACKEND_DOMID 0u
#define TRIES 10

/* A step of a transaction: 0 or -errno. */
typedef int step(struct store *store, const void *argument);

static int transact(struct store *store, step *run, const void *argument)
{
    int error = -EAGAIN;

    for (int i = 0; i < TRIES && error == -EAGAIN; i++) {
        error = store_begin(store);
        if (error)
            return error;
        error = run(store, argument);
        if (error)
            store_abort(store);
        else
            error = store_commit(store);
    }
    return error;
}

/* An empty folder; what is put into it inherits its permissions. */
static int folder_create(struct store *store, const char *path, uint32_t owner, uint32_t reader)
{
    char parent[KEYS_PATH];
    const char *slash = strrchr(path, '/');

    snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
    int error = store_write(store, parent, slash + 1, "");
    return error ? error : store_permit(store, path, owner, reader);
}

struct domain {
    uint32_t domid;
    const char *name;
};

static const char *domain_folder(uint32_t domid, char path[static KEYS_PATH])
{
    snprintf(path, KEYS_PATH, "/local/domain/%u", domid);
    return path;
}

static const char *vm_folder(uint32_t domid, char path[static KEYS_PATH])
{
    snprintf(path, KEYS_PATH, "/vm/00000000-0000-0000-0000-%012x", domid);
    return path;
}

static int create_step(struct store *store, const void *argument)
{
    const struct domain *domain = argument;
    char folder[KEYS_PATH], vm[KEYS_PATH], data[KEYS_PATH];

    domain_folder(domain->domid, folder);
    vm_folder(domain->domid, vm);
    snprintf(data, sizeof(data), "%.100s/data", folder);
    int error = folder_create(store, vm, BACKEND_DOMID, domain->domid);
    if (!error)
        error = store_write(store, vm, "name", domain->name);
    if (!error)
        error = folder_create(store, folder, BACKEND_DOMID, domain->domid);
    if (!error)
        error = store_write(store, folder, "name", domain->name);
    if (!error)
        error = store_write(store, folder, "vm", vm);
    if (!error)
        error = store_writef(store, folder, "domid", "%u", domain->domid);
    /* The one place where a guest may always write. */
    if (!error)
        error = folder_create(store, data, domain->domid, BACKEND_DOMID);
    return error;
}

int toolstack_create(struct store *store, uint32_t domid, const char *name)
{
    return transact(store, create_step, &(struct domain){.domid = domid, .name = name});
}

static int destroy_step(struct store *store, const void *argument)
{
    uint32_t domid = *(const uint32_t *)argument;
    char path[KEYS_PATH], root[KEYS_PATH];

    snprintf(path, sizeof(path), "%.100s/%u", keys_backend_root(BACKEND_DOMID, root), domid);
    int error = store_remove(store, path);
    if (!error)
        error = store_remove(store, domain_folder(domid, path));
    if (!error)
        error = store_remove(store, vm_folder(domid, path));
    return error;
}

int toolstack_destroy(struct store *store, uint32_t domid)
{
    return transact(store, destroy_step, &domid);
}
