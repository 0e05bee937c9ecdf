// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/plant.h"

#include <errno.h>
#include <math.h>

#include "model/stream.h"

static bool time_ok(double t)
{
    return t >= 0 && t <= 1e6;
}

static bool costs_ok(const struct end_costs *c)
{
    return time_ok(c->read) && time_ok(c->publish) && time_ok(c->publish_packet) &&
           time_ok(c->unload) && time_ok(c->unload_packet) && c->scv >= 0 && c->scv <= 1e4 &&
           time_ok(c->wakeup) && time_ok(c->timer_late);
}

static bool limits_ok(const struct size_limits *l)
{
    return l->packets_min >= 1 && l->packets_min <= l->packets_max &&
           l->packets_max <= STREAM_SIZE_MAX && l->timeout_min > 0 &&
           l->timeout_min <= l->timeout_max && l->timeout_max <= 1e6 && l->bytes_max >= 0;
}

int plant_check_size(const struct lane_size *size)
{
    bool ok = size->packets >= 1 && size->packets <= STREAM_SIZE_MAX && size->timeout > 0 &&
              size->timeout <= 1e6;
    return ok ? 0 : -EINVAL;
}

static bool lane_load_ok(const struct guest_load *g, enum direction d)
{
    return g->rate[d] >= 0 && g->rate[d] <= 1e12 && g->packet_bytes[d] >= 0 &&
           g->dispersion[d] >= 0 && g->dispersion[d] <= 1e9 &&
           (!g->fixed[d] || plant_check_size(&g->fixed_size[d]) == 0);
}

static bool guest_ok(const struct guest_load *g)
{
    const struct promise *p = &g->promise;
    return lane_load_ok(g, DIRECTION_RX) && lane_load_ok(g, DIRECTION_TX) && g->forwarded >= 0 &&
           g->forwarded <= 1 && costs_ok(&g->costs) && limits_ok(&g->limits) && p->delay > 0 &&
           (p->percentile == 0 || (p->percentile >= 50 && p->percentile <= 99.9)) &&
           (p->scope == SCOPE_ONE_WAY || p->scope == SCOPE_FORWARDING);
}

int plant_check(const struct end_costs *worker, const struct guest_load *guests, size_t n)
{
    if (!costs_ok(worker))
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!guest_ok(&guests[i]))
            return -EINVAL;
    return 0;
}
