// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The history: ticks and events on their way to an SQLite database
 * (docs/history.md). A thread of its own does all that touches the disk; who
 * calls here never waits for it. Where the disk is too slow, full, or the
 * database unusable, ticks are dropped, counted, and that is logged once; when
 * it works again, that is logged too, and recorded.
 */
#ifndef XENAGG_DAEMON_HISTORY_H
#define XENAGG_DAEMON_HISTORY_H

#include <stdint.h>

#include "controller/report.h"

/* Ticks that may wait for the disk, and their bytes. */
#define HISTORY_QUEUE 64u
#define HISTORY_QUEUE_BYTES (16u << 20)

struct history_options {
    const char *path; /* copied */
    double interval;  /* s between ticks */
    double detail;    /* s that every tick is kept */
    double keep;      /* s that the rest is kept */
    uint64_t size;    /* bytes that the database may have */
};

struct history_state {
    uint64_t recorded, dropped;    /* ticks */
    char error[CONFIG_PATH + 192]; /* empty: none */
};

struct history;

/* Starts the thread; the database is opened there. 0 or -errno. */
int history_start(const struct history_options *options, struct history **ret);
/* Writes what waits, for at most a few seconds, and ends. NULL is fine. */
void history_stop(struct history *history);

/* Both copy what they are given. */
void history_tick(struct history *history, const struct tick_report *report);
/* `kind`: see docs/history.md. `time`: s since the epoch. */
void history_event(struct history *history, double time, const char *kind, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* New retention from now on; the path in it is not looked at. */
void history_retain(struct history *history, const struct history_options *options);
void history_look(struct history *history, struct history_state *ret);

#endif
