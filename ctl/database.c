// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/database.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "ctl/ctl.h"
#include "daemon/schema.h"

/* The daemon's writes take less. */
#define BUSY_MS 5000

double database_number(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL
               ? NAN
               : sqlite3_column_double(statement, column);
}

double database_value(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    double value = NAN;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL))
        return NAN;
    if (sqlite3_step(statement) == SQLITE_ROW)
        value = database_number(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

/* Whether the file is a history of a version that is known here; else says so. */
static bool is_history(sqlite3 *db, const char *path, int least)
{
    double application = database_value(db, "PRAGMA application_id");
    double version = database_value(db, "PRAGMA user_version");

    if (isnan(application))
        ctl_error("%s: %s", path, sqlite3_errmsg(db));
    else if (application != SCHEMA_APPLICATION)
        ctl_error("%s is no history of xenaggd", path);
    else if (version > SCHEMA_VERSION)
        ctl_error("%s has version %.0f; this xenaggctl knows versions up to %d", path, version,
                  SCHEMA_VERSION);
    else if (version < least)
        ctl_error("%s has version %.0f, which does not hold what is asked for; a xenaggd of this "
                  "version brings it up to %d",
                  path, version, SCHEMA_VERSION);
    else
        return true;
    return false;
}

sqlite3 *database_read(const char *path, int least)
{
    sqlite3 *db;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL)) {
        ctl_error("%s: %s; has xenaggd run, and may you read it? --database names another place",
                  path, sqlite3_errmsg(db));
    } else {
        sqlite3_busy_timeout(db, BUSY_MS);
        if (is_history(db, path, least))
            return db;
    }
    sqlite3_close(db);
    return NULL;
}
