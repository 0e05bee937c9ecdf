// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/track.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/container.h"
#include "controller/delay.h"

/* Without a sample for so long, or so many ticks, an interface is stale. */
#define STALE_SECONDS 3.0
#define STALE_TICKS 3.0
/* Slower than this is silence (packets/s); to be taken for traffic again it takes twice that. */
#define SILENT_RATE 0.5
#define PACKET_BYTES_MAX ((double)CONTAINER_SUPER_MAX)
/*
 * Rates this near to each other are taken for equal where packets are
 * forwarded: two counts of the same packets are never quite the same, and to
 * the model a burst of which one packet is missing is something else than a
 * whole one.
 */
#define SAME_RATE 0.02
/*
 * A tick's evidence for or against forwarding: how much of the belief it makes
 * up; what it takes to overcome the first belief (logarithm of a ratio of fill
 * waits), and to return to it: either brings sizes at which the two differ little, and no
 * evidence is none against; how far apart the two answers must be for it to be any evidence.
 */
#define FORWARDS_GAIN 0.4
#define FORWARDS_BELIEF 0.25
#define FORWARDS_RETURN 0.05
#define FORWARDS_APART 0.15
#define FORWARDS_SECONDS 20e-6
/* Weight of the guess that a packet is small, in packets. */
#define BYTES_GUESS 64.0
#define BYTES_WEIGHT 1.0
#define BYTES_MEMORY 20000.0

void track_begin(struct track *track, struct keys_interface interface, const char *name)
{
    memset(track, 0, sizeof(*track));
    track->interface = interface;
    snprintf(track->name, sizeof(track->name), "%s", name);
    track->least = NAN;
    track->state = TUNING_STALE;
}

/* Whether both count delays the same way. */
static bool promise_alike(const struct promise *a, const struct promise *b)
{
    return a->percentile == b->percentile && a->scope == b->scope;
}

bool track_policy(struct track *track, const struct config_policy *policy,
                  const struct lane_size by_hand[DIRECTION_COUNT])
{
    bool alike = promise_alike(&track->policy.promise, &policy->promise);
    bool same = alike && track->policy.promise.delay == policy->promise.delay;

    if (track->policy.promise.scope != policy->promise.scope)
        track->converted = false;
    track->policy = *policy;
    track->by_hand = false;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (by_hand[d].packets > 0) {
            track->by_hand = true;
            track->policy.fixed[d] = true;
            track->policy.fixed_size[d] = by_hand[d];
        }
    /* What was learnt of means says nothing of percentiles, nor one way of forwarding. */
    if (!alike)
        memset(&track->bias[BIAS_PROMISE], 0, sizeof(track->bias[BIAS_PROMISE]));
    if (!same) {
        verdict_restart(&track->verdict);
        track->expects = false;
        track->judged = false;
    }
    return !same;
}

/* Another link under the same name: what the guest costs and sends has to be learnt anew. */
static void track_reborn(struct track *track, const struct segment_interface *now)
{
    memset(track->rate, 0, sizeof(track->rate));
    memset(track->range, 0, sizeof(track->range));
    track->surprise = track->noise = 0;
    memset(track->dispersion, 0, sizeof(track->dispersion));
    memset(track->bytes, 0, sizeof(track->bytes));
    memset(track->bias, 0, sizeof(track->bias));
    memset(&track->costs, 0, sizeof(track->costs));
    memset(&track->sizing, 0, sizeof(track->sizing));
    track->forwards = 0;
    track->converted = false;
    verdict_restart(&track->verdict);
    track->expects = false;
    track->generation = now->generation;
}

/* What a guest reports as its size may be anything; out of range it counts as not known. */
static void in_force_take(struct track *track, enum direction d,
                          const struct segment_tuning *tuning)
{
    bool valid = tuning->packets >= 1 && tuning->packets <= KEYS_PACKETS_MAX &&
                 tuning->timeout_us >= 1 && tuning->timeout_us <= KEYS_TIMEOUT_US_MAX;

    track->in_force[d] = (struct lane_size){
        .packets = valid ? tuning->packets : 0,
        .timeout = valid ? tuning->timeout_us * 1e-6 : 0,
    };
}

/* Packets of a direction, as the backend counts them; the guest's own account is not needed. */
static uint64_t lane_packets(const struct segment_interface *delta, enum direction d)
{
    return d == DIRECTION_RX ? delta->rx.pack.packets : delta->tx.unload.packets;
}

static struct mean_sums lane_bytes(const struct segment_interface *delta, enum direction d)
{
    const struct segment_pack *rx = &delta->rx.pack;
    const struct segment_unload *tx = &delta->tx.unload;

    if (d == DIRECTION_RX)
        return mean_sums(rx->packets, rx->bytes, rx->bytes_sq, 1);
    return mean_sums(tx->packets, tx->bytes, tx->bytes_sq, 1);
}

static void lane_feed(struct track *track, enum direction d, const struct segment_interface *delta,
                      double seconds)
{
    const struct segment_pack *pack = &delay_lane(delta, d)->pack;
    uint64_t packets = lane_packets(delta, d);
    /* What the port had to drop came, too: a worker that can't keep up shall be seen as such. */
    double arrived = (double)packets + (d == DIRECTION_RX ? (double)delta->port_dropped : 0);
    double dispersion = dispersion_get(&track->dispersion[d]).value;

    rate_count(&track->rate[d], arrived, seconds, dispersion);
    rate_range_count(&track->range[d], arrived, seconds, &track->rate[d]);
    if (track->rate[d].jumped) { /* the bins of this sample hold both rates */
        dispersion_forget(&track->dispersion[d]);
        memset(&track->bytes[d], 0, sizeof(track->bytes[d]));
    } else {
        dispersion_add(&track->dispersion[d], pack->bins, pack->bin_packets,
                       pack->bin_packets_squared);
    }
    struct mean_sums bytes = lane_bytes(delta, d);
    mean_add(&track->bytes[d], &bytes, PACKET_BYTES_MAX, BYTES_MEMORY);
}

/* With hysteresis, since a direction in use is sized in another way than a silent one. */
static void in_use_update(struct track *track)
{
    double rates[DIRECTION_COUNT];

    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        double least = SILENT_RATE * (track->in_use[d] ? 1 : 2);
        double rate = rate_get(&track->rate[d], 1).value;
        rates[d] = rate >= least ? rate * (track->in_use[d] ? 2 : 1) : 0;
    }
    delay_in_use(rates, track->in_use);
}

void track_feed(struct track *track, const struct sample_interface *sample, double now)
{
    track->seconds = 0;
    if (!sample)
        return;
    const struct segment_interface *delta = &sample->delta;
    if (!track->known || track->generation != delta->generation)
        track_reborn(track, delta);
    track->known = true;
    track->worker = delta->worker;
    track->seen = now - sample->age;
    in_force_take(track, DIRECTION_RX, &delta->rx.tuning);
    in_force_take(track, DIRECTION_TX, &delta->tx.tuning);
    if (!(sample->seconds > 0))
        return;
    track->seconds = sample->seconds;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        lane_feed(track, d, delta, sample->seconds);
    in_use_update(track);
    costs_add_pack(&track->costs, &delta->tx.pack);
    costs_add_unload(&track->costs, &delta->rx.unload);
    costs_add_sleep(&track->costs, &delta->guest);
}

bool track_stale(const struct track *track, double now, double interval)
{
    return !track->known || now - track->seen > fmax(STALE_SECONDS, STALE_TICKS * interval);
}

static double packet_bytes(const struct track *track, enum direction d)
{
    double frame = mean_get(&track->bytes[d], BYTES_GUESS, BYTES_WEIGHT).value;
    return fmax(CONTAINER_ENTRY, frame - CONTAINER_ETHERNET + CONTAINER_ENTRY);
}

/*
 * Counting does not tell whether a guest sends back what it gets. Where its
 * promise is about forwarding it is believed to, elsewhere not to, until the
 * way in which its tx containers fill converts us.
 */
static bool forwards_first(const struct track *track)
{
    return track->policy.promise.scope == SCOPE_FORWARDING;
}

bool track_forwards(const struct track *track)
{
    return forwards_first(track) != track->converted;
}

void track_weigh_forwards(struct track *track, double measured, double if_forwarded, double if_not)
{
    /* An overloaded worker makes them infinite: that says nothing. */
    if (!(measured > 0) || !(if_forwarded > 0) || !(if_not > 0) || isinf(if_forwarded) ||
        isinf(if_not) || fabs(log(if_forwarded / if_not)) < FORWARDS_APART ||
        fabs(if_forwarded - if_not) < FORWARDS_SECONDS)
        return;
    double evidence = fabs(log(measured / if_not)) - fabs(log(measured / if_forwarded));
    double limit = track->converted ? FORWARDS_RETURN : FORWARDS_BELIEF;
    track->forwards = (1 - FORWARDS_GAIN) * track->forwards + FORWARDS_GAIN * evidence;
    if (track_forwards(track) ? track->forwards >= -limit : track->forwards <= limit)
        return;
    track->converted = !track->converted;
    memset(track->bias, 0, sizeof(track->bias)); /* it was learnt of another model */
}

static double forwarded_share(const double rate[DIRECTION_COUNT])
{
    return rate[DIRECTION_RX] > 0 ? fmin(1, rate[DIRECTION_TX] / rate[DIRECTION_RX]) : 0;
}

static void rates_equalise(double rate[DIRECTION_COUNT])
{
    double difference = fabs(rate[DIRECTION_TX] - rate[DIRECTION_RX]);

    if (difference <= SAME_RATE * rate[DIRECTION_RX])
        rate[DIRECTION_TX] = rate[DIRECTION_RX];
}

void track_load(const struct track *track, bool forwards, struct guest_load *ret)
{
    const struct config_policy *policy = &track->policy;

    *ret = (struct guest_load){.promise = policy->promise, .limits = policy->limits};
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        double dispersion = dispersion_get(&track->dispersion[d]).value;
        ret->rate[d] = track->in_use[d] ? rate_get(&track->rate[d], dispersion).value : 0;
        ret->packet_bytes[d] = packet_bytes(track, d);
        ret->dispersion[d] = dispersion;
        ret->fixed[d] = policy->fixed[d];
        ret->fixed_size[d] = policy->fixed_size[d];
    }
    if (forwards)
        rates_equalise(ret->rate);
    ret->forwarded = forwards ? forwarded_share(ret->rate) : 0;
    costs_get(&track->costs, &ret->costs);
}

void track_at_work(const struct track *track, struct lane_size ret[DIRECTION_COUNT])
{
    const struct keys_tuning unknown = KEYS_TUNING_DEFAULT;

    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        if (track->in_force[d].packets > 0)
            ret[d] = track->in_force[d];
        else if (track->decided)
            ret[d] = track->current[d];
        else
            ret[d] = (struct lane_size){unknown.packets, unknown.timeout_us * 1e-6};
    }
}

bool track_sized(const struct track *track)
{
    return track->sizing.size[DIRECTION_RX].packets > 0;
}
