// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggctl history, on databases made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "daemon/schema.h"
#include "program.h"

/* The last tick; 2023-11-14 in all time zones. */
#define END 1700000000.0
#define TICKS 100

static struct lab lab;

static int make(void **state)
{
    (void)state;
    lab_make(&lab, "history.db");
    return 0;
}

static int clean(void **state)
{
    (void)state;
    lab_clean(&lab);
    return 0;
}

static void run(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error))
        fail_msg("%s: %s", error, sql);
}

static void tick(sqlite3 *db, double time, int interface, double rate, double delay)
{
    char sql[1024];

    snprintf(sql, sizeof(sql),
             "INSERT INTO sample(time, interface, direction, seconds, packets, dropped, rate,"
             " size_packets, size_timeout_us) VALUES(%f, %d, 'rx', 1, %f, 1, %f, 64, 200),"
             " (%f, %d, 'tx', 1, 0, 0, %f, 32, 100);"
             "INSERT INTO prediction(time, interface, direction, total_us)"
             " VALUES(%f, %d, 'promise', %f);"
             "INSERT INTO measured(time, interface, direction, total_us)"
             " VALUES(%f, %d, 'promise', %f);"
             "INSERT INTO verdict VALUES(%f, %d, 1, 50, 600, %f, %f, %d)",
             time, interface, rate, rate, time, interface, rate / 2, time, interface, delay, time,
             interface, 1.25 * delay, time, interface, delay, 1.25 * delay, 1.25 * delay < 600);
    run(db, sql);
}

/* Two VMs, 100 ticks of a second; the delay of "we\e[2Jb" grows with time. */
static sqlite3 *database_open(void)
{
    sqlite3 *db;

    remove(lab.path);
    assert_int_equal(sqlite3_open(lab.path, &db), SQLITE_OK);
    assert_int_equal(schema_prepare(db), SQLITE_OK);
    return db;
}

static void database_make(void)
{
    sqlite3 *db = database_open();

    run(db,
        "BEGIN; INSERT INTO interface VALUES(1, 'we' || char(27) || '[2Jb', 3, 0, 0, 1700000000),"
        " (2, 'silent', 4, 1, 0, 1700000000);"
        "INSERT INTO promise VALUES(0, 1, 600, NULL, 'forwarding'),"
        " (0, 2, NULL, 99, 'one-way');"
        "INSERT INTO event(time, kind, text) VALUES(1699999905, 'start', 'hello');");
    for (int i = 0; i < TICKS; i++)
        tick(db, END - TICKS + 1 + i, 1, 1000, 400 + i);
    for (int i = 0; i < 40; i++) {
        char sql[256];
        snprintf(sql, sizeof(sql),
                 "INSERT INTO decision VALUES(%f, 1, 'ok', 'promise', %d, 200, 32, 100, 65536,"
                 " 1000, 500, 450, 90, 'because %d')",
                 END - 80 + i, 64 + i / 20, i);
        run(db, sql);
    }
    run(db, "COMMIT");
    sqlite3_close(db);
}

static double number_of(const json_t *row, const char *key)
{
    return json_number_value(json_object_get(row, key));
}

static const json_t *row_of(const json_t *json, const char *table, size_t row)
{
    return json_array_get(json_object_get(json, table), row);
}

static void test_json(void **state)
{
    (void)state;
    database_make();
    json_t *json =
        program_json(lab.folder, PROGRAM_WORDS("history", "--json", "--database", lab.path));
    assert_int_equal(json_array_size(json_object_get(json, "summary")), 2);
    const json_t *silent = row_of(json, "summary", 0), *busy = row_of(json, "summary", 1);
    assert_string_equal(json_string_value(json_object_get(busy, "vm")), "we\033[2Jb");
    assert_true(json_is_null(json_object_get(silent, "promise_s")));
    assert_float_equal(number_of(silent, "percentile"), 99, 1e-9);
    assert_float_equal(number_of(busy, "promise_s"), 600e-6, 1e-12);
    assert_int_equal(number_of(busy, "windows"), TICKS);
    /* 1.25 (400 + i) < 600 for i < 80. */
    assert_float_equal(number_of(busy, "kept_share"), 0.8, 1e-9);
    assert_float_equal(number_of(busy, "worst"), 1.25 * 499 / 600, 1e-9);
    assert_float_equal(number_of(busy, "predicted_s"), 449.5e-6, 1e-10);
    assert_float_equal(number_of(busy, "error_share"), 0.2, 1e-9);
    assert_int_equal(number_of(busy, "dropped"), TICKS);
    assert_int_equal(json_array_size(json_object_get(json, "decisions")), 40);
    assert_true(json_is_null(json_object_get(row_of(json, "decisions", 0), "old_rx_packets")));
    assert_int_equal(number_of(row_of(json, "decisions", 20), "old_rx_packets"), 64);
    assert_int_equal(number_of(row_of(json, "decisions", 20), "rx_packets"), 65);
    assert_string_equal(json_string_value(json_object_get(row_of(json, "events", 0), "text")),
                        "hello");
    json_decref(json);
}

/* Steps of 25 s, the last ends with the last tick; each is the mean of its ticks. */
static void test_course(void **state)
{
    (void)state;
    database_make();
    json_t *json = program_json(
        lab.folder, PROGRAM_WORDS("history", "--json", "--step", "25s", "--database", lab.path));
    const json_t *course = json_object_get(json, "course");
    assert_int_equal(json_array_size(course), TICKS / 25);
    const json_t *last = json_array_get(course, TICKS / 25 - 1);
    assert_float_equal(number_of(last, "time"), END, 1e-6);
    assert_float_equal(number_of(last, "rx_rate"), 1000, 1e-9);
    assert_float_equal(number_of(last, "tx_rate"), 500, 1e-9);
    assert_float_equal(number_of(last, "tx_packets"), 32, 1e-9);
    assert_float_equal(number_of(last, "predicted_s"), (400 + 87) * 1e-6, 1e-12);
    assert_int_equal(number_of(last, "windows"), 25);
    /* i from 75 to 99, kept below 80. */
    assert_float_equal(number_of(last, "kept_share"), 0.2, 1e-9);
    json_decref(json);
}

static void test_since(void **state)
{
    (void)state;
    database_make();
    json_t *json = program_json(
        lab.folder, PROGRAM_WORDS("history", "--json", "--since", "10s", "--database", lab.path));
    assert_int_equal(number_of(row_of(json, "summary", 1), "windows"), 10);
    assert_int_equal(json_array_size(json_object_get(json, "course")), 10);
    assert_int_equal(json_array_size(json_object_get(json, "decisions")), 0);
    assert_int_equal(json_array_size(json_object_get(json, "events")), 0);
    json_decref(json);
}

/* Where ticks are not kept any more, minutes and windows tell. */
static void test_minutes(void **state)
{
    (void)state;
    sqlite3 *db;

    database_make();
    assert_int_equal(sqlite3_open(lab.path, &db), SQLITE_OK);
    /* Two minutes: one that is over when the ticks kept begin, one that is not. */
    run(db, "DELETE FROM sample WHERE time < 1699999990;"
            "DELETE FROM prediction WHERE time < 1699999990;"
            "DELETE FROM measured WHERE time < 1699999990;"
            "INSERT INTO minute(time, interface, direction, rate, size_packets, dropped)"
            " VALUES(1699999920, 1, 'rx', 7000, 100, 1000), (1699999920, 1, 'tx', 3500, 90, 0),"
            " (1699999980, 1, 'rx', 9999, 1, 5000)");
    sqlite3_close(db);
    json_t *json = program_json(
        lab.folder, PROGRAM_WORDS("history", "--json", "--step", "15s", "--database", lab.path));
    const json_t *course = json_object_get(json, "course");
    assert_int_equal(json_array_size(course), 2);
    const json_t *minute = json_array_get(course, 0), *ticks = json_array_get(course, 1);
    assert_float_equal(number_of(minute, "rx_rate"), 7000, 1e-9);
    assert_float_equal(number_of(minute, "tx_packets"), 90, 1e-9);
    /* 15 to 30 s before the end: i from 70 to 84. */
    assert_float_equal(number_of(minute, "predicted_s"), 477e-6, 1e-12);
    assert_int_equal(number_of(minute, "windows"), 15);
    assert_float_equal(number_of(ticks, "rx_rate"), 1000, 1e-9);
    assert_int_equal(number_of(row_of(json, "summary", 1), "dropped"), 1000 + 11);
    json_decref(json);
}

static void test_people(void **state)
{
    (void)state;
    struct said said;

    database_make();
    program_run(lab.folder, &said, PROGRAM_WORDS("history", "--database", lab.path));
    assert_int_equal(said.status, CTL_OK);
    assert_null(strchr(said.out, '\033'));
    assert_non_null(strstr(said.out, "we\\x1b[2Jb   0  600us mean, forwarding      100  80.0%"));
    assert_non_null(strstr(said.out, "silent       1  none"));
    assert_non_null(strstr(said.out, "64 -> 65"));
    assert_non_null(strstr(said.out, "because 39\n"));
    /* Only the last 30. */
    assert_null(strstr(said.out, "because 9\n"));
    assert_non_null(strstr(said.out, "because 10\n"));
    assert_non_null(strstr(said.out, "--all"));
    program_run(lab.folder, &said, PROGRAM_WORDS("history", "--all", "--database", lab.path));
    assert_non_null(strstr(said.out, "because 0\n"));
}

static void test_vm(void **state)
{
    (void)state;
    struct said said;

    database_make();
    json_t *json = program_json(
        lab.folder, PROGRAM_WORDS("history", "--json", "--vm", "silent", "--database", lab.path));
    assert_int_equal(json_array_size(json_object_get(json, "summary")), 1);
    assert_int_equal(json_array_size(json_object_get(json, "course")), 0);
    assert_int_equal(json_array_size(json_object_get(json, "decisions")), 0);
    json_decref(json);
    program_run(lab.folder, &said,
                PROGRAM_WORDS("history", "--vm", "' OR 1=1 --", "--database", lab.path));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "knows no VM called"));
}

static void test_mistakes(void **state)
{
    (void)state;
    struct said said;
    sqlite3 *db = database_open();

    program_run(lab.folder, &said, PROGRAM_WORDS("history", "--database", lab.path));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "nothing is recorded yet"));
    run(db, "PRAGMA user_version = 99");
    program_run(lab.folder, &said, PROGRAM_WORDS("history", "--database", lab.path));
    assert_non_null(strstr(said.out, "has version 99"));
    run(db, "PRAGMA application_id = 1");
    program_run(lab.folder, &said, PROGRAM_WORDS("history", "--database", lab.path));
    assert_non_null(strstr(said.out, "is no history of xenaggd"));
    sqlite3_close(db);
    program_run(lab.folder, &said, PROGRAM_WORDS("history", "--database", "/nonesuch/history.db"));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "/nonesuch/history.db: unable to open"));
    program_run(lab.folder, &said, PROGRAM_WORDS("history", "--since", "10"));
    assert_int_equal(said.status, CTL_USAGE);
    FILE *file = fopen(lab.path, "w");
    assert_true(fputs("not a database, but long enough to look at its first page", file) > 0);
    fclose(file);
    program_run(lab.folder, &said, PROGRAM_WORDS("history", "--database", lab.path));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "file is not a database"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),     cmocka_unit_test(test_course),
        cmocka_unit_test(test_since),    cmocka_unit_test(test_minutes),
        cmocka_unit_test(test_people),   cmocka_unit_test(test_vm),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
