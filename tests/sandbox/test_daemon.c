// SPDX-License-Identifier: GPL-2.0-or-later
/* The daemon beside a running data path: it sizes, it dies, it is told nonsense. */
#include "ctl/client.h"
#include "tests/sandbox/fixture.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define INTERVAL "200ms"
#define TICKS "daemon.ticks.count"

static void write_config(struct world *world, const char *text)
{
    char path[WORLD_PATH];
    FILE *file = fopen(world_config(world, path), "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void promise(struct world *world, const char *delay)
{
    char text[128];

    snprintf(text, sizeof(text), "[default]\nscope = one-way\npercentile = mean\ndelay = %s\n",
             delay);
    write_config(world, text);
}

static json_t *ask_status(struct world *world)
{
    char path[WORLD_PATH], refusal[128];
    json_t *status;

    if (client_ask_status(world_control(world, path), NULL, WORLD_PATIENCE, &status, refusal,
                          sizeof(refusal)))
        return NULL;
    return status;
}

/* One interface's part of the status, by its guest's name; NULL: not there. `status` owns it. */
static json_t *interface_of(json_t *status, const char *name)
{
    size_t i;
    json_t *interface;

    json_array_foreach(json_object_get(status, "interfaces"), i, interface)
    {
        if (strcmp(client_text(interface, "name"), name) == 0)
            return interface;
    }
    return NULL;
}

struct wish {
    struct world *world;
    const char *name, *path, *text;
    double above, below;
};

static bool number_is(void *context)
{
    const struct wish *wish = context;
    json_t *status = ask_status(wish->world);
    double value = client_number(interface_of(status, wish->name), wish->path);

    json_decref(status);
    return value > wish->above && value < wish->below;
}

/* Until a number of the guest's status lies between the two. */
static void await_number(struct world *world, const char *name, const char *path, double above,
                         double below)
{
    struct wish wish = {.world = world, .name = name, .path = path, .above = above, .below = below};
    assert_int_equal(world_await(world, path, number_is, &wish, WORLD_PATIENCE), 0);
}

static bool text_is(void *context)
{
    const struct wish *wish = context;
    json_t *status = ask_status(wish->world);
    bool is = strcmp(client_text(interface_of(status, wish->name), wish->path), wish->text) == 0;

    json_decref(status);
    return is;
}

static void await_text(struct world *world, const char *name, const char *path, const char *text)
{
    struct wish wish = {.world = world, .name = name, .path = path, .text = text};
    assert_int_equal(world_await(world, text, text_is, &wish, WORLD_PATIENCE), 0);
}

/* What the daemon says of itself. */
static double number_of(struct world *world, const char *path)
{
    json_t *status = ask_status(world);
    double number = client_number(status, path);

    json_decref(status);
    return number;
}

static bool number_reaches(void *context)
{
    const struct wish *wish = context;
    return number_of(wish->world, wish->path) > wish->above;
}

/* Until a number of the daemon's own status is above another. */
static void await_above(struct world *world, const char *path, double above)
{
    struct wish wish = {.world = world, .path = path, .above = above};
    assert_int_equal(world_await(world, path, number_reaches, &wish, WORLD_PATIENCE), 0);
}

static unsigned stored_size(struct world *world, const struct world_guest *guest)
{
    return (unsigned)strtoul(fixture_key(world, guest, "rx-container-packets"), NULL, 10);
}

/* Until a container has room for so many: in the store, and where packets are packed. */
struct size_wish {
    struct world *world;
    const struct world_guest *guest;
    unsigned at_least, at_most;
};

static bool size_is(void *context)
{
    const struct size_wish *wish = context;
    struct segment_interface seen;
    unsigned size = stored_size(wish->world, wish->guest);

    if (size < wish->at_least || size > wish->at_most)
        return false;
    fixture_measurements(wish->world, wish->guest, &seen);
    return seen.rx.tuning.packets == size;
}

static void await_size(struct world *world, const struct world_guest *guest, unsigned at_least,
                       unsigned at_most)
{
    struct size_wish wish = {
        .world = world, .guest = guest, .at_least = at_least, .at_most = at_most};
    assert_int_equal(world_await(world, "the daemon's sizes", size_is, &wish, WORLD_PATIENCE), 0);
}

static void sizes_follow_the_promise(void **state)
{
    struct world *world = *state;
    struct world_guest *guest = fixture_guest(world, 71, "followed", 0);
    struct traffic *traffic = fixture_traffic(world, guest, 4000);

    promise(world, "20ms");
    assert_int_equal(world_start_daemon(world, INTERVAL), 0);
    await_size(world, guest, 30, 65535);
    assert_string_equal(fixture_key(world, guest, "tuning-state"), "ok");
    /* Less than any wake-up takes. */
    promise(world, "2us");
    assert_int_equal(process_signal(world_daemon(world), SIGHUP), 0);
    await_size(world, guest, 1, 8);
    await_text(world, "followed", "state", "unattainable");
    assert_string_equal(fixture_key(world, guest, "tuning-state"), "unattainable");
    promise(world, "20ms");
    assert_int_equal(process_signal(world_daemon(world), SIGHUP), 0);
    await_size(world, guest, 30, 65535);
    fixture_all_arrived(world, traffic);
    traffic_free(traffic);
    assert_int_equal(world_stop_daemon(world, false), 0);
    assert_int_equal(world_shut_down(world, guest), 0);
}

static void a_killed_daemon_leaves_the_data_path_alone(void **state)
{
    struct world *world = *state;
    struct world_guest *guest = fixture_guest(world, 72, "orphan", 0);
    struct traffic *traffic = fixture_traffic(world, guest, 4000);
    struct segment_interface before, after;

    promise(world, "20ms");
    assert_int_equal(world_start_daemon(world, INTERVAL), 0);
    await_size(world, guest, 30, 65535);
    /* What waits for the disk dies with it. */
    await_above(world, "daemon.history.recorded", 0);
    assert_int_equal(world_stop_daemon(world, true), 0);
    unsigned size = stored_size(world, guest);
    fixture_measurements(world, guest, &before);
    fixture_await_returned(world, traffic, 2000);
    fixture_measurements(world, guest, &after);
    assert_int_equal(stored_size(world, guest), size);
    assert_int_equal(after.rx.tuning.packets, size);
    assert_int_equal(after.generation, before.generation);
    assert_true(after.rx.pack.packets > before.rx.pack.packets);
    /* Its successor takes over the sizes and the history. */
    assert_int_equal(world_start_daemon(world, INTERVAL), 0);
    await_number(world, "orphan", "predicted_us", 0, 1e7);
    await_size(world, guest, 30, 65535);
    fixture_all_arrived(world, traffic);
    traffic_free(traffic);
    assert_int_equal(world_stop_daemon(world, false), 0);
    assert_int_equal(world_shut_down(world, guest), 0);
}

static int count_rows(struct world *world, const char *query)
{
    char path[WORLD_PATH];
    sqlite3 *handle;
    sqlite3_stmt *statement;

    assert_int_equal(
        sqlite3_open_v2(world_database(world, path), &handle, SQLITE_OPEN_READONLY, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, query, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int rows = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(handle);
    return rows;
}

/* Both starts of the test before, and what they did. */
static void the_history_outlives_them(void **state)
{
    struct world *world = *state;

    assert_true(count_rows(world, "SELECT count(*) FROM run") >= 3);
    assert_true(count_rows(world, "SELECT count(*) FROM interface WHERE name = 'orphan'") >= 1);
    assert_true(count_rows(world, "SELECT count(*) FROM decision JOIN interface ON interface.id = "
                                  "decision.interface WHERE name = 'followed'") >= 3);
    assert_true(count_rows(world, "SELECT count(*) FROM measured WHERE total_us > 0") > 0);
    assert_true(count_rows(world, "SELECT count(*) FROM prediction WHERE total_us > 0") > 0);
}

/* Starts the daemon with what is in its configuration now, and waits for its end. */
static int exit_code_of_start(struct world *world)
{
    int status = 0;

    /* It ends before its socket is there: that is what world_start_daemon complains about. */
    assert_int_equal(world_start_daemon(world, INTERVAL), -ECHILD);
    assert_false(process_running(world_daemon(world), &status));
    world_stop_daemon(world, true);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_bad_configuration_is_refused_at_the_start(void **state)
{
    struct world *world = *state;

    write_config(world, "[daemon]\ninterval = 1s\n\n[default]\ndelay = 20\n");
    assert_int_not_equal(exit_code_of_start(world), 0);
    assert_true(fixture_logged(world, "xenaggd", "xenaggd.conf:5"));
    write_config(world, "[default]\ndelay = 20ms\ncolour = blue\n");
    assert_int_not_equal(exit_code_of_start(world), 0);
    assert_true(fixture_logged(world, "xenaggd", "xenaggd.conf:3"));
}

static bool reload_refused(void *context)
{
    json_t *status = ask_status(context);
    bool refused = client_text(status, "daemon.config.error")[0] != '\0';

    json_decref(status);
    return refused;
}

static void a_bad_configuration_changes_nothing_at_a_reload(void **state)
{
    struct world *world = *state;
    struct world_guest *guest = fixture_guest(world, 73, "reloaded", 0);
    struct traffic *traffic = fixture_traffic(world, guest, 3000);

    promise(world, "20ms");
    assert_int_equal(world_start_daemon(world, INTERVAL), 0);
    await_number(world, "reloaded", "promise.delay_us", 19999, 20001);
    write_config(world, "[default]\ndelay = 5ms\n[vm reloaded]\ndelay = soon\n");
    assert_int_equal(process_signal(world_daemon(world), SIGHUP), 0);
    assert_int_equal(
        world_await(world, "the reload refused", reload_refused, world, WORLD_PATIENCE), 0);
    assert_true(fixture_logged(world, "xenaggd", "xenaggd.conf:4"));
    await_number(world, "reloaded", "promise.delay_us", 19999, 20001);
    promise(world, "5ms");
    assert_int_equal(process_signal(world_daemon(world), SIGHUP), 0);
    await_number(world, "reloaded", "promise.delay_us", 4999, 5001);
    fixture_all_arrived(world, traffic);
    traffic_free(traffic);
    assert_int_equal(world_stop_daemon(world, false), 0);
    assert_int_equal(world_shut_down(world, guest), 0);
}

static void guests_are_found_and_forgotten(void **state)
{
    struct world *world = *state;

    promise(world, "10ms");
    assert_int_equal(world_start_daemon(world, INTERVAL), 0);
    struct world_guest *guest = fixture_guest(world, 74, "late", 0);
    struct traffic *traffic = fixture_traffic(world, guest, 3000);
    await_number(world, "late", "rx.rate", 1000, 6000);
    fixture_all_arrived(world, traffic);
    traffic_free(traffic);
    world_destroy(world, guest);
    await_text(world, "late", "name", "");
    assert_int_equal(world_stop_daemon(world, false), 0);
}

static void a_restarted_backend_is_found_again(void **state)
{
    struct world *world = *state;
    struct world_guest *guest = fixture_guest(world, 75, "patient", 0);

    promise(world, "20ms");
    assert_int_equal(world_start_daemon(world, INTERVAL), 0);
    await_text(world, "patient", "state", "ok");
    assert_int_equal(world_stop_backend(world, true), 0);
    await_text(world, "patient", "state", "stale");
    assert_int_equal(world_start_backend(world), 0);
    assert_int_equal(world_bring_up(world, guest), 0);
    struct traffic *traffic = fixture_traffic(world, guest, 4000);
    await_size(world, guest, 30, 65535);
    await_text(world, "patient", "state", "ok");
    fixture_all_arrived(world, traffic);
    traffic_free(traffic);
    assert_int_equal(world_stop_daemon(world, false), 0);
    assert_int_equal(world_shut_down(world, guest), 0);
}

static void a_restarted_store_gets_the_sizes_again(void **state)
{
    struct world *world = *state;
    struct world_guest *guest = fixture_guest(world, 76, "rewritten", 0);
    struct traffic *traffic = fixture_traffic(world, guest, 4000);

    promise(world, "20ms");
    assert_int_equal(world_start_daemon(world, INTERVAL), 0);
    await_size(world, guest, 30, 65535);
    assert_int_equal(world_restart_store(world, true), 0);
    fixture_await_logged(world, "netback", "the data path goes on");
    fixture_await_returned(world, traffic, 200);
    assert_int_equal(world_attach(world, guest), 0);
    assert_int_equal(world_await_connected(world, guest), 0);
    await_size(world, guest, 30, 65535);
    assert_string_equal(fixture_key(world, guest, "tuning-state"), "ok");
    fixture_all_arrived(world, traffic);
    traffic_free(traffic);
    assert_int_equal(world_stop_daemon(world, false), 0);
    assert_int_equal(world_shut_down(world, guest), 0);
}

static bool store_is(void *context)
{
    const struct wish *wish = context;
    json_t *status = ask_status(wish->world);
    bool is = status && strcmp(client_text(status, "daemon.store.error"), wish->text) == 0;

    json_decref(status);
    return is;
}

static void await_store(struct world *world, const char *error)
{
    struct wish wish = {.world = world, .text = error};
    assert_int_equal(world_await(world, "the store", store_is, &wish, WORLD_PATIENCE), 0);
}

/* "" where it was done, else why it was refused. */
static const char *ask_by_hand(struct world *world, const char *what, const char *vm, int packets,
                               double timeout_us)
{
    static char refusal[256];
    char path[WORLD_PATH];
    json_t *answer, *request = json_pack("{s:s, s:s}", "request", what, "vm", vm);

    if (packets)
        json_object_set_new(request, "packets", json_integer(packets));
    if (timeout_us > 0)
        json_object_set_new(request, "timeout_us", json_real(timeout_us));
    int error = client_ask(world_control(world, path), request, WORLD_PATIENCE, &answer, refusal,
                           sizeof(refusal));
    if (error)
        assert_int_equal(error, -EREMOTEIO);
    else
        json_decref(answer);
    return error ? refusal : "";
}

static void sizes_fixed_by_hand_stay(void **state)
{
    struct world *world = *state;
    struct world_guest *guest = fixture_guest(world, 78, "held", 0);
    struct traffic *traffic = fixture_traffic(world, guest, 4000);

    promise(world, "20ms");
    assert_int_equal(world_start_daemon(world, INTERVAL), 0);
    await_size(world, guest, 30, 65535);
    assert_non_null(strstr(ask_by_hand(world, "set", "nobody", 5, 0), "no VM is called 'nobody'"));
    assert_non_null(strstr(ask_by_hand(world, "set", "held", 1025, 0), "1 to 1024"));
    assert_non_null(strstr(ask_by_hand(world, "set", "held", 5, 20000), "10.0us to 10.0ms"));
    assert_string_equal(ask_by_hand(world, "set", "held", 5, 900), "");
    await_size(world, guest, 5, 5);
    await_text(world, "held", "state", "fixed");
    await_text(world, "held", "rx.fixed", "hand");
    assert_string_equal(fixture_key(world, guest, "tx-fixed"), "5 900");
    assert_string_equal(fixture_key(world, guest, "tx-container-timeout-us"), "900");

    assert_int_equal(world_stop_daemon(world, true), 0);
    assert_int_equal(world_start_daemon(world, INTERVAL), 0);
    await_text(world, "held", "tx.fixed", "hand");
    await_size(world, guest, 5, 5);
    assert_string_equal(ask_by_hand(world, "unset", "held", 0, 0), "");
    await_size(world, guest, 30, 65535);
    await_text(world, "held", "state", "ok");
    assert_string_equal(fixture_key(world, guest, "tx-fixed"), "");
    fixture_all_arrived(world, traffic);
    traffic_free(traffic);
    assert_int_equal(world_stop_daemon(world, false), 0);
    assert_int_equal(world_shut_down(world, guest), 0);
}

/* A xenstored that is stopped, not gone: libxenstore would wait for it for ever. */
static void a_store_that_hangs_holds_up_nothing(void **state)
{
    struct world *world = *state;
    struct world_guest *guest = fixture_guest(world, 77, "patient", 0);
    struct traffic *traffic = fixture_traffic(world, guest, 4000);

    promise(world, "20ms");
    assert_int_equal(world_start_daemon(world, INTERVAL), 0);
    await_size(world, guest, 30, 65535);
    assert_int_equal(world_hang_store(world, true), 0);
    await_store(world, "xenstored does not answer");
    await_above(world, TICKS, number_of(world, TICKS) + 9);
    promise(world, "1ms");
    assert_int_equal(process_signal(world_daemon(world), SIGHUP), 0);
    await_number(world, "patient", "rx.packets", 0, 15);
    fixture_await_returned(world, traffic, 200);
    assert_int_equal(world_hang_store(world, false), 0);
    await_store(world, "");
    await_size(world, guest, 1, 15);
    fixture_all_arrived(world, traffic);
    traffic_free(traffic);
    assert_int_equal(world_stop_daemon(world, false), 0);
    assert_int_equal(world_shut_down(world, guest), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_follow_the_promise),
        cmocka_unit_test(a_killed_daemon_leaves_the_data_path_alone),
        cmocka_unit_test(the_history_outlives_them),
        cmocka_unit_test(a_bad_configuration_is_refused_at_the_start),
        cmocka_unit_test(a_bad_configuration_changes_nothing_at_a_reload),
        cmocka_unit_test(guests_are_found_and_forgotten),
        cmocka_unit_test(a_restarted_backend_is_found_again),
        cmocka_unit_test(a_restarted_store_gets_the_sizes_again),
        cmocka_unit_test(sizes_fixed_by_hand_stay),
        cmocka_unit_test(a_store_that_hangs_holds_up_nothing),
    };
    int status = fixture_possible();

    return status ? status
                  : cmocka_run_group_tests_name("daemon", tests, fixture_world, fixture_end);
}
