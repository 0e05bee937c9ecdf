// SPDX-License-Identifier: GPL-2.0-or-later
/* Asks the daemon over its control socket (docs/control.md). */
#ifndef XENAGG_SANDBOX_CONTROL_H
#define XENAGG_SANDBOX_CONTROL_H

#include <jansson.h>

/*
 * One request, one answer; the caller drops it with json_decref. 0; -errno (no
 * daemon there; -ETIMEDOUT: no answer within 20 s); -EPROTO: an answer that says it
 * failed, or is none.
 */
int control_ask(const char *path, const char *request, json_t **ret);

/* Numbers and texts of an answer by a path like "rx.packets": NAN and "" where missing or null. */
double control_number(const json_t *answer, const char *path);
const char *control_text(const json_t *answer, const char *path);

#endif
