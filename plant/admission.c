// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/admission.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The question, with room for all its guests. */
struct trial {
    const struct end_costs *worker;
    struct dimension_room *room;
    struct guest_load *guests; /* present ones first */
    struct sizing *sizings;
    bool *kept; /* of those present: their promise is kept without newcomers */
    size_t n;   /* present */
};

static int trial_init(struct trial *trial, const struct end_costs *worker,
                      const struct guest_load *present, size_t n, const struct guest_load *newcomer,
                      uint32_t most)
{
    *trial = (struct trial){.worker = worker, .room = dimension_room_create(), .n = n};
    trial->guests = calloc(n + most, sizeof(*trial->guests));
    trial->sizings = calloc(n + most, sizeof(*trial->sizings));
    trial->kept = calloc(n + 1, sizeof(*trial->kept));
    if (!trial->room || !trial->guests || !trial->sizings || !trial->kept)
        return -ENOMEM;
    if (n)
        memcpy(trial->guests, present, n * sizeof(*present));
    for (uint32_t i = 0; i < most; i++)
        trial->guests[n + i] = *newcomer;
    return 0;
}

static void trial_free(struct trial *trial)
{
    dimension_room_destroy(trial->room);
    free(trial->guests);
    free(trial->sizings);
    free(trial->kept);
}

/* Sizes with so many newcomers; from nothing, so that the answer is always the same. */
static int trial_solve(struct trial *trial, uint32_t count, struct worker_forecast *ret)
{
    size_t n = trial->n + count;

    memset(trial->sizings, 0, n * sizeof(*trial->sizings));
    return dimension_worker_in(trial->room, trial->worker, trial->guests, n, trial->sizings, ret);
}

/* Who was kept before any newcomer came; a promise that is broken anyway is nobody's fault. */
static int trial_begin(struct trial *trial)
{
    struct worker_forecast forecast;
    int error = trial_solve(trial, 0, &forecast);

    for (size_t i = 0; i < trial->n && !error; i++)
        trial->kept[i] = trial->sizings[i].attainable;
    return error;
}

static enum admission_limit trial_judge(const struct trial *trial, uint32_t count,
                                        const struct worker_forecast *forecast, size_t *ret_victim)
{
    if (!forecast->stable)
        return ADMISSION_WORKER;
    if (count && !trial->sizings[trial->n].attainable)
        return ADMISSION_NEWCOMER;
    for (size_t i = 0; i < trial->n; i++)
        if (trial->kept[i] && !trial->sizings[i].attainable) {
            *ret_victim = i;
            return ADMISSION_OTHERS;
        }
    return ADMISSION_NONE;
}

/* Asks about `count`; where they fit, or where it is the first one, the answer is noted. */
static int trial_ask(struct trial *trial, uint32_t count, struct admission *answer)
{
    struct worker_forecast forecast;
    int error = trial_solve(trial, count, &forecast);

    if (error)
        return error;
    size_t victim = answer->victim;
    enum admission_limit limit = trial_judge(trial, count, &forecast, &victim);
    if (limit == ADMISSION_NONE || answer->count == 0) {
        const struct sizing *newcomer = &trial->sizings[trial->n];
        answer->count = limit == ADMISSION_NONE ? count : 0;
        memcpy(answer->size, newcomer->size, sizeof(answer->size));
        answer->delay = newcomer->forecast.promised;
        answer->utilisation = forecast.utilisation;
    }
    answer->limit = limit;
    answer->victim = victim;
    return 0;
}

/* The largest count that fits, by doubling and halving: more newcomers never help anybody. */
static int trial_run(struct trial *trial, uint32_t most, struct admission *answer)
{
    uint32_t fits = 0, fails = most + 1;
    struct admission why = {0};

    for (uint32_t count = 1; count < fails;) {
        int error = trial_ask(trial, count, answer);
        if (error)
            return error;
        if (answer->limit == ADMISSION_NONE) {
            fits = count;
        } else {
            fails = count;
            why = *answer;
        }
        count = fails > most && 2 * fits < most ? 2 * fits : (fits + fails + 1) / 2;
        if (fits + 1 >= fails)
            break;
    }
    answer->limit = fails > most ? ADMISSION_NONE : why.limit;
    answer->victim = why.victim;
    return 0;
}

int admission_solve(const struct end_costs *worker, const struct guest_load *present, size_t n,
                    const struct guest_load *newcomer, uint32_t most, struct admission *ret)
{
    struct admission answer = {0};
    struct trial trial;

    if (most < 1 || most > ADMISSION_MOST)
        return -EINVAL;
    int error = trial_init(&trial, worker, present, n, newcomer, most);
    if (!error)
        error = trial_begin(&trial);
    if (!error)
        error = trial_run(&trial, most, &answer);
    trial_free(&trial);
    if (!error)
        *ret = answer;
    return error;
}
