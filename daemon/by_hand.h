// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sizes fixed by hand: the control socket's requests `set` and `unset`
 * (docs/control-socket.md), checked against what the configuration allows.
 */
#ifndef XENAGG_DAEMON_BY_HAND_H
#define XENAGG_DAEMON_BY_HAND_H

#include <jansson.h>
#include <stdbool.h>

#include "config/config.h"
#include "controller/report.h"
#include "daemon/keeper.h"

#define BY_HAND_REFUSAL 256

struct by_hand {
    struct keeper *keeper;
    const struct config *config;
    const struct keeper_guests *guests; /* as just asked of the keeper */
    const struct tick_report *report;   /* the last one; NULL: none yet */
    const char *store_error;            /* NULL: the store answers */
    double interval;                    /* s between ticks */
};

/*
 * Does what is asked, for all directions asked about or for none. A new
 * reference to the answer; NULL: why not is in `ret_refusal`.
 */
json_t *by_hand_set(const struct by_hand *by_hand, const json_t *arguments,
                    char ret_refusal[static BY_HAND_REFUSAL]);
json_t *by_hand_unset(const struct by_hand *by_hand, const json_t *arguments,
                      char ret_refusal[static BY_HAND_REFUSAL]);

#endif
