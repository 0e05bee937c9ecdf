// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/shaping.h"

#include <math.h>
#include <string.h>

#include "controller/shape.h"

/* How often the sizes that the model found are shaped and looked at again. */
#define SHAPE_ROUNDS 3
#define SHAPE_DAMPING 0.7

/* What the sizes that the model is asked about come to, less than the promise (s). */
static void spare_add(const struct guest_load *target, const struct guest_forecast *forecast,
                      double damping, double spare[DIRECTION_COUNT])
{
    bool sum = target->promise.scope == SCOPE_FORWARDING;

    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        double comes_to = sum ? forecast->promised : forecast->lane_promised[d];
        double left = (target->promise.delay - comes_to) / (sum ? 2 : 1);
        if (comes_to > 0 && isfinite(left))
            spare[d] += damping * left;
    }
}

static void sizes_shaped(struct group *group)
{
    for (size_t i = 0; i < group->n; i++) {
        memcpy(group->sizes[i], group->tracks[i]->shaped, sizeof(group->sizes[i]));
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            group_round(&group->sizes[i][d]);
    }
}

/*
 * s that the worker is busy at once with a container of guest i: of the size in use
 * or the model's, at the highest rate of late.
 */
static double busy_with(const struct group *group, size_t i)
{
    const struct track *track = group->tracks[i];
    enum direction tx = DIRECTION_TX;
    double rate = fmax(group->loads[i].rate[tx], rate_range_high(&track->range[tx]));
    double packets = fmax(shape_packets(&track->current[tx], rate),
                          shape_packets(&track->sizing.size[tx], rate));

    return rate > 0 ? group->costs.unload + packets * group->costs.unload_packet : 0;
}

/* Who keeps the worker longest, and how long the next after it does. */
struct busiest {
    size_t guest;
    double longest, second; /* s */
};

static struct busiest busiest_of(const struct group *group)
{
    struct busiest ret = {0};

    for (size_t i = 0; i < group->n; i++) {
        double busy = busy_with(group, i);
        if (busy > ret.longest)
            ret = (struct busiest){i, busy, ret.longest};
        else
            ret.second = fmax(ret.second, busy);
    }
    return ret;
}

/* Once more, with what the sizes that were found leave of the promises. */
static void shape_again(struct group *group, const struct guest_load *targets, const bool *agenda)
{
    struct busiest busiest = busiest_of(group);

    for (size_t i = 0; i < group->n; i++) {
        struct track *track = group->tracks[i];
        struct shape_around around = {.range = track->range,
                                      .spare = group->steps.spare[i],
                                      .before = track->current,
                                      .beside =
                                          i == busiest.guest ? busiest.second : busiest.longest};
        if (agenda[i])
            shape_sizes(&group->costs, &targets[i], &track->sizing, &around, track->shaped);
    }
}

int shaping_make(struct group *group, const struct guest_load *targets, const bool *agenda)
{
    double(*spare)[DIRECTION_COUNT] = group->steps.spare;
    int error = 0;

    memset(spare, 0, group->n * sizeof(*spare));
    for (size_t i = 0; i < group->n; i++)
        if (agenda[i])
            spare_add(&targets[i], &group->sizings[i].forecast, 1, spare[i]);
    for (int round = 0; round < SHAPE_ROUNDS && !error; round++) {
        if (round > 0) {
            sizes_shaped(group);
            error = plant_forecast_in(group->model, &group->costs, targets,
                                      (const struct lane_size(*)[DIRECTION_COUNT])group->sizes,
                                      group->n, agenda, group->forecasts, &group->forecast);
        }
        for (size_t i = 0; i < group->n && round > 0 && !error; i++)
            if (agenda[i])
                spare_add(&targets[i], &group->forecasts[i], SHAPE_DAMPING, spare[i]);
        if (!error)
            shape_again(group, targets, agenda);
    }
    return error;
}
