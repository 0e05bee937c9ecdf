// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/shape.h"

#include <math.h>
#include <string.h>

#include "model/batch.h"
#include "model/closing.h"

/* The count is raised by this share, the whole of it from SHAPE_WHOLE packets on. */
#define SHAPE_MORE 0.25
#define SHAPE_NONE 5.0
#define SHAPE_WHOLE 24.0
/* Packets that come closer together than Poisson's are taken as bursts from here on (as the model
 * does). */
#define DISPERSION_BURSTS 1.5
/* Of what the promise leaves, a silent lane's timeout takes this much. */
#define SILENT_SHARE 0.7
/* Fewer packets in that time than this: containers of one, whatever the size. */
#define SILENT_PACKETS 0.1
/* A rate that far below the present one is another one. */
#define LOW_SHARE 0.8
#define HIGH_SHARE 0.4
#define STEPS 24
#define EXACT 2e-3 /* of the timeout */

/* One lane's fill wait, as its promise counts it. */
struct fill {
    double rate, dispersion, share; /* share: of the packets above; 0: the mean is meant */
    double at;                      /* s, of a percentile: where the tail is looked at */
};

/* The mean (s), or the share of packets that wait longer than `at`. */
static double fill_measure(const struct fill *fill, uint32_t packets, double timeout)
{
    struct closing_law law;
    struct batch_closing batches;

    if (fill->dispersion > DISPERSION_BURSTS && !(fill->share > 0)) {
        batch_closing_solve(fill->rate, fill->dispersion, packets, timeout, &batches);
        return batches.fill_mean;
    }
    if (closing_solve(fill->rate, packets, timeout, &law))
        return INFINITY;
    return fill->share > 0 ? closing_fill_tail(&law, fill->at) : law.fill_mean;
}

/* The wait that `share` of the packets exceed. */
static double fill_percentile(const struct fill *fill, const struct lane_size *size)
{
    struct closing_law law;
    double low = 0, high = size->timeout;

    if (closing_solve(fill->rate, size->packets, size->timeout, &law))
        return NAN;
    for (int i = 0; i < STEPS && high - low > EXACT * high; i++) {
        double middle = (low + high) / 2;
        if (closing_fill_tail(&law, middle) > fill->share)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* The longest timeout with which the larger container fills no more slowly than `most` allows. */
static double timeout_for(const struct fill *fill, uint32_t packets, double most, double start)
{
    double low = 0.3 * start, high = start;

    for (int i = 0; i < STEPS && high - low > EXACT * high; i++) {
        double middle = (low + high) / 2;
        if (fill_measure(fill, packets, middle) <= most)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static uint32_t more_packets(const struct guest_load *load, enum direction d, uint32_t packets,
                             double high)
{
    uint32_t most =
        closing_size(load->limits.packets_max, load->limits.bytes_max, load->packet_bytes[d]);
    double whole = fmin(1, fmax(0, (packets - SHAPE_NONE) / (SHAPE_WHOLE - SHAPE_NONE)));
    double more = floor(packets * (1 + SHAPE_MORE * whole));

    if (high * HIGH_SHARE > load->rate[d])
        more = fmax(more, ceil(packets * (high / load->rate[d])));

    return more < most ? (uint32_t)more : most;
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
static void shape_silent(const struct guest_load *load, enum direction d,
                         const struct sizing *sizing, struct lane_size *size)
{
    double timeout = fmin(load->limits.timeout_max, silent_timeout(load, sizing));

    if (!(timeout > size->timeout))
        return;
    size->timeout = timeout;
    size->packets =
        closing_size(load->limits.packets_max, load->limits.bytes_max, load->packet_bytes[d]);
}

static void shape_lane(const struct guest_load *load, enum direction d,
                       const struct rate_range *range, struct lane_size *size)
{
    bool percentile = load->promise.percentile > 0 && load->promise.scope == SCOPE_ONE_WAY;
    struct fill fill = {.rate = load->rate[d],
                        .dispersion = load->dispersion[d],
                        .share = percentile ? 1 - load->promise.percentile / 100 : 0};
    uint32_t packets = more_packets(load, d, size->packets, rate_range_high(range));
    double most;

    double low = rate_range_low(range);
    bool falls = low > 0 && low < LOW_SHARE * load->rate[d];

    if (!(fill.rate > 0) || (packets <= size->packets && !falls))
        return;
    if (percentile) {
        fill.at = fill_percentile(&fill, size);
        most = fill.share;
    } else {
        most = fill_measure(&fill, size->packets, size->timeout);
    }
    double timeout = timeout_for(&fill, packets, most, size->timeout);
    if (falls) {
        fill.rate = low;
        timeout = timeout_for(&fill, packets, most, timeout);
    }
    if (timeout < load->limits.timeout_min || !(timeout > 0))
        return;
    *size = (struct lane_size){.packets = packets, .timeout = timeout};
}

void shape_sizes(const struct guest_load *load, const struct rate_range range[DIRECTION_COUNT],
                 const struct sizing *sizing, struct lane_size ret[DIRECTION_COUNT])
{
    memcpy(ret, sizing->size, sizeof(sizing->size));
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        if (load->fixed[d] || !sizing->attainable)
            continue;
        if (is_silent(load, d, sizing))
            shape_silent(load, d, sizing, &ret[d]);
        else if (sizing->reason == SIZING_PROMISE && !(load->forwarded > 0))
            shape_lane(load, d, &range[d], &ret[d]);
    }
}
