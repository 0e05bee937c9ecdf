// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/verdict.h"

#include <math.h>
#include <string.h>

#include "controller/delay.h"

static void histogram_gather(struct histogram *sum, const struct histogram *more)
{
    sum->sum_ns += more->sum_ns;
    for (unsigned i = 0; i < HISTOGRAM_BINS; i++)
        sum->bins[i] += more->bins[i];
}

void verdict_add(struct verdict *verdict, const struct segment_interface *delta, double seconds,
                 double predicted)
{
    verdict->seconds += seconds;
    if (isfinite(predicted)) {
        verdict->predicted += predicted * seconds;
        verdict->predicted_seconds += seconds;
    }
    /* Containers as the backend counts them. */
    verdict->containers[DIRECTION_RX] += delta->rx.pack.containers;
    verdict->containers[DIRECTION_TX] += delta->tx.unload.containers;
    verdict->packets[DIRECTION_RX] += (double)delta->rx.pack.published_packets;
    verdict->packets[DIRECTION_TX] += (double)delta->tx.unload.packets;
    verdict->filled[DIRECTION_RX] += (double)delta->rx.pack.fill_ns * 1e-9;
    verdict->filled[DIRECTION_TX] += (double)delta->tx.unload.fill_ns * 1e-9;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        histogram_gather(&verdict->delay[d], &delay_lane(delta, d)->delay);
}

static uint64_t fewest_containers(const struct verdict *verdict)
{
    bool in_use[DIRECTION_COUNT];
    uint64_t fewest = UINT64_MAX;

    delay_in_use(verdict->packets, in_use);
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (in_use[d] && verdict->containers[d] < fewest)
            fewest = verdict->containers[d];
    return fewest == UINT64_MAX ? 0 : fewest;
}

/* Of a direction's mean (s^2). */
static double mean_variance(const struct verdict *verdict, enum direction d)
{
    const struct histogram *delay = &verdict->delay[d];
    double n = verdict->packets[d], containers = (double)verdict->containers[d];

    if (!(n > 0) || !(containers > 0))
        return 0;
    double fill = verdict->filled[d] / n, packets = histogram_variance(delay) * 1e-18;
    /* Never less than if packets had nothing to do with each other. */
    return fmax((packets - fill * fill / 3) / containers, packets / n);
}

/* Of the share of a direction's packets above a delay, as far as each container is a draw. */
static double share_variance(const struct verdict *verdict, enum direction d, double share)
{
    double containers = (double)verdict->containers[d], n = verdict->packets[d];
    /* Late ones are a container's oldest: neither all of it, nor each for itself. */
    double draws = sqrt(containers * n);

    return draws > 0 ? share * (1 - share) / draws : 0;
}

/* Of what is promised of both directions together. */
static double promised_error(const struct verdict *verdict, const struct promise *promise,
                             const bool in_use[DIRECTION_COUNT])
{
    double sum = 0, most = 0, share = 1 - promise->percentile / 100;

    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        double variance =
            promise->percentile > 0 ? share_variance(verdict, d, share) : mean_variance(verdict, d);
        if (!in_use[d])
            continue;
        sum += variance;
        most = fmax(most, variance);
    }
    bool both = promise->scope == SCOPE_FORWARDING && !(promise->percentile > 0);
    return sqrt(both ? sum : most);
}

double verdict_noise(const struct segment_interface *delta, const struct promise *promise)
{
    struct verdict tick = {0};
    bool in_use[DIRECTION_COUNT];

    if (promise->percentile > 0)
        return 0;
    verdict_add(&tick, delta, 0, NAN);
    delay_in_use(tick.packets, in_use);
    return promised_error(&tick, promise, in_use);
}

/* The share of packets above the delay, of the direction in use where it is larger. */
static double share_above(const struct verdict *verdict, const struct promise *promise,
                          const bool in_use[DIRECTION_COUNT])
{
    const struct histogram *rx = &verdict->delay[DIRECTION_RX], *tx = &verdict->delay[DIRECTION_TX];
    double limit = promise->delay * 1e9, above = 0;
    struct histogram both;

    if (promise->scope == SCOPE_FORWARDING && in_use[DIRECTION_RX] && in_use[DIRECTION_TX]) {
        histogram_convolve(rx, tx, &both);
        return histogram_above(&both, limit);
    }
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (in_use[d])
            above = fmax(above, histogram_above(&verdict->delay[d], limit));
    return above;
}

static bool is_kept(const struct verdict *verdict, const struct promise *promise, double measured,
                    double error)
{
    bool in_use[DIRECTION_COUNT];

    delay_in_use(verdict->packets, in_use);
    if (measured <= promise->delay)
        return true;
    if (promise->percentile > 0)
        return share_above(verdict, promise, in_use) <=
               1 - promise->percentile / 100 + VERDICT_ERRORS * error;
    return measured <= promise->delay + VERDICT_ERRORS * error;
}

bool verdict_judge(struct verdict *verdict, const struct promise *promise,
                   struct verdict_result *ret)
{
    const struct histogram *const delays[] = {&verdict->delay[DIRECTION_RX],
                                              &verdict->delay[DIRECTION_TX]};
    uint64_t containers = fewest_containers(verdict);
    bool in_use[DIRECTION_COUNT];

    if (containers < VERDICT_CONTAINERS)
        return false;
    double measured = delay_promised(promise, delays);
    if (!isfinite(measured))
        return false;
    delay_in_use(verdict->packets, in_use);
    double error = promised_error(verdict, promise, in_use);
    *ret = (struct verdict_result){
        .kept = is_kept(verdict, promise, measured, error),
        .error = error,
        .seconds = verdict->seconds,
        .measured = measured,
        .predicted =
            verdict->predicted_seconds > 0 ? verdict->predicted / verdict->predicted_seconds : NAN,
        .containers = containers,
    };
    verdict_restart(verdict);
    return true;
}

void verdict_restart(struct verdict *verdict)
{
    memset(verdict, 0, sizeof(*verdict));
}
