// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/database.h"

#include <math.h>
#include <stdio.h>

#include "daemon/database_private.h"

/* Detail is thrown away in pieces of so many seconds. */
#define TRIM_PIECE "900"
#define LIMITS_PAGES_SLACK 1.25
/* s of detail that are not given up for what is kept longer. */
#define DETAIL_LEAST 3600.0
/* Of the size, from where on something is thrown away before its time. */
#define SIZE_SHARE 0.95

static int minutes_condense(struct database *database, double now)
{
    int code = database_ask(database, STATEMENT_MINUTES_DONE, "");
    bool any = code == SQLITE_ROW &&
               sqlite3_column_type(database->statements[STATEMENT_MINUTES_DONE], 0) != SQLITE_NULL;
    double from = any ? sqlite3_column_double(database->statements[STATEMENT_MINUTES_DONE], 0) : 0;
    double until = floor(now / 60) * 60;

    sqlite3_reset(database->statements[STATEMENT_MINUTES_DONE]);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_OK : code;
    return any && from < until ? database_run(database, STATEMENT_MINUTE, "dd", from, until)
                               : SQLITE_OK;
}

static int used_bytes(struct database *database, double *ret_bytes, double *ret_page)
{
    sqlite3_stmt *statement = database->statements[STATEMENT_USED];
    int code = database_ask(database, STATEMENT_USED, "");

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_INTERNAL : code;
    *ret_page = sqlite3_column_double(statement, 1);
    *ret_bytes = sqlite3_column_double(statement, 0) * *ret_page;
    sqlite3_reset(statement);
    return SQLITE_OK;
}

/* Each tick's rows before `before`, at most a piece at once. */
static int detail_delete(struct database *database, double before)
{
    static const char *const tables[] = {"prediction", "measured", "worker",
                                         "input",      "domain",   "sample"};
    char sql[256];
    int code = SQLITE_OK;

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && !code; i++) {
        snprintf(sql, sizeof(sql),
                 "DELETE FROM %s WHERE time < min(%.3f, (SELECT min(time) + " TRIM_PIECE
                 " FROM %s))",
                 tables[i], before, tables[i]);
        code = database_execute(database, sql);
    }
    return code;
}

/*
 * What is kept longer. Of an interface that is there the last decision and the
 * promise stay; one that has gone goes with all that was said of it.
 */
static int rest_delete(struct database *database, double before)
{
    char gone[96], sql[1024];

    snprintf(gone, sizeof(gone), "SELECT id FROM interface WHERE last_seen < %.3f",
             before - DATABASE_SEEN_LATE);
    snprintf(sql, sizeof(sql),
             "DELETE FROM minute WHERE time < %.3f;"
             "DELETE FROM verdict WHERE time < %.3f;"
             "DELETE FROM event WHERE time < %.3f;"
             "DELETE FROM decision WHERE time < %.3f AND (interface IN (%s) OR time <"
             " (SELECT max(time) FROM decision d WHERE d.interface = decision.interface));"
             "DELETE FROM promise WHERE time < %.3f AND (interface IN (%s) OR time <"
             " (SELECT max(time) FROM promise p WHERE p.interface = promise.interface));"
             "DELETE FROM interface WHERE id IN (%s)"
             " AND last_seen < (SELECT coalesce(min(time), 1e15) FROM sample) - %d;",
             before, before, before, before, gone, before, gone, gone, DATABASE_SEEN_LATE);
    return database_execute(database, sql);
}

/* A last resort behind the trimming, so that a mistake there can't fill the disk. */
static void pages_limit(struct database *database, uint64_t size, double page)
{
    char sql[96];

    if (database->max_pages_of == size || !(page > 0))
        return;
    snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %.0f",
             LIMITS_PAGES_SLACK * (double)size / page);
    if (database_execute(database, sql) == SQLITE_OK)
        database->max_pages_of = size;
}

/* A statement's number; 0 where it is NULL. */
static int number_of(struct database *database, enum statement which, double *ret)
{
    int code = database_ask(database, which, "");

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_INTERNAL : code;
    *ret = sqlite3_column_double(database->statements[which], 0);
    sqlite3_reset(database->statements[which]);
    return SQLITE_OK;
}

/*
 * The oldest piece of detail, whatever its age; where there is little of that,
 * the oldest tenth of what is kept longer, or it would take all the room in time.
 */
static int oldest_delete(struct database *database)
{
    double span = 0, tenth = 0;
    int code = number_of(database, STATEMENT_DETAIL_SPAN, &span);

    if (!code && span >= DETAIL_LEAST)
        return detail_delete(database, 1e15);
    if (!code)
        code = number_of(database, STATEMENT_REST_TENTH, &tenth);
    return code ? code : rest_delete(database, tenth);
}

static int size_trim(struct database *database, const struct database_limits *limits)
{
    double used = 0, page = 0;
    int code = used_bytes(database, &used, &page);

    if (code)
        return code;
    pages_limit(database, limits->size, page);
    return used > SIZE_SHARE * (double)limits->size ? oldest_delete(database) : SQLITE_OK;
}

int database_trim(struct database *database, const struct database_limits *limits, double now)
{
    int code = database_run(database, STATEMENT_BEGIN, "");

    if (!code)
        code = minutes_condense(database, now);
    if (!code)
        code = detail_delete(database, now - limits->detail);
    if (!code)
        code = rest_delete(database, now - limits->keep);
    if (!code)
        code = size_trim(database, limits);
    return database_end(database, code);
}
