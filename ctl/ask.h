// SPDX-License-Identifier: GPL-2.0-or-later
/* Asking the daemon, with messages for people where it does not answer. */
#ifndef XENAGG_CTL_ASK_H
#define XENAGG_CTL_ASK_H

#include <jansson.h>

/* The answer, the caller's; NULL after a message. The reference to `request` is taken over. */
json_t *ask_daemon(const char *control, json_t *request);

#endif
