// SPDX-License-Identifier: GPL-2.0-or-later
/* Guests that get their interface when they start, against the real xenstored. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sandbox/fixture.h"

#include "common/device.h"
#include "daemon/attach.h"
#include "sandbox/xenstored.h"

struct bench {
    char folder[64];
    struct process *xenstored;
    struct store *store;
    struct config *config;
    struct attacher *attacher;
};

static void on_complaint(void *context, const char *path, unsigned line, const char *what)
{
    (void)context, (void)path, (void)line;
    print_error("%s\n", what);
}

static struct config *config_of(const char *text)
{
    char path[] = "/tmp/xenagg-attach-conf-XXXXXX";
    struct config *config = NULL;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    assert_int_equal(config_load(path, on_complaint, NULL, &config), 0);
    unlink(path);
    return config;
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    strcpy(bench->folder, "/tmp/xenagg-attach-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    assert_int_equal(xenstored_start(bench->folder, &bench->xenstored), 0);
    assert_int_equal(xenstored_use(bench->folder), 0);
    assert_int_equal(store_open(&bench->store), 0);
    assert_int_equal(attacher_create(0, &bench->attacher), 0);
    assert_int_equal(store_write(bench->store, "/local/domain/0", "name", "Domain-0"), 0);
    bench->config = config_of("[default]\nattach = yes\nbridge = xenbr0\n"
                              "[vm apart]\nattach = no\n[vm other]\nbridge = br1\n");
    assert_int_equal(attacher_configure(bench->attacher, bench->config), 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    char command[96];

    attacher_destroy(bench->attacher);
    config_free(bench->config);
    store_close(bench->store);
    process_free(bench->xenstored);
    snprintf(command, sizeof(command), "rm -rf %s", bench->folder);
    assert_int_equal(system(command), 0);
    free(bench);
    return 0;
}

static void domain_make(struct bench *bench, unsigned domid, const char *name)
{
    char dir[KEYS_PATH];

    snprintf(dir, sizeof(dir), "/local/domain/%u", domid);
    assert_int_equal(store_writef(bench->store, dir, "domid", "%u", domid), 0);
    if (name)
        assert_int_equal(store_write(bench->store, dir, "name", name), 0);
    attacher_event(bench->attacher);
}

static void domain_end(struct bench *bench, unsigned domid)
{
    char dir[KEYS_PATH];

    snprintf(dir, sizeof(dir), "/local/domain/%u", domid);
    assert_int_equal(store_remove(bench->store, dir), 0);
    attacher_event(bench->attacher);
}

static void run(struct bench *bench)
{
    attacher_run(bench->attacher, bench->store);
}

static struct device device_of(unsigned domid)
{
    return (struct device){.interface = {domid, ATTACH_HANDLE}};
}

static bool is_attached(struct bench *bench, unsigned domid)
{
    struct device device = device_of(domid);

    return device_exists(bench->store, &device);
}

static const char *key(struct bench *bench, unsigned domid, const char *name)
{
    static char value[64];
    char dir[KEYS_PATH];

    keys_backend_dir(0, (struct keys_interface){domid, ATTACH_HANDLE}, dir);
    return store_read(bench->store, dir, name, value, sizeof(value)) < 0 ? "" : value;
}

static void who_starts_is_attached_as_configured(void **state)
{
    struct bench *bench = *state;

    domain_make(bench, 3, "web");
    domain_make(bench, 4, "apart");
    domain_make(bench, 5, "other");
    run(bench);
    assert_false(is_attached(bench, 0));
    assert_true(is_attached(bench, 3));
    assert_false(is_attached(bench, 4));
    assert_string_equal(key(bench, 3, "bridge"), "xenbr0");
    assert_string_equal(key(bench, 5, "bridge"), "br1");
}

static void its_address_stays_the_same(void **state)
{
    struct bench *bench = *state;
    char before[64];

    domain_make(bench, 3, "web");
    domain_make(bench, 4, "other");
    run(bench);
    strcpy(before, key(bench, 3, "mac"));
    assert_int_equal(strncmp(before, "00:16:3e:", 9), 0);
    assert_true(before[9] < '8'); /* the upper half is for addresses made by people */
    assert_string_not_equal(key(bench, 4, "mac"), before);
    domain_end(bench, 3);
    domain_make(bench, 9, "web");
    run(bench);
    assert_string_equal(key(bench, 9, "mac"), before);
}

static void nobody_is_attached_without_a_configuration(void **state)
{
    struct bench *bench = *state;
    struct attacher *attacher;

    assert_int_equal(attacher_create(0, &attacher), 0);
    domain_make(bench, 3, "web");
    attacher_event(attacher);
    attacher_run(attacher, bench->store);
    attacher_destroy(attacher);
    assert_false(is_attached(bench, 3));
}

static void nothing_is_done_before_something_happened(void **state)
{
    struct bench *bench = *state;

    run(bench);
    assert_int_equal(store_write(bench->store, "/local/domain/3", "name", "web"), 0);
    run(bench);
    assert_false(is_attached(bench, 3));
    attacher_event(bench->attacher);
    run(bench);
    assert_true(is_attached(bench, 3));
}

static void who_has_no_name_yet_is_waited_for(void **state)
{
    struct bench *bench = *state;

    domain_make(bench, 3, NULL);
    run(bench);
    assert_false(is_attached(bench, 3));
    assert_int_equal(store_write(bench->store, "/local/domain/3", "name", "web"), 0);
    run(bench);
    assert_true(is_attached(bench, 3));
}

static void what_is_there_is_left_alone(void **state)
{
    struct bench *bench = *state;
    struct device device = device_of(3);

    domain_make(bench, 3, "web");
    assert_int_equal(device_mac("00:16:3e:01:02:03", device.mac), 0);
    assert_int_equal(device_attach(bench->store, &device), 0);
    run(bench);
    assert_string_equal(key(bench, 3, "mac"), "00:16:3e:01:02:03");
    assert_string_equal(key(bench, 3, "bridge"), "");
}

static void what_was_taken_away_stays_so_until_the_domain_starts_anew(void **state)
{
    struct bench *bench = *state;
    struct device device = device_of(3);

    domain_make(bench, 3, "web");
    run(bench);
    assert_int_equal(device_remove(bench->store, &device), 0);
    domain_make(bench, 4, "other");
    run(bench);
    assert_false(is_attached(bench, 3));
    domain_end(bench, 3);
    run(bench);
    domain_make(bench, 3, "web");
    run(bench);
    assert_true(is_attached(bench, 3));
}

static void another_configuration_is_for_those_that_run_too(void **state)
{
    struct bench *bench = *state;

    domain_make(bench, 4, "apart");
    run(bench);
    assert_false(is_attached(bench, 4));
    config_free(bench->config);
    bench->config = config_of("[vm apart]\nattach = yes\n");
    assert_int_equal(attacher_configure(bench->attacher, bench->config), 0);
    run(bench);
    assert_true(is_attached(bench, 4));
}

#define ATTACH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ATTACH_TEST(who_starts_is_attached_as_configured),
        ATTACH_TEST(its_address_stays_the_same),
        ATTACH_TEST(nobody_is_attached_without_a_configuration),
        ATTACH_TEST(nothing_is_done_before_something_happened),
        ATTACH_TEST(who_has_no_name_yet_is_waited_for),
        ATTACH_TEST(what_is_there_is_left_alone),
        ATTACH_TEST(what_was_taken_away_stays_so_until_the_domain_starts_anew),
        ATTACH_TEST(another_configuration_is_for_those_that_run_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
