// SPDX-License-Identifier: GPL-2.0-or-later
/* The life of a program that serves until it is told to stop. */
#ifndef XENAGG_COMMON_SERVICE_H
#define XENAGG_COMMON_SERVICE_H

#include <event2/event.h>

/*
 * Tells systemd that the service is ready and runs the loop until something
 * breaks it. SIGTERM and SIGINT call `stop`, which is to break the loop when it
 * has closed what was open. 0 or -ENOMEM.
 */
int service_run(struct event_base *base, void (*stop)(void *context), void *context);

#endif
