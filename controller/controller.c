// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/controller.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/account.h"
#include "controller/group.h"
#include "controller/track.h"

struct worker_state {
    bool present;
    double utilisation; /* measured; NAN: not known */
    uint64_t held;
    struct costs costs;
};

struct controller {
    struct track *tracks;
    size_t n_tracks;
    double last; /* s, of the tick before */
    size_t ticks;
    struct worker_state workers[SEGMENT_WORKERS];
    struct guest_report *guest_reports; /* n_tracks */
    struct worker_report worker_reports[SEGMENT_WORKERS];
    struct group group; /* of the worker whose turn it is */
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
    group_free(&controller->group);
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
        worker->held = taken->delta.held;
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

/* ---- the tick ---- */

/* The model refused its input: a fault of ours, but no reason to stop tuning others. */
static void group_failed(struct group *group, int error)
{
    for (size_t i = 0; i < group->n; i++) {
        struct track *track = group->tracks[i];
        account_stale(track, group->now);
        snprintf(track->report.reason, sizeof(track->report.reason),
                 "the model has no answer (%s): the last sizes stay", strerror(-error));
    }
}

/* Decides for all guests of a worker, and puts that into their reports. */
static int group_tick(struct group *group)
{
    int error = group->n ? group_run(group) : 0;

    if (error == -ENOMEM)
        return error;
    if (error)
        group_failed(group, error);
    for (size_t i = 0; i < group->n && !error; i++)
        account_decision(group->tracks[i], group, i);
    return 0;
}

static int worker_tick(struct controller *controller, uint32_t worker,
                       const struct controller_input *input, struct worker_report *ret)
{
    struct worker_state *state = &controller->workers[worker];
    struct group *group = &controller->group;
    int error = group_begin(group, controller->n_tracks);

    if (error)
        return error;
    group->now = input->now;
    group->interval = input->interval;
    group->turn = controller->ticks;
    for (size_t i = 0; i < controller->n_tracks; i++) {
        struct track *track = &controller->tracks[i];
        if (!track->stale && track->worker == worker) {
            track->unseen =
                hypot(costs_wakeup_error(&state->costs), costs_wakeup_error(&track->costs));
            group_add(group, track, track->delta);
        }
    }
    costs_get(&state->costs, &group->costs);
    costs_errors(&state->costs, &group->errors);
    error = group_tick(group);
    *ret = (struct worker_report){.worker = worker,
                                  .interfaces = (uint32_t)group->n,
                                  .utilisation = state->utilisation,
                                  .held = state->held,
                                  .costs = group->costs,
                                  .forecast = group->forecast};
    ret->forecast.stable |= group->n == 0; /* nobody to be late for */
    ret->errors = group->errors;
    return error;
}

static void track_tick(struct track *track, const struct controller_guest *guest,
                       const struct sample_interface *taken, const struct controller_input *input)
{
    static const struct segment_interface nothing;

    track->before = track->state;
    track->promise_changed =
        track_policy(track, config_policy(input->config, track->name), guest->by_hand);
    track->delta = taken ? &taken->delta : &nothing;
    /* One look at a new interface says what it is, but not yet what it does. */
    track->stale = track_stale(track, input->now, input->interval) ||
                   track->worker >= SEGMENT_WORKERS || !(track->rate[DIRECTION_RX].seconds > 0);
    account_past(track, track->delta);
    if (track->stale)
        account_stale(track, input->now);
}

static bool worker_used(const struct controller *controller, uint32_t worker)
{
    for (size_t i = 0; i < controller->n_tracks; i++)
        if (!controller->tracks[i].stale && controller->tracks[i].worker == worker)
            return true;
    return controller->workers[worker].present;
}

static int workers_tick(struct controller *controller, const struct controller_input *input,
                        size_t *ret_n)
{
    int error = 0;

    for (uint32_t w = 0; w < SEGMENT_WORKERS && !error; w++)
        if (worker_used(controller, w))
            error = worker_tick(controller, w, input, &controller->worker_reports[(*ret_n)++]);
    return error;
}

int controller_tick(struct controller *controller, const struct controller_input *input,
                    struct tick_report *ret)
{
    size_t n_workers = 0;
    int error = tracks_sync(controller, input);

    if (error)
        return error;
    feed(controller, input);
    for (size_t i = 0; i < controller->n_tracks; i++) {
        struct track *track = &controller->tracks[i];
        track_tick(track, &input->guests[i], sample_find(input->sample, i, track->interface),
                   input);
    }
    error = workers_tick(controller, input, &n_workers);
    if (error)
        return error;
    for (size_t i = 0; i < controller->n_tracks; i++)
        controller->guest_reports[i] = controller->tracks[i].report;
    *ret = (struct tick_report){
        .time = input->time,
        .seconds = controller->ticks ? input->now - controller->last : 0,
        .n_guests = controller->n_tracks,
        .guests = controller->guest_reports,
        .n_workers = n_workers,
        .workers = controller->worker_reports,
    };
    controller->last = input->now;
    controller->ticks++;
    return 0;
}
