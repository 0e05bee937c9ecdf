// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/doubt.h"

#include <math.h>

#include "plant/batch.h"

/* A worker that is busier than this is not trusted to be so exactly as busy. */
#define UTILISATION_MOST 0.9

static double sum_of_squares(const double *values, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += values[i] * values[i];
    return sum;
}

/* What both ends do with a container and its packets (s). */
static double work_error(enum direction d, double utilisation, const struct doubt_errors *errors)
{
    const struct costs_errors *worker = &errors->worker, *guest = &errors->guest;
    bool rx = d == DIRECTION_RX;
    double waits = 1 / (1 - fmin(utilisation, UTILISATION_MOST));
    double rx_parts[] = {waits * worker->read, waits * worker->publish_whole, guest->unload_whole};
    double tx_parts[] = {guest->read, guest->publish_whole, waits * worker->unload_whole};

    return sqrt(sum_of_squares(rx ? rx_parts : tx_parts, 3));
}

/* Of a direction's mean delay, or of its percentile in proportion. */
static double lane_error(const struct guest_load *load, enum direction d,
                         const struct guest_forecast *forecast, double utilisation,
                         const struct doubt_errors *errors)
{
    const struct delay_parts *mean = &forecast->mean[d];
    double rate = load->rate[d];

    if (!(rate > 0) || !isfinite(mean->fill) || !isfinite(mean->total))
        return 0;
    double parts[] = {
        mean->fill * errors->rate[d] / rate,
        load->dispersion[d] > BATCH_DISPERSION ? errors->dispersion[d] / (2 * rate) : 0,
        work_error(d, utilisation, errors),
    };
    bool scaled = load->promise.percentile > 0 && forecast->lane_promised[d] > mean->total;
    return sqrt(sum_of_squares(parts, sizeof(parts) / sizeof(parts[0]))) *
           (scaled ? forecast->lane_promised[d] / mean->total : 1);
}

double doubt_delay(const struct guest_load *load, const struct guest_forecast *forecast,
                   double utilisation, const struct doubt_errors *errors)
{
    double lanes[DIRECTION_COUNT];

    if (!isfinite(load->promise.delay) || !isfinite(utilisation))
        return 0;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        lanes[d] = lane_error(load, d, forecast, utilisation, errors);
    if (load->promise.scope == SCOPE_FORWARDING)
        return sqrt(sum_of_squares(lanes, DIRECTION_COUNT));
    return fmax(lanes[DIRECTION_RX], lanes[DIRECTION_TX]);
}
