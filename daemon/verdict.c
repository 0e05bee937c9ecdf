// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/verdict.h"

#include <math.h>
#include <string.h>

#include "daemon/delay.h"

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

bool verdict_judge(struct verdict *verdict, const struct promise *promise,
                   struct verdict_result *ret)
{
    const struct histogram *const delays[] = {&verdict->delay[DIRECTION_RX],
                                              &verdict->delay[DIRECTION_TX]};
    uint64_t containers = fewest_containers(verdict);

    if (containers < VERDICT_CONTAINERS)
        return false;
    double measured = delay_promised(promise, delays);
    if (!isfinite(measured))
        return false;
    *ret = (struct verdict_result){
        .kept = measured <= promise->delay,
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
