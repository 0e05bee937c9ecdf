// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/explain.h"
#include "plant/alternative.h"

/* A wake-up that takes next to nothing. */
#define AWAKE 1e-9
/* The curve reaches so many times as far as the size chosen. */
#define CURVE_REACH 2.5

static const double factors[EXPLAIN_ALTERNATIVES] = {0.5, 0.75, 1, 1.25, 2, INFINITY};

static const struct lane_size (*sizes_of(const struct explain *explain))[DIRECTION_COUNT]
{
    return (const struct lane_size(*)[DIRECTION_COUNT])explain->record.sizes;
}

enum direction explain_lead(const struct explain *explain)
{
    const struct guest_load *load = &explain->record.loads[explain->guest];

    return load->rate[DIRECTION_RX] > 0 || !(load->rate[DIRECTION_TX] > 0) ? DIRECTION_RX
                                                                           : DIRECTION_TX;
}

bool explain_is_silent(const struct explain *explain)
{
    const double *rate = explain->record.loads[explain->guest].rate;

    return !(rate[DIRECTION_RX] > 0) && !(rate[DIRECTION_TX] > 0);
}

static int size_solve(const struct explain *explain, double factor, struct explain_size *ret)
{
    const struct record *record = &explain->record;
    const struct record_guest *guest = &record->guests[explain->guest];
    const struct promise *promise = &record->loads[explain->guest].promise;
    int error = alternative_size(&record->costs, record->loads, sizes_of(explain), record->n,
                                 explain->guest, factor, ret->size);

    if (!error)
        error = alternative_forecast(&record->costs, record->loads, sizes_of(explain), record->n,
                                     explain->guest, ret->size, &ret->forecast, &ret->worker);
    if (error)
        return error;
    ret->factor = factor;
    ret->delay = record_correct(guest, ret->forecast.promised);
    ret->kept = ret->delay <= promise->delay;
    return 0;
}

/* From 1 packet to some way beyond the size chosen, or to the ceiling. */
static int curve_solve(struct explain *explain)
{
    enum direction lead = explain_lead(explain);
    const struct explain_size *chosen = &explain->alternatives[EXPLAIN_CHOSEN];
    double packets = chosen->size[lead].packets, step = CURVE_REACH * packets / EXPLAIN_CURVE;
    uint32_t last = 0;
    bool passed = false;

    for (int i = 0; i < EXPLAIN_CURVE; i++) {
        double x = fmax(1, ceil(i * step));
        bool meets = !passed && x >= packets;
        struct explain_size *at = &explain->curve[explain->n_curve];
        int error = size_solve(explain, meets ? 1 : x / packets, at);
        if (error)
            return error;
        passed |= meets;
        if (at->size[lead].packets > last)
            explain->n_curve++;
        last = at->size[lead].packets;
    }
    return 0;
}

/* What the delay is more than it were if nobody ever slept. */
static int wakeups_solve(struct explain *explain)
{
    const struct record *record = &explain->record;
    struct guest_load *loads = calloc(record->n, sizeof(*loads));
    const struct explain_size *chosen = &explain->alternatives[EXPLAIN_CHOSEN];
    struct end_costs costs = record->costs;
    struct guest_forecast awake;
    struct worker_forecast worker;

    if (!loads)
        return -ENOMEM;
    memcpy(loads, record->loads, record->n * sizeof(*loads));
    for (size_t i = 0; i < record->n; i++)
        loads[i].costs.wakeup = AWAKE;
    costs.wakeup = AWAKE;
    int error = alternative_forecast(&costs, loads, sizes_of(explain), record->n, explain->guest,
                                     chosen->size, &awake, &worker);
    for (enum direction d = 0; d < DIRECTION_COUNT && !error; d++)
        explain->wakeups[d] = fmax(0, chosen->forecast.mean[d].total - awake.mean[d].total);
    free(loads);
    return error;
}

int explain_solve(struct explain *explain)
{
    int error = 0;

    for (int i = 0; i < EXPLAIN_ALTERNATIVES && !error; i++)
        error = size_solve(explain, factors[i], &explain->alternatives[i]);
    if (!error)
        error = curve_solve(explain);
    if (!error)
        error = wakeups_solve(explain);
    return error;
}
