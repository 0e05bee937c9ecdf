// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What happens in the demo: its guests, what they are promised, and how their
 * traffic changes.
 */
#ifndef XENAGG_SANDBOX_PLAN_H
#define XENAGG_SANDBOX_PLAN_H

#include <stdint.h>
#include <stdio.h>

#define PLAN_GUESTS 3u
#define PLAN_PHASES 5u

enum plan_guest { PLAN_TIGHT, PLAN_IMPOSSIBLE, PLAN_RELAXED };

struct plan_member {
    const char *name;
    uint32_t domid;
    const char *about;
};

struct plan_phase {
    const char *name;
    double share;             /* of the demo's length */
    double rate[PLAN_GUESTS]; /* packets/s */
};

extern const struct plan_member plan_members[PLAN_GUESTS];
/* The first is for calibration: only from its end on promises are made. */
extern const struct plan_phase plan_phases[PLAN_PHASES];

/*
 * The promise of the tight guest by the least delay that it can have at its
 * highest rate. At most 1.5 times at any load is the aim; what is the least varies with the host.
 */
#define PLAN_TIGHT_RATIO 1.22
#define PLAN_IMPOSSIBLE_US 10.0
#define PLAN_RELAXED_US 3000.0

/* Configuration of the daemon; `least_us` of the tight guest, 0 while it is not known. */
void plan_write_config(FILE *file, double least_us);

/* The phase at that share of the demo's length. */
unsigned plan_phase_at(double share);

#endif
