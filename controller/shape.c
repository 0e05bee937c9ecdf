// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/shape.h"

#include <math.h>
#include <string.h>

#include "model/closing.h"
#include "plant/batch.h"

/* What a container may lose in packets for rates that change: a share of it ... */
#define PRICE 0.06
/* ... more where rates do change, or where so few containers/s hardly matter. */
#define PRICE_CHANGING 0.15
#define CONTAINERS_FEW 400.0
/*
 * Containers that the timeout closes come as a clock ticks, the more so the
 * larger they are, and both directions' clocks drift against each other, or lock:
 * then all packets of one direction wait for the other's for seconds. From here
 * on the count closes most, and what is random about it keeps them apart; the
 * guard that the model sets is hardly longer than they fill.
 */
#define PERIODIC 64
/* Clocks lock as well where one container of another guest keeps the worker for so much of the
 * promise: those that have rung meanwhile go on together. */
#define PERIODIC_BESIDE 0.15
/* So many times more for a count that is in use: no to and fro. */
#define PRICE_USED 1.5
/* Counts that are tried, in packets above the smallest; shares of the smallest. */
#define COUNTS 6
#define COUNTS_NEAR 2 /* of them, next to the smallest */
#define COUNT_MORE 0.25
#define COUNT_MUCH 4.0
/* Of what the promise leaves, a silent lane's timeout takes this much. */
#define SILENT_SHARE 0.7
/* Fewer packets in that time than this: containers of one, whatever the size. */
#define SILENT_PACKETS 0.1
/* A rate that far below the present one is another one. */
#define LOW_SHARE 0.8
#define TIMEOUT_MORE 1.3
#define STEPS 24
#define EXACT 2e-3 /* of the timeout */

/* One lane: its packets' wait for the closing and for what is done with so many. */
struct fill {
    double rate, dispersion, share; /* share: of the packets above; 0: the mean is meant */
    double packet;                  /* s that each packet in a container takes all of them */
    double at;                      /* s, of a percentile: where the tail is looked at */
};

/* What a size comes to. */
struct filled {
    double measure; /* the mean wait (s), or the share of packets that wait longer than `at` */
    double packets; /* per container */
};

static struct filled fill_measure(const struct fill *fill, const struct lane_size *size)
{
    struct closing_law law;
    bool bursts = fill->dispersion > BATCH_DISPERSION && !(fill->share > 0);

    if (closing_solve(fill->rate, size->packets, size->timeout, &law))
        return (struct filled){INFINITY, 1};
    if (bursts)
        batch_closing_solve(fill->rate, fill->dispersion, size->packets, size->timeout, &law);
    double served = fill->packet * law.packets_met;
    if (fill->share > 0)
        return (struct filled){closing_fill_tail(&law, fill->at - served), law.packets};
    return (struct filled){law.fill_mean + served, law.packets};
}

/* The wait that `share` of the packets exceed. */
static double fill_percentile(const struct fill *fill, const struct lane_size *size)
{
    double most = size->timeout + fill->packet * size->packets;
    double low = 0, high = most;
    struct fill at = *fill;

    for (int i = 0; i < STEPS && high - low > EXACT * high; i++) {
        at.at = (low + high) / 2;
        if (fill_measure(&at, size).measure > fill->share)
            low = at.at;
        else
            high = at.at;
    }
    return high;
}

/* The longest timeout, up to `high`, with which a count waits no longer than `most` allows. */
static double timeout_for(const struct fill *fill, uint32_t packets, double most, double high,
                          double *ret_packets)
{
    double low = 0;

    for (int i = 0; i < STEPS && high - low > EXACT * high; i++) {
        struct lane_size size = {packets, (low + high) / 2};
        struct filled filled = fill_measure(fill, &size);
        if (filled.measure <= most) {
            low = size.timeout;
            *ret_packets = filled.packets;
        } else {
            high = size.timeout;
        }
    }
    return low;
}
/* s that the promise leaves for filling; INFINITY where there is none. */
static double silent_timeout(const struct guest_load *load, const struct sizing *sizing)
{
    double share = load->promise.scope == SCOPE_FORWARDING ? SILENT_SHARE / 2 : SILENT_SHARE;

    return share * (load->promise.delay - sizing->least);
}

static bool is_silent(const struct guest_load *load, enum direction d, const struct sizing *sizing)
{
    return isfinite(load->promise.delay) &&
           load->rate[d] * silent_timeout(load, sizing) < SILENT_PACKETS;
}

/*
 * A lane that is silent or nearly so: as far as the promise goes, packets that come again
 * may wait for others. The timeout bounds that for a trickle, and makes large
 * containers at once of a torrent.
 */
static void shape_silent(const struct end_costs *worker, const struct guest_load *load,
                         enum direction d, const struct sizing *sizing, struct lane_size *size)
{
    double timeout = fmin(load->limits.timeout_max, silent_timeout(load, sizing));
    double read = d == DIRECTION_RX ? worker->read : load->costs.read;
    uint32_t most =
        closing_size(load->limits.packets_max, load->limits.bytes_max, load->packet_bytes[d]);

    if (!(timeout > size->timeout))
        return;
    size->timeout = timeout;
    /* No more can be read in that time. */
    size->packets = (uint32_t)fmin(most, fmax(load->limits.packets_min, 1 + timeout / read));
}

/* ---- a lane in use ---- */

/* What the lane may come to: what the model's size does, and what is to spare. */
static double lane_most(const struct lane_size *size, double spare, struct fill *fill)
{
    if (!(fill->share > 0))
        return fill_measure(fill, size).measure + spare;
    fill->at = fill_percentile(fill, size) + spare;
    return fill->share;
}

/* Timeout that alone, whatever the count, makes the mean wait `most`. */
static double timeout_alone(double rate, double most)
{
    double w = rate * most;

    return (w - 1 + sqrt(w * w + 1)) / rate;
}

/*
 * Packets that a container may come to, should the rate rise so far that its
 * timeout is just enough: filling, half the timeout then, and what is done with
 * them take no longer than they may.
 */
static uint32_t fullest(const struct guest_load *load, enum direction d, const struct fill *fill,
                        double most, uint32_t base)
{
    uint32_t limit =
        closing_size(load->limits.packets_max, load->limits.bytes_max, load->packet_bytes[d]);
    double room = fill->share > 0 ? PRICE * fill->at + base * fill->packet
                                  : most - timeout_alone(fill->rate, most) / 2;
    double packets = fmax(room / fill->packet, ceil(base * (1 + COUNT_MORE)));

    return packets < limit ? (uint32_t)packets : limit;
}

/* What the choice of a count depends on. */
struct choice {
    uint32_t base, full, before; /* packets: the model's count, the largest, the one in use */
    double most, high;           /* what the lane may come to; the longest timeout, s */
    double price;                /* the share of the packets that may be lost */
    bool periodic;               /* timeouts may lock */
};

/* The largest count whose price is bearable, and its timeout. */
static struct lane_size shape_count(const struct fill *fill, const struct choice *choice)
{
    double base = choice->base, price = choice->price;
    double counts[COUNTS] = {
        base, base + 1, base + 2, ceil(base * (1 + COUNT_MORE)), base * COUNT_MUCH, choice->full};
    double packets[COUNTS], best = 0;
    struct lane_size sizes[COUNTS], ret = {0};
    size_t n = choice->periodic ? COUNTS_NEAR : COUNTS;

    for (size_t i = 0; i < n; i++) {
        sizes[i].packets = (uint32_t)fmin(counts[i], choice->full);
        packets[i] = 0;
        sizes[i].timeout =
            timeout_for(fill, sizes[i].packets, choice->most, choice->high, &packets[i]);
        best = fmax(best, packets[i]);
    }
    if (fill->rate < CONTAINERS_FEW * best)
        price = PRICE_CHANGING;
    for (size_t i = 0; i < n; i++) {
        bool used = sizes[i].packets <= choice->before;
        double least = (1 - (used ? fmin(PRICE_CHANGING, PRICE_USED * price) : price)) * best;
        if (packets[i] >= least && sizes[i].packets >= ret.packets)
            ret = sizes[i];
    }
    return ret;
}

/* A rate that jumps, or that bursts: what is right for it now is not right for long. */
static bool is_changing(const struct fill *fill, const struct rate_range *range)
{
    return fill->dispersion > BATCH_DISPERSION || rate_range_low(range) > 0 ||
           rate_range_high(range) > 0;
}

/*
 * The timeout with which the promise holds at a lower rate, too. What containers
 * there gain by being served sooner, they lose by waking up ends that have slept.
 */
static double timeout_fallen(struct fill fill, double rate, double most,
                             const struct lane_size *size)
{
    double served = fill.packet * fill_measure(&fill, size).packets, ignored;

    fill.rate = rate;
    fill.packet = 0;
    fill.at -= served;
    return timeout_for(&fill, size->packets, fill.share > 0 ? most : most - served, size->timeout,
                       &ignored);
}

static struct fill fill_of(const struct end_costs *worker, const struct guest_load *load,
                           enum direction d)
{
    bool percentile = load->promise.percentile > 0 && load->promise.scope == SCOPE_ONE_WAY;

    return (struct fill){.rate = load->rate[d],
                         .dispersion = load->dispersion[d],
                         .share = percentile ? 1 - load->promise.percentile / 100 : 0,
                         .packet = d == DIRECTION_RX
                                       ? worker->publish_packet + load->costs.unload_packet
                                       : load->costs.publish_packet + worker->unload_packet};
}

static void shape_lane(const struct end_costs *worker, const struct guest_load *load,
                       enum direction d, const struct shape_around *around, struct lane_size *size)
{
    struct fill fill = fill_of(worker, load, d);
    double low = rate_range_low(&around->range[d]), spare = around->spare[d];
    bool falls = low > 0 && low < LOW_SHARE * load->rate[d];
    bool beside = around->beside > PERIODIC_BESIDE * load->promise.delay;

    if (!(fill.rate > 0))
        return;
    /* Where a rate will fall, what whole packets leave of the promise is left as it is. */
    double most = lane_most(size, falls ? fmin(0, spare) : spare, &fill);
    struct choice choice = {
        .base = size->packets,
        .full = fullest(load, d, &fill, most, size->packets),
        .before = around->before[d].packets,
        .most = most,
        .high = fmax(size->timeout, TIMEOUT_MORE * timeout_alone(fill.rate, most)),
        .price = is_changing(&fill, &around->range[d]) ? PRICE_CHANGING : PRICE,
        .periodic = (beside || size->packets > PERIODIC) && !(low > 0),
    };
    struct lane_size shaped = shape_count(&fill, &choice);
    if (falls)
        shaped.timeout = timeout_fallen(fill, low, most, &shaped);
    if (shaped.timeout < load->limits.timeout_min || !(shaped.timeout > 0))
        return;
    *size = shaped;
}

void shape_sizes(const struct end_costs *worker, const struct guest_load *load,
                 const struct sizing *sizing, const struct shape_around *around,
                 struct lane_size ret[DIRECTION_COUNT])
{
    memcpy(ret, sizing->size, sizeof(sizing->size));
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        if (load->fixed[d] || !sizing->attainable)
            continue;
        if (is_silent(load, d, sizing))
            shape_silent(worker, load, d, sizing, &ret[d]);
        else if (sizing->reason == SIZING_PROMISE && !(load->forwarded > 0))
            shape_lane(worker, load, d, around, &ret[d]);
    }
}

double shape_packets(const struct lane_size *size, double rate)
{
    return fmin(size->packets, 1 + rate * size->timeout);
}
