// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Inside of `xenaggctl explain`: the model asked again with what it was given,
 * about the sizes that were chosen and about others.
 */
#ifndef XENAGG_CTL_EXPLAIN_H
#define XENAGG_CTL_EXPLAIN_H

#include <stdbool.h>

#include "ctl/record.h"
#include "ctl/writer.h"

/* One size of the guest, all others' being as they are. */
struct explain_size {
    double factor; /* of the size chosen; INFINITY: the ceiling */
    struct lane_size size[DIRECTION_COUNT];
    struct guest_forecast forecast;
    struct worker_forecast worker;
    double delay; /* s, as the promise counts it, with the correction */
    bool kept;    /* the promise is, or there is none */
};

#define EXPLAIN_ALTERNATIVES 6 /* the size chosen is the one after the first two */
#define EXPLAIN_CHOSEN 2
#define EXPLAIN_CURVE 48

struct explain {
    struct record record; /* record_free */
    size_t guest;         /* which of its guests */
    double at;            /* s since the epoch, that was asked about; INFINITY: the latest */
    struct explain_size alternatives[EXPLAIN_ALTERNATIVES];
    struct explain_size curve[EXPLAIN_CURVE]; /* in the order of sizes, the one chosen among them */
    size_t n_curve;
    double wakeups[DIRECTION_COUNT]; /* s of the mean delay that wake-ups make */
};

/* The direction whose size the curve is drawn over. */
enum direction explain_lead(const struct explain *explain);
/* It neither gets nor sends packets: its sizes bound what may come. */
bool explain_is_silent(const struct explain *explain);
/* From a record to all else. 0, -EINVAL (the record has what the model refuses), -ENOMEM. */
int explain_solve(struct explain *explain);

/* Parts of the answer (explain_write.c). */
void explain_write(struct writer *writer, sqlite3 *db, const struct explain *explain,
                   bool for_programs);

#endif
