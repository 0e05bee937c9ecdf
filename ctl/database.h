// SPDX-License-Identifier: GPL-2.0-or-later
/* The daemon's database as a reader opens it: read-only, of a version that is known here. */
#ifndef XENAGG_CTL_DATABASE_H
#define XENAGG_CTL_DATABASE_H

#include <sqlite3.h>

/*
 * NULL after a message. `least`: the oldest version of the schema that has what is
 * asked for. The caller closes with sqlite3_close.
 */
sqlite3 *database_read(const char *path, int least);

/* A column of a row; NAN where it is NULL. */
double database_number(sqlite3_stmt *statement, int column);
/* The first value of a query without parameters, NAN where it has none. */
double database_value(sqlite3 *db, const char *sql);

#endif
