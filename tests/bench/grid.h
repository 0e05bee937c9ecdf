// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Generated questions for the model, to compare methods with simulation on.
 * Two disjoint sets: on GRID_FIT the constants of the fast method may be
 * fitted, by GRID_JUDGE it is judged.
 */
#ifndef XENAGG_BENCH_GRID_H
#define XENAGG_BENCH_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/stream.h"

#define GRID_STREAMS 256

enum grid_set { GRID_FIT, GRID_JUDGE };

enum grid_service {
    GRID_EXPONENTIAL,
    GRID_ERLANG,  /* order 4 */
    GRID_HYPER,   /* SCV 1.5 to 4 */
    GRID_FIXED,   /* deterministic */
    GRID_BY_SIZE, /* a + b B: containers of different size are served differently long */
    GRID_SERVICES
};

struct grid_case {
    enum grid_service service;
    double rho;
    bool timeouts;
    uint32_t n_streams; /* entries times their counts */
    size_t n;
    struct stream streams[GRID_STREAMS];
};

extern const char *const grid_service_names[GRID_SERVICES];

/* Case `index` of a set; the same one each time. The mean service is about 1 s. */
void grid_make(enum grid_set set, uint32_t index, struct grid_case *ret);

#endif
