// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/toolstack.h"

#include <stdio.h>

#include "common/keys.h"

#define BACKEND_DOMID 0u

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

static int create_step(struct store *store, void *argument)
{
    const struct domain *domain = argument;
    char folder[KEYS_PATH], vm[KEYS_PATH], data[KEYS_PATH];

    domain_folder(domain->domid, folder);
    vm_folder(domain->domid, vm);
    snprintf(data, sizeof(data), "%.100s/data", folder);
    int error = store_make_folder(store, vm, BACKEND_DOMID, domain->domid);
    if (!error)
        error = store_write(store, vm, "name", domain->name);
    if (!error)
        error = store_make_folder(store, folder, BACKEND_DOMID, domain->domid);
    if (!error)
        error = store_write(store, folder, "name", domain->name);
    if (!error)
        error = store_write(store, folder, "vm", vm);
    if (!error)
        error = store_writef(store, folder, "domid", "%u", domain->domid);
    /* The one place where a guest may always write. */
    if (!error)
        error = store_make_folder(store, data, domain->domid, BACKEND_DOMID);
    return error;
}

int toolstack_create(struct store *store, uint32_t domid, const char *name)
{
    return store_transact(store, create_step, &(struct domain){.domid = domid, .name = name});
}

static int destroy_step(struct store *store, void *argument)
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
    return store_transact(store, destroy_step, &domid);
}
