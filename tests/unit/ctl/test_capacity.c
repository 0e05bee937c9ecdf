// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggctl capacity, on a history that the daemon's own controller made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "made_up.h"
#include "program.h"

static struct lab lab;

static int make(void **state)
{
    (void)state;
    lab_make(&lab, "history.db");
    made_up_history(lab.folder, lab.path);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    lab_clean(&lab);
    return 0;
}

static const json_t *row_of(const json_t *json, size_t row)
{
    return json_array_get(json_object_get(json, "capacity"), row);
}

static double number_of(const json_t *row, const char *key)
{
    return json_number_value(json_object_get(row, key));
}

static const char *text_of(const json_t *row, const char *key)
{
    return json_string_value(json_object_get(row, key));
}

static json_t *like(const char *vm, const char *delay)
{
    return program_json(lab.folder, PROGRAM_WORDS("capacity", vm, "--delay", delay, "--json",
                                                  "--database", lab.path));
}

static void each_vm_is_asked_about(void **state)
{
    static const char *const names[] = {"router", "voice", "web"};

    (void)state;
    json_t *json =
        program_json(lab.folder, PROGRAM_WORDS("capacity", "--json", "--database", lab.path));
    assert_int_equal(json_array_size(json_object_get(json, "capacity")), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *row = row_of(json, i);
        assert_string_equal(text_of(row, "like"), names[i]);
        assert_true(number_of(row, "more") >= 1);
        assert_true(number_of(row, "utilisation_then") < 1);
        assert_true(number_of(row, "utilisation_then") > number_of(row, "utilisation"));
        assert_true(number_of(row, "delay_s") <= number_of(row, "promise_s"));
    }
    json_decref(json);
}

static void relaxed_promises_fit_more(void **state)
{
    (void)state;
    json_t *strict = like("router", "10us"), *middle = like("router", "250us");
    json_t *relaxed = like("router", "5ms");
    assert_int_equal(number_of(row_of(strict, 0), "more"), 0);
    assert_string_equal(text_of(row_of(strict, 0), "limit"), "its own promise");
    assert_true(number_of(row_of(strict, 0), "delay_s") > 10e-6);
    assert_true(number_of(row_of(middle, 0), "more") < number_of(row_of(relaxed, 0), "more"));
    json_decref(strict);
    json_decref(middle);
    json_decref(relaxed);
}

static void a_rate_is_like_the_nearest(void **state)
{
    (void)state;
    json_t *json =
        program_json(lab.folder, PROGRAM_WORDS("capacity", "--rate", "9k", "--delay", "2ms",
                                               "--scope", "one-way", "--percentile", "mean",
                                               "--json", "--database", lab.path));
    assert_int_equal(json_array_size(json_object_get(json, "capacity")), 1);
    assert_string_equal(text_of(row_of(json, 0), "like"), "voice");
    assert_true(number_of(row_of(json, 0), "rx_rate") == 9e3);
    assert_true(fabs(number_of(row_of(json, 0), "tx_rate") - 9e3) < 90);
    json_decref(json);
}

/* Twice the load is about half as many. */
static void faster_newcomers_are_fewer(void **state)
{
    double more[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        json_t *json =
            program_json(lab.folder, PROGRAM_WORDS("capacity", "web", "--rate", i ? "10k" : "5k",
                                                   "--json", "--database", lab.path));
        more[i] = number_of(row_of(json, 0), "more");
        json_decref(json);
    }
    assert_true(more[1] > 0.35 * more[0] && more[1] < 0.65 * more[0]);
}

/* Costs that are hardly known may be higher. */
static void what_is_not_known_well_is_not_given_away(void **state)
{
    const char *const sql[] = {"UPDATE worker SET read_error_ns = 0, publish_whole_error_ns = 0,"
                               " unload_whole_error_ns = 0, wakeup_error_ns = 0",
                               "UPDATE worker SET publish_whole_error_ns = publish_ns / 2",
                               "UPDATE worker SET publish_whole_error_ns = NULL"};
    double more[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        sqlite3 *db;
        assert_int_equal(sqlite3_open(lab.path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        json_t *json = program_json(
            lab.folder, PROGRAM_WORDS("capacity", "web", "--json", "--database", lab.path));
        more[i] = number_of(row_of(json, 0), "more");
        json_decref(json);
    }
    assert_true(more[1] < more[0]);
    assert_true(more[2] == more[0]);
}

static void mistakes_are_named(void **state)
{
    static const char *const bad[][2] = {{"--rate", "fast"},
                                         {"--rate", "0"},
                                         {"--delay", "0us"},
                                         {"--scope", "there"},
                                         {"--percentile", "30"}};
    struct said said;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        program_run(lab.folder, &said,
                    PROGRAM_WORDS("capacity", bad[i][0], bad[i][1], "--database", lab.path));
        assert_int_equal(said.status, CTL_USAGE);
        assert_non_null(strstr(said.out, bad[i][0]));
    }
    program_run(lab.folder, &said, PROGRAM_WORDS("capacity", "nobody", "--database", lab.path));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "'nobody' is not among"));
}

static void old_records_are_called_so(void **state)
{
    struct said said;

    (void)state;
    program_run(lab.folder, &said, PROGRAM_WORDS("capacity", "web", "--database", lab.path));
    assert_int_equal(said.status, CTL_OK);
    assert_non_null(strstr(said.out, "does xenaggd run?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_vm_is_asked_about),
        cmocka_unit_test(relaxed_promises_fit_more),
        cmocka_unit_test(a_rate_is_like_the_nearest),
        cmocka_unit_test(faster_newcomers_are_fewer),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(old_records_are_called_so),
        cmocka_unit_test(what_is_not_known_well_is_not_given_away), /* changes the history */
    };
    return cmocka_run_group_tests(tests, make, clean);
}
