// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The history database's file: opening what may be anything, writing ticks and
 * events, throwing away what is old. Used by one thread.
 */
#ifndef XENAGG_DAEMON_DATABASE_H
#define XENAGG_DAEMON_DATABASE_H

#include <stddef.h>
#include <stdint.h>

#include "controller/report.h"

struct database;

/* Retention; see struct history_options. */
struct database_limits {
    double detail, keep; /* s */
    uint64_t size;       /* bytes */
};

/*
 * Opens or creates. A database of ours that is damaged is moved aside
 * (PATH.damaged-<time>) and a new one begun; anything else that lies there is
 * refused, untouched. Returns 0 or an SQLite code, and why in `ret_why`.
 */
int database_open(const char *path, double interval, struct database **ret, char *ret_why,
                  size_t why_size);
void database_close(struct database *database); /* NULL is fine */

/*
 * Both: 0 or an SQLite code; then nothing of it was written. After
 * SQLITE_CORRUPT the database should be closed and opened again.
 */
int database_tick(struct database *database, const struct tick_report *report);
int database_event(struct database *database, double time, const char *kind, const char *text);
/* Condenses minutes that are over, and throws away what is old or too much. Bounded in time. */
int database_trim(struct database *database, const struct database_limits *limits, double now);
/* The last error's text. Valid until the next call. */
const char *database_error(const struct database *database);

#endif
