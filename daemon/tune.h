// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The actuator: makes the store say what was decided. Writes only where it says
 * something else (folders are re-created under one's feet), and everything that
 * is to be changed of one interface in one transaction.
 */
#ifndef XENAGG_DAEMON_TUNE_H
#define XENAGG_DAEMON_TUNE_H

#include "common/store.h"
#include "controller/report.h"
#include "daemon/guests.h"

struct tune_wanted {
    bool sizes; /* `tuning` is meant; else what is there stays */
    struct keys_tuning tuning[DIRECTION_COUNT];
    enum tuning_state state;
};

/* What a tick's report wants. */
void tune_wanted(const struct guest_report *report, struct tune_wanted *ret);
/*
 * What was fixed by hand and is not in the store yet. 0: nothing to do; else as
 * tune_apply.
 */
int tune_fixed(struct store *store, uint32_t backend_domid, struct guest *guest);
/*
 * 1: written, and `guest` says so; 0: the store says it already, or the folder
 * is gone; -EAGAIN: others kept changing it, try at the next tick; -errno.
 */
int tune_apply(struct store *store, uint32_t backend_domid, struct guest *guest,
               const struct tune_wanted *wanted);

#endif
