// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The daemon's loop: a timer that ticks, the store's watches, signals, the
 * control socket. Ties the modules together; decides nothing itself.
 */
#ifndef XENAGG_DAEMON_LOOP_H
#define XENAGG_DAEMON_LOOP_H

#include "daemon/options.h"

struct loop;

/*
 * Reads the configuration and starts everything. 0; -EINVAL: the configuration
 * is bad; -errno. All failures have been logged.
 */
int loop_create(const struct options *options, struct loop **ret);
/* Runs until SIGTERM or SIGINT. */
void loop_run(struct loop *loop);
void loop_destroy(struct loop *loop); /* NULL is fine */

#endif
