// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The demo's live table: redrawn in place on a terminal, a few plain blocks
 * where the output goes elsewhere.
 */
#ifndef XENAGG_SANDBOX_SCREEN_H
#define XENAGG_SANDBOX_SCREEN_H

#include <stdio.h>

#include "sandbox/record.h"

struct screen;

struct screen_row {
    const char *name;
    const struct record_tick *tick; /* NULL: nothing known yet */
    struct record_score score;
    const char *scope;  /* "one-way", "forwarding" */
    const char *reason; /* why the sizes are as they are */
};

struct screen *screen_create(FILE *file);
void screen_free(struct screen *screen);

/* `at` seconds of `total`; rows for all guests. */
void screen_show(struct screen *screen, double at, double total, const char *phase,
                 const struct screen_row rows[PLAN_GUESTS]);
/* A line of its own, above the table. */
void screen_say(struct screen *screen, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "12.3", "4.56k": microseconds or counts in few characters; "-" for NAN. Returns `text`. */
const char *screen_number(double value, char text[static 24]);

#endif
