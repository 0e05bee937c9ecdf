// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the model was given at one tick, for all guests of a worker, and what
 * was made of it: out of the history (table `input`), so that it can be asked
 * again.
 */
#ifndef XENAGG_CTL_RECORD_H
#define XENAGG_CTL_RECORD_H

#include <sqlite3.h>
#include <stdint.h>

#include "config/config.h"
#include "plant/dimension.h"

#define RECORD_WORD 16

struct record_guest {
    char name[CONFIG_NAME];
    int64_t interface; /* its id in the database */
    unsigned domid, handle;
    char objective[RECORD_WORD];
    double utilisation_max;
    char fixed[DIRECTION_COUNT][RECORD_WORD]; /* "hand", "configuration", "" */
    /* s; NAN where there is none. `expected` is `model` and what was learnt of its error. */
    double model, expected, margin, least;
};

struct record {
    double time; /* s since the epoch */
    uint32_t worker;
    double utilisation; /* of the worker, measured; NAN: not known */
    struct end_costs costs;
    size_t n;
    struct record_guest *guests;
    /* n each, in the same order: */
    struct guest_load *loads;
    struct lane_size (*sizes)[DIRECTION_COUNT];
};

/*
 * The last record before or at `at` (INFINITY: the last one) in which the guest
 * with that name is (`handle` below 0: any of its interfaces), and the place of
 * it. 0; -ENOENT: there is none; -ENOMEM; -EIO: sqlite3_errmsg says why.
 */
int record_read(sqlite3 *db, const char *vm, int handle, double at, struct record *ret,
                size_t *ret_guest);
/* That of a worker at a tick. Returns the same. */
int record_read_worker(sqlite3 *db, uint32_t worker, double time, struct record *ret);
void record_free(struct record *record);

/* A delay (s) that the model gives this guest, with what was learnt of the model's error. */
double record_correct(const struct record_guest *guest, double model);

#endif
