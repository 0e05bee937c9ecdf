// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the simulated loop says of a plant, and how sure that is: the average
 * over runs with different seeds, each from empty containers on.
 */
#ifndef XENAGG_BENCH_PLANT_TRUTH_H
#define XENAGG_BENCH_PLANT_TRUTH_H

#include "tests/bench/plant_grid.h"

struct estimate {
    double mean;  /* over the runs, s */
    double error; /* its standard error, relative */
};

struct guest_truth {
    struct estimate mean[DIRECTION_COUNT], p99[DIRECTION_COUNT];
    struct estimate through, through_p99; /* of forwarded packets */
    bool seen[DIRECTION_COUNT];           /* enough packets to say anything */
    bool forwards;                        /* the same, of forwarded ones */
    /*
     * Short containers, that change the alignment of forwarded bursts, either
     * were many, or are so rare that they do not matter between two pauses.
     */
    bool settled;
};

/* `scale`: of the length; `ret` has an entry for each guest. 0 or -ENOMEM. */
int plant_truth_find(const struct plant_case *c, uint64_t seed, double scale,
                     struct guest_truth *ret);

#endif
