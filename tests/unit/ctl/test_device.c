// SPDX-License-Identifier: GPL-2.0-or-later
/* attach and detach, function by function and as programs, with a real xenstored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "common/device.h"
#include "ctl/ctl.h"
#include "program.h"
#include "sandbox/xenstored.h"

/* Long enough that only a fault reaches it. */
#define LONG_SECONDS 30.0

static struct {
    char *folder;
    struct process *xenstored;
    struct store *store;
} lab;

static void key_is(const char *dir, const char *key, const char *expected)
{
    char value[256];

    assert_true(store_read(lab.store, dir, key, value, sizeof(value)) >= 0);
    assert_string_equal(value, expected);
}

static void key_is_absent(const char *dir, const char *key)
{
    char value[256];
    assert_int_equal(store_read(lab.store, dir, key, value, sizeof(value)), -ENOENT);
}

static void permissions_are(const char *path, unsigned owner, unsigned reader)
{
    struct xs_handle *xs = xs_open(0);
    unsigned count;
    struct xs_permissions *permissions = xs_get_permissions(xs, XBT_NULL, path, &count);

    assert_non_null(permissions);
    assert_int_equal(count, 2);
    assert_int_equal(permissions[0].id, owner);
    assert_int_equal(permissions[0].perms, XS_PERM_NONE);
    assert_int_equal(permissions[1].id, reader);
    assert_int_equal(permissions[1].perms, XS_PERM_READ);
    free(permissions);
    xs_close(xs);
}

static int store_start(void **state)
{
    (void)state;
    lab.folder = folder_make();
    return xenstored_use(lab.folder) || xenstored_start(lab.folder, &lab.xenstored) ||
           store_open(&lab.store);
}

static int store_stop(void **state)
{
    (void)state;
    store_close(lab.store);
    process_free(lab.xenstored);
    folder_remove(lab.folder);
    return 0;
}

/* Two guests and a driver domain, nothing attached. */
static int domains_make(void **state)
{
    (void)state;
    return store_remove(lab.store, "/local") ||
           store_write(lab.store, "/local/domain/0", "name", "Domain-0") ||
           store_write(lab.store, "/local/domain/3", "name", "web") ||
           store_write(lab.store, "/local/domain/4", "name", "router") ||
           store_write(lab.store, "/local/domain/9", "name", "driver");
}

static struct device device_of(uint32_t domid, uint32_t handle)
{
    struct device device = {.interface = {domid, handle}};

    assert_int_equal(device_mac("00:16:3e:aa:bb:cc", device.mac), 0);
    return device;
}

static void test_mac(void **state)
{
    (void)state;
    char mac[MAC_TEXT], other[MAC_TEXT];
    assert_int_equal(device_mac("00:16:3E:0a:0B:fF", mac), 0);
    assert_string_equal(mac, "00:16:3e:0a:0b:ff");
    assert_int_equal(device_mac("01:16:3e:0a:0b:ff", mac), -EINVAL);
    assert_string_equal(mac, "00:16:3e:0a:0b:ff");
    assert_int_equal(device_mac(NULL, mac), 0);
    assert_int_equal(strncmp(mac, "00:16:3e:", 9), 0);
    assert_int_equal(device_mac(mac, other), 0);
    assert_string_equal(mac, other);
}

static void test_bridge(void **state)
{
    (void)state;
    assert_true(device_bridge_valid("xenbr0"));
    assert_true(device_bridge_valid("fifteen-letters"));
    assert_false(device_bridge_valid("sixteen-letters."));
    assert_false(device_bridge_valid(""));
    assert_false(device_bridge_valid("a b"));
    assert_false(device_bridge_valid("../x"));
    assert_false(device_bridge_valid(".."));
    assert_false(device_bridge_valid("br\033"));
}

static void test_find_vm(void **state)
{
    (void)state;
    uint32_t domid = 77;

    assert_int_equal(device_find_vm(lab.store, "nobody", &domid), -ENOENT);
    assert_int_equal(device_find_vm(lab.store, "12", &domid), -ENOENT);
    assert_int_equal(domid, 77);
    assert_int_equal(device_find_vm(lab.store, "router", &domid), 0);
    assert_int_equal(domid, 4);
    assert_int_equal(device_find_vm(lab.store, "3", &domid), 0);
    assert_int_equal(domid, 3);
    assert_int_equal(store_write(lab.store, "/local/domain/3", "name", "router"), 0);
    assert_int_equal(device_find_vm(lab.store, "router", &domid), -ENOTUNIQ);
}

static void test_attach_folders(void **state)
{
    (void)state;
    const char *frontend = "/local/domain/3/device/vagg/0";
    const char *backend = "/local/domain/0/backend/vagg/3/0";
    struct device device = device_of(3, 0);

    strcpy(device.bridge, "xenbr0");
    device.mtu = 9000;
    assert_int_equal(device_attach(lab.store, &device), 0);
    key_is(frontend, "backend", backend);
    key_is(frontend, "backend-id", "0");
    key_is(frontend, "handle", "0");
    key_is(frontend, "mac", "00:16:3e:aa:bb:cc");
    key_is(frontend, "mtu", "9000");
    key_is(frontend, "state", "1");
    key_is(backend, "frontend", frontend);
    key_is(backend, "frontend-id", "3");
    key_is(backend, "online", "1");
    key_is(backend, "handle", "0");
    key_is(backend, "mac", "00:16:3e:aa:bb:cc");
    key_is(backend, "bridge", "xenbr0");
    key_is(backend, "mtu", "9000");
    key_is(backend, "state", "1");
    permissions_are(frontend, 3, 0);
    permissions_are("/local/domain/3/device/vagg/0/state", 3, 0);
    permissions_are(backend, 0, 3);
    permissions_are("/local/domain/0/backend/vagg/3/0/state", 0, 3);
}

static void test_attach_driver_domain(void **state)
{
    (void)state;
    struct device device = device_of(3, DEVICE_ANY_HANDLE);

    device.backend_domid = 9;
    assert_int_equal(device_attach(lab.store, &device), 0);
    assert_int_equal(device.interface.handle, 0);
    key_is("/local/domain/3/device/vagg/0", "backend", "/local/domain/9/backend/vagg/3/0");
    key_is("/local/domain/3/device/vagg/0", "backend-id", "9");
    key_is_absent("/local/domain/9/backend/vagg/3/0", "bridge");
    key_is_absent("/local/domain/9/backend/vagg/3/0", "mtu");
    permissions_are("/local/domain/3/device/vagg/0", 3, 9);
    permissions_are("/local/domain/9/backend/vagg/3/0", 9, 3);
    device.interface.handle = 1;
    device.backend_domid = 8;
    assert_int_equal(device_attach(lab.store, &device), -ENOENT);
}

static void test_attach_handles(void **state)
{
    (void)state;
    struct device device = device_of(3, 1);

    assert_int_equal(device_attach(lab.store, &device), 0);
    assert_int_equal(device_attach(lab.store, &device), -EEXIST);
    for (uint32_t expected = 0; expected < 4; expected += expected ? 1 : 2) {
        device.interface.handle = DEVICE_ANY_HANDLE;
        assert_int_equal(device_attach(lab.store, &device), 0);
        assert_int_equal(device.interface.handle, expected);
    }
    device.interface.domid = 5;
    assert_int_equal(device_attach(lab.store, &device), -ENOENT);
}

static void test_attach_over_leftovers(void **state)
{
    (void)state;
    const char *backend = "/local/domain/0/backend/vagg/3/0";
    struct device device = device_of(3, 0);

    assert_int_equal(store_write(lab.store, backend, "tx-container-packets", "7"), 0);
    assert_int_equal(device_attach(lab.store, &device), 0);
    key_is_absent(backend, "tx-container-packets");
    permissions_are(backend, 0, 3);
}

static void test_close_and_remove(void **state)
{
    (void)state;
    struct device device = device_of(3, 0), other = device_of(3, 1);

    assert_int_equal(device_close(lab.store, &device), -ENOENT);
    assert_int_equal(device_attach(lab.store, &device), 0);
    assert_int_equal(device_attach(lab.store, &other), 0);
    assert_int_equal(device_close(lab.store, &device), 0);
    key_is("/local/domain/0/backend/vagg/3/0", "online", "0");
    key_is("/local/domain/0/backend/vagg/3/0", "state", "5");
    assert_int_equal(device_remove(lab.store, &device), 0);
    assert_false(store_exists(lab.store, "/local/domain/3/device/vagg/0"));
    assert_false(store_exists(lab.store, "/local/domain/0/backend/vagg/3/0"));
    assert_true(store_exists(lab.store, "/local/domain/0/backend/vagg/3/1"));
    assert_int_equal(device_remove(lab.store, &other), 0);
    assert_false(store_exists(lab.store, "/local/domain/0/backend/vagg/3"));
    assert_true(store_exists(lab.store, "/local/domain/0/backend/vagg"));
}

/* A closed backend stays closed: it would not close a second time. */
static void test_close_when_closed(void **state)
{
    (void)state;
    struct device device = device_of(3, 0);
    struct device_states states;

    assert_int_equal(device_attach(lab.store, &device), 0);
    assert_int_equal(store_write(lab.store, "/local/domain/0/backend/vagg/3/0", "state", "6"), 0);
    assert_int_equal(device_close(lab.store, &device), 0);
    assert_int_equal(device_await_closed(lab.store, &device, 0, &states), 0);
}

static void test_await_times_out(void **state)
{
    (void)state;
    struct device device = device_of(3, 0);
    struct device_states states;

    assert_int_equal(device_attach(lab.store, &device), 0);
    assert_int_equal(store_write(lab.store, "/local/domain/0/backend/vagg/3/0", "state", "4"), 0);
    assert_int_equal(device_await_connected(lab.store, &device, 0.01, &states), -ETIMEDOUT);
    assert_int_equal(states.backend, KEYS_STATE_CONNECTED);
    assert_int_equal(states.frontend, KEYS_STATE_INITIALISING);
}

/* Both ends of domain 3's interface 0, as obedient as they come, until the folders are gone. */
static void *ends_run(void *unused)
{
    struct device device = device_of(3, 0);
    struct store *store;
    struct device_states states;
    char path[KEYS_PATH], token[KEYS_PATH];
    bool seen = false;

    (void)unused;
    if (store_open(&store) || store_watch(store, "/local/domain", "t"))
        return "no store";
    for (;;) {
        struct pollfd descriptor = {.fd = store_fd(store), .events = POLLIN};
        if (poll(&descriptor, 1, (int)LONG_SECONDS * 1000) != 1)
            break;
        while (store_event(store, path, sizeof(path), token, sizeof(token)) > 0)
            ;
        device_states(store, &device, &states);
        if (states.backend == KEYS_STATE_INITIALISING) {
            seen = true;
            store_write(store, "/local/domain/3/device/vagg/0", "state", "4");
            store_write(store, "/local/domain/0/backend/vagg/3/0", "state", "4");
        } else if (states.backend == KEYS_STATE_CLOSING) {
            store_write(store, "/local/domain/3/device/vagg/0", "state", "6");
            store_write(store, "/local/domain/0/backend/vagg/3/0", "state", "6");
        } else if (seen && !device_exists(store, &device)) {
            break;
        }
    }
    store_close(store);
    return NULL;
}

static void test_programs_orderly(void **state)
{
    (void)state;
    pthread_t ends;
    void *result;
    struct said said;

    assert_int_equal(pthread_create(&ends, NULL, ends_run, NULL), 0);
    json_t *json = program_json(lab.folder, PROGRAM_WORDS("attach", "web", "--handle", "0", "--mac",
                                                          "00:16:3e:00:00:01", "--bridge", "xenbr0",
                                                          "--wait", "30s", "--json"));
    json_t *attached = json_object_get(json, "attached");
    assert_string_equal(json_string_value(json_object_get(attached, "vm")), "web");
    assert_int_equal(json_integer_value(json_object_get(attached, "domid")), 3);
    assert_string_equal(json_string_value(json_object_get(attached, "mac")), "00:16:3e:00:00:01");
    assert_string_equal(json_string_value(json_object_get(attached, "backend_state")), "Connected");
    json_decref(json);
    program_run(lab.folder, &said, PROGRAM_WORDS("detach", "web", "--wait", "30s"));
    assert_string_equal(said.out, "");
    assert_int_equal(said.status, CTL_OK);
    pthread_join(ends, &result);
    assert_null(result);
    assert_false(store_exists(lab.store, "/local/domain/3/device/vagg/0"));
    assert_false(store_exists(lab.store, "/local/domain/0/backend/vagg/3"));
}

static void test_programs_alone(void **state)
{
    (void)state;
    struct said said;

    program_run(lab.folder, &said, PROGRAM_WORDS("attach", "web", "--wait", "10ms"));
    assert_int_equal(said.status, CTL_TIMED_OUT);
    assert_non_null(strstr(said.out, "not connected after 10.0ms"));
    assert_non_null(strstr(said.out, "frontend is  Initialising\n"));
    program_run(lab.folder, &said, PROGRAM_WORDS("attach", "web", "--handle", "0"));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "/local/domain/3/device/vagg/0 is there already"));
    program_run(lab.folder, &said, PROGRAM_WORDS("detach", "3", "--wait", "10ms"));
    assert_int_equal(said.status, CTL_TIMED_OUT);
    assert_true(store_exists(lab.store, "/local/domain/3/device/vagg/0"));
    program_run(lab.folder, &said, PROGRAM_WORDS("detach", "3", "--force"));
    assert_int_equal(said.status, CTL_OK);
    assert_false(store_exists(lab.store, "/local/domain/3/device/vagg/0"));
    program_run(lab.folder, &said, PROGRAM_WORDS("detach", "3", "--force"));
    assert_int_equal(said.status, CTL_FAILED);
}

static void test_programs_mistakes(void **state)
{
    (void)state;
    struct said said;

    program_run(lab.folder, &said, PROGRAM_WORDS("attach", "n\033[2J"));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "no VM with the name or number 'n\\x1b[2J'"));
    program_run(lab.folder, &said, PROGRAM_WORDS("detach", "nobody"));
    assert_int_equal(said.status, CTL_FAILED);
    program_run(lab.folder, &said, PROGRAM_WORDS("attach", "web", "--mac", "ff:ff:ff:ff:ff:ff"));
    assert_int_equal(said.status, CTL_USAGE);
    program_run(lab.folder, &said, PROGRAM_WORDS("attach", "web", "--bridge", "a/b"));
    assert_int_equal(said.status, CTL_USAGE);
    program_run(lab.folder, &said, PROGRAM_WORDS("attach", "web", "--mtu", "9001"));
    assert_int_equal(said.status, CTL_USAGE);
    assert_false(store_exists(lab.store, "/local/domain/3/device"));
}

/* The guest's half alone can't be closed in order, but be removed. */
static void test_programs_half(void **state)
{
    (void)state;
    struct said said;
    struct device device = device_of(3, 0);

    assert_int_equal(device_attach(lab.store, &device), 0);
    assert_int_equal(store_remove(lab.store, "/local/domain/0/backend/vagg/3/0"), 0);
    program_run(lab.folder, &said, PROGRAM_WORDS("detach", "web"));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "--force"));
    program_run(lab.folder, &said, PROGRAM_WORDS("detach", "web", "--force"));
    assert_int_equal(said.status, CTL_OK);
    assert_false(store_exists(lab.store, "/local/domain/3/device/vagg/0"));
    /* The backend's half of a domain that is gone. */
    assert_int_equal(store_write(lab.store, "/local/domain/0/backend/vagg/6/0", "state", "6"), 0);
    program_run(lab.folder, &said, PROGRAM_WORDS("detach", "6"));
    assert_int_equal(said.status, CTL_OK);
    assert_false(store_exists(lab.store, "/local/domain/0/backend/vagg/6"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_mac, domains_make),
        cmocka_unit_test_setup(test_bridge, domains_make),
        cmocka_unit_test_setup(test_find_vm, domains_make),
        cmocka_unit_test_setup(test_attach_folders, domains_make),
        cmocka_unit_test_setup(test_attach_driver_domain, domains_make),
        cmocka_unit_test_setup(test_attach_handles, domains_make),
        cmocka_unit_test_setup(test_attach_over_leftovers, domains_make),
        cmocka_unit_test_setup(test_close_and_remove, domains_make),
        cmocka_unit_test_setup(test_close_when_closed, domains_make),
        cmocka_unit_test_setup(test_await_times_out, domains_make),
        cmocka_unit_test_setup(test_programs_orderly, domains_make),
        cmocka_unit_test_setup(test_programs_alone, domains_make),
        cmocka_unit_test_setup(test_programs_mistakes, domains_make),
        cmocka_unit_test_setup(test_programs_half, domains_make),
    };
    return cmocka_run_group_tests(tests, store_start, store_stop);
}
