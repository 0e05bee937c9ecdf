// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/delay.h"

#include <math.h>

/* A direction with less than this share of the other's packets is not in use. */
#define STRAY_SHARE 1e-3

const struct segment_lane *delay_lane(const struct segment_interface *delta, enum direction d)
{
    return d == DIRECTION_RX ? &delta->rx : &delta->tx;
}

/* Mean in s of a sum in ns; more than an hour can only be nonsense. */
static double mean_of(uint64_t sum_ns, uint64_t n)
{
    double mean = n ? (double)sum_ns / (double)n * 1e-9 : NAN;
    return mean < 3600 ? mean : NAN;
}

/* What the backend saw itself, where there are two to choose from. */
double delay_fill(const struct segment_interface *delta, enum direction d)
{
    const struct segment_lane *lane = delay_lane(delta, d);

    return d == DIRECTION_RX ? mean_of(lane->pack.fill_ns, lane->pack.published_packets)
                             : mean_of(lane->unload.fill_ns, lane->unload.packets);
}

void delay_parts(const struct segment_interface *delta, enum direction d, struct delay_parts *ret)
{
    const struct segment_lane *lane = delay_lane(delta, d);
    const struct segment_pack *pack = &lane->pack;
    const struct segment_unload *unload = &lane->unload;
    uint64_t counted = histogram_count(&lane->delay);

    ret->port = mean_of(pack->port_wait_ns, pack->packets);
    ret->fill = delay_fill(delta, d);
    ret->publish = mean_of(pack->publish_wait_ns + pack->publish.sum_t, pack->containers);
    ret->ring = mean_of(delta->echo_ns, delta->echo_n) / 2;
    ret->unload = mean_of(unload->place_ns, unload->packets);
    ret->total = counted ? histogram_mean(&lane->delay) * 1e-9 : NAN;
}

double delay_percentile(const struct histogram *delay, double percentile)
{
    return histogram_count(delay) ? histogram_quantile(delay, percentile / 100) * 1e-9 : NAN;
}

void delay_in_use(const double packets[DIRECTION_COUNT], bool ret[DIRECTION_COUNT])
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        ret[d] = packets[d] > 0 && packets[d] >= STRAY_SHARE * packets[!d];
}

static double value_of(const struct promise *promise, const struct histogram *delay)
{
    return promise->percentile > 0 ? delay_percentile(delay, promise->percentile)
                                   : histogram_mean(delay) * 1e-9;
}

double delay_promised(const struct promise *promise,
                      const struct histogram *const delays[DIRECTION_COUNT])
{
    const struct histogram *rx = delays[DIRECTION_RX], *tx = delays[DIRECTION_TX];
    double packets[] = {(double)histogram_count(rx), (double)histogram_count(tx)};
    bool in_use[DIRECTION_COUNT];
    struct histogram both;

    delay_in_use(packets, in_use);
    if (!in_use[DIRECTION_RX] && !in_use[DIRECTION_TX])
        return NAN;
    if (!in_use[DIRECTION_RX] || !in_use[DIRECTION_TX])
        return value_of(promise, in_use[DIRECTION_RX] ? rx : tx);
    if (promise->scope == SCOPE_ONE_WAY)
        return fmax(value_of(promise, rx), value_of(promise, tx));
    if (!(promise->percentile > 0))
        return value_of(promise, rx) + value_of(promise, tx);
    histogram_convolve(rx, tx, &both);
    return value_of(promise, &both);
}
