// SPDX-License-Identifier: GPL-2.0-or-later
/* The daemon's thread for the store, against the real xenstored: also one that hangs. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sandbox/fixture.h"

#include "common/clock.h"
#include "common/store.h"
#include "daemon/keeper.h"
#include "sandbox/xenstored.h"

#define PATIENCE 20.0 /* s, for what takes milliseconds on a machine that is not busy */

struct bench {
    char folder[64];
    struct process *xenstored;
    struct store *others; /* the toolstack's, and whoever else looks */
    struct keeper *keeper;
    struct keeper_guests guests;
    struct guest_report report;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    strcpy(bench->folder, "/tmp/xenagg-keeper-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    assert_int_equal(xenstored_start(bench->folder, &bench->xenstored), 0);
    assert_int_equal(xenstored_use(bench->folder), 0);
    assert_int_equal(store_open(&bench->others), 0);
    assert_int_equal(keeper_start(0, &bench->keeper), 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    char command[96];

    keeper_stop(bench->keeper);
    store_close(bench->others);
    process_free(bench->xenstored);
    free(bench->guests.list);
    snprintf(command, sizeof(command), "rm -rf %s", bench->folder);
    assert_int_equal(system(command), 0);
    free(bench);
    return 0;
}

static void attach(struct bench *bench, unsigned domid, const char *name)
{
    char dir[KEYS_PATH];

    snprintf(dir, sizeof(dir), "/local/domain/%u", domid);
    assert_int_equal(store_write(bench->others, dir, "name", name), 0);
    keys_backend_dir(0, (struct keys_interface){domid, 0}, dir);
    assert_int_equal(store_writef(bench->others, dir, "frontend-id", "%u", domid), 0);
}

static const char *key(struct bench *bench, unsigned domid, const char *name)
{
    static char value[64];
    char dir[KEYS_PATH];

    keys_backend_dir(0, (struct keys_interface){domid, 0}, dir);
    if (store_read(bench->others, dir, name, value, sizeof(value)) < 0)
        return "";
    return value;
}

/* Until the condition holds; fails the test where it does not. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        uint64_t until = clock_ns() + (uint64_t)(PATIENCE * 1e9);                                  \
        while (!(condition) && clock_ns() < until)                                                 \
            usleep(5000);                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static const struct keeper_guest *guest(struct bench *bench, unsigned domid)
{
    assert_int_equal(keeper_guests(bench->keeper, &bench->guests), 0);
    for (size_t i = 0; i < bench->guests.n; i++)
        if (bench->guests.list[i].interface.domid == domid)
            return &bench->guests.list[i];
    return NULL;
}

static bool named(struct bench *bench, unsigned domid, const char *name)
{
    const struct keeper_guest *found = guest(bench, domid);
    return found && strcmp(found->name, name) == 0;
}

static void want(struct bench *bench, unsigned domid, const char *name, uint32_t packets)
{
    struct tick_report report = {.n_guests = 1, .guests = &bench->report};

    bench->report = (struct guest_report){.interface = {domid, 0}, .limits = {.bytes_max = 65536}};
    snprintf(bench->report.name, sizeof(bench->report.name), "%s", name);
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        bench->report.lanes[d].wanted = (struct lane_size){packets, 300e-6};
    assert_int_equal(keeper_want(bench->keeper, &report), 0);
}

static void fix(struct bench *bench, unsigned domid, enum direction d, uint32_t packets)
{
    struct lane_size size = {packets, packets * 1e-6};

    assert_int_equal(keeper_fix(bench->keeper, (struct keys_interface){domid, 0}, d, &size), 0);
}

static uint32_t fixed(struct bench *bench, unsigned domid, enum direction d)
{
    const struct keeper_guest *found = guest(bench, domid);
    return found ? found->by_hand[d].packets : UINT32_MAX;
}

static bool hangs(struct bench *bench)
{
    struct keeper_state state;

    keeper_look(bench->keeper, &state);
    return state.silent > KEEPER_HANGS_SECONDS;
}

static void guests_come_out_and_sizes_go_in(void **state)
{
    struct bench *bench = *state;

    attach(bench, 4, "web");
    AWAIT(named(bench, 4, "web"));
    want(bench, 4, "web", 33);
    AWAIT(strcmp(key(bench, 4, "tuning-state"), "ok") == 0);
    assert_string_equal(key(bench, 4, "rx-container-packets"), "33");
    assert_string_equal(key(bench, 4, "tx-container-timeout-us"), "300");
    /* What was decided for another guest is not written to this one. */
    want(bench, 4, "db", 34);
    want(bench, 4, "web", 35);
    AWAIT(strcmp(key(bench, 4, "rx-container-packets"), "35") == 0);
    assert_int_equal(store_remove(bench->others, "/local/domain/0/backend/vagg/4"), 0);
    AWAIT(!guest(bench, 4));
}

static void nobody_waits_for_a_store_that_hangs(void **state)
{
    struct bench *bench = *state;

    attach(bench, 4, "web");
    AWAIT(named(bench, 4, "web"));
    assert_int_equal(process_signal(bench->xenstored, SIGSTOP), 0);
    AWAIT(hangs(bench));
    /* Would hang here, too. */
    for (uint32_t i = 1; i <= 100; i++)
        want(bench, 4, "web", i);
    fix(bench, 4, DIRECTION_RX, 50);
    assert_int_equal(fixed(bench, 4, DIRECTION_RX), 50);
    assert_int_equal(process_signal(bench->xenstored, SIGCONT), 0);
    AWAIT(!hangs(bench));
    AWAIT(strcmp(key(bench, 4, "rx-container-packets"), "100") == 0);
    AWAIT(strcmp(key(bench, 4, "rx-fixed"), "50 50") == 0);
    assert_int_equal(fixed(bench, 4, DIRECTION_RX), 50);
}

static void a_store_that_hangs_is_not_waited_for_at_the_end(void **state)
{
    struct bench *bench = *state;

    attach(bench, 4, "web");
    AWAIT(named(bench, 4, "web"));
    assert_int_equal(process_signal(bench->xenstored, SIGSTOP), 0);
    want(bench, 4, "web", 77);
    AWAIT(hangs(bench));
    keeper_stop(bench->keeper);
    bench->keeper = NULL;
    assert_int_equal(process_signal(bench->xenstored, SIGCONT), 0);
}

static void sizes_fixed_by_hand_outlive_the_daemon(void **state)
{
    struct bench *bench = *state;

    attach(bench, 4, "web");
    AWAIT(named(bench, 4, "web"));
    fix(bench, 4, DIRECTION_TX, 64);
    assert_int_equal(fixed(bench, 4, DIRECTION_TX), 64);
    assert_int_equal(fixed(bench, 4, DIRECTION_RX), 0);
    AWAIT(strcmp(key(bench, 4, "tx-fixed"), "64 64") == 0);
    keeper_stop(bench->keeper);
    assert_int_equal(keeper_start(0, &bench->keeper), 0);
    AWAIT(named(bench, 4, "web"));
    assert_int_equal(fixed(bench, 4, DIRECTION_TX), 64);
    assert_true(fabs(guest(bench, 4)->by_hand[DIRECTION_TX].timeout - 64e-6) < 1e-9);
    fix(bench, 4, DIRECTION_TX, 0);
    assert_int_equal(fixed(bench, 4, DIRECTION_TX), 0);
    AWAIT(*key(bench, 4, "tx-fixed") == '\0');
    struct lane_size size = {1, 1e-6};
    assert_int_equal(keeper_fix(bench->keeper, (struct keys_interface){5, 0}, DIRECTION_RX, &size),
                     -ENOENT);
}

/* Who writes the key himself is heard, too; nonsense is not. */
static void the_key_can_be_written_by_hand(void **state)
{
    static const char *const bad[] = {"64",     "64 ",       "64  200",    "0 200",   "64 0",
                                      "-1 200", "70000 200", "64 9999999", "64 200 ", "many"};
    struct bench *bench = *state;
    char dir[KEYS_PATH];

    attach(bench, 4, "web");
    AWAIT(named(bench, 4, "web"));
    keys_backend_dir(0, (struct keys_interface){4, 0}, dir);
    assert_int_equal(store_write(bench->others, dir, "rx-fixed", "12 34"), 0);
    AWAIT(fixed(bench, 4, DIRECTION_RX) == 12);
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char name[16];
        assert_int_equal(store_write(bench->others, dir, "rx-fixed", bad[i]), 0);
        /* Read after it: then that one was read. */
        snprintf(name, sizeof(name), "web%u", i);
        assert_int_equal(store_write(bench->others, "/local/domain/4", "name", name), 0);
        AWAIT(named(bench, 4, name));
        assert_int_equal(fixed(bench, 4, DIRECTION_RX), 12);
    }
}

static void sizes_fixed_by_hand_outlive_the_store(void **state)
{
    struct bench *bench = *state;
    struct keeper_state look;

    attach(bench, 4, "web");
    AWAIT(named(bench, 4, "web"));
    fix(bench, 4, DIRECTION_RX, 9);
    AWAIT(strcmp(key(bench, 4, "rx-fixed"), "9 9") == 0);
    store_close(bench->others);
    bench->others = NULL;
    process_free(bench->xenstored);
    bench->xenstored = NULL;
    AWAIT((keeper_look(bench->keeper, &look), !look.connected));
    assert_int_equal(fixed(bench, 4, DIRECTION_RX), 9);
    assert_int_equal(xenstored_start(bench->folder, &bench->xenstored), 0);
    assert_int_equal(store_open(&bench->others), 0);
    AWAIT((keeper_look(bench->keeper, &look), look.connected));
    attach(bench, 4, "web");
    AWAIT(strcmp(key(bench, 4, "rx-fixed"), "9 9") == 0);
    assert_int_equal(fixed(bench, 4, DIRECTION_RX), 9);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(guests_come_out_and_sizes_go_in),
        TEST(nobody_waits_for_a_store_that_hangs),
        TEST(a_store_that_hangs_is_not_waited_for_at_the_end),
        TEST(sizes_fixed_by_hand_outlive_the_daemon),
        TEST(the_key_can_be_written_by_hand),
        TEST(sizes_fixed_by_hand_outlive_the_store),
    };
    int error = fixture_possible();

    return error ? error : cmocka_run_group_tests(tests, NULL, NULL);
}
