// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenaggctl explain, on histories that the daemon's own controller made from
 * samples that are made up here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/moment.h"
#include "ctl/record.h"
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

static double number_of(const json_t *row, const char *key)
{
    return json_number_value(json_object_get(row, key));
}

static const json_t *row_of(const json_t *json, const char *table, size_t row)
{
    return json_array_get(json_object_get(json, table), row);
}

/* Sizes that are no others, as half of one packet, are left out before it. */
static const json_t *chosen_of(const json_t *json)
{
    const json_t *rows = json_object_get(json, "alternatives"), *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        if (number_of(row, "factor") == 1)
            return row;
    }
    fail_msg("the size that was chosen is not among the alternatives");
    return NULL;
}

static json_t *explain(const char *vm)
{
    return program_json(lab.folder, PROGRAM_WORDS("explain", vm, "--json", "--database", lab.path));
}

/* The first value that the daemon's database gives. */
static double stored(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement;

    assert_int_equal(sqlite3_open(lab.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    double value = sqlite3_column_double(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

/* What it says of the size chosen is what the daemon said beforehand of the tick that followed. */
static void prediction_is_the_daemons(void **state)
{
    static const char *const names[] = {"router", "voice", "web"};
    char sql[256];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        json_t *json = explain(names[i]);
        snprintf(sql, sizeof(sql),
                 "SELECT expected_us FROM input JOIN interface i ON i.id = interface"
                 " WHERE name = '%s' ORDER BY time DESC LIMIT 1",
                 names[i]);
        double expected = stored(sql) * 1e-6;
        assert_true(expected > 0);
        assert_true(fabs(number_of(json, "expected_s") - expected) < 1e-9 * expected);
        assert_true(fabs(number_of(chosen_of(json), "delay_s") - expected) < 1e-9 * expected);
        assert_int_equal(json_array_size(json_object_get(json, "notes")), 1);
        json_decref(json);
    }
}

/* The tick before said of the last one what the database then calls its prediction. */
static void prediction_is_what_was_measured_against(void **state)
{
    char at[32];

    (void)state;
    snprintf(at, sizeof(at), "%.3f", MADE_UP_END - 1);
    json_t *json = program_json(lab.folder, PROGRAM_WORDS("explain", "router", "--at", at, "--json",
                                                          "--database", lab.path));
    double predicted =
        1e-6 * stored("SELECT total_us FROM prediction JOIN interface i ON i.id = interface"
                      " WHERE name = 'router' AND direction = 'promise'"
                      " ORDER BY time DESC LIMIT 1");
    assert_true(fabs(number_of(json, "time") - (MADE_UP_END - 1)) < 1e-6);
    assert_true(fabs(number_of(json, "expected_s") - predicted) < 1e-9 * predicted);
    json_decref(json);
}

static void parts_add_up(void **state)
{
    (void)state;
    json_t *json = explain("voice");
    double slower = 0;
    assert_int_equal(json_array_size(json_object_get(json, "parts")), 2);
    for (size_t d = 0; d < 2; d++) {
        const json_t *row = row_of(json, "parts", d);
        double sum = number_of(row, "fill_s") + number_of(row, "wait_s") +
                     number_of(row, "service_s") + number_of(row, "wakeup_s");
        assert_true(number_of(row, "wakeup_s") > 10e-6);
        assert_true(fabs(sum - number_of(row, "mean_s")) < 0.02 * sum);
        slower = fmax(slower, number_of(row, "promised_s"));
    }
    assert_true(fabs(slower - number_of(json, "model_s")) < 1e-9 * slower);
    json_decref(json);
}

static void larger_sizes_delay_longer(void **state)
{
    (void)state;
    json_t *json = explain("router");
    double before = 0, promise = number_of(json, "promise_s");
    for (size_t i = 0; i < 6; i++) {
        const json_t *row = row_of(json, "alternatives", i);
        double delay = number_of(row, "delay_s");
        assert_true(delay > before);
        assert_int_equal(json_is_true(json_object_get(row, "kept")), delay <= promise);
        before = delay;
    }
    assert_true(json_is_true(json_object_get(chosen_of(json), "kept")));
    assert_false(json_is_true(json_object_get(row_of(json, "alternatives", 4), "kept")));
    assert_true(json_array_size(json_object_get(json, "curve")) > 20);
    assert_true(json_array_size(json_object_get(json, "decisions")) >= 1);
    json_decref(json);
}

/* "voice" has containers of one packet: half of one is the same. */
static void no_size_is_shown_twice(void **state)
{
    (void)state;
    json_t *json = explain("voice");
    const json_t *rows = json_object_get(json, "alternatives");
    double last = 0;

    assert_int_equal(number_of(chosen_of(json), "rx_packets"), 1);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        assert_true(number_of(json_array_get(rows, i), "rx_packets") > last);
        last = number_of(json_array_get(rows, i), "rx_packets");
    }
    json_decref(json);
}

static void people_read_it(void **state)
{
    struct said said;

    (void)state;
    program_run(lab.folder, &said, PROGRAM_WORDS("explain", "router", "--database", lab.path));
    assert_int_equal(said.status, CTL_OK);
    assert_non_null(strstr(said.out, "as chosen"));
    assert_non_null(strstr(said.out, " packets it would be "));
    program_run(lab.folder, &said, PROGRAM_WORDS("explain", "voice", "--database", lab.path));
    assert_non_null(strstr(said.out, "The objective is"));
    program_run(lab.folder, &said, PROGRAM_WORDS("explain", "web", "--database", lab.path));
    assert_non_null(strstr(said.out, "The rx size was fixed by hand"));
}

static void change(const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(lab.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* The backend went away after the last tick that could be reckoned with. */
static void what_is_out_of_date_is_called_so(void **state)
{
    struct said said;
    char sql[256];

    (void)state;
    program_run(lab.folder, &said, PROGRAM_WORDS("explain", "router", "--database", lab.path));
    assert_null(strstr(said.out, "Since then"));
    snprintf(
        sql, sizeof(sql),
        "INSERT INTO decision SELECT %f, interface, 'stale', 'silent', 1, 1, 1, 1, 1, 1, 1, 1, 1,"
        " 'no measurements for 3.00s' FROM input JOIN interface i ON i.id = interface"
        " WHERE i.name = 'router' LIMIT 1",
        MADE_UP_END + 4);
    change(sql);
    program_run(lab.folder, &said, PROGRAM_WORDS("explain", "router", "--database", lab.path));
    assert_non_null(strstr(said.out, "Since then: no measurements for 3.00s.\n"));
    assert_non_null(strstr(said.out, "stale"));
    snprintf(sql, sizeof(sql), "%f", MADE_UP_END);
    program_run(lab.folder, &said,
                PROGRAM_WORDS("explain", "router", "--at", sql, "--database", lab.path));
    assert_null(strstr(said.out, "Since then")); /* it was not so yet */
}

static void silence_is_explained(void **state)
{
    struct said said;

    (void)state;
    change("UPDATE input SET rx_rate = 0, tx_rate = 0, forwarded = 0 WHERE interface ="
           " (SELECT id FROM interface WHERE name = 'router')");
    program_run(lab.folder, &said, PROGRAM_WORDS("explain", "router", "--database", lab.path));
    assert_int_equal(said.status, CTL_OK);
    assert_non_null(strstr(said.out, "Nothing: the VM is silent."));
    assert_non_null(strstr(said.out, "MEAN DELAY"));
}

static void histories_without_an_answer_say_why(void **state)
{
    struct said said;

    (void)state;
    change("PRAGMA user_version = 1");
    program_run(lab.folder, &said, PROGRAM_WORDS("explain", "router", "--database", lab.path));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "has version 1, which does not hold what is asked for"));
    change("PRAGMA user_version = 3"); /* before the errors: all else is there */
    change("ALTER TABLE worker DROP COLUMN read_error_ns;"
           "ALTER TABLE sample DROP COLUMN packet_bytes_error");
    program_run(lab.folder, &said, PROGRAM_WORDS("explain", "web", "--database", lab.path));
    assert_int_equal(said.status, CTL_OK);
    assert_non_null(strstr(said.out, "as chosen"));
    change("DELETE FROM input");
    program_run(lab.folder, &said, PROGRAM_WORDS("explain", "router", "--database", lab.path));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "no size of 'router' is on record yet"));
    change("DELETE FROM interface");
    program_run(lab.folder, &said, PROGRAM_WORDS("explain", "router", "--database", lab.path));
    assert_non_null(strstr(said.out, "knows no VM called 'router'"));
}

static void plot_is_drawn(void **state)
{
    char file[160];
    struct said said;

    (void)state;
    if (access("/usr/bin/gnuplot", X_OK))
        skip();
    snprintf(file, sizeof(file), "%s/p.svg", lab.folder);
    program_run(lab.folder, &said,
                PROGRAM_WORDS("explain", "router", "--database", lab.path, "--plot", file));
    assert_int_equal(said.status, CTL_OK);
    FILE *drawing = fopen(file, "r");
    assert_non_null(drawing);
    char line[256];
    assert_non_null(fgets(line, sizeof(line), drawing));
    assert_non_null(strstr(line, "<?xml"));
    fclose(drawing);
}

static void mistakes_are_named(void **state)
{
    struct said said;

    (void)state;
    program_run(lab.folder, &said, PROGRAM_WORDS("explain", "--database", lab.path));
    assert_int_equal(said.status, CTL_USAGE);
    program_run(lab.folder, &said, PROGRAM_WORDS("explain", "nobody", "--database", lab.path));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "knows no VM called 'nobody'"));
    program_run(lab.folder, &said,
                PROGRAM_WORDS("explain", "web", "--at", "1000", "--database", lab.path));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "at or before that time"));
    program_run(lab.folder, &said,
                PROGRAM_WORDS("explain", "web", "--at", "noon", "--database", lab.path));
    assert_int_equal(said.status, CTL_USAGE);
    program_run(lab.folder, &said,
                PROGRAM_WORDS("explain", "web", "--plot", "x.pdf", "--database", lab.path));
    assert_int_equal(said.status, CTL_USAGE);
}

/* What is too little in a model is added as it is; what is too much, in proportion. */
static void corrections_carry_over(void **state)
{
    struct record_guest guest = {.model = 100e-6, .expected = 130e-6};

    (void)state;
    assert_true(fabs(record_correct(&guest, 400e-6) - 430e-6) < 1e-12);
    guest.expected = 75e-6;
    assert_true(fabs(record_correct(&guest, 400e-6) - 300e-6) < 1e-12);
    assert_true(isinf(record_correct(&guest, INFINITY)));
    guest.expected = NAN;
    assert_true(fabs(record_correct(&guest, 400e-6) - 400e-6) < 1e-12);
}

static void moments_are_read(void **state)
{
    double now = 1700000000, moment = 0;

    (void)state;
    assert_int_equal(moment_parse("1600000000.5", now, &moment), 0);
    assert_true(moment == 1600000000.5);
    assert_int_equal(moment_parse("-10m", now, &moment), 0);
    assert_true(moment == now - 600);
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    assert_int_equal(moment_parse("2023-11-14 22:13", now, &moment), 0);
    assert_true(moment == now - 20);
    assert_int_equal(moment_parse("22:13:21", now, &moment), 0);
    assert_true(moment == now + 1);
    moment = 7;
    const char *const bad[] = {"", "noon", "-", "-5", "12:61", "1e400", "2023-11-14", "5 m", "nan"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(moment_parse(bad[i], now, &moment), -EINVAL);
    assert_true(moment == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prediction_is_the_daemons),
        cmocka_unit_test(prediction_is_what_was_measured_against),
        cmocka_unit_test(parts_add_up),
        cmocka_unit_test(larger_sizes_delay_longer),
        cmocka_unit_test(no_size_is_shown_twice),
        cmocka_unit_test(people_read_it),
        cmocka_unit_test(plot_is_drawn),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(corrections_carry_over),
        cmocka_unit_test(moments_are_read),
        /* These change the history. */
        cmocka_unit_test(what_is_out_of_date_is_called_so),
        cmocka_unit_test(silence_is_explained),
        cmocka_unit_test(histories_without_an_answer_say_why),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
