// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/controller.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/delay.h"
#include "daemon/reason.h"
#include "daemon/track.h"
#include "model/stream.h"

/* Better sizes must have been wanted for so long, and so many ticks. */
#define HOLD_SECONDS 3.0
#define HOLD_TICKS 3.0
/* What a promise keeps in hand, in standard deviations of a tick around the prediction ... */
#define MARGIN_ERRORS 2.0
/* ... and in shares of the promise: before anything is known, at least, at most. */
#define MARGIN_GUESS 0.05
#define MARGIN_MIN 0.03
#define MARGIN_MAX 0.2
/* The sizes in use may go this far into the margin before they are in danger. */
#define MARGIN_DANGER 0.5
/* Where no size keeps the promise: the least delay may be missed by this share. */
#define LEAST_SLACK 0.1
/* A correction follows slowly, but fast where a promise is being broken. */
#define GAIN 0.2
#define GAIN_BROKEN 0.4
/* Packets that a tick must have delivered to be learnt from. */
#define LEARN_PACKETS 50u
/* A promise counts as attainable again only when it is by this share, and for a while. */
#define ATTAINABLE_AGAIN 0.97
/* A size that is not in force so many ticks after it was decided is being ignored. */
#define IGNORED_TICKS 1.5
#define DELAY_MIN 1e-6
#define DANGER_ROUNDS 4

struct worker_state {
    bool present;
    double utilisation; /* measured; NAN: not known */
    struct costs costs;
};

struct controller {
    struct track *tracks;
    size_t n_tracks;
    double last; /* s, of the tick before */
    bool ticked;
    struct worker_state workers[SEGMENT_WORKERS];
    struct guest_report *guest_reports; /* n_tracks */
    struct worker_report worker_reports[SEGMENT_WORKERS];
};

int controller_create(struct controller **ret)
{
    struct controller *controller = calloc(1, sizeof(*controller));

    if (!controller)
        return -ENOMEM;
    *ret = controller;
    return 0;
}

void controller_destroy(struct controller *controller)
{
    if (!controller)
        return;
    free(controller->tracks);
    free(controller->guest_reports);
    free(controller);
}

/* ---- which guests there are ---- */

static bool same_interface(struct keys_interface a, struct keys_interface b)
{
    return a.domid == b.domid && a.handle == b.handle;
}

static const struct track *track_find(const struct track *tracks, size_t n, size_t hint,
                                      struct keys_interface interface)
{
    /* The list seldom changes: where it was, it is. */
    if (hint < n && same_interface(tracks[hint].interface, interface))
        return &tracks[hint];
    for (size_t i = 0; i < n; i++)
        if (same_interface(tracks[i].interface, interface))
            return &tracks[i];
    return NULL;
}

static bool tracks_fit(const struct controller *controller, const struct controller_input *input)
{
    if (controller->n_tracks != input->n_guests)
        return false;
    for (size_t i = 0; i < input->n_guests; i++)
        if (!same_interface(controller->tracks[i].interface, input->guests[i].interface) ||
            strcmp(controller->tracks[i].name, input->guests[i].name) != 0)
            return false;
    return true;
}

/* Tracks in the order of the input: those that were there keep what they know. */
static int tracks_sync(struct controller *controller, const struct controller_input *input)
{
    if (tracks_fit(controller, input))
        return 0;
    struct track *tracks = calloc(input->n_guests + 1, sizeof(*tracks));
    struct guest_report *reports = calloc(input->n_guests + 1, sizeof(*reports));
    if (!tracks || !reports) {
        free(tracks);
        free(reports);
        return -ENOMEM;
    }
    for (size_t i = 0; i < input->n_guests; i++) {
        const struct controller_guest *guest = &input->guests[i];
        const struct track *before =
            track_find(controller->tracks, controller->n_tracks, i, guest->interface);
        if (before && strcmp(before->name, guest->name) == 0)
            tracks[i] = *before;
        else
            track_begin(&tracks[i], guest->interface, guest->name);
    }
    free(controller->tracks);
    free(controller->guest_reports);
    controller->tracks = tracks;
    controller->guest_reports = reports;
    controller->n_tracks = input->n_guests;
    return 0;
}

/* ---- what the sample says ---- */

static const struct sample_interface *sample_find(const struct sample *sample, size_t hint,
                                                  struct keys_interface interface)
{
    size_t n = sample ? sample->n_interfaces : 0;

    for (size_t i = 0; i < n; i++) {
        const struct sample_interface *at = &sample->interfaces[(hint + i) % n];
        if (at->delta.domid == interface.domid && at->delta.handle == interface.handle)
            return at;
    }
    return NULL;
}

static void workers_feed(struct controller *controller, const struct sample *sample)
{
    for (size_t w = 0; w < SEGMENT_WORKERS; w++) {
        controller->workers[w].present = false;
        controller->workers[w].utilisation = NAN;
    }
    if (sample && sample->restarted)
        memset(controller->workers, 0, sizeof(controller->workers));
    for (size_t i = 0; sample && i < sample->n_workers; i++) {
        const struct sample_worker *taken = &sample->workers[i];
        struct worker_state *worker = &controller->workers[taken->worker % SEGMENT_WORKERS];
        worker->present = true;
        worker->utilisation =
            taken->seconds > 0 ? (double)taken->delta.sleep.busy_ns * 1e-9 / taken->seconds : NAN;
        costs_add_sleep(&worker->costs, &taken->delta.sleep);
    }
}

static void feed(struct controller *controller, const struct controller_input *input)
{
    workers_feed(controller, input->sample);
    for (size_t i = 0; i < controller->n_tracks; i++) {
        struct track *track = &controller->tracks[i];
        const struct sample_interface *taken = sample_find(input->sample, i, track->interface);
        track_feed(track, taken, input->now);
        if (track->seconds > 0 && track->worker < SEGMENT_WORKERS) {
            struct costs *costs = &controller->workers[track->worker].costs;
            costs_add_pack(costs, &taken->delta.rx.pack);
            costs_add_unload(costs, &taken->delta.tx.unload);
        }
    }
}

/* ---- one worker and its guests ---- */

struct group {
    uint32_t worker;
    size_t n;
    struct end_costs costs;
    struct track **tracks;
    struct guest_load *loads;   /* with the promises as the operator gave them */
    struct guest_load *targets; /* with what the model is asked to keep */
    struct sizing *sizings;
    struct lane_size (*sizes)[DIRECTION_COUNT];
    struct guest_forecast *forecasts;
    struct worker_forecast forecast;
    double now, hold, interval;
};

static void group_free(struct group *group)
{
    free(group->tracks);
    free(group->loads);
    free(group->targets);
    free(group->sizings);
    free(group->sizes);
    free(group->forecasts);
}

static int group_create(struct group *group, size_t room)
{
    group->tracks = calloc(room, sizeof(*group->tracks));
    group->loads = calloc(room, sizeof(*group->loads));
    group->targets = calloc(room, sizeof(*group->targets));
    group->sizings = calloc(room, sizeof(*group->sizings));
    group->sizes = calloc(room, sizeof(*group->sizes));
    group->forecasts = calloc(room, sizeof(*group->forecasts));
    if (group->tracks && group->loads && group->targets && group->sizings && group->sizes &&
        group->forecasts)
        return 0;
    group_free(group);
    return -ENOMEM;
}

static bool size_valid(const struct lane_size *size)
{
    return size->packets >= 1 && size->packets <= STREAM_SIZE_MAX && size->timeout > 0;
}

/* The sizes that were at work in the tick that ends now. */
static void sizes_at_work(const struct track *track, struct lane_size ret[DIRECTION_COUNT])
{
    static const struct lane_size unknown = {.packets = 16, .timeout = 100e-6};

    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        ret[d] = size_valid(&track->in_force[d]) ? track->in_force[d]
                 : track->decided                ? track->current[d]
                                                 : unknown;
}

static int group_forecast(struct group *group)
{
    return plant_forecast(&group->costs, group->loads,
                          (const struct lane_size(*)[DIRECTION_COUNT])group->sizes, group->n,
                          group->forecasts, &group->forecast);
}

/* ---- what the model leaves out ---- */

static double correction(const struct track *track, enum bias_of of, double model)
{
    return isfinite(model) ? bias_apply(&track->bias[of], model) : 0;
}

static double measured_promise(const struct track *track, const struct segment_interface *delta)
{
    const struct histogram *const delays[] = {&delta->rx.delay, &delta->tx.delay};

    return delay_promised(&track->policy.promise, delays);
}

static void learn_one(struct track *track, enum bias_of of, double measured, double model,
                      bool broken)
{
    double gain = broken ? GAIN_BROKEN : GAIN;

    /* The first differences count for more: an average of what there is. */
    if (track->bias[of].weight < 0.5)
        gain = GAIN_BROKEN;
    if (isfinite(measured) && isfinite(model) && model > 0)
        bias_learn(&track->bias[of], measured, model, gain);
}

/* `model`: forecast with the rates and sizes that there really were. */
static void track_learn(struct track *track, const struct segment_interface *delta,
                        const struct guest_forecast *model)
{
    double promised = measured_promise(track, delta);
    bool broken = promised > track->policy.promise.delay;

    /* A tick in which the rate jumped was neither what it was before nor what it will be. */
    if (track->rate[DIRECTION_RX].jumped || track->rate[DIRECTION_TX].jumped)
        return;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        const struct histogram *delay = &delay_lane(delta, d)->delay;
        if (track->in_use[d] && histogram_count(delay) >= LEARN_PACKETS)
            learn_one(track, d == DIRECTION_RX ? BIAS_RX : BIAS_TX, histogram_mean(delay) * 1e-9,
                      model->mean[d].total, broken);
        else if (track->in_use[d])
            return;
    }
    learn_one(track, BIAS_PROMISE, promised, model->promised, broken);
}

/* s that a promise keeps in hand for what varies from tick to tick. */
static double margin_of(const struct track *track)
{
    double promised = track->policy.promise.delay;
    double error = bias_get(&track->bias[BIAS_PROMISE], MARGIN_GUESS * promised).error;

    return promised * fmin(MARGIN_MAX, fmax(MARGIN_MIN, MARGIN_ERRORS * error / promised));
}

/* What the model has to come to, so that what is measured comes to the promise less `reserve`. */
static double model_target(const struct track *track, double reserve)
{
    double promised = track->policy.promise.delay;

    if (!isfinite(promised))
        return promised;
    return fmax(DELAY_MIN, bias_invert(&track->bias[BIAS_PROMISE], promised - reserve));
}

/* ---- deciding ---- */

/* Model's delay above which the sizes in use are changed at once. */
static double danger_limit(const struct track *track, const struct sizing *sizing)
{
    double limit = model_target(track, (1 - MARGIN_DANGER) * margin_of(track));

    return fmax(limit, sizing->least * (1 + LEAST_SLACK));
}

static bool in_danger(const struct group *group, size_t i)
{
    const struct track *track = group->tracks[i];

    return !(group->forecasts[i].promised <= danger_limit(track, &group->sizings[i]));
}

/* Timeouts are whole microseconds in the store. */
static void size_round(struct lane_size *size)
{
    size->timeout = fmin(KEYS_TIMEOUT_US_MAX, fmax(1, floor(size->timeout * 1e6 + 0.001))) * 1e-6;
}

static void move_to(struct group *group, size_t i, const struct lane_size sizes[DIRECTION_COUNT],
                    enum move move)
{
    struct track *track = group->tracks[i];

    if (memcmp(group->sizes[i], sizes, sizeof(group->sizes[i])) == 0 && track->decided)
        return;
    memcpy(group->sizes[i], sizes, sizeof(group->sizes[i]));
    track->move = move;
    steady_reset(&track->steady);
}

static bool is_default(const struct lane_size sizes[DIRECTION_COUNT])
{
    struct keys_tuning tuning = KEYS_TUNING_DEFAULT;

    return sizes[0].packets == tuning.packets && sizes[1].packets == tuning.packets;
}

/* Sizes that decisions start from: the last ones, or after a restart those that are in force. */
static void sizes_begin(struct group *group)
{
    for (size_t i = 0; i < group->n; i++) {
        struct track *track = group->tracks[i];
        track->move = MOVE_NONE;
        if (track->decided)
            memcpy(group->sizes[i], track->current, sizeof(group->sizes[i]));
        else
            sizes_at_work(track, group->sizes[i]);
        if (!track->decided && is_default(group->sizes[i]))
            move_to(group, i, group->sizings[i].size, MOVE_FIRST);
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            if (track->policy.fixed[d]) {
                group->sizes[i][d] = track->policy.fixed_size[d];
                size_round(&group->sizes[i][d]);
            }
    }
}

/* At once where a promise would be broken, until nothing is in danger that can be helped. */
static int move_endangered(struct group *group)
{
    bool moved = true;

    for (int round = 0; moved && round < DANGER_ROUNDS; round++) {
        int error = group_forecast(group);
        if (error)
            return error;
        moved = false;
        for (size_t i = 0; i < group->n; i++) {
            bool there = !memcmp(group->sizes[i], group->sizings[i].size, sizeof(group->sizes[i]));
            if (there || !in_danger(group, i))
                continue;
            move_to(group, i, group->sizings[i].size, MOVE_DANGER);
            moved = true;
        }
    }
    return 0;
}

/* Slowly where there is room; taken back where the mixture would endanger somebody. */
static int move_roomy(struct group *group)
{
    struct lane_size(*before)[DIRECTION_COUNT] = calloc(group->n, sizeof(*before));
    bool moved = false;

    if (!before)
        return -ENOMEM;
    memcpy(before, group->sizes, group->n * sizeof(*before));
    for (size_t i = 0; i < group->n; i++) {
        struct track *track = group->tracks[i];
        struct lane_size sizes[DIRECTION_COUNT];
        if (track->move == MOVE_NONE &&
            steady_room(&track->steady, group->sizes[i], group->sizings[i].size, group->now,
                        group->hold, sizes)) {
            move_to(group, i, sizes, MOVE_ROOM);
            moved = true;
        }
    }
    int error = moved ? group_forecast(group) : 0;
    bool endangers = false;
    for (size_t i = 0; !error && moved && i < group->n; i++)
        endangers |= in_danger(group, i) && group->tracks[i]->move != MOVE_DANGER;
    if (endangers) {
        for (size_t i = 0; i < group->n; i++)
            if (group->tracks[i]->move == MOVE_ROOM) {
                group->tracks[i]->move = MOVE_NONE;
                memcpy(group->sizes[i], before[i], sizeof(group->sizes[i]));
            }
        error = group_forecast(group);
    }
    free(before);
    return error;
}

static void sizings_round(struct group *group)
{
    for (size_t i = 0; i < group->n; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            size_round(&group->sizings[i].size[d]);
}

static int group_decide(struct group *group)
{
    for (size_t i = 0; i < group->n; i++) {
        group->targets[i] = group->loads[i];
        group->targets[i].promise.delay =
            model_target(group->tracks[i], margin_of(group->tracks[i]));
        group->sizings[i] = group->tracks[i]->sizing;
    }
    int error =
        dimension_worker(&group->costs, group->targets, group->n, group->sizings, &group->forecast);
    if (error)
        return error;
    for (size_t i = 0; i < group->n; i++)
        group->tracks[i]->sizing = group->sizings[i];
    sizings_round(group);
    sizes_begin(group);
    error = move_endangered(group);
    return error ? error : move_roomy(group);
}

/* ---- what comes of it ---- */

/* No promise is called broken for the margin's sake, nor kept again because of noise. */
static void attainable_update(struct track *track, double least, double now, double hold)
{
    double promised = track->policy.promise.delay;
    bool before = track->attainable;

    track->least = least + correction(track, BIAS_PROMISE, least);
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
    track->corrected[BIAS_RX] = correction(track, BIAS_RX, forecast->mean[DIRECTION_RX].total);
    track->corrected[BIAS_TX] = correction(track, BIAS_TX, forecast->mean[DIRECTION_TX].total);
    track->corrected[BIAS_PROMISE] = correction(track, BIAS_PROMISE, forecast->promised);
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
        if (size_valid(&track->in_force[d]))
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
            sizes_at_work(group->tracks[i], group->sizes[i]);
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
        ignored_update(track, group->now, group->interval);
        attainable_update(track, group->sizings[i].least, group->now, group->hold);
        if (track->move != MOVE_NONE)
            track->moved = group->now;
        memcpy(track->current, group->sizes[i], sizeof(track->current));
        track->decided = true;
        track->state = state_of(track);
    }
}

/* ---- reporting ---- */

static void report_counts(struct lane_report *lane, enum direction d,
                          const struct segment_interface *delta)
{
    const struct segment_pack *pack = &delay_lane(delta, d)->pack;
    const struct segment_unload *unload = &delay_lane(delta, d)->unload;
    bool rx = d == DIRECTION_RX;

    /* What the backend counts itself; what only the guest can count is its word. */
    lane->packets = rx ? pack->packets : unload->packets;
    lane->bytes = rx ? pack->bytes : unload->bytes;
    lane->containers = rx ? pack->containers : unload->containers;
    lane->published_packets = rx ? pack->published_packets : unload->packets;
    memcpy(lane->closed, pack->closed, sizeof(lane->closed));
    lane->notified = pack->notified;
    lane->spared = pack->spared;
    lane->dropped_ring = pack->dropped_ring_full;
    lane->dropped_size = pack->dropped_size;
    lane->dropped_port = rx ? delta->port_dropped : 0;
    lane->refused = unload->refused;
    lane->lost = unload->lost;
    lane->malformed = unload->malformed;
}

static const struct delay_parts unknown_delay = {NAN, NAN, NAN, NAN, NAN, NAN};

static void report_lane(const struct track *track, enum direction d,
                        const struct segment_interface *delta, struct lane_report *ret)
{
    double dispersion = dispersion_get(&track->dispersion[d]).value;

    ret->rate = rate_get(&track->rate[d], dispersion);
    ret->packet_bytes = mean_get(&track->bytes[d], 0, 1e-9);
    ret->dispersion = dispersion;
    ret->in_force = track->in_force[d];
    ret->p50 = ret->p99 = NAN;
    ret->measured = unknown_delay;
    if (track->seconds > 0) {
        report_counts(ret, d, delta);
        delay_parts(delta, d, &ret->measured);
        ret->p50 = delay_percentile(&delay_lane(delta, d)->delay, 50);
        ret->p99 = delay_percentile(&delay_lane(delta, d)->delay, 99);
    }
    ret->predicted = unknown_delay;
    if (track->expects) {
        ret->predicted = track->expected.mean[d];
        ret->correction = track->corrected[d == DIRECTION_RX ? BIAS_RX : BIAS_TX];
        ret->predicted.total += ret->correction;
    }
}

static void report_verdict(struct track *track, const struct segment_interface *delta,
                           struct guest_report *ret)
{
    struct verdict_result result;

    verdict_add(&track->verdict, delta, track->seconds,
                track->expects ? track->expected_promise : NAN);
    if (!isfinite(track->policy.promise.delay) ||
        !verdict_judge(&track->verdict, &track->policy.promise, &result))
        return;
    track->windows++;
    track->windows_kept += result.kept;
    track->last_kept = result.kept;
    ret->kept = result.kept;
    ret->window_seconds = result.seconds;
    ret->window_measured = result.measured;
    ret->window_predicted = result.predicted;
    ret->window_containers = result.containers;
}

/* The part that is about the tick that ends: before anything is decided anew. */
static void report_past(struct track *track, const struct segment_interface *delta)
{
    struct guest_report *ret = &track->report;

    *ret = (struct guest_report){
        .interface = track->interface,
        .worker = track->worker,
        .seconds = track->seconds,
        .costs = {0},
        .promise = track->policy.promise,
        .limits = track->policy.limits,
        .predicted = track->expects ? track->expected_promise : NAN,
        .measured = NAN,
        .expected = NAN,
        .kept = -1,
    };
    memcpy(ret->name, track->name, sizeof(ret->name));
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        report_lane(track, d, delta, &ret->lanes[d]);
    if (track->seconds > 0) {
        ret->measured = measured_promise(track, delta);
        report_verdict(track, delta, ret);
    }
    ret->last_kept = track->windows ? track->last_kept : -1;
    ret->windows = track->windows;
    ret->windows_kept = track->windows_kept;
}

/* Share of its worker's time, from what was counted and what such things cost. */
static double utilisation_of(const struct guest_report *guest, const struct end_costs *worker)
{
    const struct lane_report *rx = &guest->lanes[DIRECTION_RX], *tx = &guest->lanes[DIRECTION_TX];
    double busy = (double)rx->packets * worker->read + (double)rx->containers * worker->publish +
                  (double)rx->published_packets * worker->publish_packet +
                  (double)tx->containers * worker->unload +
                  (double)tx->packets * worker->unload_packet;

    return guest->seconds > 0 ? busy / guest->seconds : NAN;
}

static void report_decision(struct track *track, const struct group *group, size_t i,
                            enum tuning_state before, bool promise_changed)
{
    struct guest_report *ret = &track->report;

    ret->forwarded = group->loads[i].forwarded;
    ret->costs = group->loads[i].costs;
    ret->utilisation = utilisation_of(ret, &group->costs);
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        ret->lanes[d].wanted = track->current[d];
    ret->expected = track->expects ? track->expected_promise : NAN;
    ret->least = track->least;
    ret->state = track->state;
    ret->sizing = group->sizings[i].reason;
    if (track->attainable && ret->sizing == SIZING_UNATTAINABLE)
        ret->sizing = SIZING_PROMISE; /* all but the margin is kept */
    ret->changed = track->move != MOVE_NONE || before != track->state || promise_changed;
    reason_decided(track, &group->forecasts[i], &group->forecast, ret->reason, sizeof(ret->reason));
}

static void report_stale(struct track *track, double now, enum tuning_state before,
                         bool promise_changed)
{
    struct guest_report *ret = &track->report;
    bool fixed = track->policy.fixed[DIRECTION_RX] && track->policy.fixed[DIRECTION_TX];

    track->expects = false;
    track->move = MOVE_NONE;
    track->state = fixed ? TUNING_FIXED : TUNING_STALE;
    if (fixed)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            track->current[d] = track->policy.fixed_size[d];
            size_round(&track->current[d]);
            track->decided = true;
        }
    for (enum direction d = 0; track->decided && d < DIRECTION_COUNT; d++)
        ret->lanes[d].wanted = track->current[d];
    ret->worker = UINT32_MAX;
    ret->utilisation = NAN;
    ret->least = NAN;
    ret->state = track->state;
    ret->sizing = fixed ? SIZING_FIXED : SIZING_SILENT;
    ret->changed = before != track->state || promise_changed;
    reason_stale(track, now, ret->reason, sizeof(ret->reason));
}

/* ---- the tick ---- */

/* What the tick in progress knows of each track beside the track itself. */
struct tick_track {
    enum tuning_state before;
    bool promise_changed, stale;
    const struct segment_interface *delta;
};

/* Loads and forecast of the tick that ended, with what is believed of each guest or its opposite.
 */
static int group_load(struct group *group, bool doubt)
{
    for (size_t i = 0; i < group->n; i++) {
        bool forwards = track_forwards(group->tracks[i]) != doubt;
        track_load(group->tracks[i], forwards, &group->loads[i]);
        sizes_at_work(group->tracks[i], group->sizes[i]);
    }
    return group_forecast(group);
}

static void weigh(struct track *track, const struct segment_interface *delta, double believed,
                  double doubted)
{
    struct delay_parts parts;
    bool forwards = track_forwards(track);

    delay_parts(delta, DIRECTION_TX, &parts);
    if (track->seconds > 0 && delta->tx.unload.packets >= LEARN_PACKETS &&
        !track->rate[DIRECTION_TX].jumped && !track->rate[DIRECTION_RX].jumped)
        track_weigh_forwards(track, parts.fill, forwards ? believed : doubted,
                             forwards ? doubted : believed);
}

/* Whether tx packets are forwarded ones: by which of the two explains the tick that ended. */
static int group_weigh_forwards(struct group *group, const struct tick_track *ticks,
                                const struct controller *controller)
{
    double *doubted = calloc(group->n, sizeof(*doubted));
    int error = doubted ? group_load(group, true) : -ENOMEM;

    for (size_t i = 0; i < group->n && !error; i++)
        doubted[i] = group->forecasts[i].mean[DIRECTION_TX].fill;
    if (!error)
        error = group_load(group, false);
    for (size_t i = 0; i < group->n && !error; i++) {
        struct track *track = group->tracks[i];
        weigh(track, ticks[track - controller->tracks].delta,
              group->forecasts[i].mean[DIRECTION_TX].fill, doubted[i]);
    }
    free(doubted);
    return error;
}

static int group_run(struct group *group, const struct tick_track *ticks,
                     const struct controller *controller)
{
    int error = group_weigh_forwards(group, ticks, controller);

    if (!error)
        error = group_load(group, false);
    if (error)
        return error;
    for (size_t i = 0; i < group->n; i++)
        if (group->tracks[i]->seconds > 0)
            track_learn(group->tracks[i], ticks[group->tracks[i] - controller->tracks].delta,
                        &group->forecasts[i]);
    error = group_decide(group);
    if (error)
        return error;
    group_settle(group);
    return group_expect(group);
}

/* The model refused its input: a fault of ours, but no reason to stop tuning others. */
static void group_failed(struct group *group, const struct tick_track *ticks,
                         const struct controller *controller, int error)
{
    for (size_t i = 0; i < group->n; i++) {
        struct track *track = group->tracks[i];
        const struct tick_track *tick = &ticks[track - controller->tracks];
        report_stale(track, group->now, tick->before, tick->promise_changed);
        snprintf(track->report.reason, sizeof(track->report.reason),
                 "the model has no answer (%s): the last sizes stay", strerror(-error));
    }
}

static int worker_tick(struct controller *controller, uint32_t worker,
                       const struct tick_track *ticks, const struct controller_input *input,
                       struct worker_report *ret)
{
    struct group group = {.worker = worker,
                          .now = input->now,
                          .interval = input->interval,
                          .hold = fmax(HOLD_SECONDS, HOLD_TICKS * input->interval)};
    struct worker_state *state = &controller->workers[worker];
    int error = group_create(&group, controller->n_tracks + 1);

    if (error)
        return error;
    for (size_t i = 0; i < controller->n_tracks; i++)
        if (!ticks[i].stale && controller->tracks[i].worker == worker)
            group.tracks[group.n++] = &controller->tracks[i];
    costs_get(&state->costs, &group.costs);
    if (group.n) {
        error = group_run(&group, ticks, controller);
        if (error && error != -ENOMEM) {
            group_failed(&group, ticks, controller, error);
            error = 0;
        } else if (!error) {
            for (size_t i = 0; i < group.n; i++) {
                const struct tick_track *tick = &ticks[group.tracks[i] - controller->tracks];
                report_decision(group.tracks[i], &group, i, tick->before, tick->promise_changed);
            }
        }
    }
    *ret = (struct worker_report){.worker = worker,
                                  .interfaces = (uint32_t)group.n,
                                  .utilisation = state->utilisation,
                                  .costs = group.costs,
                                  .forecast = group.forecast};
    group_free(&group);
    return error;
}

static void tracks_tick(struct controller *controller, const struct controller_input *input,
                        struct tick_track *ticks)
{
    static const struct segment_interface nothing;

    for (size_t i = 0; i < controller->n_tracks; i++) {
        struct track *track = &controller->tracks[i];
        const struct sample_interface *taken = sample_find(input->sample, i, track->interface);
        ticks[i].before = track->state;
        ticks[i].promise_changed = track_policy(track, config_policy(input->config, track->name));
        ticks[i].delta = taken ? &taken->delta : &nothing;
        /* One look at a new interface says what it is, but not yet what it does. */
        ticks[i].stale = track_stale(track, input->now, input->interval) ||
                         track->worker >= SEGMENT_WORKERS ||
                         !(track->rate[DIRECTION_RX].seconds > 0);
        report_past(track, ticks[i].delta);
        if (ticks[i].stale)
            report_stale(track, input->now, ticks[i].before, ticks[i].promise_changed);
    }
}

static int workers_tick(struct controller *controller, const struct controller_input *input,
                        const struct tick_track *ticks, size_t *ret_n)
{
    int error = 0;

    for (uint32_t w = 0; w < SEGMENT_WORKERS && !error; w++) {
        bool used = controller->workers[w].present;
        for (size_t i = 0; i < controller->n_tracks && !used; i++)
            used = !ticks[i].stale && controller->tracks[i].worker == w;
        if (used)
            error =
                worker_tick(controller, w, ticks, input, &controller->worker_reports[(*ret_n)++]);
    }
    return error;
}

int controller_tick(struct controller *controller, const struct controller_input *input,
                    struct tick_report *ret)
{
    size_t n_workers = 0;
    int error = tracks_sync(controller, input);

    if (error)
        return error;
    struct tick_track *ticks = calloc(controller->n_tracks + 1, sizeof(*ticks));
    if (!ticks)
        return -ENOMEM;
    feed(controller, input);
    tracks_tick(controller, input, ticks);
    error = workers_tick(controller, input, ticks, &n_workers);
    free(ticks);
    if (error)
        return error;
    for (size_t i = 0; i < controller->n_tracks; i++)
        controller->guest_reports[i] = controller->tracks[i].report;
    *ret = (struct tick_report){
        .time = input->time,
        .seconds = controller->ticked ? input->now - controller->last : 0,
        .n_guests = controller->n_tracks,
        .guests = controller->guest_reports,
        .n_workers = n_workers,
        .workers = controller->worker_reports,
    };
    controller->last = input->now;
    controller->ticked = true;
    return 0;
}
