// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/alternative.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plant/plant_worker.h"
#include "plant/search.h"

static uint32_t packets_times(const struct guest_load *guest, enum direction d, uint32_t packets,
                              double factor)
{
    double least = guest->limits.packets_min, most = search_ceiling(guest, d);

    double wanted = factor > 1 ? fmax(packets + 1.0, round(factor * packets))
                               : fmin(packets - 1.0, round(factor * packets));
    return (uint32_t)fmin(most, fmax(least, wanted));
}

/*
 * As many times as long as now as the search's timeout for that size is. A size whose timeout
 * closes it has a count that the search would give the longest there is: then as the count.
 */
static double timeout_times(const struct search *search, const struct guest_load *guest,
                            enum direction d, const struct lane_size *size, uint32_t packets)
{
    double usual = search_timeout(search, d, size->packets);

    if (size->packets > 1 && usual >= guest->limits.timeout_max)
        return size->timeout * packets / size->packets;
    double patience = size->packets > 1 && usual > 0 ? size->timeout / usual : 1;
    return patience * search_timeout(search, d, packets);
}

static void scale(const struct search *search, const struct guest_load *guest, enum direction d,
                  double factor, struct lane_size *size)
{
    uint32_t packets = packets_times(guest, d, size->packets, factor);
    double timeout = timeout_times(search, guest, d, size, packets);

    size->packets = packets;
    size->timeout = fmin(guest->limits.timeout_max, fmax(guest->limits.timeout_min, timeout));
}

int alternative_size(const struct end_costs *costs, const struct guest_load *guests,
                     const struct lane_size (*sizes)[DIRECTION_COUNT], size_t n, size_t guest,
                     double factor, struct lane_size ret[DIRECTION_COUNT])
{
    struct plant_worker worker = {0};
    struct search search;
    int error = plant_check(costs, guests, n);

    for (size_t i = 0; i < n && !error; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT && !error; d++)
            error = plant_check_size(&sizes[i][d]);
    if (!error && (guest >= n || !(factor > 0)))
        error = -EINVAL;
    if (!error)
        error = plant_worker_begin(&worker, costs, guests, n);
    if (error)
        return error;
    for (size_t i = 0; i < n; i++)
        plant_worker_size(&worker, i, sizes[i]);
    plant_worker_solve(&worker);
    search_init(&search, &worker, guest, sizes[guest], DIRECTION_RX, false,
                plant_worker_wait(&worker));
    memcpy(ret, sizes[guest], DIRECTION_COUNT * sizeof(*ret));
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (guests[guest].rate[d] > 0 && factor != 1)
            scale(&search, &guests[guest], d, factor, &ret[d]);
    plant_worker_free(&worker);
    return 0;
}

int alternative_forecast(const struct end_costs *costs, const struct guest_load *guests,
                         const struct lane_size (*sizes)[DIRECTION_COUNT], size_t n, size_t guest,
                         const struct lane_size size[DIRECTION_COUNT], struct guest_forecast *ret,
                         struct worker_forecast *ret_worker)
{
    struct lane_size(*changed)[DIRECTION_COUNT] = calloc(n + 1, sizeof(*changed));
    struct guest_forecast *forecasts = calloc(n + 1, sizeof(*forecasts));
    int error = changed && forecasts ? 0 : -ENOMEM;

    if (!error && guest >= n)
        error = -EINVAL;
    if (!error) {
        memcpy(changed, sizes, n * sizeof(*changed));
        memcpy(changed[guest], size, sizeof(changed[guest]));
        error = plant_forecast(costs, guests, (const struct lane_size(*)[DIRECTION_COUNT])changed,
                               n, forecasts, ret_worker);
    }
    if (!error)
        *ret = forecasts[guest];
    free(changed);
    free(forecasts);
    return error;
}
