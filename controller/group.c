// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/group.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "controller/agenda.h"
#include "controller/correction.h"
#include "controller/delay.h"
#include "controller/doubt.h"
#include "controller/haste.h"
#include "controller/moves.h"
#include "controller/shaping.h"

/* Better sizes must have been wanted for so long, and so many ticks. */
#define HOLD_SECONDS 3.0
#define HOLD_TICKS 3.0
#define REST_TICKS 10.0
/* A falling rate is taken to fall by no more than this in the tick to come. */
#define FALLS_MOST 0.8
/* A promise counts as attainable again only when it is by this share, and for a while. */
#define ATTAINABLE_AGAIN 0.97
/* Where rx packets come in such bursts, neither model of tx says what happens. */
#define BURSTS_TOO_LARGE 20.0
/* A size that is not in force so many ticks after it was decided is being ignored. */
#define IGNORED_TICKS 1.5

static void steps_free(struct group_steps *steps)
{
    free(steps->targets);
    free(steps->hastened);
    free(steps->sizings);
    free(steps->agenda);
    free(steps->danger);
    free(steps->before);
    free(steps->spare);
}

static int steps_make(struct group_steps *steps, size_t room)
{
    steps->targets = calloc(room, sizeof(*steps->targets));
    steps->hastened = calloc(room, sizeof(*steps->hastened));
    steps->sizings = calloc(room, sizeof(*steps->sizings));
    steps->agenda = calloc(room, sizeof(*steps->agenda));
    steps->danger = calloc(room, sizeof(*steps->danger));
    steps->before = calloc(room, sizeof(*steps->before));
    steps->spare = calloc(room, sizeof(*steps->spare));
    return steps->targets && steps->hastened && steps->sizings && steps->agenda && steps->danger &&
                   steps->before && steps->spare
               ? 0
               : -ENOMEM;
}

void group_free(struct group *group)
{
    free(group->tracks);
    free(group->deltas);
    free(group->loads);
    free(group->sizings);
    free(group->sizes);
    free(group->forecasts);
    steps_free(&group->steps);
    dimension_room_destroy(group->model);
}

static int group_make(struct group *group, size_t room)
{
    *group = (struct group){.room = room};
    group->tracks = calloc(room, sizeof(*group->tracks));
    group->deltas = calloc(room, sizeof(*group->deltas));
    group->loads = calloc(room, sizeof(*group->loads));
    group->sizings = calloc(room, sizeof(*group->sizings));
    group->sizes = calloc(room, sizeof(*group->sizes));
    group->forecasts = calloc(room, sizeof(*group->forecasts));
    group->model = dimension_room_create();
    int error = steps_make(&group->steps, room);
    return group->tracks && group->deltas && group->loads && group->sizings && group->sizes &&
                   group->forecasts && group->model
               ? error
               : -ENOMEM;
}

int group_begin(struct group *group, size_t room)
{
    if (group->room == 0 || room > group->room) {
        group_free(group);
        if (group_make(group, room + 1)) { /* an empty one is no failure */
            group_free(group);
            *group = (struct group){0};
            return -ENOMEM;
        }
    }
    group->n = 0;
    group->changed = false;
    group->forecast = (struct worker_forecast){0};
    return 0;
}

void group_add(struct group *group, struct track *track, const struct segment_interface *delta)
{
    size_t i = group->n++;

    group->tracks[i] = track;
    group->deltas[i] = delta;
    memset(&group->loads[i], 0, sizeof(group->loads[i]));
    memset(&group->sizings[i], 0, sizeof(group->sizings[i]));
    memset(&group->sizes[i], 0, sizeof(group->sizes[i]));
    memset(&group->forecasts[i], 0, sizeof(group->forecasts[i]));
}

double group_hold(const struct group *group)
{
    return fmax(HOLD_SECONDS, HOLD_TICKS * group->interval);
}

double group_rest(const struct group *group)
{
    return REST_TICKS * group->interval;
}

void group_round(struct lane_size *size)
{
    size->timeout = fmin(KEYS_TIMEOUT_US_MAX, fmax(1, floor(size->timeout * 1e6 + 0.001))) * 1e-6;
}

int group_forecast(struct group *group)
{
    return plant_forecast_in(group->model, &group->costs, group->loads,
                             (const struct lane_size(*)[DIRECTION_COUNT])group->sizes, group->n,
                             NULL, group->forecasts, &group->forecast);
}

/* ---- the tick that ended ---- */

/* Loads and forecast of the tick that ended. */
static int group_load(struct group *group)
{
    for (size_t i = 0; i < group->n; i++) {
        track_load(group->tracks[i], track_forwards(group->tracks[i]), &group->loads[i]);
        track_at_work(group->tracks[i], group->sizes[i]);
    }
    return group_forecast(group);
}

static bool can_weigh(const struct track *track, const struct segment_interface *delta)
{
    return track->seconds > 0 && delta->tx.unload.packets >= CORRECTION_PACKETS &&
           !track->rate[DIRECTION_TX].jumped && !track->rate[DIRECTION_RX].jumped &&
           dispersion_get(&track->dispersion[DIRECTION_RX]).value < BURSTS_TOO_LARGE;
}

/* Whether tx packets of guest i are forwarded ones. True in `ret_changed`: another belief. */
static int weigh_forwards(struct group *group, size_t i, bool *ret_changed)
{
    struct track *track = group->tracks[i];
    bool forwards = track_forwards(track);
    struct guest_forecast doubted;
    struct guest_load doubt;

    track_load(track, !forwards, &doubt);
    int error = plant_means_if(group->model, i, &doubt, group->sizes[i], &doubted);
    if (error)
        return error;
    double if_wrong = doubted.mean[DIRECTION_TX].fill;
    double if_right = group->forecasts[i].mean[DIRECTION_TX].fill;
    track_weigh_forwards(track, delay_fill(group->deltas[i], DIRECTION_TX),
                         forwards ? if_right : if_wrong, forwards ? if_wrong : if_right);
    *ret_changed |= track_forwards(track) != forwards;
    return 0;
}

/*
 * Whether tx packets are forwarded ones: by which of the two explains the tick
 * that ended. Leaves the loads and forecast of what is believed afterwards.
 */
static int group_weigh_forwards(struct group *group)
{
    int error = group_load(group);
    bool changed = false;

    for (size_t i = 0; i < group->n && !error; i++)
        if (can_weigh(group->tracks[i], group->deltas[i]))
            error = weigh_forwards(group, i, &changed);
    if (!error && changed)
        error = group_load(group);
    return error;
}

static bool has_jumped(const struct track *track)
{
    return track->rate[DIRECTION_RX].jumped || track->rate[DIRECTION_TX].jumped;
}

static int group_learn(struct group *group)
{
    int error = group_weigh_forwards(group);

    for (size_t i = 0; i < group->n && !error; i++) {
        if (group->tracks[i]->seconds > 0)
            correction_learn(group->tracks[i], group->deltas[i], &group->forecasts[i]);
        group->changed |= has_jumped(group->tracks[i]);
    }
    for (size_t i = 0; i < group->n && group->changed; i++)
        correction_doubt(group->tracks[i]);
    return error;
}

/* ---- what the model wants ---- */

/* Who is not on the agenda keeps its size while the others' are found. */
static void keep(const struct group *group, size_t i, struct guest_load *target)
{
    const struct track *track = group->tracks[i];
    struct lane_size at_work[DIRECTION_COUNT];

    track_at_work(track, at_work);
    target->unasked = true;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        target->fixed[d] = true;
        target->fixed_size[d] = track->decided ? track->current[d] : at_work[d];
    }
}

/*
 * Bursts that are forwarded are closed by their count: a rate that falls will
 * have fallen further by the end of the next tick.
 */
static void anticipate(const struct track *track, struct guest_load *load)
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        const struct rate_estimator *rate = &track->rate[d];
        if (load->forwarded > 0 && rate->jumped && !rate->rose)
            load->rate[d] *= fmax(FALLS_MOST, rate->trend);
    }
}

/* How well the forecast of the tick that ended could be known. */
static double doubt_of(const struct group *group, size_t i)
{
    const struct track *track = group->tracks[i];
    struct doubt_errors errors = {.worker = group->errors};

    costs_errors(&track->costs, &errors.guest);
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        struct estimate dispersion = dispersion_get(&track->dispersion[d]);
        errors.rate[d] = rate_get(&track->rate[d], dispersion.value).error;
        errors.dispersion[d] = dispersion.error;
    }
    return doubt_delay(&group->loads[i], &group->forecasts[i], group->forecast.utilisation,
                       &errors);
}

static void targets_fill(struct group *group, struct guest_load *targets)
{
    for (size_t i = 0; i < group->n; i++) {
        struct track *track = group->tracks[i];
        track->doubt = doubt_of(group, i);
        anticipate(track, &group->loads[i]);
        targets[i] = group->loads[i];
        targets[i].promise.delay = correction_target(track, correction_margin(track));
        group->sizings[i] = track->sizing;
        if (group->n > AGENDA_MAX && !track_sized(track)) /* a search anew would look at all */
            track_at_work(track, group->sizings[i].size);
    }
}

static int sizings_take(struct group *group, const struct guest_load *targets, const bool *agenda)
{
    for (size_t i = 0; i < group->n; i++) {
        struct track *track = group->tracks[i];
        if (agenda[i]) {
            track->sizing = group->sizings[i];
            track->solved = targets[i];
            memcpy(track->shaped, track->sizing.size, sizeof(track->shaped));
        } else if (!track_sized(track)) {
            track_at_work(track, track->shaped);
        }
    }
    int error = shaping_make(group, targets, agenda);
    for (size_t i = 0; i < group->n; i++) {
        struct track *track = group->tracks[i];
        group->sizings[i] = track->sizing;
        memcpy(group->sizings[i].size, track->shaped, sizeof(track->shaped));
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            group_round(&group->sizings[i].size[d]);
    }
    return error;
}

static int group_size(struct group *group)
{
    struct guest_load *targets = group->steps.targets;
    bool *agenda = group->steps.agenda;

    memset(targets, 0, group->n * sizeof(*targets));
    memset(agenda, 0, group->n * sizeof(*agenda));
    targets_fill(group, targets);
    agenda_make(group, targets, agenda);
    for (size_t i = 0; i < group->n; i++)
        if (!agenda[i])
            keep(group, i, &targets[i]);
    int error = haste_dimension(group, targets);
    return error ? error : sizings_take(group, targets, agenda);
}

/* ---- what comes of it ---- */

/* No promise is called broken for the margin's sake, nor kept again because of noise. */
static void attainable_update(struct track *track, double least, double now, double hold)
{
    double promised = track->policy.promise.delay;
    bool before = track->attainable;

    track->least = least + correction_of(track, BIAS_PROMISE, least);
    if (!(track->least <= promised)) {
        track->attainable = false;
        track->attainable_since = INFINITY;
    } else if (!track->judged) {
        track->attainable = true;
    } else if (!before && track->least <= ATTAINABLE_AGAIN * promised) {
        track->attainable_since = fmin(track->attainable_since, now);
        track->attainable = now - track->attainable_since >= hold;
    }
    track->judged = true;
}

static enum tuning_state state_of(const struct track *track)
{
    if (track->policy.fixed[DIRECTION_RX] && track->policy.fixed[DIRECTION_TX])
        return TUNING_FIXED;
    return track->attainable ? TUNING_OK : TUNING_UNATTAINABLE;
}

static void expect(struct track *track, const struct guest_forecast *forecast)
{
    track->expected = *forecast;
    track->corrected[BIAS_RX] = correction_of(track, BIAS_RX, forecast->mean[DIRECTION_RX].total);
    track->corrected[BIAS_TX] = correction_of(track, BIAS_TX, forecast->mean[DIRECTION_TX].total);
    track->corrected[BIAS_PROMISE] = correction_of(track, BIAS_PROMISE, forecast->promised);
    track->expected_promise = forecast->promised + track->corrected[BIAS_PROMISE];
    track->expects = isfinite(track->expected_promise);
}

static bool same_sizes(const struct lane_size *a, const struct lane_size *b)
{
    return a->packets == b->packets && fabs(a->timeout - b->timeout) < 0.5e-6;
}

/* An end that does not take its size, or not yet: what happens follows from what it has. */
static void ignored_update(struct track *track, double now, double interval)
{
    bool applied = true;

    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (track->in_force[d].packets > 0)
            applied &= same_sizes(&track->in_force[d], &track->current[d]);
    bool late = track->ignored || now - track->moved > IGNORED_TICKS * interval;
    track->ignored = track->decided && !applied && late;
}

/* From now on, with the sizes decided; but with those in force where these are ignored. */
static int group_expect(struct group *group)
{
    bool any = false;

    for (size_t i = 0; i < group->n; i++)
        if (group->tracks[i]->ignored) {
            track_at_work(group->tracks[i], group->sizes[i]);
            any = true;
        }
    int error = any ? group_forecast(group) : 0;
    for (size_t i = 0; i < group->n && !error; i++) {
        expect(group->tracks[i], &group->forecasts[i]);
        /* What is expected is possible. */
        if (group->tracks[i]->expects)
            group->tracks[i]->least =
                fmin(group->tracks[i]->least, group->tracks[i]->expected_promise);
    }
    return error;
}

static void group_settle(struct group *group)
{
    for (size_t i = 0; i < group->n; i++) {
        struct track *track = group->tracks[i];
        if (!track_sized(track)) /* its turn has not come yet */
            continue;
        ignored_update(track, group->now, group->interval);
        attainable_update(track, group->sizings[i].least, group->now, group_hold(group));
        if (track->move != MOVE_NONE)
            track->moved = group->now;
        memcpy(track->current, group->sizes[i], sizeof(track->current));
        track->decided = true;
        track->state = state_of(track);
    }
}

int group_run(struct group *group)
{
    int error = group_learn(group);

    if (!error)
        error = group_size(group);
    if (!error)
        error = moves_make(group);
    if (error)
        return error;
    group_settle(group);
    return group_expect(group);
}
