// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Why an interface has the sizes that it has: a sentence for the operator, in
 * the log, the status and the history.
 */
#ifndef XENAGG_CONTROLLER_REASON_H
#define XENAGG_CONTROLLER_REASON_H

#include <stddef.h>

#include "controller/track.h"

/* After a decision; `forecast` with the sizes decided. */
void reason_decided(const struct track *track, const struct guest_forecast *forecast,
                    const struct worker_forecast *worker, char *ret, size_t size);
/* Where there are no measurements. */
void reason_stale(const struct track *track, double now, char *ret, size_t size);

#endif
