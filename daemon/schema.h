// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The history database's schema: docs/history.md in SQL.
 */
#ifndef XENAGG_DAEMON_SCHEMA_H
#define XENAGG_DAEMON_SCHEMA_H

#include <sqlite3.h>

#define SCHEMA_APPLICATION 2019649383 /* "xagg" */
#define SCHEMA_VERSION 4

/*
 * Makes an open database ours: creates everything in an empty one, brings one of
 * an older version up to this, checks one that is ours. Returns an SQLite result code;
 * SQLITE_MISMATCH where it is a database of something else or of a newer xenagg (then untouched).
 */
int schema_prepare(sqlite3 *db);

#endif
