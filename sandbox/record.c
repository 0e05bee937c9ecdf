// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/record.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The window that is being filled. */
struct window {
    uint64_t containers;
    bool settled;
    double promise_us;
    struct record_delays delays;
};

struct guest_record {
    struct record_tick *ticks;
    unsigned n, room;
    struct window window;
    struct record_score score;
};

struct record {
    struct guest_record guests[PLAN_GUESTS];
};

struct record *record_create(void)
{
    struct record *record = calloc(1, sizeof(*record));

    for (unsigned i = 0; record && i < PLAN_GUESTS; i++)
        record->guests[i].window.settled = true;
    return record;
}

void record_free(struct record *record)
{
    if (!record)
        return;
    for (unsigned i = 0; i < PLAN_GUESTS; i++)
        free(record->guests[i].ticks);
    free(record);
}

double record_value_us(const struct histogram *histogram, double percentile)
{
    if (histogram_count(histogram) == 0)
        return NAN;
    if (isnan(percentile))
        return histogram_mean(histogram) / 1e3;
    return histogram_quantile(histogram, percentile / 100) / 1e3;
}

double record_delay_us(const struct record_delays *delays, double percentile)
{
    if (delays->forwarding)
        return record_value_us(&delays->round, percentile);
    /* fmax takes the other where one is not a number. */
    return fmax(record_value_us(&delays->to_guest, percentile),
                record_value_us(&delays->from_guest, percentile));
}

static void delays_merge(struct record_delays *sum, const struct record_delays *more)
{
    sum->forwarding = more->forwarding;
    histogram_merge(&sum->round, &more->round);
    histogram_merge(&sum->to_guest, &more->to_guest);
    histogram_merge(&sum->from_guest, &more->from_guest);
}

static void window_begin(struct window *window, double promise_us)
{
    memset(window, 0, sizeof(*window));
    window->settled = true;
    window->promise_us = promise_us;
}

static void window_judge(const struct window *window, double percentile, struct record_score *score)
{
    double ratio = record_delay_us(&window->delays, percentile) / window->promise_us;
    bool kept = ratio <= 1;

    score->windows++;
    score->kept += kept;
    if (!window->settled)
        return;
    score->settled_windows++;
    score->settled_kept += kept;
    if (ratio > score->worst_ratio)
        score->worst_ratio = ratio;
}

/* A window never spans a change of the promise. */
static void window_add(struct guest_record *guest, const struct record_tick *tick,
                       const struct record_delays *delays)
{
    struct window *window = &guest->window;

    if (isnan(tick->promise_us))
        return;
    if (window->promise_us != tick->promise_us)
        window_begin(window, tick->promise_us);
    window->containers += tick->containers;
    window->settled = window->settled && tick->settled;
    delays_merge(&window->delays, delays);
    if (window->containers < RECORD_WINDOW_CONTAINERS ||
        isnan(record_delay_us(&window->delays, tick->percentile)))
        return;
    window_judge(window, tick->percentile, &guest->score);
    window_begin(window, tick->promise_us);
}

int record_add(struct record *record, unsigned index, const struct record_tick *tick,
               const struct record_delays *delays)
{
    struct guest_record *guest = &record->guests[index];

    if (guest->n == guest->room) {
        unsigned room = guest->room ? 2 * guest->room : 64;
        struct record_tick *ticks = reallocarray(guest->ticks, room, sizeof(*ticks));
        if (!ticks)
            return -ENOMEM;
        guest->ticks = ticks;
        guest->room = room;
    }
    guest->ticks[guest->n++] = *tick;
    window_add(guest, tick, delays);
    return 0;
}

unsigned record_ticks(const struct record *record, unsigned guest)
{
    return record->guests[guest].n;
}

const struct record_tick *record_tick(const struct record *record, unsigned guest, unsigned index)
{
    return &record->guests[guest].ticks[index];
}

void record_score(const struct record *record, unsigned guest, struct record_score *ret)
{
    *ret = record->guests[guest].score;
}

static void lane_add(struct record_lane *sum, const struct record_lane *lane)
{
    sum->predicted_us += lane->predicted_us;
    sum->backend_us += lane->backend_us;
    sum->generator_us += lane->generator_us;
}

static void lane_divide(struct record_lane *lane, double n)
{
    lane->predicted_us /= n;
    lane->backend_us /= n;
    lane->generator_us /= n;
}

static void phase_add(struct record_phase *phase, const struct record_tick *tick)
{
    if (!phase->ticks || tick->rx_packets < phase->smallest)
        phase->smallest = tick->rx_packets;
    if (tick->rx_packets > phase->largest)
        phase->largest = tick->rx_packets;
    phase->ticks++;
    lane_add(&phase->to_guest, &tick->to_guest);
    lane_add(&phase->from_guest, &tick->from_guest);
    phase->offered += tick->offered;
    phase->predicted_us += tick->predicted_us;
    phase->backend_us += tick->backend_us;
    phase->generator_us += tick->generator_us;
    phase->promise_us += tick->promise_us;
    phase->least_us += tick->least_us;
    phase->absolute_error += fabs(tick->predicted_us / tick->generator_us - 1);
}

static void phase_divide(struct record_phase *phase)
{
    double n = phase->ticks;

    lane_divide(&phase->to_guest, n);
    lane_divide(&phase->from_guest, n);
    phase->offered /= n;
    phase->predicted_us /= n;
    phase->backend_us /= n;
    phase->generator_us /= n;
    phase->promise_us /= n;
    phase->least_us /= n;
    phase->absolute_error /= n;
    phase->error = phase->predicted_us / phase->generator_us - 1;
}

void record_phase(const struct record *record, unsigned guest, unsigned phase,
                  struct record_phase *ret)
{
    *ret = (struct record_phase){0};
    for (unsigned i = 0; i < record_ticks(record, guest); i++) {
        const struct record_tick *tick = record_tick(record, guest, i);
        if (tick->phase == phase && tick->settled && !isnan(tick->predicted_us) &&
            !isnan(tick->generator_us))
            phase_add(ret, tick);
    }
    phase_divide(ret);
}

unsigned record_retunings(const struct record *record, unsigned guest)
{
    unsigned changes = 0;

    for (unsigned i = 1; i < record_ticks(record, guest); i++) {
        const struct record_tick *a = record_tick(record, guest, i - 1),
                                 *b = record_tick(record, guest, i);
        changes += a->rx_packets != b->rx_packets || a->rx_timeout_us != b->rx_timeout_us;
    }
    return changes;
}
