// SPDX-License-Identifier: GPL-2.0-or-later
/* What xenaggctl says of VMs of every kind while they run: real packets, a real history. */
#include "ctl/client.h"
#include "sandbox/programs.h"
#include "tests/sandbox/fixture.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define INTERVAL "200ms"
#define RATE 1500
#define GUESTS 5
#define SILENT 4

static const char config[] = "[default]\nscope = one-way\npercentile = mean\ndelay = 6ms\n"
                             "[vm forwarder]\nscope = forwarding\n"
                             "[vm tail]\npercentile = 99\n"
                             "[vm hopeless]\ndelay = 2us\n";

static const char *const names[GUESTS] = {"forwarder", "tail", "hopeless", "held", "silent"};

static struct live {
    struct world *world;
    struct world_guest *guests[GUESTS];
    struct traffic *traffic[GUESTS];
    char said[65536];
    int code;
} live;

/* What `xenaggctl COMMAND` with where to ask prints, errors too; its exit status in live.code. */
static const char *run(const char *command, bool asks_daemon)
{
    char program[PROGRAMS_PATH], place[WORLD_PATH], line[2 * PROGRAMS_PATH + WORLD_PATH];

    assert_int_equal(programs_find("xenaggctl", program), 0);
    if (asks_daemon)
        world_control(live.world, place);
    else
        world_database(live.world, place);
    snprintf(line, sizeof(line), "%s %s --%s %s 2>&1", program, command,
             asks_daemon ? "control" : "database", place);
    FILE *pipe = popen(line, "re");
    assert_non_null(pipe);
    size_t length = fread(live.said, 1, sizeof(live.said) - 1, pipe);
    live.said[length] = '\0';
    live.code = WEXITSTATUS(pclose(pipe));
    return live.said;
}

static void says(const char *text)
{
    if (!strstr(live.said, text))
        fail_msg("no '%s' in:\n%s", text, live.said);
}

static json_t *run_json(const char *command, bool asks_daemon)
{
    json_t *json = json_loads(run(command, asks_daemon), 0, NULL);

    if (!json)
        fail_msg("no JSON: %s", live.said);
    return json;
}

static const json_t *row_of(const json_t *json, const char *table, size_t row)
{
    return json_array_get(json_object_get(json, table), row);
}

/* ---- setting up ---- */

/* Each guest with traffic has had windows, and the history has what the model was given. */
static bool all_known(void *unused)
{
    (void)unused;
    json_t *json = json_loads(run("status --json", true), 0, NULL);
    const json_t *interfaces = json_object_get(json, "interfaces");
    bool known = json_array_size(interfaces) == GUESTS;

    for (size_t i = 0; i < json_array_size(interfaces); i++) {
        const json_t *row = json_array_get(interfaces, i);
        bool silent = strcmp(client_text(row, "vm"), names[SILENT]) == 0;
        known &= silent || client_number(row, "windows") >= 2;
    }
    json_decref(json);
    return known;
}

static int set_up(void **state)
{
    char path[WORLD_PATH];

    if (fixture_world(state))
        return -1;
    live.world = *state;
    FILE *file = fopen(world_config(live.world, path), "we");
    if (!file || fputs(config, file) < 0 || fclose(file) ||
        world_start_daemon(live.world, INTERVAL))
        return -1;
    for (unsigned i = 0; i < GUESTS; i++) {
        live.guests[i] = fixture_guest(live.world, 61 + i, names[i], 0);
        if (i != SILENT)
            live.traffic[i] = fixture_traffic(live.world, live.guests[i], RATE);
    }
    run("set held 7", true);
    return live.code ? -1 : world_await(live.world, "all VMs", all_known, NULL, WORLD_PATIENCE);
}

static int tear_down(void **state)
{
    for (unsigned i = 0; i < GUESTS; i++)
        traffic_free(live.traffic[i]);
    return fixture_end(state);
}

/* ---- status ---- */

static void costs_come_with_their_errors(void **state)
{
    (void)state;
    json_t *json = run_json("status --json", true);
    const json_t *costs = row_of(json, "costs", 0), *rx = row_of(json, "directions", 0);

    assert_true(client_number(costs, "read_error_s") > 0 &&
                client_number(costs, "read_error_s") < client_number(costs, "read_s"));
    assert_true(client_number(costs, "wakeup_error_s") > 0);
    assert_true(client_number(costs, "publish_whole_error_s") > 0);
    assert_true(client_number(costs, "unload_whole_error_s") > 0);
    assert_true(json_is_boolean(json_object_get(costs, "publish_alike")));
    assert_true(client_number(rx, "rate_error") > 0);
    json_decref(json);
    run("status", true);
    says("WAKE-UP");
}

/* ---- explain ---- */

static void each_kind_is_explained(void **state)
{
    static const struct {
        const char *command, *says[3];
    } kinds[] = {
        {"explain forwarder", {"6.00ms mean, forwarding", "packets it would be", "measured last"}},
        {"explain tail", {"6.00ms p99, one-way", "as chosen", "learnt correction"}},
        {"explain hopeless", {"unattainable", "no size keeps 2.00us", "is not kept by it"}},
        {"explain held", {"hand", "was fixed by hand", "rx size             7"}},
        {"explain silent", {"Nothing: the VM is silent", "silent: a timeout that", "6.00ms"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        run(kinds[i].command, false);
        assert_int_equal(live.code, 0);
        for (int k = 0; k < 3; k++)
            says(kinds[i].says[k]);
    }
}

/* What the model is asked again is what the daemon had: it says the same. */
static void explanations_agree_with_the_daemon(void **state)
{
    (void)state;
    for (size_t i = 0; i < GUESTS; i++) {
        char command[64];
        snprintf(command, sizeof(command), "explain %s --json", names[i]);
        json_t *json = run_json(command, false);
        assert_null(strstr(live.said, "another version"));
        const json_t *guest = row_of(json, "costs", 1);
        assert_true(client_number(guest, "wakeup_error_s") > 0);
        assert_true(client_number(json, "expected_s") > 0);
        assert_true(json_array_size(json_object_get(json, "curve")) > 0 || i == SILENT);
        json_decref(json);
    }
}

static void delays_are_plotted(void **state)
{
    char command[2 * WORLD_PATH], path[WORLD_PATH], line[256] = "";

    (void)state;
    if (access("/usr/bin/gnuplot", X_OK)) {
        print_message("no gnuplot here: no plots\n");
        skip();
    }
    world_path(live.world, "delay.svg", path);
    for (size_t i = 0; i < GUESTS; i++) {
        snprintf(command, sizeof(command), "explain %s --plot %s", names[i], path);
        run(command, false);
        if (i == SILENT) {
            assert_int_equal(live.code, 1);
            says("nothing to draw: the VM is silent");
            continue;
        }
        if (live.code)
            fail_msg("%s: %s", command, live.said);
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        assert_non_null(fgets(line, sizeof(line), file));
        assert_non_null(strstr(line, "<?xml"));
        fclose(file);
        assert_int_equal(unlink(path), 0);
    }
}

static void strangers_are_not_explained(void **state)
{
    (void)state;
    run("explain nobody", false);
    assert_int_equal(live.code, 1);
    says("knows no VM called 'nobody'");
    run("explain tail --at 1000", false);
    assert_int_equal(live.code, 1);
    says("at or before that time");
    run("status nobody", true);
    assert_int_equal(live.code, 1);
    says("knows no VM called 'nobody'");
}

/* ---- capacity ---- */

static void more_like_them_would_fit(void **state)
{
    (void)state;
    json_t *json = run_json("capacity --json", false);
    const json_t *rows = json_object_get(json, "capacity");

    assert_int_equal(live.code, 0);
    if (json_array_size(rows) != GUESTS)
        fail_msg("%s", live.said);
    for (size_t i = 0; i < GUESTS; i++) {
        const json_t *row = json_array_get(rows, i);
        double more = client_number(row, "more");
        if (strcmp(client_text(row, "like"), "hopeless") == 0)
            assert_float_equal(more, 0, 0);
        else
            assert_true(more >= 1);
    }
    json_decref(json);
    run("capacity tail --rate 100M", false);
    assert_int_equal(live.code, 0);
    says("the worker's time");
}

/* ---- drift ---- */

static bool straying_is_on_record(void *unused)
{
    (void)unused;
    run("history --since 60s --all", false);
    return strstr(live.said, "measurements stray from predictions: margin of");
}

/*
 * A backend that stutters, now and then, as no model expects: the margin grows, and status, history
 * and explanation say so.
 */
static void what_strays_from_predictions_is_said(void **state)
{
    (void)state;
    for (int i = 0; i < 300 && !straying_is_on_record(NULL); i++) {
        assert_int_equal(process_signal(world_backend(live.world), SIGSTOP), 0);
        assert_int_equal(world_pause(live.world, i / 4 % 2 ? 0.02 : 0.001), 0);
        assert_int_equal(process_signal(world_backend(live.world), SIGCONT), 0);
        assert_int_equal(world_pause(live.world, 0.1), 0);
    }
    assert_true(straying_is_on_record(NULL));
    run("status", true);
    says("measurements stray from predictions: margin of");
    run("history --since 60s --all --json", false);
    says("measurements stray from predictions: margin of");
    bool explained = false;
    for (size_t i = 0; i < SILENT && !explained; i++) {
        char command[64];
        snprintf(command, sizeof(command), "explain %s", names[i]);
        explained = strstr(run(command, false), "measurements stray from predictions: margin of");
    }
    assert_true(explained);
}

/* ---- without measurements ---- */

static bool tail_is_stale(void *unused)
{
    (void)unused;
    run("explain tail", false);
    return strstr(live.said, "Since then: no measurements");
}

static void what_is_out_of_date_is_called_so(void **state)
{
    (void)state;
    assert_int_equal(world_stop_backend(live.world, true), 0);
    assert_int_equal(world_await(live.world, "staleness", tail_is_stale, NULL, WORLD_PATIENCE), 0);
    says("stale");
    says("as chosen");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_come_with_their_errors),
        cmocka_unit_test(each_kind_is_explained),
        cmocka_unit_test(explanations_agree_with_the_daemon),
        cmocka_unit_test(delays_are_plotted),
        cmocka_unit_test(strangers_are_not_explained),
        cmocka_unit_test(more_like_them_would_fit),
        cmocka_unit_test(what_strays_from_predictions_is_said),
        cmocka_unit_test(what_is_out_of_date_is_called_so),
    };
    int status = fixture_possible();

    return status ? status : cmocka_run_group_tests_name("ctl", tests, set_up, tear_down);
}
