// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client of the daemon's control socket (docs/control-socket.md). What the daemon
 * answers is checked here for its form; fields that are missing or of another
 * type read as "not known", so a newer or older daemon does no harm.
 */
#ifndef XENAGG_CTL_CLIENT_H
#define XENAGG_CTL_CLIENT_H

#include <jansson.h>

/*
 * Sends one request (the reference is taken over) and waits `patience` seconds
 * at most for each step of its answer. 0 and the answer, the caller's; -errno
 * (-ENOENT, -ECONNREFUSED: no daemon; -ETIMEDOUT; -EPROTO: what came is no
 * answer; -EINVAL: `request` is NULL; -EREMOTEIO: it refused, and `ret_refusal`, cut to `size`,
 * says why).
 */
int client_ask(const char *path, json_t *request, double patience, json_t **ret, char *ret_refusal,
               size_t size);

/* Asks for the status, of one guest where `vm` is not NULL. */
int client_ask_status(const char *path, const char *vm, double patience, json_t **ret,
                      char *ret_refusal, size_t size);

/*
 * Numbers and texts of an answer, or of a part of it, by a path like
 * "rx.packets": NAN and "" where missing, null or something else.
 */
double client_number(const json_t *answer, const char *path);
const char *client_text(const json_t *answer, const char *path);

#endif
