// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/dimension.h"

#include <errno.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/closing.h"
#include "model/plant.h"
#include "model/stream.h"

/* The guard may close this share of the containers at the present rate. */
#define GUARD_SHARE 0.3
/* ... and this one where a guest forwards: a short container breaks up a burst. */
#define GUARD_SHARE_FORWARDED 0.05
/* From this share of tx packets on, tx containers are made for forwarded bursts. */
#define FORWARDER_SHARE 0.9
#define KEPT(delay, promise) ((delay) <= (promise) * (1 + 1e-9))
#define SWEEPS_MAX 60

/* All that is known of one worker's thread while sizes are sought. */
struct state {
    const struct end_costs *worker;
    const struct guest_load *guests;
    size_t n;
    struct guest_lanes *lanes;
    struct fast_class *classes;
    struct fast_share *shares;
    struct fast_queue queue;
    double setup;
    struct plant_weather weather;
    double residual; /* sum r (s^2 + v): what the upper wait grows with */
    double work;     /* the utilisation of the sizes chosen so far in this sweep */
    double given_up; /* guests whose promise no size keeps */
};

static double class_residual(const struct fast_class *c)
{
    return c->rate * c->count * (c->service * c->service + c->service_var);
}

static double class_work(const struct fast_class *c)
{
    return c->rate * c->count * c->service;
}

static int state_create(const struct end_costs *worker, const struct guest_load *guests, size_t n,
                        struct state *ret)
{
    struct state s = {.worker = worker, .guests = guests, .n = n};
    s.lanes = calloc(n + 1, sizeof(*s.lanes));
    s.classes = calloc(PLANT_CLASSES(n), sizeof(*s.classes));
    s.shares = calloc(PLANT_CLASSES(n), sizeof(*s.shares));
    if (!s.lanes || !s.classes || !s.shares) {
        free(s.lanes);
        free(s.classes);
        free(s.shares);
        return -ENOMEM;
    }
    plant_read_class(worker, guests, n, &s.classes[0]);
    s.weather.late = worker->timer_late;
    *ret = s;
    return 0;
}

static void state_destroy(struct state *s)
{
    free(s->lanes);
    free(s->classes);
    free(s->shares);
}

static void state_set(struct state *s, size_t i, const struct guest_lanes *lanes)
{
    s->lanes[i] = *lanes;
    plant_guest_classes(s->worker, lanes, &s->classes[PLANT_PUBLISH(i)],
                        &s->classes[PLANT_TAKE(i)]);
}

/* The worker with the lanes as they are now. */
static void state_solve(struct state *s)
{
    struct plant_events events = {0, 0};
    s->residual = s->work = 0;
    for (size_t c = 0; c < PLANT_CLASSES(s->n); c++) {
        s->residual += class_residual(&s->classes[c]);
        s->work += class_work(&s->classes[c]);
    }
    for (size_t i = 0; i < s->n; i++)
        plant_worker_events(&s->guests[i], &s->lanes[i], &events);
    fast_queue_solve(s->classes, PLANT_CLASSES(s->n), &s->queue, s->shares);
    s->setup = plant_setup(s->worker, &events);
    s->weather.wait = s->queue.stable ? s->queue.virtual_wait : 0;
    s->weather.late = plant_late(s->worker, events.arrivals, fmin(1, s->queue.utilisation));
}

static struct worker_view state_view(const struct state *s, size_t i, double scale)
{
    return (struct worker_view){
        .read = s->queue.virtual_wait * scale + s->setup,
        .publish = s->shares[PLANT_PUBLISH(i)].wait * scale + s->setup,
        .take = s->shares[PLANT_TAKE(i)].wait * scale + s->setup,
        .decay = s->queue.decay / scale,
        .busy = s->queue.utilisation,
    };
}

static void state_worker(const struct state *s, struct worker_forecast *ret)
{
    ret->stable = s->queue.stable;
    ret->utilisation = s->queue.utilisation;
    ret->container_rate = 0;
    for (size_t i = 0; i < s->n; i++)
        ret->container_rate +=
            s->lanes[i].lane[DIRECTION_RX].containers + s->lanes[i].lane[DIRECTION_TX].containers;
}

int plant_forecast(const struct end_costs *worker, const struct guest_load *guests,
                   const struct lane_size (*sizes)[DIRECTION_COUNT], size_t n,
                   struct guest_forecast *ret_guests, struct worker_forecast *ret_worker)
{
    struct state s;
    int r = plant_check(worker, guests, n);
    for (size_t i = 0; r == 0 && i < n; i++)
        for (enum direction d = 0; r == 0 && d < DIRECTION_COUNT; d++)
            r = plant_check_size(&sizes[i][d]);
    if (r == 0)
        r = state_create(worker, guests, n, &s);
    if (r < 0)
        return r;
    /* Once more with the waits that came out: they move what guests forward. */
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            struct guest_lanes lanes;
            plant_lanes(worker, &guests[i], sizes[i], &s.weather, &lanes);
            state_set(&s, i, &lanes);
        }
        state_solve(&s);
    }
    for (size_t i = 0; i < n; i++) {
        struct worker_view view = state_view(&s, i, 1);
        plant_guest(worker, &guests[i], &s.lanes[i], &view, &ret_guests[i]);
    }
    state_worker(&s, ret_worker);
    state_destroy(&s);
    return 0;
}

/*
 * A guest's sizes while one number, the packets of its leading lane, is varied.
 * `lead` is varied itself; `follow` (if any) goes with it.
 */
struct quest {
    struct state *state;
    size_t guest;
    struct lane_size size[DIRECTION_COUNT];
    bool varies[DIRECTION_COUNT];
    enum direction lead;
    uint32_t min, max;        /* of the leading lane */
    double ratio;             /* follower's packets for each of the leader's */
    double share;             /* of containers that the guard may close */
    bool both;                /* the promise is on all of the guest, not this lane */
    double work, residual;    /* of the worker without this guest */
    struct guest_lanes lanes; /* of the last trial */
    struct guest_forecast forecast;
    double wait; /* s, the worker's virtual wait in the last trial */
};

static const struct guest_load *quest_load(const struct quest *q)
{
    return &q->state->guests[q->guest];
}

static uint32_t ceiling_of(const struct guest_load *g, enum direction d)
{
    uint32_t most = closing_size(g->limits.packets_max, g->limits.bytes_max, g->packet_bytes[d]);
    return most > g->limits.packets_min ? most : g->limits.packets_min;
}

static uint32_t within(uint32_t low, double value, uint32_t high)
{
    return value <= low ? low : value >= high ? high : (uint32_t)value;
}

static double clamp_timeout(const struct guest_load *g, double timeout)
{
    return fmax(g->limits.timeout_min, fmin(g->limits.timeout_max, timeout));
}

static double late_of(const struct quest *q, enum direction d)
{
    return d == DIRECTION_RX ? q->state->weather.late : quest_load(q)->costs.timer_late;
}

/*
 * The shortest timeout that closes no more than `share` of the containers of
 * Poisson packets: a quantile of the Erlang time to fill one (Wilson and
 * Hilferty), less the time by which the timer will be late.
 */
static double guard_timeout(const struct quest *q, enum direction d, uint32_t packets)
{
    const struct guest_load *g = quest_load(q);
    double n = packets - 1.0, late = late_of(q, d);
    if (packets <= 1 || !(g->rate[d] > 0))
        return g->limits.timeout_min;
    double root = 1 - 1 / (9 * n) + gsl_cdf_ugaussian_Qinv(q->share) / (3 * sqrt(n));
    return clamp_timeout(g, n / g->rate[d] * root * root * root - late);
}

/* Share of the guest's tx packets that came in as rx. */
static double forwarded_share(const struct guest_load *g)
{
    double rx = g->rate[DIRECTION_RX], tx = g->rate[DIRECTION_TX];
    return tx > 0 ? fmin(1, g->forwarded * rx / tx) : 0;
}

static bool forwards(const struct guest_load *g)
{
    return forwarded_share(g) >= FORWARDER_SHARE;
}

/*
 * A forwarded burst leaves as it came if it completes a container; if it does
 * not, waiting for the next burst would cost a whole gap. So the timeout is
 * just long enough not to cut a burst up while it is read.
 */
static double burst_timeout(const struct quest *q, uint32_t packets)
{
    const struct guest_load *g = quest_load(q);
    return clamp_timeout(g, 2 * packets * (g->costs.read + g->costs.unload_packet));
}

static void quest_place(struct quest *q, enum direction d, uint32_t packets)
{
    const struct guest_load *g = quest_load(q);
    q->size[d].packets = packets;
    q->size[d].timeout =
        d == DIRECTION_TX && forwards(g) ? burst_timeout(q, packets) : guard_timeout(q, d, packets);
}

/* Puts `packets` into the leading lane and what follows from it into the other. */
static void quest_set(struct quest *q, uint32_t packets)
{
    const struct guest_load *g = quest_load(q);
    enum direction other = !q->lead;
    quest_place(q, q->lead, packets);
    if (q->varies[other])
        quest_place(q, other,
                    within(g->limits.packets_min, q->ratio * packets + 0.5, ceiling_of(g, other)));
}

/* The promised delay with the sizes as they stand. */
static double quest_delay(struct quest *q)
{
    struct state *s = q->state;
    struct fast_class own[2];
    plant_lanes(s->worker, quest_load(q), q->size, &s->weather, &q->lanes);
    plant_guest_classes(s->worker, &q->lanes, &own[0], &own[1]);
    double work = q->work + class_work(&own[0]) + class_work(&own[1]);
    double residual = q->residual + class_residual(&own[0]) + class_residual(&own[1]);
    /* The wait of the whole solution, moved as the upper wait moves with this guest. */
    double upper = s->queue.upper, scale = 1;
    if (work >= 1)
        scale = INFINITY;
    else if (upper > 0)
        scale = residual / (2 * (1 - work)) / upper;
    struct worker_view view = state_view(s, q->guest, scale);
    q->wait = view.read;
    plant_guest(s->worker, quest_load(q), &q->lanes, &view, &q->forecast);
    return q->both ? q->forecast.promised : q->forecast.lane_promised[q->lead];
}

static double quest_try(struct quest *q, uint32_t packets)
{
    quest_set(q, packets);
    return quest_delay(q);
}

/* Largest size in [low, high) that keeps the promise, `low` keeping it and `high` not. */
static uint32_t quest_between(struct quest *q, double promise, uint32_t low, double delay_low,
                              uint32_t high, double delay_high)
{
    bool halve = false;
    while (high - low > 1) {
        double at = (promise - delay_low) / (delay_high - delay_low);
        if (halve || !isfinite(delay_high) || !(at > 0 && at < 1))
            at = 0.5;
        uint32_t middle = within(low + 1, low + at * (high - low), high - 1);
        double delay = quest_try(q, middle);
        uint32_t width = high - low;
        if (KEPT(delay, promise)) {
            low = middle;
            delay_low = delay;
        } else {
            high = middle;
            delay_high = delay;
        }
        halve = high - low > width / 2;
    }
    return low;
}

/* The best of the sizes tried so far. */
struct least {
    uint32_t packets;
    double delay, cost;
};

/* The cost of a size: its delay, and what it makes `others` guests wait. */
static double least_try(struct quest *q, uint32_t packets, double others, struct least *least)
{
    double delay = quest_try(q, packets), cost = delay + others * q->wait;
    if (!(cost < INFINITY)) /* unstable: downhill is towards larger sizes */
        return 1e30 / packets;
    if (cost < least->cost)
        *least = (struct least){.packets = packets, .delay = delay, .cost = cost};
    return cost;
}

/*
 * The size of least cost, which is U-shaped in the size: golden section over
 * its logarithm. Stops early at a delay that keeps `enough`.
 */
static void quest_least(struct quest *q, double others, double enough, struct least *ret)
{
    const double golden = 0.61803398874989485;
    struct least least = {.packets = q->max, .delay = INFINITY, .cost = INFINITY};
    double a = log(q->min), b = log(q->max + 0.999);
    double x = b - golden * (b - a), y = a + golden * (b - a);
    (void)least_try(q, q->max, others, &least);
    (void)least_try(q, q->min, others, &least);
    double at_x = least_try(q, within(q->min, exp(x), q->max), others, &least);
    double at_y = least_try(q, within(q->min, exp(y), q->max), others, &least);
    while (!KEPT(least.delay, enough) && b - a > 0.02 && exp(b) - exp(a) > 0.7) {
        if (at_x <= at_y) {
            b = y;
            y = x;
            at_y = at_x;
            x = b - golden * (b - a);
            at_x = least_try(q, within(q->min, exp(x), q->max), others, &least);
        } else {
            a = x;
            x = y;
            at_x = at_y;
            y = a + golden * (b - a);
            at_y = least_try(q, within(q->min, exp(y), q->max), others, &least);
        }
    }
    *ret = least;
}

/* Sizes without a promise, or with no need to look: as large as may be. */
static void quest_largest(struct quest *q)
{
    quest_set(q, q->max);
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (q->varies[d] && !(d == DIRECTION_TX && forwards(quest_load(q))))
            q->size[d].timeout = quest_load(q)->limits.timeout_max;
    quest_delay(q);
}

/* The smallest size allowed takes too long to fill: then the timeout has to do it. */
static bool quest_shorten(struct quest *q, double promise)
{
    const struct guest_load *g = quest_load(q);
    double low = g->limits.timeout_min, high;
    quest_set(q, q->min);
    high = fmax(q->size[q->lead].timeout, low);
    for (int i = 0; i <= 20; i++) {
        double middle = i == 0 ? low : (low + high) / 2;
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            if (q->varies[d])
                q->size[d].timeout = fmin(middle, q->size[d].timeout);
        q->size[q->lead].timeout = middle;
        bool kept = KEPT(quest_delay(q), promise);
        if (i == 0 && !kept)
            return false;
        if (i > 0 && kept)
            low = middle;
        else if (i > 0)
            high = middle;
    }
    q->size[q->lead].timeout = low;
    quest_delay(q);
    return true;
}

/*
 * Where the ceiling leaves room, a longer timeout lets containers still fill
 * when the rate falls; at most so long that a lone packet keeps the promise.
 */
static void quest_relax(struct quest *q, double promise)
{
    const struct guest_load *g = quest_load(q);
    const struct delay_parts *parts = &q->forecast.mean[q->lead];
    double guard = q->size[q->lead].timeout;
    double now = q->both ? q->forecast.promised : q->forecast.lane_promised[q->lead];
    double room = promise - now + parts->fill;
    double trickle = clamp_timeout(g, room - late_of(q, q->lead));
    if ((q->lead == DIRECTION_TX && forwards(g)) || trickle <= guard)
        return;
    q->size[q->lead].timeout = trickle;
    if (KEPT(quest_delay(q), promise))
        return;
    q->size[q->lead].timeout = guard;
    quest_delay(q);
}

/* Largest sizes that keep the promise, else those of the least delay (false). */
static bool quest_solve(struct quest *q, bool gave_up, uint32_t start, enum sizing_reason *ret)
{
    double promise = quest_load(q)->promise.delay, delay_max, delay;
    struct least least;
    *ret = SIZING_CEILING;
    if (isinf(promise)) {
        quest_largest(q);
        return true;
    }
    delay_max = quest_try(q, q->max);
    if (KEPT(delay_max, promise)) {
        quest_relax(q, promise);
        return true;
    }
    *ret = SIZING_PROMISE;
    least.packets = within(q->min, start, q->max);
    delay = gave_up ? INFINITY : quest_try(q, least.packets);
    if (!KEPT(delay, promise)) {
        quest_least(q, gave_up ? fmax(0, q->state->given_up - 1) : 0, gave_up ? 0 : promise,
                    &least);
        delay = least.delay;
    }
    if (KEPT(delay, promise)) {
        quest_try(q, quest_between(q, promise, least.packets, delay, q->max, delay_max));
        return true;
    }
    if (q->min > 1 && quest_shorten(q, promise))
        return true;
    delay = quest_try(q, least.packets);
    *ret = isfinite(delay) ? SIZING_UNATTAINABLE : SIZING_UNSTABLE;
    return false;
}

/* What one guest's sizes are found from, and what was found. */
struct plan {
    bool free[DIRECTION_COUNT]; /* neither fixed nor silent */
    bool tied;                  /* both lanes in one quest */
    bool gave_up;               /* its promise was found impossible: not tried again */
    bool kept;
    enum sizing_reason reason;
    struct lane_size size[DIRECTION_COUNT];
};

/*
 * A silent lane: the first packets shall neither wait for more that may not
 * come, nor, if a torrent starts, overload the worker with small containers.
 */
static struct lane_size silent_size(const struct guest_load *g, enum direction d)
{
    return (struct lane_size){.packets = ceiling_of(g, d), .timeout = g->limits.timeout_min};
}

static struct lane_size largest_size(const struct guest_load *g, enum direction d)
{
    return (struct lane_size){.packets = ceiling_of(g, d), .timeout = g->limits.timeout_max};
}

static void plan_init(struct plan *p, const struct guest_load *g, const struct sizing *before)
{
    *p = (struct plan){.reason = SIZING_PROMISE};
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        p->free[d] = !g->fixed[d] && g->rate[d] > 0;
        if (g->fixed[d])
            p->size[d] = g->fixed_size[d];
        else if (!p->free[d])
            p->size[d] = silent_size(g, d);
        else if (plant_check_size(&before->size[d]) == 0)
            p->size[d] = before->size[d];
        else
            p->size[d] = largest_size(g, d);
    }
    bool both = p->free[DIRECTION_RX] && p->free[DIRECTION_TX];
    p->tied = both && (g->promise.scope == SCOPE_FORWARDING || forwards(g));
    if (!p->free[DIRECTION_RX] && !p->free[DIRECTION_TX])
        p->reason = g->fixed[DIRECTION_RX] || g->fixed[DIRECTION_TX] ? SIZING_FIXED : SIZING_SILENT;
}

/*
 * The lane that both sizes follow from where they are tied: the busier one,
 * so that the other can be as small as it should.
 */
static enum direction plan_lead(const struct guest_load *g)
{
    return forwards(g) || g->rate[DIRECTION_RX] >= g->rate[DIRECTION_TX] ? DIRECTION_RX
                                                                         : DIRECTION_TX;
}

static void quest_init(struct quest *q, struct state *s, size_t i, const struct plan *p,
                       enum direction lead)
{
    const struct guest_load *g = &s->guests[i];
    double rx = g->rate[DIRECTION_RX], tx = g->rate[DIRECTION_TX];
    *q = (struct quest){.state = s, .guest = i, .lead = lead};
    memcpy(q->size, p->size, sizeof(q->size));
    q->varies[lead] = true;
    q->varies[!lead] = p->tied;
    q->min = g->limits.packets_min;
    q->max = ceiling_of(g, lead);
    q->ratio = p->tied && !forwards(g) ? fmin(tx / rx, rx / tx) : 1;
    q->share = g->forwarded > 0 && lead == DIRECTION_RX ? GUARD_SHARE_FORWARDED : GUARD_SHARE;
    q->both = p->tied || g->promise.scope == SCOPE_FORWARDING;
    q->work = s->work - class_work(&s->classes[PLANT_PUBLISH(i)]) -
              class_work(&s->classes[PLANT_TAKE(i)]);
    q->residual = s->residual - class_residual(&s->classes[PLANT_PUBLISH(i)]) -
                  class_residual(&s->classes[PLANT_TAKE(i)]);
}

static bool near(uint32_t a, uint32_t b, double tolerance)
{
    return fabs((double)a - b) <= tolerance * fmax(a, b);
}

/* Takes what the quest found, unless it only differs from what is by less than `hold`. */
static bool plan_take(struct plan *p, const struct quest *q, double hold)
{
    bool changed = false;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        bool same =
            near(p->size[d].packets, q->size[d].packets, hold) &&
            fabs(p->size[d].timeout - q->size[d].timeout) <= (hold + 1e-9) * p->size[d].timeout;
        changed |= q->varies[d] && !same;
    }
    if (changed)
        memcpy(p->size, q->size, sizeof(p->size));
    return changed;
}

/* Moves only part of the way: sizes that the shares drive to and fro come to rest. */
static void plan_damp(struct plan *p, const struct plan *before)
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        double middle = sqrt((double)p->size[d].packets * before->size[d].packets);
        p->size[d].packets = (uint32_t)middle;
        p->size[d].timeout = sqrt(p->size[d].timeout * before->size[d].timeout);
    }
}

/* Puts a plan's sizes into the running sums. */
static void plan_apply(const struct plan *p, struct state *s, size_t i)
{
    struct guest_lanes lanes;
    struct fast_class *publish = &s->classes[PLANT_PUBLISH(i)];
    struct fast_class *take = &s->classes[PLANT_TAKE(i)];
    s->work -= class_work(publish) + class_work(take);
    s->residual -= class_residual(publish) + class_residual(take);
    plant_lanes(s->worker, &s->guests[i], p->size, &s->weather, &lanes);
    state_set(s, i, &lanes);
    s->work += class_work(publish) + class_work(take);
    s->residual += class_residual(publish) + class_residual(take);
}

/* New sizes for guest i, the others' staying. Returns whether they changed. */
static bool plan_improve(struct plan *p, struct state *s, size_t i, int sweep, double hold)
{
    struct plan before = *p;
    enum direction lead = plan_lead(&s->guests[i]);
    bool changed = false, kept = true;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        struct quest q;
        enum sizing_reason reason;
        if (!p->free[d] || (p->tied && d != lead))
            continue;
        quest_init(&q, s, i, p, d);
        if (!quest_solve(&q, p->gave_up, p->size[d].packets, &reason))
            kept = false;
        /* The lane that is bound by the promise explains the guest's sizes. */
        if (!changed || reason != SIZING_CEILING)
            p->reason = reason;
        if (plan_take(p, &q, hold))
            changed = true;
    }
    p->kept = kept;
    if (!kept && !p->gave_up) {
        p->gave_up = true;
        s->given_up++;
    }
    if (changed && sweep > 8)
        plan_damp(p, &before);
    if (changed)
        plan_apply(p, s, i);
    return changed;
}

/* All free lanes as large as allowed: where a cold or an unstable start begins. */
static void plans_largest(struct state *s, struct plan *plans)
{
    for (size_t i = 0; i < s->n; i++) {
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            if (plans[i].free[d])
                plans[i].size[d] = largest_size(&s->guests[i], d);
        plan_apply(&plans[i], s, i);
    }
    state_solve(s);
}

/* The timer alone may cost too much: then the first packets leave one by one. */
static void plans_hurry_silent(struct state *s, struct plan *plans)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct guest_load *g = &s->guests[i];
        struct worker_view view = state_view(s, i, 1);
        struct guest_forecast f;
        plant_guest(s->worker, g, &s->lanes[i], &view, &f);
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            if (!plans[i].free[d] && !g->fixed[d] && !KEPT(f.promised, g->promise.delay))
                plans[i].size[d].packets = g->limits.packets_min;
        plan_apply(&plans[i], s, i);
    }
}

static void plans_solve(struct state *s, struct plan *plans, bool warm)
{
    for (size_t i = 0; i < s->n; i++)
        plan_apply(&plans[i], s, i);
    state_solve(s);
    if (!s->queue.stable) {
        warm = false;
        plans_largest(s, plans);
    }
    bool changed = s->queue.stable;
    for (int sweep = 0; changed && sweep < SWEEPS_MAX; sweep++) {
        /* What stands is kept if it is as good as right; a change settles exactly. */
        double hold = warm && sweep == 0 ? 0.01 : sweep > 20 ? 0.005 : 0;
        changed = false;
        for (size_t i = 0; i < s->n; i++)
            if (plan_improve(&plans[i], s, i, sweep, hold))
                changed = true;
        state_solve(s);
    }
    plans_hurry_silent(s, plans);
}

/* The least promised delay that any size gives guest i, the others' staying. */
static double plan_least(const struct plan *p, struct state *s, size_t i, double promised)
{
    double worst = 0;
    enum direction lead = plan_lead(&s->guests[i]);
    bool any = false;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        struct quest q;
        struct least least;
        if (!p->free[d] || (p->tied && d != lead))
            continue;
        quest_init(&q, s, i, p, d);
        quest_least(&q, 0, 0, &least);
        worst = fmax(worst, least.delay);
        any = true;
    }
    return any ? fmin(worst, promised) : promised;
}

static void plan_report(const struct plan *p, struct state *s, size_t i, struct sizing *ret)
{
    const struct guest_load *g = &s->guests[i];
    struct worker_view view = state_view(s, i, 1);
    memcpy(ret->size, p->size, sizeof(ret->size));
    plant_guest(s->worker, g, &s->lanes[i], &view, &ret->forecast);
    ret->attainable = ret->forecast.promised <= g->promise.delay * 1.001 && s->queue.stable;
    ret->least = ret->forecast.promised;
    if (s->queue.stable)
        ret->least = plan_least(p, s, i, ret->forecast.promised);
    ret->reason = p->reason;
    if (!s->queue.stable || isinf(ret->forecast.promised))
        ret->reason = SIZING_UNSTABLE;
    else if (!ret->attainable && p->reason != SIZING_FIXED)
        ret->reason = SIZING_UNATTAINABLE;
}

int dimension_worker(const struct end_costs *worker, const struct guest_load *guests, size_t n,
                     struct sizing *sizings, struct worker_forecast *ret_worker)
{
    struct state s;
    bool warm = true;
    int r = plant_check(worker, guests, n);
    if (r < 0)
        return r;
    struct plan *plans = calloc(n + 1, sizeof(*plans));
    if (!plans)
        return -ENOMEM;
    r = state_create(worker, guests, n, &s);
    if (r < 0) {
        free(plans);
        return r;
    }
    for (size_t i = 0; i < n; i++) {
        plan_init(&plans[i], &guests[i], &sizings[i]);
        warm &= sizings[i].size[DIRECTION_RX].packets > 0;
    }
    plans_solve(&s, plans, warm);
    for (size_t i = 0; i < n; i++)
        plan_report(&plans[i], &s, i, &sizings[i]);
    state_worker(&s, ret_worker);
    state_destroy(&s);
    free(plans);
    return 0;
}
