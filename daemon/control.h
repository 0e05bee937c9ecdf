// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control socket: one line of JSON in, one line of JSON out
 * (docs/control-socket.md). Clients are few, short-lived and not trusted to read:
 * their number, their requests and the time they may take are bounded.
 */
#ifndef XENAGG_DAEMON_CONTROL_H
#define XENAGG_DAEMON_CONTROL_H

#include <event2/event.h>
#include <jansson.h>

#define CONTROL_CLIENTS 16
#define CONTROL_REQUEST_MAX 4096
#define CONTROL_IDLE_SECONDS 30

/*
 * Answers one request: a new reference to the answer, or NULL and *ret_error
 * saying why not (text that lasts until the next request).
 */
typedef json_t *control_answer(void *context, const char *request, const json_t *arguments,
                               const char **ret_error);

struct control;

/*
 * Listens on `path` (mode 0600; what a dead daemon left there is replaced, a
 * live one's is not: -EADDRINUSE). 0 or -errno.
 */
int control_listen(struct event_base *base, const char *path, control_answer *answer, void *context,
                   struct control **ret);
/* Ends all connections and removes the socket. NULL is fine. */
void control_close(struct control *control);

#endif
