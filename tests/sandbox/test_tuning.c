// SPDX-License-Identifier: GPL-2.0-or-later
/* The daemon's ways with the store, against the real xenstored: guests and tune. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sandbox/fixture.h"

#include "daemon/guests.h"
#include "daemon/tune.h"
#include "sandbox/xenstored.h"

struct bench {
    char folder[64];
    struct process *xenstored;
    struct store *store;  /* the daemon's */
    struct store *others; /* the toolstack's, and whoever else writes */
    struct guests *guests;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    strcpy(bench->folder, "/tmp/xenagg-tuning-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    assert_int_equal(xenstored_start(bench->folder, &bench->xenstored), 0);
    assert_int_equal(xenstored_use(bench->folder), 0);
    assert_int_equal(store_open(&bench->store), 0);
    assert_int_equal(store_open(&bench->others), 0);
    assert_int_equal(guests_create(0, &bench->guests), 0);
    assert_int_equal(store_watch(bench->store, guests_root(bench->guests), "guests"), 0);
    guests_connected(bench->guests);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    char command[96];

    guests_destroy(bench->guests);
    store_close(bench->store);
    store_close(bench->others);
    process_free(bench->xenstored);
    snprintf(command, sizeof(command), "rm -rf %s", bench->folder);
    assert_int_equal(system(command), 0);
    free(bench);
    return 0;
}

static void attach(struct bench *bench, unsigned domid, unsigned handle, const char *name)
{
    char dir[KEYS_PATH];

    snprintf(dir, sizeof(dir), "/local/domain/%u", domid);
    if (name)
        assert_int_equal(store_write(bench->others, dir, "name", name), 0);
    keys_backend_dir(0, (struct keys_interface){domid, handle}, dir);
    assert_int_equal(store_writef(bench->others, dir, "frontend-id", "%u", domid), 0);
}

/* Takes watch events until it has been quiet for a while; whether there were any. */
static bool settle(struct bench *bench)
{
    char path[2 * KEYS_PATH], token[16];
    bool any = false;

    for (int quiet = 0; quiet < 20;) {
        if (store_event(bench->store, path, sizeof(path), token, sizeof(token)) == 1) {
            guests_event(bench->guests, path);
            any = true;
            quiet = 0;
        } else {
            usleep(2000);
            quiet++;
        }
    }
    while (guests_pending(bench->guests))
        assert_int_equal(guests_refresh(bench->guests, bench->store, 2), 0);
    return any;
}

static struct tune_wanted wanted_of(uint32_t packets, enum tuning_state state)
{
    struct keys_tuning tuning = {.packets = packets, .timeout_us = 10 * packets, .bytes = 20000};

    return (struct tune_wanted){.sizes = true, .tuning = {tuning, tuning}, .state = state};
}

static const char *key(struct bench *bench, unsigned domid, unsigned handle, const char *name)
{
    static char value[64];
    char dir[KEYS_PATH];

    keys_backend_dir(0, (struct keys_interface){domid, handle}, dir);
    if (store_read(bench->others, dir, name, value, sizeof(value)) < 0)
        return "";
    return value;
}

static void guests_are_found_named_and_forgotten(void **state)
{
    struct bench *bench = *state;

    attach(bench, 7, 1, "web");
    attach(bench, 7, 0, NULL);
    attach(bench, 3, 0, NULL);
    store_write(bench->others, "/local/domain/0/backend/vagg/9", "rubbish", "1");
    store_write(bench->others, "/local/domain/0/backend/vagg/rubbish/0", "frontend-id", "1");
    settle(bench);
    assert_int_equal(guests_count(bench->guests), 3);
    assert_int_equal(guests_at(bench->guests, 0)->interface.domid, 3);
    assert_string_equal(guests_at(bench->guests, 0)->name, "domain-3");
    assert_string_equal(guests_at(bench->guests, 1)->name, "web");
    assert_int_equal(guests_at(bench->guests, 1)->interface.handle, 0);
    assert_string_equal(guests_at(bench->guests, 2)->name, "web");

    assert_int_equal(store_write(bench->others, "/local/domain/3", "name", "db"), 0);
    settle(bench);
    assert_string_equal(guests_at(bench->guests, 0)->name, "db");
    assert_int_equal(store_remove(bench->others, "/local/domain/0/backend/vagg/7/0"), 0);
    settle(bench);
    assert_int_equal(guests_count(bench->guests), 2);
    assert_int_equal(store_remove(bench->others, "/local/domain/0/backend/vagg"), 0);
    settle(bench);
    assert_int_equal(guests_count(bench->guests), 0);
}

static void sizes_are_written_once(void **state)
{
    struct bench *bench = *state;
    struct tune_wanted wanted = wanted_of(40, TUNING_OK);

    attach(bench, 5, 0, "a");
    settle(bench);
    struct guest *guest = guests_at(bench->guests, 0);
    assert_int_equal(tune_apply(bench->store, 0, guest, &wanted), 1);
    assert_string_equal(key(bench, 5, 0, "rx-container-packets"), "40");
    assert_string_equal(key(bench, 5, 0, "tx-container-timeout-us"), "400");
    assert_string_equal(key(bench, 5, 0, "rx-container-bytes"), "20000");
    assert_string_equal(key(bench, 5, 0, "tuning-state"), "ok");
    /* Neither again, nor because of the echoes of our own writing. */
    assert_int_equal(tune_apply(bench->store, 0, guest, &wanted), 0);
    assert_true(settle(bench));
    assert_int_equal(guest->echoes, 0);
    assert_int_equal(tune_apply(bench->store, 0, guest, &wanted), 0);
    assert_false(settle(bench));
    /* Only what differs. */
    wanted.tuning[DIRECTION_TX].packets = 41;
    assert_int_equal(tune_apply(bench->store, 0, guest, &wanted), 1);
    assert_int_equal(guest->echoes, 1);
    settle(bench);
    assert_int_equal(guest->echoes, 0);
}

/* Somebody else's writing, also while our own echoes are under way, is noticed and put right. */
static void what_others_wrote_is_put_right(void **state)
{
    static const char *const values[] = {"7", "0", "many", "", "99999999999"};
    struct bench *bench = *state;
    struct tune_wanted wanted = wanted_of(40, TUNING_OK);
    char dir[KEYS_PATH];

    attach(bench, 5, 0, "a");
    settle(bench);
    struct guest *guest = guests_at(bench->guests, 0);
    assert_int_equal(tune_apply(bench->store, 0, guest, &wanted), 1);
    keys_backend_dir(0, guest->interface, dir);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_int_equal(store_write(bench->others, dir, "rx-container-packets", values[i]), 0);
        settle(bench);
        assert_int_equal(tune_apply(bench->store, 0, guest, &wanted), 1);
        assert_string_equal(key(bench, 5, 0, "rx-container-packets"), "40");
    }
    char path[2 * KEYS_PATH];
    snprintf(path, sizeof(path), "%s/tuning-state", dir);
    assert_int_equal(store_remove(bench->others, path), 0);
    settle(bench);
    assert_int_equal(tune_apply(bench->store, 0, guest, &wanted), 1);
    assert_string_equal(key(bench, 5, 0, "tuning-state"), "ok");
}

static void folder_made_anew_gets_its_sizes(void **state)
{
    struct bench *bench = *state;
    struct tune_wanted wanted = wanted_of(40, TUNING_UNATTAINABLE);

    attach(bench, 5, 0, "a");
    settle(bench);
    assert_int_equal(tune_apply(bench->store, 0, guests_at(bench->guests, 0), &wanted), 1);
    settle(bench);
    assert_int_equal(store_remove(bench->others, "/local/domain/0/backend/vagg/5/0"), 0);
    attach(bench, 5, 0, "a");
    settle(bench);
    assert_int_equal(guests_count(bench->guests), 1);
    assert_int_equal(tune_apply(bench->store, 0, guests_at(bench->guests, 0), &wanted), 1);
    assert_string_equal(key(bench, 5, 0, "tx-container-packets"), "40");
    assert_string_equal(key(bench, 5, 0, "tuning-state"), "unattainable");
}

/* The folder went before the watch said so: nothing of it comes back. */
static void removed_folder_stays_removed(void **state)
{
    struct bench *bench = *state;
    struct tune_wanted wanted = wanted_of(40, TUNING_OK);
    char dir[KEYS_PATH];

    attach(bench, 5, 0, "a");
    settle(bench);
    struct guest *guest = guests_at(bench->guests, 0);
    keys_backend_dir(0, guest->interface, dir);
    assert_int_equal(store_remove(bench->others, dir), 0);
    assert_int_equal(tune_apply(bench->store, 0, guest, &wanted), 0);
    assert_false(store_exists(bench->others, dir));
    settle(bench);
    assert_int_equal(guests_count(bench->guests), 0);
}

static void stale_guests_keep_their_sizes(void **state)
{
    struct bench *bench = *state;
    struct tune_wanted wanted = {.sizes = false, .state = TUNING_STALE};
    char dir[KEYS_PATH];

    attach(bench, 5, 0, "a");
    keys_backend_dir(0, (struct keys_interface){5, 0}, dir);
    store_write(bench->others, dir, "rx-container-packets", "77");
    settle(bench);
    assert_int_equal(tune_apply(bench->store, 0, guests_at(bench->guests, 0), &wanted), 1);
    assert_string_equal(key(bench, 5, 0, "tuning-state"), "stale");
    assert_string_equal(key(bench, 5, 0, "rx-container-packets"), "77");
    assert_string_equal(key(bench, 5, 0, "tx-container-packets"), "");
}

/* A restarted store is empty: who was known stays, until it is filled again. */
static void empty_store_after_a_restart_is_waited_for(void **state)
{
    struct bench *bench = *state;
    struct tune_wanted wanted = wanted_of(40, TUNING_OK);

    attach(bench, 5, 0, "a");
    attach(bench, 6, 0, "b");
    settle(bench);
    store_close(bench->store);
    store_close(bench->others);
    process_free(bench->xenstored);
    assert_int_equal(xenstored_start(bench->folder, &bench->xenstored), 0);
    assert_int_equal(store_open(&bench->store), 0);
    assert_int_equal(store_open(&bench->others), 0);
    assert_int_equal(store_watch(bench->store, guests_root(bench->guests), "guests"), 0);
    guests_connected(bench->guests);
    settle(bench);
    assert_int_equal(guests_count(bench->guests), 2);
    assert_string_equal(guests_at(bench->guests, 0)->name, "a");
    assert_int_equal(tune_apply(bench->store, 0, guests_at(bench->guests, 0), &wanted), 0);
    /* One of them comes back, the other does not. */
    attach(bench, 6, 0, "b");
    settle(bench);
    assert_int_equal(guests_count(bench->guests), 1);
    assert_int_equal(tune_apply(bench->store, 0, guests_at(bench->guests, 0), &wanted), 1);
    assert_string_equal(key(bench, 6, 0, "rx-container-packets"), "40");
}

static void wanted_sizes_fit_the_keys(void **state)
{
    struct guest_report report = {.limits = {.bytes_max = 1e9}, .state = TUNING_OK};
    struct tune_wanted wanted;
    (void)state;

    report.lanes[DIRECTION_RX].wanted = (struct lane_size){70000, 99.0};
    report.lanes[DIRECTION_TX].wanted = (struct lane_size){1, 1e-9};
    tune_wanted(&report, &wanted);
    assert_true(wanted.sizes);
    assert_int_equal(wanted.tuning[DIRECTION_RX].packets, KEYS_PACKETS_MAX);
    assert_int_equal(wanted.tuning[DIRECTION_RX].timeout_us, KEYS_TIMEOUT_US_MAX);
    assert_int_equal(wanted.tuning[DIRECTION_RX].bytes, KEYS_BYTES_MAX);
    assert_int_equal(wanted.tuning[DIRECTION_TX].timeout_us, 1);
    report.lanes[DIRECTION_TX].wanted.packets = 0;
    tune_wanted(&report, &wanted);
    assert_false(wanted.sizes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(guests_are_found_named_and_forgotten),
        TEST(sizes_are_written_once),
        TEST(what_others_wrote_is_put_right),
        TEST(folder_made_anew_gets_its_sizes),
        TEST(removed_folder_stays_removed),
        TEST(stale_guests_keep_their_sizes),
        TEST(empty_store_after_a_restart_is_waited_for),
        cmocka_unit_test(wanted_sizes_fit_the_keys),
    };
    int impossible = fixture_possible();
    return impossible ? impossible : cmocka_run_group_tests(tests, NULL, NULL);
}
