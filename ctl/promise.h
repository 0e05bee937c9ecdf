// SPDX-License-Identifier: GPL-2.0-or-later
/* A promise in words, as all commands show it. */
#ifndef XENAGG_CTL_PROMISE_H
#define XENAGG_CTL_PROMISE_H

#define PROMISE_TEXT 64

/*
 * "600us mean, forwarding", "300us p99, one-way"; "none" where `delay` (s) is
 * not finite. `percentile`: not above 0 or NAN means the mean. Returns `ret`.
 */
const char *promise_text(double delay, double percentile, const char *scope,
                         char ret[static PROMISE_TEXT]);

#endif
