// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/capacity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct trial {
    struct server server;
    struct server_load *loads;
    struct server_lane *lanes;
    double delay, utilisation;
};

/* Whether all hold with `count` newcomers; 1, 0 or -errno. */
static int fits(struct trial *t, uint32_t count)
{
    bool all = true;
    t->loads[t->server.n - 1].count = count;
    int r = server_dimension(&t->server, t->delay, t->lanes, &t->utilisation);
    for (size_t i = 0; r == 0 && i < t->server.n; i++)
        all &= t->lanes[i].attainable;
    return r < 0 ? r : all;
}

/* Largest count that fits, by doubling and bisection; or -errno. */
static int64_t search(struct trial *t)
{
    uint32_t good = 0, bad = 1;
    int r;
    while ((r = fits(t, bad)) > 0 && good < CAPACITY_MAX) {
        good = bad;
        bad = bad * 2 < CAPACITY_MAX ? bad * 2 : CAPACITY_MAX;
    }
    while (r >= 0 && bad > good + 1) {
        uint32_t middle = good + (bad - good) / 2;
        r = fits(t, middle);
        if (r > 0)
            good = middle;
        else
            bad = middle;
    }
    if (r < 0)
        return r;
    return good;
}

int capacity_solve(const struct server *server, double delay, uint32_t *ret_count,
                   struct server_lane *ret_lanes, double *ret_utilisation)
{
    struct trial t = {.server = *server, .delay = delay};
    if (server->n < 1)
        return -EINVAL;
    t.loads = calloc(server->n, sizeof(*t.loads));
    t.lanes = calloc(server->n, sizeof(*t.lanes));
    int64_t count = -ENOMEM;
    if (t.loads && t.lanes) {
        memcpy(t.loads, server->loads, server->n * sizeof(*t.loads));
        t.server.loads = t.loads;
        count = search(&t);
    }
    int r = count < 0 ? (int)count : fits(&t, count > 0 ? (uint32_t)count : 1);
    if (r >= 0) {
        memcpy(ret_lanes, t.lanes, server->n * sizeof(*t.lanes));
        *ret_utilisation = t.utilisation;
        *ret_count = (uint32_t)count;
    }
    free(t.loads);
    free(t.lanes);
    return r < 0 ? r : 0;
}
