// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggctl attach and detach: what the user says, and what the user is told. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/device.h"
#include "common/duration.h"
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/print.h"

/* A backend that has not closed by then does not look as if it would. */
#define CLOSE_SECONDS 10.0

struct attach_request {
    const char *mac, *bridge;
    unsigned long handle, mtu, backend_domid;
    double wait; /* s; below 0: don't */
    bool json;
};

static struct store *store_connect(void)
{
    struct store *store;
    int error = store_open(&store);

    if (!error)
        return store;
    ctl_error("cannot reach xenstored: %s; does Xen run here? For a sandbox, set XENSTORED_PATH "
              "to what it printed",
              strerror(-error));
    return NULL;
}

/* Parses the command line and runs what it asks for, with its one operand, on a store. */
static int run_with_store(const struct option_set *set, int argc, char **argv,
                          int (*run)(struct store *, const char *, const void *),
                          const void *request)
{
    const char *operands[OPTIONS_OPERANDS];
    int status;

    if (!options_parse(set, argc, argv, operands, &status))
        return status;
    struct store *store = store_connect();
    if (!store)
        return CTL_FAILED;
    status = run(store, operands[0], request);
    store_close(store);
    return status;
}

/* Number of a VM that runs, or a message. */
static int vm_find(struct store *store, const char *vm, uint32_t *ret_domid)
{
    int error = device_find_vm(store, vm, ret_domid);

    if (error == -ENOENT)
        ctl_error("no VM with the name or number '%s' in /local/domain of xenstore; 'xl list' "
                  "or 'xenstore-list /local/domain' shows those that run",
                  vm);
    else if (error == -ENOTUNIQ)
        ctl_error("several VMs are called '%s': say which by its number", vm);
    else if (error)
        ctl_error("cannot look for VM '%s' in xenstore: %s", vm, strerror(-error));
    return error;
}

static int device_from(const struct attach_request *request, struct device *ret)
{
    struct device device = {.backend_domid = (uint32_t)request->backend_domid,
                            .mtu = (uint32_t)request->mtu,
                            .interface.handle = (uint32_t)request->handle};

    if (device_mac(request->mac, device.mac)) {
        ctl_error("--mac: '%s' is not a unicast address such as 00:16:3e:01:02:03", request->mac);
        return -EINVAL;
    }
    if (request->bridge && !device_bridge_valid(request->bridge)) {
        ctl_error("--bridge: '%s' cannot be an interface's name", request->bridge);
        return -EINVAL;
    }
    snprintf(device.bridge, sizeof(device.bridge), "%s", request->bridge ? request->bridge : "");
    *ret = device;
    return 0;
}

static void attach_failed(const char *vm, const struct device *device, int error)
{
    char path[KEYS_PATH];

    if (error == -EEXIST)
        ctl_error("%s is there already: VM '%s' has an interface %u; detach it first or choose "
                  "another --handle",
                  keys_frontend_dir(device->interface, path), vm, device->interface.handle);
    else if (error == -ENOENT)
        ctl_error("domain %u or backend domain %u is not there any more", device->interface.domid,
                  device->backend_domid);
    else if (error == -ENOSPC)
        ctl_error("VM '%s' has %lu interfaces already, which is the most", vm, KEYS_HANDLE_MAX + 1);
    else
        ctl_error("cannot write %s: %s", keys_frontend_dir(device->interface, path),
                  strerror(-error));
}

static int attach_print(struct store *store, const struct device *device, bool json)
{
    static const struct writer_column columns[] = {{"vm", "VM"},
                                                   {"domid", "domid"},
                                                   {"handle", "handle"},
                                                   {"backend_domid", "backend"},
                                                   {"mac", "MAC"},
                                                   {"bridge", "bridge"},
                                                   {"mtu", "MTU"},
                                                   {"backend_state", "backend is"},
                                                   {"frontend_state", "frontend is"}};
    char name[DEVICE_NAME];
    struct device_states states;
    struct writer *writer = print_start(json, false);

    device_states(store, device, &states);
    writer_record(writer, "attached", NULL, columns, sizeof(columns) / sizeof(*columns));
    writer_row(writer);
    writer_text(writer, device_vm_name(store, device->interface.domid, name));
    writer_count(writer, device->interface.domid);
    writer_count(writer, device->interface.handle);
    writer_count(writer, device->backend_domid);
    writer_text(writer, device->mac);
    writer_text(writer, device->bridge[0] ? device->bridge : NULL);
    if (device->mtu)
        writer_count(writer, device->mtu);
    else
        writer_none(writer);
    writer_text(writer, keys_state_name(states.backend));
    writer_text(writer, keys_state_name(states.frontend));
    return print_end(writer);
}

static int attach_wait(struct store *store, const struct device *device, double seconds)
{
    struct device_states states;
    char text[DURATION_TEXT];
    int error = device_await_connected(store, device, seconds, &states);

    if (!error)
        return CTL_OK;
    if (error != -ETIMEDOUT) {
        ctl_error("xenstored went away while waiting: %s", strerror(-error));
        return CTL_FAILED;
    }
    ctl_error("not connected after %s: the backend is %s, the frontend %s. The folders stay; do "
              "xenagg-netback in domain %u and xenagg-netfront in domain %u run?",
              duration_format(seconds, text), keys_state_name(states.backend),
              keys_state_name(states.frontend), device->backend_domid, device->interface.domid);
    return CTL_TIMED_OUT;
}

static int attach_run(struct store *store, const char *vm, const void *asked)
{
    const struct attach_request *request = asked;
    struct device device;

    if (device_from(request, &device))
        return CTL_USAGE;
    if (vm_find(store, vm, &device.interface.domid))
        return CTL_FAILED;
    int error = device_attach(store, &device);
    if (error) {
        attach_failed(vm, &device, error);
        return CTL_FAILED;
    }
    int status = request->wait >= 0 ? attach_wait(store, &device, request->wait) : CTL_OK;
    int printed = attach_print(store, &device, request->json);
    return status ? status : printed;
}

int ctl_attach(int argc, char **argv)
{
    struct attach_request request = {.handle = DEVICE_ANY_HANDLE, .wait = -1};
    const struct option_spec specs[] = {
        {"handle", OPTION_NUMBER, "N", "number of the interface (the lowest that is free)",
         &request.handle, 0, KEYS_HANDLE_MAX},
        {"mac", OPTION_TEXT, "MAC", "address of the interface (a new one)", &request.mac, 0, 0},
        {"bridge", OPTION_TEXT, "BRIDGE", "bridge that the backend puts it on (none)",
         &request.bridge, 0, 0},
        {"mtu", OPTION_NUMBER, "BYTES", "largest packet (the backend's default)", &request.mtu,
         DEVICE_MTU_MIN, DEVICE_MTU_MAX},
        {"backend-domid", OPTION_NUMBER, "N", "domain that the backend runs in (0)",
         &request.backend_domid, 0, KEYS_DOMID_MAX},
        {"wait", OPTION_DURATION, "DURATION", "wait until both ends are connected", &request.wait,
         0, 0},
        OPTION_ROW_JSON(&request.json),
    };
    const struct option_set set = {
        .command = "attach",
        .operands = "VM|DOMID",
        .summary = "Gives a VM an interface: makes its folders in xenstore, as a toolstack does.",
        .operands_min = 1,
        .operands_max = 1,
        .count = sizeof(specs) / sizeof(specs[0]),
        .specs = specs};

    return run_with_store(&set, argc, argv, attach_run, &request);
}

struct detach_request {
    unsigned long handle, backend_domid;
    double wait; /* s */
    bool force;
};

static int detach_wait(struct store *store, const struct device *device, double seconds)
{
    struct device_states states;
    char text[DURATION_TEXT];
    int error = device_await_closed(store, device, seconds, &states);

    if (!error)
        return CTL_OK;
    if (error != -ETIMEDOUT) {
        ctl_error("xenstored went away while waiting: %s", strerror(-error));
        return CTL_FAILED;
    }
    ctl_error("the backend is still %s after %s; nothing was removed. If xenagg-netback does not "
              "run any more, --force removes the interface all the same",
              keys_state_name(states.backend), duration_format(seconds, text));
    return CTL_TIMED_OUT;
}

static int detach_close(struct store *store, const struct device *device, double seconds)
{
    char path[KEYS_PATH];
    int error = device_close(store, device);

    if (!error)
        return detach_wait(store, device, seconds);
    keys_backend_dir(device->backend_domid, device->interface, path);
    if (error == -ENOENT)
        ctl_error("%s is not there, only the guest's half is: --force removes it", path);
    else
        ctl_error("cannot write %s: %s", path, strerror(-error));
    return CTL_FAILED;
}

/* A domain that is gone can still have a folder at the backend: then its number will do. */
static int detach_find(struct store *store, const char *vm, struct device *device)
{
    unsigned long domid;
    char path[KEYS_PATH];

    if (keys_number(vm, 0, KEYS_DOMID_MAX, &domid) == 0) {
        device->interface.domid = (uint32_t)domid;
        if (store_exists(store, keys_backend_dir(device->backend_domid, device->interface, path)))
            return 0;
    }
    return vm_find(store, vm, &device->interface.domid);
}

static int detach_run(struct store *store, const char *vm, const void *asked)
{
    const struct detach_request *request = asked;
    struct device device = {.backend_domid = (uint32_t)request->backend_domid,
                            .interface.handle = (uint32_t)request->handle};
    int status = CTL_OK;

    if (detach_find(store, vm, &device))
        return CTL_FAILED;
    if (!device_exists(store, &device)) {
        ctl_error("VM '%s' has no interface %u (backend domain %u)", vm, device.interface.handle,
                  device.backend_domid);
        return CTL_FAILED;
    }
    if (!request->force)
        status = detach_close(store, &device, request->wait);
    if (status)
        return status;
    int error = device_remove(store, &device);
    if (error)
        ctl_error("cannot remove the folders of domain %u, interface %u: %s",
                  device.interface.domid, device.interface.handle, strerror(-error));
    return error ? CTL_FAILED : CTL_OK;
}

int ctl_detach(int argc, char **argv)
{
    struct detach_request request = {.wait = CLOSE_SECONDS};
    const struct option_spec specs[] = {
        {"handle", OPTION_NUMBER, "N", "number of the interface (0)", &request.handle, 0,
         KEYS_HANDLE_MAX},
        {"backend-domid", OPTION_NUMBER, "N", "domain that the backend runs in (0)",
         &request.backend_domid, 0, KEYS_DOMID_MAX},
        {"wait", OPTION_DURATION, "DURATION", "how long the backend may take to close (10s)",
         &request.wait, 0, 0},
        {"force", OPTION_FLAG, NULL, "remove the folders at once, whoever still uses them",
         &request.force, 0, 0},
    };
    const struct option_set set = {
        .command = "detach",
        .operands = "VM|DOMID",
        .summary = "Takes an interface away: has its ends close, then removes its folders.",
        .operands_min = 1,
        .operands_max = 1,
        .count = sizeof(specs) / sizeof(specs[0]),
        .specs = specs};

    return run_with_store(&set, argc, argv, detach_run, &request);
}
