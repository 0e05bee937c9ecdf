// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The history database from within, for the files that make it up: database.c
 * (the file and its statements), database_tick.c (what is written) and
 * database_trim.c (what is thrown away). Functions return an SQLite code, with the
 * text of an error in database->error.
 */
#ifndef XENAGG_DAEMON_DATABASE_PRIVATE_H
#define XENAGG_DAEMON_DATABASE_PRIVATE_H

#include <sqlite3.h>

#include "daemon/database.h"

/* s that `last_seen` of an interface that is there may be behind, at most. */
#define DATABASE_SEEN_LATE 180

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_RUN,
    STATEMENT_INTERFACE,
    STATEMENT_PROMISE_LAST,
    STATEMENT_PROMISE,
    STATEMENT_DECISION,
    STATEMENT_VERDICT,
    STATEMENT_SAMPLE,
    STATEMENT_PREDICTION,
    STATEMENT_MEASURED,
    STATEMENT_WORKER,
    STATEMENT_INPUT,
    STATEMENT_DOMAIN,
    STATEMENT_EVENT,
    STATEMENT_MINUTES_DONE,
    STATEMENT_MINUTE,
    STATEMENT_USED,
    STATEMENT_DETAIL_SPAN,
    STATEMENT_REST_TENTH,
    STATEMENT_COUNT
};

/* An interface of this run, so that most ticks need not ask the database. */
struct known {
    struct keys_interface interface;
    char name[CONFIG_NAME];
    sqlite3_int64 id;
    double seen;
    struct promise promise;
};

struct database {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct known *known;
    size_t n_known;
    uint64_t max_pages_of; /* the size that max_page_count was set for */
    char error[160];
};

/*
 * Runs a statement with values in the order of `types`: i (int64_t), d (double:
 * NULL where not finite), s (text; NULL is NULL). Rows are not looked at.
 */
int database_run(struct database *database, enum statement which, const char *types, ...);
/* The same. SQLITE_ROW: read columns of the statement, then reset it; SQLITE_DONE: no row. */
int database_ask(struct database *database, enum statement which, const char *types, ...);
/* SQL of our own that is no statement; nothing from outside may stand in it. */
int database_execute(struct database *database, const char *sql);
/* Ends what STATEMENT_BEGIN began: commits, or rolls back where `code` or committing says so. */
int database_end(struct database *database, int code);

#endif
