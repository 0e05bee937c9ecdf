// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A history of three guests of one worker, as the daemon's own controller and
 * database make it from counters that are made up: "router" forwards, with a
 * mean promised; "voice" has a percentile one way and is sized for
 * the least delay; "web" has its rx size fixed
 * by hand.
 */
#ifndef XENAGG_TESTS_CTL_MADE_UP_H
#define XENAGG_TESTS_CTL_MADE_UP_H

#define MADE_UP_TICKS 12
#define MADE_UP_END 1700000000.0 /* s since the epoch, of the last tick */

/* `folder` is for a configuration file. Fails the test where it can't. */
void made_up_history(const char *folder, const char *path);

#endif
