// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Text for people. Names of guests come from xenstore and from the history:
 * they can hold anything, also what a terminal takes for commands.
 */
#ifndef XENAGG_CTL_TEXT_H
#define XENAGG_CTL_TEXT_H

#include <stddef.h>

/*
 * Copies `text`, with all but printable ASCII written as \xNN (and the
 * backslash as \\), cut with "..." where `size` (at least 8) is too small.
 * Returns `ret`.
 */
const char *text_clean(const char *text, char *ret, size_t size);

/* Room for any number or share written below. */
#define TEXT_NUMBER 32

/* Three significant digits, whole numbers whole: "0.25", "58.5", "1024". Returns `ret`. */
const char *text_number(double number, char ret[static TEXT_NUMBER]);

/* Three significant digits and a prefix: "950", "41.2k", "3.07M". Returns `ret`. */
const char *text_prefixed(double number, char ret[static TEXT_NUMBER]);

/* A long time in its two largest units: "45s", "12min 5s", "3h 12min", "5d 3h". Returns `ret`. */
const char *text_span(double seconds, char ret[static TEXT_NUMBER]);

/* Seconds since the epoch as local time, "2024-05-01 12:03:45". Returns `ret`. */
const char *text_time(double epoch, char *ret, size_t size);

#endif
