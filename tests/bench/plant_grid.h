// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Generated plants: a worker, 1 to 64 guests, sizes, to compare the analytic
 * forecast with the simulated loop on.
 */
#ifndef XENAGG_BENCH_PLANT_GRID_H
#define XENAGG_BENCH_PLANT_GRID_H

#include "plant/dimension.h"

#define PLANT_GUESTS 64

/* Disjoint sets: the forecast was made right on one, and is judged on the other. */
enum plant_set { PLANT_FIT, PLANT_JUDGE };

enum plant_kind {
    PLANT_APART,   /* nothing is forwarded */
    PLANT_ECHO,    /* guests send everything back, in containers of the same size */
    PLANT_REPACKED /* all or some of it, in containers of another size, with other timeouts */
};

struct plant_case {
    double rho; /* of the worker */
    enum plant_kind kind;
    size_t n;
    struct end_costs worker;
    struct guest_load guests[PLANT_GUESTS];
    struct lane_size sizes[PLANT_GUESTS][DIRECTION_COUNT];
};

/* Plant `index` of a set, the same one each time. Guests' promises are p99, one way. */
void plant_case_make(enum plant_set set, uint32_t index, struct plant_case *ret);

#endif
