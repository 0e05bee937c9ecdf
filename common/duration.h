// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Durations as people write them: a number and a unit, "600us", "1.5ms", "2s".
 * A number without a unit is an error, except 0.
 */
#ifndef XENAGG_COMMON_DURATION_H
#define XENAGG_COMMON_DURATION_H

#include <stddef.h>

/* Units: ns, us, ms, s, min, h. Not negative, at most 1000 h. 0 or -EINVAL. */
int duration_parse(const char *text, double *ret_seconds);

/* Room for any text that duration_format makes. */
#define DURATION_TEXT 24

/* Three significant digits in the unit that suits: "96.2us", "1.50ms". Returns `buffer`. */
const char *duration_format(double seconds, char buffer[static DURATION_TEXT]);

#endif
