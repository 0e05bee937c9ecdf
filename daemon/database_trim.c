// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/database.h"

#include <math.h>
#include <stdio.h>

#include "daemon/database_private.h"

/* Detail is thrown away in pieces of so many seconds. */
#define TRIM_PIECE "900"
#define LIMITS_PAGES_SLACK 1.25

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

static int rest_delete(struct database *database, double before)
{
    char sql[768];

    snprintf(sql, sizeof(sql),
             "DELETE FROM minute WHERE time < %.3f;"
             "DELETE FROM verdict WHERE time < %.3f;"
             "DELETE FROM event WHERE time < %.3f;"
             "DELETE FROM decision WHERE time < %.3f AND time <"
             " (SELECT max(time) FROM decision d WHERE d.interface = decision.interface);"
             "DELETE FROM promise WHERE time < %.3f AND time <"
             " (SELECT max(time) FROM promise p WHERE p.interface = promise.interface);",
             before, before, before, before, before);
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

static int size_trim(struct database *database, const struct database_limits *limits)
{
    double used = 0, page = 0;
    int code = used_bytes(database, &used, &page);

    if (code)
        return code;
    pages_limit(database, limits->size, page);
    /* The oldest piece of detail, whatever its age. */
    if (used > 0.95 * (double)limits->size)
        code = detail_delete(database, 1e15);
    return code;
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
