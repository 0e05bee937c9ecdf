// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Generated plants: a worker, 1 to 64 guests, sizes, to compare the analytic
 * forecast with the simulated loop on.
 */
#ifndef XENAGG_BENCH_PLANT_GRID_H
#define XENAGG_BENCH_PLANT_GRID_H

#include "model/dimension.h"

#define PLANT_GUESTS 64

struct plant_case {
    double rho; /* of the worker */
    bool forwarding;
    size_t n;
    struct end_costs worker;
    struct guest_load guests[PLANT_GUESTS];
    struct lane_size sizes[PLANT_GUESTS][DIRECTION_COUNT];
};

/* Plant `index`, the same one each time. Guests' promises are p99, one way. */
void plant_case_make(uint32_t index, struct plant_case *ret);

#endif
