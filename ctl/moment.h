// SPDX-License-Identifier: GPL-2.0-or-later
/* A moment as people write it. */
#ifndef XENAGG_CTL_MOMENT_H
#define XENAGG_CTL_MOMENT_H

/*
 * Seconds since the epoch ("1700000000.5"), local time ("2024-05-01 12:03",
 * with or without seconds; "12:03:45": of the day of `now`), or a time before
 * now ("-5m", "-90s"). 0 or -EINVAL.
 */
int moment_parse(const char *text, double now, double *ret);

#endif
