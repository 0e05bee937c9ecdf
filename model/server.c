// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/server.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/answer.h"
#include "model/fast.h"
#include "model/fast_queue.h"
#include "model/feedback.h"
#include "model/strata.h"

/* Steps of the search over the size before it is bisected. */
#define STEP 1.05
/* Rounds over all streams: free ones, then ones in which no size may grow again. */
#define ROUNDS_FREE 24
#define ROUNDS_MAX 96

/* Streams of one rate, and the arrays that fast_queue asks for. */
struct scene {
    const struct server *server;
    size_t n;
    size_t *group; /* of each load */
    double *rate;  /* of each group, as all below */
    uint32_t *size;
    bool *attainable;
    struct closing_law *closings;
    struct fast_class *classes;
    struct fast_share *shares;
    double *waits; /* s: the shares', of both passes where containers return */
    struct fast_queue queue;
};

static void scene_free(struct scene *s)
{
    free(s->group);
    free(s->rate);
    free(s->size);
    free(s->attainable);
    free(s->closings);
    free(s->classes);
    free(s->shares);
    free(s->waits);
}

double server_timeout(double rate, uint32_t size)
{
    /* Wilson and Hilferty: the gamma quantile 3.09 deviations up. */
    double n = size > 2 ? size - 1 : 1, root = 1 - 1 / (9 * n) + 3.09 / (3 * sqrt(n));
    return n / rate * root * root * root;
}

static void scene_place(struct scene *s, size_t group, uint32_t size, double timeout)
{
    const struct service *service = &s->server->service;
    struct stream stream = {s->rate[group], size, timeout, 1, *service};
    struct closing_law *c = &s->closings[group];
    struct fast_class *class = &s->classes[group];

    s->size[group] = size;
    (void)closing_solve(stream.rate, size, timeout, c); /* in range: server_check */
    class->rate = c->containers;
    class->gap_scv = c->gap_scv;
    answer_service(&stream, c, &class->service, &class->service_var);
    class->fixed = answer_fixed(&stream, c);
    if (s->server->returns) {
        class->fixed *= 2;
        class->service *= 2;
        class->service_var *= 2;
    }
}

static void scene_resize(struct scene *s, size_t group, uint32_t size)
{
    scene_place(s, group, size, server_timeout(s->rate[group], size));
}

static size_t group_of(const struct scene *s, double rate)
{
    size_t i = 0;
    while (i < s->n && s->rate[i] != rate)
        i++;
    return i;
}

static bool server_ok(const struct server *server)
{
    for (size_t i = 0; i < server->n; i++)
        if (!(server->loads[i].rate > 0 && server->loads[i].rate <= 1e12))
            return false;
    struct stream one = {1, 1, INFINITY, 1, server->service};
    struct query query = {.streams = &one, .n_streams = 1};
    return server->n >= 1 && query_check(&query) == 0 &&
           (server->percentile == 0 || (server->percentile >= 50 && server->percentile <= 99.9));
}

/* `together`: streams of one rate are one group. 0, -EINVAL, -ENOMEM. */
static int scene_init(const struct server *server, bool together, struct scene *ret)
{
    size_t n = server->n;
    if (!server_ok(server))
        return -EINVAL;
    struct scene s = {.server = server,
                      .group = calloc(n, sizeof(*s.group)),
                      .rate = calloc(n, sizeof(*s.rate)),
                      .size = calloc(n, sizeof(*s.size)),
                      .attainable = calloc(n, sizeof(*s.attainable)),
                      .closings = calloc(n, sizeof(*s.closings)),
                      .classes = calloc(n, sizeof(*s.classes)),
                      .shares = calloc(n, sizeof(*s.shares)),
                      .waits = calloc(n, sizeof(*s.waits))};
    if (!s.group || !s.rate || !s.size || !s.attainable || !s.closings || !s.classes || !s.shares ||
        !s.waits) {
        scene_free(&s);
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        size_t group = together ? group_of(&s, server->loads[i].rate) : i;
        s.group[i] = group;
        s.rate[group] = server->loads[i].rate;
        s.classes[group].count += server->loads[i].count;
        s.n += group == s.n;
    }
    *ret = s;
    return 0;
}

static double percentile(const struct scene *s, size_t group)
{
    struct fast_tails tails;
    struct tail own;
    double fill[STRATA];
    fast_queue_tails(s->classes, s->shares, s->n, &s->queue, &tails);
    if (s->server->returns)
        feedback_sojourn(&s->queue, &s->classes[group], s->shares[group].wait, s->waits[group],
                         &tails, &own);
    else
        fast_sojourn(&s->queue, &s->classes[group], s->waits[group], &tails, &own);
    strata_fill(&s->closings[group], fill);
    return tail_sum_quantile(&own, fill, STRATA, 1 - s->server->percentile / 100);
}

/* With all sizes as they are, and the queue solved. */
static double scene_delay(const struct scene *s, size_t group)
{
    if (!s->queue.stable)
        return INFINITY;
    if (s->server->percentile > 0)
        return percentile(s, group);
    return s->closings[group].fill_mean + s->waits[group] + s->classes[group].service;
}

static void scene_solve(struct scene *s)
{
    fast_queue_solve(s->classes, s->n, &s->queue, s->shares);
    if (s->server->returns)
        feedback_waits(s->classes, s->n, &s->queue, s->shares, s->waits);
    else
        for (size_t i = 0; i < s->n; i++)
            s->waits[i] = s->shares[i].wait;
}

static double delay_at(struct scene *s, size_t group, uint32_t size)
{
    scene_resize(s, group, size);
    scene_solve(s);
    return scene_delay(s, group);
}

/* Percentiles cost much; packets that wait too long for the closing alone need none. */
static bool fills_too_long(const struct scene *s, size_t group, double delay)
{
    double p = s->server->percentile / 100;
    return p > 0 && closing_fill_tail(&s->closings[group], delay) > 1 - p;
}

static bool keeps(struct scene *s, size_t group, uint32_t size, double delay)
{
    scene_resize(s, group, size);
    if (fills_too_long(s, group, delay))
        return false;
    scene_solve(s);
    return scene_delay(s, group) <= delay;
}

static uint32_t step_down(uint32_t size)
{
    uint32_t next = (uint32_t)(size / STEP);
    return next < size ? next : size - 1;
}

/* The largest size from `good` (keeps the delay) up to, not with, `bad`. */
static uint32_t bisect(struct scene *s, size_t group, double delay, uint32_t good, uint32_t bad)
{
    while (bad - good > 1) {
        uint32_t middle = good + (bad - good) / 2;
        if (keeps(s, group, middle, delay))
            good = middle;
        else
            bad = middle;
    }
    return good;
}

/* The size of least delay between two that have more, or equal where all are unstable. */
static uint32_t least_between(struct scene *s, size_t group, uint32_t low, uint32_t high)
{
    while (high - low > 2) {
        uint32_t left = low + (high - low) / 3, right = high - (high - low) / 3;
        if (delay_at(s, group, left) < delay_at(s, group, right))
            high = right;
        else
            low = left;
    }
    uint32_t best = high;
    for (uint32_t size = high; size-- > low;)
        if (delay_at(s, group, size) < delay_at(s, group, best))
            best = size;
    return best;
}

#define SIZES_MAX 400 /* steps from the largest size to 1 */

static uint32_t least(struct scene *s, size_t group)
{
    uint32_t sizes[SIZES_MAX], n = 0, best = 0;
    double shortest = INFINITY;
    for (uint32_t size = STREAM_SIZE_MAX; size >= 1 && n < SIZES_MAX; size = step_down(size))
        sizes[n++] = size;
    for (uint32_t i = n; i-- > 0;) { /* from the smallest */
        scene_resize(s, group, sizes[i]);
        if (fills_too_long(s, group, shortest))
            continue;
        double delay = delay_at(s, group, sizes[i]);
        if (delay < shortest) {
            shortest = delay;
            best = i;
        }
    }
    if (isinf(shortest))
        return STREAM_SIZE_MAX;
    return least_between(s, group, sizes[best + 1 < n ? best + 1 : best],
                         sizes[best > 0 ? best - 1 : 0]);
}

/* Chooses one group's size, the others being as they are; not above `most`. */
static void choose(struct scene *s, size_t group, double delay, uint32_t most)
{
    uint32_t bad = most + 1, size = most;
    while (size >= 1 && !keeps(s, group, size, delay)) {
        bad = size;
        size = step_down(size);
    }
    s->attainable[group] = true;
    if (size >= 1) {
        scene_resize(s, group, bisect(s, group, delay, size, bad));
        return;
    }
    size = least(s, group);
    s->attainable[group] = keeps(s, group, size, delay);
    if (s->attainable[group])
        scene_resize(s, group,
                     bisect(s, group, delay, size, most + 1 > size ? most + 1 : size + 1));
}

/* Half the packets wait for more than about (size - 1) / (2 rate): no need to look further up. */
static uint32_t ceiling(const struct scene *s, size_t group, double delay)
{
    return (uint32_t)fmin(STREAM_SIZE_MAX, 4 + 4 * s->rate[group] * delay);
}

/*
 * From the top: with all sizes too large the waits are the least, so each
 * choice is an upper bound, and the sizes fall to the largest that hold together.
 */
static void settle(struct scene *s, double delay)
{
    bool moved = true;
    for (size_t group = 0; group < s->n; group++)
        scene_resize(s, group, STREAM_SIZE_MAX);
    for (int round = 0; moved && round < ROUNDS_MAX; round++) {
        moved = false;
        for (size_t group = 0; group < s->n; group++) {
            uint32_t before = s->size[group], most = ceiling(s, group, delay);
            bool hold = round >= ROUNDS_FREE && s->attainable[group] && before < most;
            choose(s, group, delay, hold ? before : most);
            moved |= s->size[group] != before;
        }
    }
    scene_solve(s);
}

static void fill_lane(const struct scene *s, size_t group, struct server_lane *lane)
{
    bool stable = s->queue.stable;
    lane->fill = stable ? s->closings[group].fill_mean : INFINITY;
    lane->wait = stable ? s->waits[group] : INFINITY;
    lane->service = stable ? s->classes[group].service : INFINITY;
    lane->delay = scene_delay(s, group);
}

int server_forecast(const struct server *server, struct server_lane *lanes, double *ret_utilisation)
{
    struct scene s;
    for (size_t i = 0; i < server->n; i++)
        if (lanes[i].size < 1 || lanes[i].size > STREAM_SIZE_MAX || !(lanes[i].timeout > 0))
            return -EINVAL;
    int r = scene_init(server, false, &s);
    if (r < 0)
        return r;
    for (size_t i = 0; i < server->n; i++)
        scene_place(&s, i, lanes[i].size, lanes[i].timeout);
    scene_solve(&s);
    for (size_t i = 0; i < server->n; i++)
        fill_lane(&s, i, &lanes[i]);
    *ret_utilisation = s.queue.utilisation;
    scene_free(&s);
    return 0;
}

int server_dimension(const struct server *server, double delay, struct server_lane *ret_lanes,
                     double *ret_utilisation)
{
    struct scene s;
    if (!(delay > 0))
        return -EINVAL;
    int r = scene_init(server, true, &s);
    if (r < 0)
        return r;
    settle(&s, delay);
    for (size_t i = 0; i < server->n; i++) {
        size_t group = s.group[i];
        struct server_lane lane = {.size = s.size[group],
                                   .timeout = server_timeout(s.rate[group], s.size[group])};
        fill_lane(&s, group, &lane);
        lane.attainable = lane.delay <= delay * (1 + 1e-9);
        ret_lanes[i] = lane;
    }
    *ret_utilisation = s.queue.utilisation;
    scene_free(&s);
    return 0;
}
