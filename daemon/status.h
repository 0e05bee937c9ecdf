// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The answer to a status request: docs/control-socket.md in code.
 */
#ifndef XENAGG_DAEMON_STATUS_H
#define XENAGG_DAEMON_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "controller/report.h"
#include "daemon/ticks.h"

#define STATUS_PROTOCOL 1

/* How the daemon itself is. Texts are borrowed; NULL where nothing is wrong. */
struct status_health {
    double started; /* s since the epoch */
    double interval;
    const char *config_path, *config_error;
    double config_loaded;
    const char *segment_path, *segment_error;
    const char *store_error;
    const char *history_path, *history_error;
    uint64_t history_recorded, history_dropped;
    const struct ticks *ticks;
};

/*
 * `report` NULL: no tick yet. `vm` NULL: all guests. A new reference, or NULL
 * (no memory).
 */
json_t *status_json(const struct status_health *health, const struct tick_report *report,
                    const char *vm);
json_t *status_version(void);

#endif
