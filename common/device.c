// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/device.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define DOMAINS "/local/domain"

int device_mac(const char *text, char ret[static MAC_TEXT])
{
    uint8_t mac[6] = {0x00, 0x16, 0x3e};

    if (text) {
        if (mac_parse(text, mac))
            return -EINVAL;
    } else {
        if (getrandom(mac + 3, 3, 0) != 3)
            return -EIO;
        mac[3] &= 0x7f; /* the upper half of Xen's range is for addresses made by people */
    }
    mac_format(mac, ret);
    return 0;
}

bool device_bridge_valid(const char *name)
{
    if (!*name || strlen(name) >= DEVICE_BRIDGE || !strcmp(name, ".") || !strcmp(name, ".."))
        return false;
    for (; *name; name++)
        if (!isgraph((unsigned char)*name) || *name == '/' || *name == ':')
            return false;
    return true;
}

static bool domain_exists(struct store *store, uint32_t domid)
{
    char path[KEYS_PATH];

    snprintf(path, sizeof(path), DOMAINS "/%u", domid);
    return store_exists(store, path);
}

const char *device_vm_name(struct store *store, uint32_t domid, char ret[static DEVICE_NAME])
{
    char path[KEYS_PATH];

    snprintf(path, sizeof(path), DOMAINS "/%u", domid);
    if (store_read(store, path, "name", ret, DEVICE_NAME) < 0)
        ret[0] = '\0';
    return ret;
}

int device_find_vm(struct store *store, const char *vm, uint32_t *ret_domid)
{
    unsigned long domid, found = 0;
    unsigned count, matches = 0;
    char name[DEVICE_NAME];

    if (keys_number(vm, 0, KEYS_DOMID_MAX, &domid) == 0) {
        if (!domain_exists(store, (uint32_t)domid))
            return -ENOENT;
        *ret_domid = (uint32_t)domid;
        return 0;
    }
    char **domains = store_list(store, DOMAINS, &count);
    if (!domains)
        return errno ? -errno : -EIO;
    for (unsigned i = 0; i < count; i++)
        if (keys_number(domains[i], 0, KEYS_DOMID_MAX, &domid) == 0 &&
            !strcmp(device_vm_name(store, (uint32_t)domid, name), vm)) {
            found = domid;
            matches++;
        }
    free(domains);
    if (matches != 1)
        return matches ? -ENOTUNIQ : -ENOENT;
    *ret_domid = (uint32_t)found;
    return 0;
}

/* The lowest handle that the guest has no folder for. */
static int handle_choose(struct store *store, uint32_t domid, uint32_t *ret)
{
    char path[KEYS_PATH];

    for (uint32_t handle = 0; handle <= KEYS_HANDLE_MAX; handle++) {
        keys_frontend_dir((struct keys_interface){domid, handle}, path);
        if (!store_exists(store, path)) {
            *ret = handle;
            return 0;
        }
    }
    return -ENOSPC;
}

struct key {
    const char *name, *value; /* value NULL: left out */
};

static int keys_write(struct store *store, const char *folder, const struct key *keys, size_t count)
{
    int error = 0;

    for (size_t i = 0; i < count && !error; i++)
        if (keys[i].value)
            error = store_write(store, folder, keys[i].name, keys[i].value);
    return error;
}

/* Both folders of a device, and its numbers as text. */
struct folders {
    char backend[KEYS_PATH], frontend[KEYS_PATH];
};

static struct folders folders_of(const struct device *device)
{
    struct folders folders;

    keys_backend_dir(device->backend_domid, device->interface, folders.backend);
    keys_frontend_dir(device->interface, folders.frontend);
    return folders;
}

static int folders_fill(struct store *store, const struct device *device,
                        const struct folders *folders)
{
    char domid[16], backend_domid[16], handle[16], mtu[16], state[16];

    snprintf(domid, sizeof(domid), "%u", device->interface.domid);
    snprintf(backend_domid, sizeof(backend_domid), "%u", device->backend_domid);
    snprintf(handle, sizeof(handle), "%u", device->interface.handle);
    snprintf(mtu, sizeof(mtu), "%u", device->mtu);
    snprintf(state, sizeof(state), "%d", KEYS_STATE_INITIALISING);
    const char *mtu_value = device->mtu ? mtu : NULL;
    const struct key frontend[] = {{"backend", folders->backend},
                                   {"backend-id", backend_domid},
                                   {"handle", handle},
                                   {"mac", device->mac},
                                   {"mtu", mtu_value},
                                   {"state", state}};
    const struct key backend[] = {{"frontend", folders->frontend},
                                  {"frontend-id", domid},
                                  {"online", "1"},
                                  {"handle", handle},
                                  {"mac", device->mac},
                                  {"bridge", device->bridge[0] ? device->bridge : NULL},
                                  {"mtu", mtu_value},
                                  {"state", state}};
    int error =
        keys_write(store, folders->frontend, frontend, sizeof(frontend) / sizeof(*frontend));
    return error ? error
                 : keys_write(store, folders->backend, backend, sizeof(backend) / sizeof(*backend));
}

static int attach_step(struct store *store, void *data)
{
    struct device *device = data;
    uint32_t guest = device->interface.domid, host = device->backend_domid;
    int error = 0;

    if (!domain_exists(store, guest) || (host && !domain_exists(store, host)))
        return -ENOENT;
    if (device->interface.handle == DEVICE_ANY_HANDLE)
        error = handle_choose(store, guest, &device->interface.handle);
    if (error)
        return error;
    struct folders folders = folders_of(device);
    if (store_exists(store, folders.frontend))
        return -EEXIST;
    /* What an earlier domain of this number left behind, or nothing. */
    error = store_remove(store, folders.backend);
    if (!error)
        error = store_make_folder(store, folders.frontend, guest, host);
    if (!error)
        error = store_make_folder(store, folders.backend, host, guest);
    return error ? error : folders_fill(store, device, &folders);
}

int device_attach(struct store *store, struct device *device)
{
    return store_transact(store, attach_step, device);
}

bool device_exists(struct store *store, const struct device *device)
{
    struct folders folders = folders_of(device);
    return store_exists(store, folders.frontend) || store_exists(store, folders.backend);
}

static int close_step(struct store *store, void *data)
{
    struct folders folders = folders_of(data);

    if (!store_exists(store, folders.backend))
        return -ENOENT;
    int error = store_write(store, folders.backend, "online", "0");
    if (!error && store_read_state(store, folders.backend) != KEYS_STATE_CLOSED)
        error = store_write_state(store, folders.backend, KEYS_STATE_CLOSING);
    return error;
}

int device_close(struct store *store, const struct device *device)
{
    return store_transact(store, close_step, (void *)device);
}

static int remove_step(struct store *store, void *data)
{
    struct folders folders = folders_of(data);
    unsigned count;
    int error = store_remove(store, folders.frontend);

    if (!error)
        error = store_remove(store, folders.backend);
    if (error)
        return error;
    *strrchr(folders.backend, '/') = '\0';
    char **rest = store_list(store, folders.backend, &count);
    if (rest && count == 0)
        error = store_remove(store, folders.backend);
    free(rest);
    return error;
}

int device_remove(struct store *store, const struct device *device)
{
    return store_transact(store, remove_step, (void *)device);
}

static enum keys_state end_state(struct store *store, const char *folder)
{
    return store_exists(store, folder) ? store_read_state(store, folder) : KEYS_STATE_CLOSED;
}

void device_states(struct store *store, const struct device *device, struct device_states *ret)
{
    struct folders folders = folders_of(device);

    ret->backend = end_state(store, folders.backend);
    ret->frontend = end_state(store, folders.frontend);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static bool is_connected(const struct device_states *states)
{
    return states->backend == KEYS_STATE_CONNECTED && states->frontend == KEYS_STATE_CONNECTED;
}

static bool is_closed(const struct device_states *states)
{
    return states->backend == KEYS_STATE_CLOSED;
}

/* Takes all events that have come; what they say is not needed, the states get read anew. */
static int events_take(struct store *store)
{
    char path[KEYS_PATH], token[KEYS_PATH];
    int event;

    do
        event = store_event(store, path, sizeof(path), token, sizeof(token));
    while (event > 0);
    return event;
}

static int await_loop(struct store *store, const struct device *device, double seconds,
                      bool (*reached)(const struct device_states *), struct device_states *ret)
{
    double deadline = now() + seconds;
    struct pollfd descriptor = {.fd = store_fd(store), .events = POLLIN};

    for (;;) {
        int error = events_take(store);
        device_states(store, device, ret);
        if (error || reached(ret))
            return error;
        double rest = deadline - now();
        if (rest <= 0)
            return -ETIMEDOUT;
        if (poll(&descriptor, 1, rest > 60 ? 60000 : (int)(rest * 1000) + 1) < 0 && errno != EINTR)
            return -errno;
    }
}

static int await_states(struct store *store, const struct device *device, double seconds,
                        bool (*reached)(const struct device_states *), struct device_states *ret)
{
    struct folders folders = folders_of(device);
    int error = store_watch(store, folders.backend, "backend");

    if (!error)
        error = store_watch(store, folders.frontend, "frontend");
    if (!error)
        error = await_loop(store, device, seconds, reached, ret);
    store_unwatch(store, folders.frontend, "frontend");
    store_unwatch(store, folders.backend, "backend");
    return error;
}

int device_await_connected(struct store *store, const struct device *device, double seconds,
                           struct device_states *ret)
{
    return await_states(store, device, seconds, is_connected, ret);
}

int device_await_closed(struct store *store, const struct device *device, double seconds,
                        struct device_states *ret)
{
    return await_states(store, device, seconds, is_closed, ret);
}
