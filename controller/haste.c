// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/haste.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The factor's range, how far it is looked for around the last one, and how often. */
#define LEAST 0.01
#define AROUND 1.25
#define TRIALS 7
#define TRIALS_AROUND 3

struct haste {
    struct group *group;
    const struct guest_load *targets;
    struct guest_load *hastened; /* with shorter delays */
    struct sizing *sizings;      /* of the last trial */
    struct worker_forecast forecast;
    double bound;
};

static bool is_hasty(const struct track *track)
{
    return track->policy.objective == OBJECTIVE_DELAY;
}

/* The strictest bound of those that want little delay; INFINITY: nobody does. */
static double bound_of(const struct group *group)
{
    double bound = INFINITY;

    for (size_t i = 0; i < group->n; i++) {
        const struct config_policy *policy = &group->tracks[i]->policy;
        double own = policy->utilisation_max > 0 ? policy->utilisation_max : CONFIG_UTILISATION_MAX;
        if (is_hasty(group->tracks[i]))
            bound = fmin(bound, own);
    }
    return bound;
}

static void take(struct haste *haste, double factor)
{
    struct group *group = haste->group;

    memcpy(group->sizings, haste->sizings, group->n * sizeof(*group->sizings));
    group->forecast = haste->forecast;
    for (size_t i = 0; i < group->n; i++)
        if (is_hasty(group->tracks[i]))
            group->tracks[i]->haste = factor;
}

/* True in `ret`: the bound is kept, and the answer was taken. */
static int attempt(struct haste *haste, double factor, bool *ret)
{
    struct group *group = haste->group;

    memcpy(haste->hastened, haste->targets, group->n * sizeof(*haste->hastened));
    memcpy(haste->sizings, group->sizings, group->n * sizeof(*haste->sizings));
    for (size_t i = 0; i < group->n; i++) {
        struct promise *promise = &haste->hastened[i].promise;
        if (is_hasty(group->tracks[i]))
            promise->delay = factor * fmin(promise->delay, haste->targets[i].limits.timeout_max);
    }
    int error = dimension_worker_in(group->model, &group->costs, haste->hastened, group->n,
                                    haste->sizings, &haste->forecast);
    *ret = !error && haste->forecast.stable && haste->forecast.utilisation <= haste->bound;
    if (*ret)
        take(haste, factor);
    return error;
}

/* The factor of the last tick; 0: none yet. */
static double factor_before(const struct group *group)
{
    for (size_t i = 0; i < group->n; i++)
        if (is_hasty(group->tracks[i]))
            return group->tracks[i]->haste;
    return 0;
}

/* From `high`, with which the bound is kept, down to `low`. */
static int narrow(struct haste *haste, double low, double high, int trials)
{
    int error = 0;

    for (int i = 0; i < trials && !error; i++) {
        double middle = sqrt(low * high);
        bool kept;
        error = attempt(haste, middle, &kept);
        if (kept)
            high = middle;
        else
            low = middle;
    }
    return error;
}

static int search(struct haste *haste)
{
    double before = factor_before(haste->group);
    bool kept = false;
    int error = 0;

    if (before > 0) {
        double high = fmin(1, before * AROUND);
        error = attempt(haste, high, &kept);
        if (!error && kept)
            return narrow(haste, fmax(LEAST, before / AROUND), high, TRIALS_AROUND);
    }
    if (!error)
        error = attempt(haste, 1, &kept);
    if (!error && !kept)
        take(haste, 1);
    return !error && kept ? narrow(haste, LEAST, 1, TRIALS) : error;
}

int haste_dimension(struct group *group, struct guest_load *targets)
{
    struct haste haste = {.group = group,
                          .targets = targets,
                          .bound = bound_of(group),
                          .hastened = group->steps.hastened,
                          .sizings = group->steps.sizings};

    if (isinf(haste.bound))
        return dimension_worker_in(group->model, &group->costs, targets, group->n, group->sizings,
                                   &group->forecast);
    int error = search(&haste);
    for (size_t i = 0; i < group->n && !error; i++)
        if (is_hasty(group->tracks[i]))
            targets[i].promise.delay =
                group->tracks[i]->haste *
                fmin(targets[i].promise.delay, targets[i].limits.timeout_max);
    return error;
}
