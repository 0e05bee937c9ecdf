// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client of the daemon's control socket (docs/control.md). What the daemon
 * answers is checked here for its form; fields that are missing or of another
 * type read as "not known", so a newer or older daemon does no harm.
 */
#ifndef XENAGG_CTL_CONTROL_H
#define XENAGG_CTL_CONTROL_H

#include <jansson.h>
#include <stdint.h>

#include "ctl/writer.h"

#define CONTROL_PROTOCOL 1

/*
 * Sends one request (stolen: the reference is the callee's) and waits for its
 * answer, 5 s at most. 0 and the answer (the caller's); -errno (-ENOENT,
 * -ECONNREFUSED: no daemon; -EPROTO: what came is no answer; -EREMOTEIO: it
 * refused, and `ret_refusal`, cut to `size`, says why).
 */
int control_ask(const char *path, json_t *request, json_t **ret, char *ret_refusal, size_t size);

/* A number of the object times `factor`; NAN where it has none. */
double control_number(const json_t *object, const char *key, double factor);
/* A text, NULL where it has none. */
const char *control_text(const json_t *object, const char *key);

/* Straight into a writer's next value. */
void control_write_count(struct writer *writer, const json_t *object, const char *key);

#endif
