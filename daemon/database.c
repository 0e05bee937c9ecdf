// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/database.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "daemon/database_private.h"
#include "daemon/schema.h"

#define BUSY_MS 2000

static const char *const statements[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_RUN] = "INSERT INTO run(started, version, interval)"
                      " VALUES(?, '" XENAGG_VERSION "', ?)",
    [STATEMENT_INTERFACE] =
        "INSERT INTO interface(name, domid, handle, first_seen, last_seen)"
        " VALUES(?1, ?2, ?3, ?4, ?4)"
        " ON CONFLICT(name, domid, handle) DO UPDATE SET last_seen = ?4 RETURNING id",
    [STATEMENT_PROMISE_LAST] = "SELECT delay_us, percentile, scope FROM promise WHERE interface = ?"
                               " ORDER BY time DESC LIMIT 1",
    [STATEMENT_PROMISE] = "INSERT OR REPLACE INTO promise VALUES(?, ?, ?, ?, ?)",
    [STATEMENT_DECISION] =
        "INSERT OR REPLACE INTO decision VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STATEMENT_VERDICT] = "INSERT OR REPLACE INTO verdict VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
    [STATEMENT_SAMPLE] = "INSERT OR REPLACE INTO sample VALUES"
                         "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STATEMENT_PREDICTION] =
        "INSERT OR REPLACE INTO prediction VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STATEMENT_MEASURED] =
        "INSERT OR REPLACE INTO measured VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STATEMENT_WORKER] =
        "INSERT OR REPLACE INTO worker VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?, ?, ?)",
    [STATEMENT_INPUT] =
        "INSERT OR REPLACE INTO input VALUES"
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STATEMENT_DOMAIN] = "INSERT OR REPLACE INTO domain VALUES(?, ?, ?)",
    [STATEMENT_EVENT] = "INSERT INTO event(time, kind, text) VALUES(?, ?, ?)",
    [STATEMENT_MINUTES_DONE] = "SELECT coalesce((SELECT max(time) + 60 FROM minute),"
                               " (SELECT cast(min(time) / 60 AS INTEGER) * 60.0 FROM sample))",
    [STATEMENT_MINUTE] =
        "INSERT OR REPLACE INTO minute"
        " SELECT cast(s.time / 60 AS INTEGER) * 60.0 AS m, s.interface, s.direction,"
        "  sum(s.seconds), sum(s.packets), sum(s.containers), sum(s.dropped),"
        "  sum(s.packets) / sum(s.seconds), min(s.rate), max(s.rate), avg(s.size_packets),"
        "  avg(s.size_timeout_us), avg(p.total_us), avg(d.total_us), max(d.p99_us),"
        "  max(d.total_us), avg(c.cpu)"
        " FROM sample s"
        " LEFT JOIN prediction p USING(time, interface, direction)"
        " LEFT JOIN measured d USING(time, interface, direction)"
        " LEFT JOIN domain c USING(time, interface)"
        " WHERE s.time >= ?1 AND s.time < ?2 GROUP BY m, s.interface, s.direction",
    [STATEMENT_USED] = "SELECT (SELECT page_count FROM pragma_page_count)"
                       " - (SELECT freelist_count FROM pragma_freelist_count),"
                       " (SELECT page_size FROM pragma_page_size)",
    [STATEMENT_DETAIL_SPAN] =
        "SELECT (SELECT max(time) FROM sample) - (SELECT min(time) FROM sample)",
    [STATEMENT_REST_TENTH] =
        "SELECT min(time) + (max(time) - min(time)) / 10 FROM ("
        "SELECT min(time) AS time FROM minute UNION ALL SELECT max(time) FROM minute"
        " UNION ALL SELECT min(time) FROM verdict UNION ALL SELECT max(time) FROM verdict"
        " UNION ALL SELECT min(time) FROM event UNION ALL SELECT max(time) FROM event)",
};

/* ---- statements ---- */

static void bind(sqlite3_stmt *statement, const char *types, va_list values)
{
    for (int i = 0; types[i]; i++) {
        if (types[i] == 'i') {
            sqlite3_bind_int64(statement, i + 1, va_arg(values, int64_t));
        } else if (types[i] == 'd') {
            double value = va_arg(values, double);
            if (isfinite(value))
                sqlite3_bind_double(statement, i + 1, value);
            else
                sqlite3_bind_null(statement, i + 1);
        } else {
            sqlite3_bind_text(statement, i + 1, va_arg(values, const char *), -1, SQLITE_TRANSIENT);
        }
    }
}

static int failed(struct database *database, int code)
{
    snprintf(database->error, sizeof(database->error), "%s", sqlite3_errmsg(database->db));
    return code;
}

static int start(struct database *database, enum statement which, const char *types, va_list values)
{
    sqlite3_stmt *statement = database->statements[which];

    sqlite3_reset(statement);
    bind(statement, types, values);
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        failed(database, code);
    return code;
}

int database_run(struct database *database, enum statement which, const char *types, ...)
{
    va_list values;

    va_start(values, types);
    int code = start(database, which, types, values);
    va_end(values);
    sqlite3_reset(database->statements[which]);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

int database_ask(struct database *database, enum statement which, const char *types, ...)
{
    va_list values;

    va_start(values, types);
    int code = start(database, which, types, values);
    va_end(values);
    if (code != SQLITE_ROW)
        sqlite3_reset(database->statements[which]);
    return code;
}

int database_execute(struct database *database, const char *sql)
{
    int code = sqlite3_exec(database->db, sql, NULL, NULL, NULL);

    return code ? failed(database, code) : SQLITE_OK;
}

int database_end(struct database *database, int code)
{
    if (!code)
        code = database_run(database, STATEMENT_COMMIT, "");
    if (code && !sqlite3_get_autocommit(database->db)) {
        char error[sizeof(database->error)];
        memcpy(error, database->error, sizeof(error));
        database_run(database, STATEMENT_ROLLBACK, "");
        memcpy(database->error, error, sizeof(error));
    }
    return code;
}

const char *database_error(const struct database *database)
{
    return database->error;
}

/* ---- opening ---- */

static int prepare_all(struct database *database)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        int code = sqlite3_prepare_v3(database->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &database->statements[i], NULL);
        if (code)
            return code;
    }
    return SQLITE_OK;
}

static int configure(sqlite3 *db)
{
    static const char settings[] = "PRAGMA journal_mode = WAL;"
                                   "PRAGMA synchronous = NORMAL;"
                                   "PRAGMA journal_size_limit = 16777216;"
                                   "PRAGMA cache_size = -1024;";

    sqlite3_busy_timeout(db, BUSY_MS);
    sqlite3_extended_result_codes(db, 0);
    /* What somebody may have put into the file is data, never code. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    return sqlite3_exec(db, settings, NULL, NULL, NULL);
}

static int open_once(const char *path, struct database *database)
{
    int code =
        sqlite3_open_v2(path, &database->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (!code) /* looks before it changes anything */
        code = schema_prepare(database->db);
    if (!code)
        code = configure(database->db);
    if (!code)
        code = prepare_all(database);
    return code;
}

static void why_not(const struct database *database, const char *path, int code, char *why,
                    size_t size)
{
    if (code == SQLITE_MISMATCH)
        snprintf(why, size, "%s: a database of something else, or of a newer version", path);
    else if (code == SQLITE_NOTADB)
        snprintf(why, size, "%s: not a database; move it away", path);
    else
        snprintf(why, size, "%s: %s", path,
                 database->db ? sqlite3_errmsg(database->db) : sqlite3_errstr(code));
}

static void database_reset(struct database *database)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(database->statements[i]);
    sqlite3_close_v2(database->db);
    free(database->known);
    memset(database, 0, sizeof(*database));
}

/* Damaged, but ours: kept for whoever wants to look at it. */
static int move_aside(const char *path)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    char from[CONFIG_PATH + 16], to[CONFIG_PATH + 48];
    long now = (long)time(NULL);

    for (size_t i = 0; i < 3; i++) {
        snprintf(from, sizeof(from), "%s%s", path, parts[i]);
        snprintf(to, sizeof(to), "%s.damaged-%ld%s", path, now, parts[i]);
        if (rename(from, to) < 0 && (i == 0 || errno != ENOENT))
            return -errno;
    }
    log_line(LOG_ERR, "history", "%s is damaged: moved to %s.damaged-%ld, a new one is begun", path,
             path, now);
    return 0;
}

int database_open(const char *path, double interval, struct database **ret, char *ret_why,
                  size_t why_size)
{
    struct database *database = calloc(1, sizeof(*database));

    if (!database) {
        snprintf(ret_why, why_size, "no memory");
        return SQLITE_NOMEM;
    }
    int code = open_once(path, database);
    if (code == SQLITE_CORRUPT) {
        why_not(database, path, code, ret_why, why_size);
        database_reset(database);
        if (move_aside(path) == 0)
            code = open_once(path, database);
    }
    if (!code)
        code = database_run(database, STATEMENT_RUN, "dd", (double)time(NULL), interval);
    if (code) {
        why_not(database, path, code, ret_why, why_size);
        database_close(database);
        return code;
    }
    *ret = database;
    return SQLITE_OK;
}

void database_close(struct database *database)
{
    if (!database)
        return;
    database_reset(database);
    free(database);
}
