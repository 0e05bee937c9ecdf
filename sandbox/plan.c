// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/plan.h"

#include <math.h>

const struct plan_member plan_members[PLAN_GUESTS] = {
    [PLAN_TIGHT] = {"tight", 11, "one way, mean: little more than the least that can be had"},
    [PLAN_IMPOSSIBLE] = {"impossible", 12, "one way, mean: less than a wake-up takes"},
    [PLAN_RELAXED] = {"relaxed", 13, "through the guest and back, mean: plenty of time"},
};

const struct plan_phase plan_phases[PLAN_PHASES] = {
    {"calibration", 0.20, {16000, 2000, 8000}}, {"low", 0.20, {5000, 1000, 2000}},
    {"high", 0.20, {16000, 2000, 8000}},        {"jump", 0.20, {3000, 2000, 12000}},
    {"one silent", 0.20, {10000, 1000, 0}},
};

unsigned plan_phase_at(double share)
{
    unsigned phase = 0;

    for (double end = plan_phases[0].share; share >= end && phase < PLAN_PHASES - 1;)
        end += plan_phases[++phase].share;
    return phase;
}

static void write_promise(FILE *file, enum plan_guest guest, const char *scope, double delay_us)
{
    fprintf(file, "\n[vm %s]\nscope = %s\npercentile = mean\ndelay = %.0fus\n",
            plan_members[guest].name, scope, delay_us);
}

void plan_write_config(FILE *file, double least_us)
{
    fprintf(file, "[daemon]\n\n[default]\nscope = one-way\npercentile = mean\ndelay = %.0fus\n",
            PLAN_RELAXED_US);
    /* What is the least is known best from where it is had: first a promise that asks for it. */
    if (least_us <= 0) {
        write_promise(file, PLAN_TIGHT, "one-way", PLAN_IMPOSSIBLE_US);
        return;
    }
    write_promise(file, PLAN_TIGHT, "one-way", ceil(least_us * PLAN_TIGHT_RATIO));
    write_promise(file, PLAN_IMPOSSIBLE, "one-way", PLAN_IMPOSSIBLE_US);
    write_promise(file, PLAN_RELAXED, "forwarding", PLAN_RELAXED_US);
}
