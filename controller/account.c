// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/account.h"

#include <math.h>
#include <string.h>

#include "controller/correction.h"
#include "controller/delay.h"
#include "controller/reason.h"

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
    struct estimate dispersion = dispersion_get(&track->dispersion[d]);

    ret->rate = rate_get(&track->rate[d], dispersion.value);
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

/* Whether the operator fixed a size, or another one, or freed it. */
static bool fixed_changed(const struct guest_report *before, const struct config_policy *now)
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        const struct lane_size *was = &before->lanes[d].wanted, *is = &now->fixed_size[d];
        if (before->fixed[d] != now->fixed[d])
            return true;
        if (now->fixed[d] &&
            (was->packets != is->packets || fabs(was->timeout - is->timeout) >= 1e-6))
            return true;
    }
    return false;
}

void account_past(struct track *track, const struct segment_interface *delta)
{
    struct guest_report *ret = &track->report;
    bool changed = fixed_changed(ret, &track->policy);

    *ret = (struct guest_report){
        .changed = changed,
        .fixed = {track->policy.fixed[DIRECTION_RX], track->policy.fixed[DIRECTION_TX]},
        .interface = track->interface,
        .worker = track->worker,
        .seconds = track->seconds,
        .basis = {.objective = track->policy.objective,
                  .utilisation_max = track->policy.utilisation_max},
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
        ret->measured = correction_measured(track, delta);
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

void account_decision(struct track *track, const struct group *group, size_t i)
{
    struct guest_report *ret = &track->report;

    ret->forwarded = group->loads[i].forwarded;
    ret->basis = (struct guest_basis){
        .known = true,
        .load = group->loads[i],
        .size = {group->sizes[i][DIRECTION_RX], group->sizes[i][DIRECTION_TX]},
        .model = group->forecasts[i].promised,
        .margin = correction_margin(track),
        .objective = track->policy.objective,
        .utilisation_max = track->policy.utilisation_max,
    };
    costs_errors(&track->costs, &ret->basis.errors);
    ret->utilisation = utilisation_of(ret, &group->costs);
    for (enum direction d = 0; d < DIRECTION_COUNT && track->decided; d++)
        ret->lanes[d].wanted = track->current[d];
    ret->expected = track->expects ? track->expected_promise : NAN;
    ret->least = track->least;
    ret->state = track->state;
    ret->sizing = group->sizings[i].reason;
    if (track->attainable && ret->sizing == SIZING_UNATTAINABLE)
        ret->sizing = SIZING_PROMISE; /* all but the margin is kept */
    ret->changed |=
        track->move != MOVE_NONE || track->before != track->state || track->promise_changed;
    reason_decided(track, &group->forecasts[i], &group->forecast, ret->reason, sizeof(ret->reason));
}

void account_stale(struct track *track, double now)
{
    struct guest_report *ret = &track->report;
    bool fixed = track->policy.fixed[DIRECTION_RX] && track->policy.fixed[DIRECTION_TX];

    track->expects = false;
    track->move = MOVE_NONE;
    track->state = fixed ? TUNING_FIXED : TUNING_STALE;
    if (fixed)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            track->current[d] = track->policy.fixed_size[d];
            group_round(&track->current[d]);
            track->decided = true;
        }
    for (enum direction d = 0; track->decided && d < DIRECTION_COUNT; d++)
        ret->lanes[d].wanted = track->current[d];
    ret->worker = UINT32_MAX;
    ret->utilisation = NAN;
    ret->least = NAN;
    ret->state = track->state;
    ret->sizing = fixed ? SIZING_FIXED : SIZING_SILENT;
    ret->changed |= track->before != track->state || track->promise_changed;
    reason_stale(track, now, ret->reason, sizeof(ret->reason));
}
