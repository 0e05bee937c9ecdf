// SPDX-License-Identifier: GPL-2.0-or-later
/* The database's schema, what is written to it, and what may be wrong with its file. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "daemon/database_private.h"
#include "daemon/history.h"
#include "daemon/schema.h"

#define NOW 1700000000.0 /* beginning of no minute: 20 s into one */

struct bench {
    char folder[64], path[80];
    struct database *database;
    struct guest_report guests[2];
    struct worker_report worker;
    struct tick_report report;
};

static void lane_fill(struct lane_report *lane, double rate)
{
    lane->rate = (struct estimate){rate, 10};
    lane->packet_bytes = (struct estimate){64, 0.5};
    lane->dispersion = (struct estimate){1, 0.1};
    lane->wanted = lane->in_force = (struct lane_size){.packets = 40, .timeout = 300e-6};
    lane->packets = (uint64_t)rate;
    lane->containers = lane->packets / 40;
    lane->predicted = (struct delay_parts){1e-6, 2e-6, 3e-6, 4e-6, 5e-6, 110e-6};
    lane->correction = 95e-6;
    lane->measured = (struct delay_parts){1e-6, 2e-6, 3e-6, NAN, 5e-6, 100e-6};
    lane->p50 = 90e-6;
    lane->p99 = 400e-6;
}

static void guest_fill(struct guest_report *guest, const char *name, uint32_t domid)
{
    snprintf(guest->name, sizeof(guest->name), "%s", name);
    guest->interface.domid = domid;
    guest->seconds = 1;
    lane_fill(&guest->lanes[DIRECTION_RX], 5000);
    lane_fill(&guest->lanes[DIRECTION_TX], 3000);
    guest->promise = (struct promise){.delay = 600e-6, .scope = SCOPE_FORWARDING};
    guest->limits.bytes_max = 65536;
    guest->predicted = 220e-6;
    guest->measured = 200e-6;
    guest->expected = 215e-6;
    guest->least = 80e-6;
    guest->kept = -1;
    guest->cpu = domid == 3 ? 0.25 : NAN;
    strcpy(guest->reason, "it's \"so\"; DROP TABLE sample;--");
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    strcpy(bench->folder, "/tmp/xenagg-history-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->path, sizeof(bench->path), "%s/h.db", bench->folder);
    guest_fill(&bench->guests[0], "router", 3);
    guest_fill(&bench->guests[1], "o'neill", 4);
    bench->worker.forecast.utilisation = 0.25;
    bench->report = (struct tick_report){.time = NOW,
                                         .seconds = 1,
                                         .n_guests = 2,
                                         .guests = bench->guests,
                                         .n_workers = 1,
                                         .workers = &bench->worker};
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    char command[128];

    database_close(bench->database);
    snprintf(command, sizeof(command), "rm -rf %s", bench->folder);
    assert_int_equal(system(command), 0);
    free(bench);
    return 0;
}

static void open_database(struct bench *bench)
{
    char why[256] = "";

    if (database_open(bench->path, 1, &bench->database, why, sizeof(why)))
        fail_msg("%s", why);
}

static int open_code(struct bench *bench, char why[static 256])
{
    return database_open(bench->path, 1, &bench->database, why, 256);
}

/* The one number that a query gives, by another connection, as an operator would ask. */
static double ask(const struct bench *bench, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement;

    assert_int_equal(sqlite3_open_v2(bench->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL))
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    double value = sqlite3_column_type(statement, 0) == SQLITE_NULL
                       ? NAN
                       : sqlite3_column_double(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

static void sql(const struct bench *bench, const char *statements)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(bench->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statements, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void tick_write(struct bench *bench, double time)
{
    bench->report.time = time;
    int code = database_tick(bench->database, &bench->report);
    if (code)
        fail_msg("%s", database_error(bench->database));
}

static void everything_of_a_tick_is_found_again(void **state)
{
    struct bench *bench = *state;

    open_database(bench);
    bench->guests[0].changed = true;
    bench->guests[0].kept = 1;
    bench->guests[0].window_measured = 190e-6;
    bench->guests[0].window_predicted = NAN;
    tick_write(bench, NOW);
    assert_float_equal(ask(bench, "SELECT count(*) FROM sample"), 4, 0);
    assert_float_equal(ask(bench, "SELECT count(*) FROM interface WHERE name = 'o''neill'"), 1, 0);
    assert_float_equal(ask(bench, "SELECT count(*) FROM prediction"), 6, 0);
    assert_float_equal(ask(bench, "SELECT total_us FROM measured JOIN interface i"
                                  " ON i.id = interface WHERE name = 'router'"
                                  " AND direction = 'promise'"),
                       200, 1e-6);
    assert_true(isnan(ask(bench, "SELECT ring_us FROM measured WHERE direction = 'rx'")));
    assert_float_equal(ask(bench, "SELECT correction_us FROM prediction WHERE direction = 'tx'"),
                       95, 1e-6);
    assert_float_equal(ask(bench, "SELECT rx_packets FROM decision"), 40, 0);
    assert_float_equal(ask(bench, "SELECT reason LIKE '%DROP TABLE%' FROM decision"), 1, 0);
    assert_float_equal(ask(bench, "SELECT kept FROM verdict"), 1, 0);
    assert_true(isnan(ask(bench, "SELECT predicted_us FROM verdict")));
    assert_float_equal(ask(bench, "SELECT predicted_utilisation FROM worker"), 0.25, 1e-9);
    assert_float_equal(ask(bench, "SELECT count(*) FROM promise WHERE delay_us = 600.0"
                                  " AND percentile IS NULL AND scope = 'forwarding'"),
                       2, 0);
    assert_float_equal(ask(bench, "SELECT count(*) FROM run"), 1, 0);
}

static void basis_fill(struct guest_basis *basis)
{
    *basis = (struct guest_basis){
        .known = true,
        .load = {.rate = {5000, 3000},
                 .packet_bytes = {66, 67},
                 .dispersion = {1.5, 2.5},
                 .forwarded = 0.6,
                 .costs = {1e-6, 2e-6, 3e-9, 4e-6, 5e-9, 0.5, 6e-6, 7e-6},
                 .promise = {.delay = 600e-6, .percentile = 99, .scope = SCOPE_ONE_WAY},
                 .limits = {2, 1000, 11e-6, 12e-3, 65536},
                 .fixed = {true, false}},
        .size = {{41, 310e-6}, {42, 320e-6}},
        .model = 500e-6,
        .margin = 18e-6,
        .errors = {.read = 1.1e-8,
                   .wakeup = 1.2e-6,
                   .publish = 1e-7,
                   .publish_packet = 2e-9,
                   .unload = 3e-7,
                   .unload_packet = INFINITY,
                   .publish_whole = 4e-8,
                   .unload_whole = 5e-8},
        .objective = OBJECTIVE_DELAY,
        .utilisation_max = 0.8,
    };
}

/* Every column is what it is called. */
static void what_the_model_was_given_is_found_again(void **state)
{
    struct bench *bench = *state;

    open_database(bench);
    basis_fill(&bench->guests[0].basis);
    bench->guests[0].fixed[DIRECTION_RX] = bench->guests[0].by_hand[DIRECTION_RX] = true;
    bench->guests[0].worker = 3;
    bench->worker.costs.scv = 0.75;
    bench->worker.errors.unload = 250e-9;
    bench->worker.errors.unload_whole = 20e-9;
    bench->worker.errors.wakeup = 3e-6;
    tick_write(bench, NOW);
    assert_float_equal(ask(bench, "SELECT count(*) FROM input"), 1, 0);
    assert_float_equal(ask(bench, "SELECT scv FROM worker"), 0.75, 1e-9);
    assert_float_equal(ask(bench, "SELECT unload_error_ns FROM worker"), 250, 1e-6);
    assert_float_equal(ask(bench, "SELECT unload_whole_error_ns FROM worker"), 20, 1e-6);
    assert_float_equal(ask(bench, "SELECT wakeup_error_ns FROM worker"), 3000, 1e-6);
    assert_float_equal(ask(bench, "SELECT max(packet_bytes_error) FROM sample"), 0.5, 1e-9);
    assert_float_equal(ask(bench, "SELECT max(dispersion_error) FROM sample"), 0.1, 1e-9);
    assert_float_equal(
        ask(bench, "SELECT worker = 3 AND rx_rate = 5000 AND tx_rate = 3000 AND rx_bytes = 66"
                   " AND tx_bytes = 67 AND rx_dispersion = 1.5 AND tx_dispersion = 2.5"
                   " AND forwarded = 0.6 AND scv = 0.5 AND percentile = 99 AND scope = 'one-way'"
                   " AND objective = 'delay' AND utilisation_max = 0.8 AND min_packets = 2"
                   " AND max_packets = 1000 AND max_bytes = 65536 AND rx_fixed = 'hand'"
                   " AND tx_fixed IS NULL AND rx_packets = 41 AND tx_packets = 42 FROM input"),
        1, 0);
    assert_float_equal(
        ask(bench, "SELECT max(abs(read_ns - 1000), abs(publish_ns - 2000),"
                   " abs(publish_packet_ns - 3), abs(unload_ns - 4000), abs(unload_packet_ns - 5),"
                   " abs(wakeup_ns - 6000), abs(timer_late_ns - 7000), abs(delay_us - 600),"
                   " abs(min_timeout_us - 11), abs(max_timeout_us - 12000),"
                   " abs(rx_timeout_us - 310), abs(tx_timeout_us - 320), abs(model_us - 500),"
                   " abs(margin_us - 18), abs(expected_us - 215), abs(least_us - 80), "
                   "abs(publish_error_ns - 100),"
                   " abs(publish_packet_error_ns - 2), abs(unload_error_ns - 300), "
                   "abs(read_error_ns - 11),"
                   " abs(wakeup_error_ns - 1200), abs(publish_whole_error_ns - 40),"
                   " abs(unload_whole_error_ns - 50)) FROM input"),
        0, 1e-6);
    assert_true(isnan(ask(bench, "SELECT unload_packet_error_ns FROM input")));
}

/* What versions 4, 3 and 2 have added. */
static const char undo_4[] =
    "ALTER TABLE worker DROP COLUMN read_error_ns; ALTER TABLE worker DROP COLUMN wakeup_error_ns;"
    "ALTER TABLE worker DROP COLUMN publish_whole_error_ns;"
    "ALTER TABLE worker DROP COLUMN unload_whole_error_ns;"
    "ALTER TABLE input DROP COLUMN read_error_ns; ALTER TABLE input DROP COLUMN wakeup_error_ns;"
    "ALTER TABLE input DROP COLUMN publish_whole_error_ns;"
    "ALTER TABLE input DROP COLUMN unload_whole_error_ns;"
    "ALTER TABLE sample DROP COLUMN dispersion_error;"
    "ALTER TABLE sample DROP COLUMN packet_bytes_error; PRAGMA user_version = 3";
static const char undo_3[] = "DROP TABLE domain; ALTER TABLE minute DROP COLUMN domain_cpu;"
                             "PRAGMA user_version = 2";
static const char undo_2[] = "DROP TABLE input; ALTER TABLE worker DROP COLUMN scv;"
                             "ALTER TABLE worker DROP COLUMN publish_error_ns;"
                             "ALTER TABLE worker DROP COLUMN publish_packet_error_ns;"
                             "ALTER TABLE worker DROP COLUMN unload_error_ns;"
                             "ALTER TABLE worker DROP COLUMN unload_packet_error_ns;"
                             "PRAGMA user_version = 1";

/* What older versions wrote stays, and goes on as the present one. */
static void older_databases_are_brought_up_to_date(void **state)
{
    static const char *const undo[] = {undo_4, undo_3, undo_2};
    struct bench *bench = *state;

    open_database(bench);
    basis_fill(&bench->guests[1].basis);
    tick_write(bench, NOW);
    for (size_t older = 1; older <= 3; older++) {
        database_close(bench->database);
        bench->database = NULL;
        for (size_t i = 0; i < older; i++)
            sql(bench, undo[i]);
        assert_float_equal(ask(bench, "PRAGMA user_version"), SCHEMA_VERSION - (double)older, 0);
        open_database(bench);
        tick_write(bench, NOW + (double)older);
        assert_float_equal(ask(bench, "PRAGMA user_version"), SCHEMA_VERSION, 0);
        assert_float_equal(ask(bench, "SELECT count(*) FROM sample"), 4 * (1 + (double)older), 0);
        assert_true(isnan(ask(bench, "SELECT read_error_ns FROM worker ORDER BY time LIMIT 1")));
        assert_float_equal(ask(bench, "SELECT count(*) FROM input WHERE read_error_ns > 0"), 1, 0);
    }
    assert_float_equal(ask(bench, "SELECT count(*) FROM input"), 1, 0); /* version 1 had none */
    assert_float_equal(ask(bench, "SELECT count(*) FROM domain"), 1, 0);
    assert_true(isnan(ask(bench, "SELECT scv FROM worker ORDER BY time LIMIT 1")));
}

static void promises_are_written_when_they_change(void **state)
{
    struct bench *bench = *state;

    open_database(bench);
    tick_write(bench, NOW);
    tick_write(bench, NOW + 1);
    assert_float_equal(ask(bench, "SELECT count(*) FROM promise"), 2, 0);
    bench->guests[0].promise.delay = INFINITY;
    tick_write(bench, NOW + 2);
    tick_write(bench, NOW + 3);
    assert_float_equal(ask(bench, "SELECT count(*) FROM promise"), 3, 0);
    assert_true(isnan(ask(bench, "SELECT delay_us FROM promise ORDER BY time DESC LIMIT 1")));
    /* Nor again after a restart. */
    database_close(bench->database);
    open_database(bench);
    tick_write(bench, NOW + 4);
    assert_float_equal(ask(bench, "SELECT count(*) FROM promise"), 3, 0);
    assert_float_equal(ask(bench, "SELECT count(*) FROM run"), 2, 0);
    assert_float_equal(ask(bench, "SELECT count(*) FROM interface"), 2, 0);
}

static void views_answer(void **state)
{
    static const char *const views[] = {"now",        "timeline", "accuracy", "accuracy_summary",
                                        "kept",       "changes",  "busy",     "broken",
                                        "kept_hourly"};
    struct bench *bench = *state;
    char sql[128];

    open_database(bench);
    bench->guests[0].changed = bench->guests[1].changed = true;
    bench->guests[0].kept = 1;
    bench->guests[1].kept = 0;
    bench->guests[1].state = TUNING_UNATTAINABLE;
    tick_write(bench, NOW);
    bench->guests[0].lanes[DIRECTION_RX].wanted.packets = 80;
    bench->guests[0].kept = 0;
    tick_write(bench, NOW + 1);
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", views[i]);
        assert_true(ask(bench, sql) >= 1);
    }
    assert_float_equal(ask(bench, "SELECT count(*) FROM now"), 2, 0);
    assert_float_equal(ask(bench, "SELECT share FROM kept WHERE name = 'router'"), 0.5, 1e-9);
    assert_float_equal(ask(bench, "SELECT rx_packets - old_rx FROM changes WHERE name = 'router'"
                                  " ORDER BY time DESC LIMIT 1"),
                       40, 0);
    assert_float_equal(ask(bench, "SELECT missing_us FROM broken WHERE name = 'o''neill'"),
                       80 - 600, 1e-6);
    assert_float_equal(ask(bench, "SELECT error_percent FROM accuracy WHERE direction = 'promise'"),
                       10, 1e-6);
}

/* Each query that the documentation shows does what it is shown for. */
static void documented_queries_run(void **state)
{
    struct bench *bench = *state;
    FILE *document = fopen(XENAGG_HISTORY_MD, "r");
    char line[512], sql[2048] = "";
    sqlite3 *db;
    int queries = 0;

    assert_non_null(document);
    open_database(bench);
    tick_write(bench, NOW);
    assert_int_equal(sqlite3_open_v2(bench->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    while (fgets(line, sizeof(line), document)) {
        bool begins = strncmp(line, "    SELECT", 10) == 0;
        if (begins || *sql)
            strncat(sql, line, sizeof(sql) - strlen(sql) - 1);
        if (!*sql || !strchr(line, ';'))
            continue;
        if (sqlite3_exec(db, sql, NULL, NULL, NULL))
            fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        queries++;
        *sql = '\0';
    }
    fclose(document);
    sqlite3_close(db);
    assert_true(queries >= 4);
}

static void minutes_are_condensed_and_old_detail_goes(void **state)
{
    struct bench *bench = *state;
    struct database_limits limits = {.detail = 300, .keep = 1e6, .size = 1 << 30};

    open_database(bench);
    for (int i = 0; i < 1200; i++)
        tick_write(bench, NOW + i);
    assert_int_equal(database_trim(bench->database, &limits, NOW + 1200), 0);
    /* 40 s, then 19 whole minutes, then 20 s that are not over. */
    assert_float_equal(ask(bench, "SELECT count(DISTINCT time) FROM minute"), 20, 0);
    assert_float_equal(ask(bench, "SELECT packets FROM minute WHERE direction = 'rx'"
                                  " ORDER BY time DESC LIMIT 1"),
                       60 * 5000, 0);
    assert_float_equal(ask(bench, "SELECT rate FROM minute WHERE direction = 'tx' LIMIT 1"), 3000,
                       1e-6);
    assert_float_equal(ask(bench, "SELECT measured_us FROM minute WHERE direction = 'rx' LIMIT 1"),
                       100, 1e-6);
    assert_float_equal(ask(bench, "SELECT min(time) FROM sample"), NOW + 900, 1e-6);
    assert_float_equal(ask(bench, "SELECT min(time) FROM prediction"), NOW + 900, 1e-6);
    assert_float_equal(ask(bench, "SELECT min(time) FROM domain"), NOW + 900, 1e-6);
    /* Of the guest whose CPU time is known, both directions. */
    assert_float_equal(ask(bench, "SELECT avg(domain_cpu) FROM minute"), 0.25, 1e-9);
    assert_float_equal(ask(bench, "SELECT count(domain_cpu) FROM minute"), 40, 0);
    /* Again: nothing twice. */
    assert_int_equal(database_trim(bench->database, &limits, NOW + 1200), 0);
    assert_float_equal(ask(bench, "SELECT count(DISTINCT time) FROM minute"), 20, 0);
}

static void latest_decision_stays_while_the_guest_does(void **state)
{
    struct bench *bench = *state;
    struct database_limits limits = {.detail = 60, .keep = 60, .size = 1 << 30};

    open_database(bench);
    bench->guests[0].changed = true;
    tick_write(bench, NOW);
    tick_write(bench, NOW + 1);
    bench->guests[0].changed = false;
    tick_write(bench, NOW + 1e6);
    for (int i = 0; i < 2; i++)
        assert_int_equal(database_trim(bench->database, &limits, NOW + 1e6), 0);
    assert_float_equal(ask(bench, "SELECT time FROM decision"), NOW + 1, 1e-6);
    assert_float_equal(ask(bench, "SELECT count(*) FROM promise"), 2, 0);
    assert_float_equal(ask(bench, "SELECT count(*) FROM sample"), 4, 0);
}

/* A guest that is made anew again and again has another domid each time. */
static void guests_long_gone_are_forgotten(void **state)
{
    struct bench *bench = *state;
    struct database_limits limits = {.detail = 600, .keep = 1200, .size = 1 << 30};

    open_database(bench);
    bench->guests[1].changed = true;
    for (uint32_t i = 0; i < 500; i++) {
        bench->guests[1].interface.domid = 100 + i;
        tick_write(bench, NOW + 10 * i);
    }
    assert_true(bench->database->n_known < 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(database_trim(bench->database, &limits, NOW + 5000), 0);
    double interfaces = ask(bench, "SELECT count(*) FROM interface");
    assert_true(interfaces > 120 && interfaces < 160);
    assert_float_equal(ask(bench, "SELECT count(*) FROM promise"), interfaces, 0);
    assert_float_equal(ask(bench, "SELECT count(*) FROM interface WHERE name = 'router'"), 1, 0);
    assert_float_equal(ask(bench, "SELECT count(*) FROM decision WHERE interface NOT IN"
                                  " (SELECT id FROM interface)"),
                       0, 0);
    /* One that comes again after all that time is a new one. */
    bench->guests[1].interface.domid = 100;
    tick_write(bench, NOW + 5000);
    assert_float_equal(ask(bench, "SELECT count(*) FROM interface WHERE domid = 100"), 1, 0);
    assert_float_equal(ask(bench, "SELECT count(*) FROM sample s JOIN interface i ON i.id ="
                                  " s.interface WHERE domid = 100"),
                       2, 0);
}

/* One that comes again after it was thrown away has all its rows anew. */
static void a_guest_that_comes_again_is_a_new_one(void **state)
{
    struct bench *bench = *state;
    struct database_limits limits = {.detail = 60, .keep = 60, .size = 1 << 30};

    open_database(bench);
    tick_write(bench, NOW);
    bench->report.n_guests = 1;
    tick_write(bench, NOW + 5000);
    for (int i = 0; i < 2; i++)
        assert_int_equal(database_trim(bench->database, &limits, NOW + 5000), 0);
    assert_float_equal(ask(bench, "SELECT count(*) FROM interface"), 1, 0);
    bench->report.n_guests = 2;
    tick_write(bench, NOW + 5001);
    assert_float_equal(ask(bench, "SELECT count(*) FROM interface"), 2, 0);
    assert_float_equal(ask(bench, "SELECT count(*) FROM promise JOIN interface ON interface.id ="
                                  " promise.interface"),
                       2, 0);
}

/* What a tick made known is not, if the tick could not be written. */
static void a_tick_that_failed_leaves_nothing_behind(void **state)
{
    struct bench *bench = *state;

    open_database(bench);
    tick_write(bench, NOW);
    sql(bench,
        "CREATE TRIGGER none BEFORE INSERT ON worker BEGIN SELECT raise(ABORT, 'full'); END");
    bench->guests[1].interface.domid = 9;
    bench->report.time = NOW + 300;
    sqlite3_db_config(bench->database->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL);
    assert_int_not_equal(database_tick(bench->database, &bench->report), 0);
    sql(bench, "DROP TRIGGER none");
    tick_write(bench, NOW + 301);
    assert_float_equal(ask(bench, "SELECT count(*) FROM sample s JOIN interface i ON i.id ="
                                  " s.interface WHERE domid = 9"),
                       2, 0);
}

/* However much of what is kept longer there is: what is new is recorded. */
static void size_is_kept_by_throwing_away_the_rest(void **state)
{
    struct bench *bench = *state;
    struct database_limits limits = {.detail = 600, .keep = 1e9, .size = 1 << 20};
    struct stat st;

    open_database(bench);
    bench->guests[0].kept = bench->guests[1].kept = 1;
    bench->guests[0].changed = bench->guests[1].changed = true;
    for (int i = 0; i < 3000; i++) {
        tick_write(bench, NOW + 10 * i);
        if (i % 30 == 29)
            assert_int_equal(database_trim(bench->database, &limits, NOW + 10 * i), 0);
    }
    assert_int_equal(stat(bench->path, &st), 0);
    assert_true(st.st_size <= 3 << 19);
    assert_float_equal(ask(bench, "SELECT max(time) FROM verdict"), NOW + 29990, 1e-6);
    assert_true(ask(bench, "SELECT count(*) FROM sample") >= 60);
    assert_true(ask(bench, "SELECT count(*) FROM verdict") > 500);
    assert_true(ask(bench, "SELECT count(*) FROM minute") > 50);
}

static void size_is_kept_by_throwing_away_detail(void **state)
{
    struct bench *bench = *state;
    struct database_limits limits = {.detail = 1e9, .keep = 1e9, .size = 8 << 20};
    struct stat st;

    open_database(bench);
    /* A tick of an hour ago each second, so that a piece is soon full. */
    for (int i = 0; i < 6000; i++) {
        tick_write(bench, NOW + 10 * i);
        if (i % 60 == 59)
            assert_int_equal(database_trim(bench->database, &limits, NOW + 10 * i), 0);
    }
    assert_int_equal(stat(bench->path, &st), 0);
    assert_true(st.st_size <= 11 << 20);
    assert_true(ask(bench, "SELECT count(*) FROM sample") > 1000);
    assert_float_equal(ask(bench, "SELECT max(time) FROM sample"), NOW + 59990, 1e-6);
}

static void file_write(const struct bench *bench, const void *bytes, size_t size)
{
    int fd = open(bench->path, O_CREAT | O_TRUNC | O_WRONLY, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static void other_files_are_refused_and_left_alone(void **state)
{
    struct bench *bench = *state;
    static const char text[] = "root:x:0:0:root:/root:/bin/bash\nnothing like a database\n";
    char why[256], read_back[sizeof(text)];

    file_write(bench, text, sizeof(text));
    assert_int_equal(open_code(bench, why), SQLITE_NOTADB);
    assert_non_null(strstr(why, "not a database"));
    int fd = open(bench->path, O_RDONLY);
    assert_int_equal(read(fd, read_back, sizeof(read_back)), sizeof(read_back));
    close(fd);
    assert_memory_equal(text, read_back, sizeof(text));
    assert_null(bench->database);
}

static void other_databases_and_newer_ones_are_refused(void **state)
{
    struct bench *bench = *state;
    char why[256], newer[64];

    sql(bench, "CREATE TABLE accounts(name); PRAGMA user_version = 1");
    assert_int_equal(open_code(bench, why), SQLITE_MISMATCH);
    assert_non_null(strstr(why, "something else"));
    assert_float_equal(ask(bench, "SELECT count(*) FROM sqlite_schema"), 1, 0);
    assert_int_equal(unlink(bench->path), 0);

    open_database(bench);
    database_close(bench->database);
    bench->database = NULL;
    snprintf(newer, sizeof(newer), "PRAGMA user_version = %d", SCHEMA_VERSION + 1);
    sql(bench, newer);
    assert_int_equal(open_code(bench, why), SQLITE_MISMATCH);
}

static void damaged_database_is_moved_aside(void **state)
{
    struct bench *bench = *state;
    unsigned char junk[4096];
    char command[160];

    open_database(bench);
    for (int i = 0; i < 50; i++)
        tick_write(bench, NOW + i);
    database_close(bench->database);
    bench->database = NULL;
    memset(junk, 0xa5, sizeof(junk));
    int fd = open(bench->path, O_WRONLY);
    assert_true(fd >= 0);
    /* The header stays ours; the schema behind it is rubbish. */
    assert_int_equal(pwrite(fd, junk, sizeof(junk) - 100, 100), sizeof(junk) - 100);
    close(fd);
    open_database(bench);
    tick_write(bench, NOW + 100);
    assert_float_equal(ask(bench, "SELECT count(*) FROM sample"), 4, 0);
    snprintf(command, sizeof(command), "ls %s/h.db.damaged-* >/dev/null", bench->folder);
    assert_int_equal(system(command), 0);
}

/* Triggers that somebody put in do not run. */
static void triggers_of_others_do_not_run(void **state)
{
    struct bench *bench = *state;

    open_database(bench);
    database_close(bench->database);
    bench->database = NULL;
    sql(bench, "CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM event; END");
    open_database(bench);
    assert_int_equal(database_event(bench->database, NOW, "start", "x"), 0);
    assert_float_equal(ask(bench, "SELECT count(*) FROM event"), 1, 0);
}

/* ---- the thread ---- */

static struct history *history_of(const struct bench *bench)
{
    struct history_options options = {
        .path = bench->path, .interval = 1, .detail = 1e6, .keep = 1e6, .size = 1 << 30};
    struct history *history;

    assert_int_equal(history_start(&options, &history), 0);
    return history;
}

static void history_writes_what_waits_before_it_stops(void **state)
{
    struct bench *bench = *state;
    struct history *history = history_of(bench);

    history_event(history, NOW, "start", "number %d", 1);
    for (int i = 0; i < 20; i++) {
        bench->report.time = NOW + i;
        history_tick(history, &bench->report);
    }
    history_stop(history);
    assert_float_equal(ask(bench, "SELECT count(DISTINCT time) FROM sample"), 20, 0);
    assert_float_equal(ask(bench, "SELECT count(*) FROM event WHERE text = 'number 1'"), 1, 0);
}

static void await_state(struct history *history, bool failing, struct history_state *ret)
{
    for (int i = 0; i < 2000; i++) {
        history_look(history, ret);
        if ((ret->error[0] != '\0') == failing)
            return;
        usleep(5000);
    }
    fail_msg("waited in vain: %s", ret->error);
}

/* Somebody holds the database: ticks are dropped and counted, then it goes on. */
static void history_drops_and_counts_what_it_can_not_write(void **state)
{
    struct bench *bench = *state;
    struct history *history;
    struct history_state look;
    sqlite3 *db;

    open_database(bench);
    database_close(bench->database);
    bench->database = NULL;
    assert_int_equal(sqlite3_open(bench->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    history = history_of(bench);
    /* More than the queue holds: the caller never waits. */
    for (unsigned i = 0; i < 3 * HISTORY_QUEUE; i++) {
        bench->report.time = NOW + i;
        history_tick(history, &bench->report);
    }
    await_state(history, true, &look);
    assert_true(look.dropped >= 2 * HISTORY_QUEUE - 1);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    for (int i = 0; i < 400 && look.error[0]; i++) {
        bench->report.time = NOW + 1000 + i;
        history_tick(history, &bench->report);
        usleep(50000);
        history_look(history, &look);
    }
    assert_string_equal(look.error, "");
    history_stop(history);
    assert_true(ask(bench, "SELECT count(*) FROM event WHERE kind = 'dropped'") >= 1);
}

static void history_without_a_place_is_off_and_says_so(void **state)
{
    struct bench *bench = *state;
    struct history *history;
    struct history_state look;

    snprintf(bench->path, sizeof(bench->path), "%s/nowhere/h.db", bench->folder);
    history = history_of(bench);
    history_tick(history, &bench->report);
    await_state(history, true, &look);
    assert_int_equal(look.recorded, 0);
    history_stop(history);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(everything_of_a_tick_is_found_again),
        TEST(what_the_model_was_given_is_found_again),
        TEST(older_databases_are_brought_up_to_date),
        TEST(promises_are_written_when_they_change),
        TEST(views_answer),
        TEST(documented_queries_run),
        TEST(minutes_are_condensed_and_old_detail_goes),
        TEST(latest_decision_stays_while_the_guest_does),
        TEST(guests_long_gone_are_forgotten),
        TEST(a_guest_that_comes_again_is_a_new_one),
        TEST(a_tick_that_failed_leaves_nothing_behind),
        TEST(size_is_kept_by_throwing_away_detail),
        TEST(size_is_kept_by_throwing_away_the_rest),
        TEST(other_files_are_refused_and_left_alone),
        TEST(other_databases_and_newer_ones_are_refused),
        TEST(damaged_database_is_moved_aside),
        TEST(triggers_of_others_do_not_run),
        TEST(history_writes_what_waits_before_it_stops),
        TEST(history_drops_and_counts_what_it_can_not_write),
        TEST(history_without_a_place_is_off_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
