// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/search.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <string.h>

#include "model/stream.h"

/* The guard may close this share of the containers at the present rate. */
#define GUARD_SHARE 0.3
/* ... and this one where a guest forwards: a short container breaks up a burst. */
#define GUARD_SHARE_FORWARDED 0.05
/* From this share of tx packets on, tx containers are made for forwarded bursts. */
#define FORWARDER_SHARE 0.9
#define KEPT(delay, promise) ((delay) <= (promise) * (1 + 1e-9))

static const struct guest_load *load_of(const struct search *s)
{
    return &s->worker->guests[s->guest];
}

uint32_t search_ceiling(const struct guest_load *g, enum direction d)
{
    uint32_t most = closing_size(g->limits.packets_max, g->limits.bytes_max, g->packet_bytes[d]);
    return most > g->limits.packets_min ? most : g->limits.packets_min;
}

bool search_forwards(const struct guest_load *g)
{
    double rx = g->rate[DIRECTION_RX], tx = g->rate[DIRECTION_TX];
    return tx > 0 && g->forwarded * rx >= FORWARDER_SHARE * tx;
}

static uint32_t within(uint32_t low, double value, uint32_t high)
{
    return value > low ? (value < high ? (uint32_t)value : high) : low;
}

static double clamp_timeout(const struct guest_load *g, double timeout)
{
    return fmax(g->limits.timeout_min, fmin(g->limits.timeout_max, timeout));
}

static double late_of(const struct search *s, enum direction d)
{
    return d == DIRECTION_RX ? s->worker->weather.late : load_of(s)->costs.timer_late;
}

/*
 * The shortest timeout that closes no more than a share of the containers of
 * Poisson packets: a quantile of the Erlang time to fill one (Wilson and
 * Hilferty), less the time by which the timer will be late.
 */
static double guard_timeout(const struct search *s, enum direction d, uint32_t packets)
{
    const struct guest_load *g = load_of(s);
    double share = g->forwarded > 0 && d == DIRECTION_RX ? GUARD_SHARE_FORWARDED : GUARD_SHARE;
    double n = packets - 1.0;
    if (packets <= 1 || !(g->rate[d] > 0))
        return g->limits.timeout_min;
    double root = 1 - 1 / (9 * n) + gsl_cdf_ugaussian_Qinv(share) / (3 * sqrt(n));
    return clamp_timeout(g, n / g->rate[d] * root * root * root - late_of(s, d));
}

/*
 * A forwarded burst leaves as it came if it completes a container; if it does
 * not, waiting for the next burst would cost a whole gap. So the timeout is
 * just long enough not to cut a burst up while it is read.
 */
static double burst_timeout(const struct search *s, uint32_t packets)
{
    const struct guest_load *g = load_of(s);
    return clamp_timeout(g, 2 * packets * (g->costs.read + g->costs.unload_packet));
}

double search_timeout(const struct search *s, enum direction d, uint32_t packets)
{
    bool burst = d == DIRECTION_TX && search_forwards(load_of(s));
    return burst ? burst_timeout(s, packets) : guard_timeout(s, d, packets);
}

static void place(struct search *s, enum direction d, uint32_t packets)
{
    s->last.size[d].packets = packets;
    s->last.size[d].timeout = search_timeout(s, d, packets);
}

/* The delay with the sizes as they stand. */
static double measure(struct search *s)
{
    const struct guest_load *g = load_of(s);
    s->spent += g->promise.percentile > 0 ? SEARCH_PERCENTILE : SEARCH_MEAN;
    s->spent += s->last.lanes.forwarded > 0 ? SEARCH_FORWARDING : 0;
    if (s->tied || s->last.lanes.forwarded > 0)
        plant_lanes(s->worker->costs, g, s->last.size, &s->worker->weather, &s->last.lanes);
    else
        plant_lane(s->worker->costs, g, s->last.size, &s->worker->weather, s->lead, &s->last.lanes);
    plant_guest(s->worker->costs, g, &s->last.lanes, &s->view, s->wanted, &s->last.forecast);
    s->last.delay = s->both ? s->last.forecast.promised : s->last.forecast.lane_promised[s->lead];
    return s->last.delay;
}

static double try(struct search *s, uint32_t packets)
{
    const struct guest_load *g = load_of(s);
    enum direction other = !s->lead;
    place(s, s->lead, packets);
    if (s->tied)
        place(s, other,
              within(g->limits.packets_min, s->ratio * packets + 0.5, search_ceiling(g, other)));
    return measure(s);
}

void search_init(struct search *s, const struct plant_worker *worker, size_t guest,
                 const struct lane_size sizes[DIRECTION_COUNT], enum direction lead, bool tied,
                 double wait)
{
    const struct guest_load *g = &worker->guests[guest];
    *s = (struct search){.worker = worker, .guest = guest, .lead = lead, .tied = tied};
    s->view = plant_worker_view(worker, guest, wait);
    s->both = tied || g->promise.scope == SCOPE_FORWARDING;
    s->min = g->limits.packets_min;
    s->max = search_ceiling(g, lead);
    s->ratio = 1;
    if (tied && !search_forwards(g))
        s->ratio = g->rate[DIRECTION_TX] / g->rate[DIRECTION_RX];
    memcpy(s->last.size, sizes, sizeof(s->last.size));
    s->last.lanes = worker->lanes[guest];
    s->wanted = s->both ? PLANT_PROMISED : 1 << lead;
}

double search_work(const struct search *s)
{
    struct fast_class c[2];
    plant_guest_classes(s->worker->costs, &s->last.lanes, &c[0], &c[1]);
    return c[0].rate * c[0].service + c[1].rate * c[1].service;
}

/* ---- the largest ---- */

/* What is known of the sizes so far: `low` keeps the promise, `high` does not. */
struct bracket {
    double low, high; /* packets; 0 and max + 1 until one was tried */
    double at_low, at_high;
    struct trial kept; /* at `low` */
};

/* Where to look next: along the line through both ends, or by the slope of the fill wait. */
static double next_size(const struct search *s, const struct bracket *b, double promise, bool halve)
{
    double slope = 0.5 / load_of(s)->rate[s->lead], next;
    bool low = b->low > 0, high = b->high <= s->max && isfinite(b->at_high);
    if (low && high && !halve)
        next = b->low + (promise - b->at_low) / (b->at_high - b->at_low) * (b->high - b->low);
    else if (low && !high)
        next = b->high > s->max ? b->low + (promise - b->at_low) / slope : (b->low + b->high) / 2;
    else if (high && !low && !halve)
        next = b->high - (b->at_high - promise) / slope;
    else
        next = sqrt(fmax(b->low, s->min) * b->high);
    return fmin(b->high - 1, fmax(fmax(b->low + 1, s->min), floor(next)));
}

static void bracket_put(struct bracket *b, const struct search *s, double packets, double promise)
{
    if (KEPT(s->last.delay, promise)) {
        b->low = packets;
        b->at_low = s->last.delay;
        b->kept = s->last;
    } else {
        b->high = packets;
        b->at_high = s->last.delay;
    }
}

static void bracket_try(struct bracket *b, struct search *s, double packets, double promise)
{
    try(s, (uint32_t)packets);
    bracket_put(b, s, packets, promise);
}

/*
 * What larger containers than the last trial's might spare at most, s, though they fill
 * longer: waits for the guest's thread, which has fewer of them to handle. Of their law a
 * percentile is taken as that of exponential times.
 */
static double could_spare(const struct search *s)
{
    const struct delay_parts *rx = &s->last.forecast.mean[DIRECTION_RX];
    const struct delay_parts *tx = &s->last.forecast.mean[DIRECTION_TX];
    double waits = rx->ring + tx->port + (s->last.lanes.forwarded > 0 ? tx->fill : 0);
    double p = load_of(s)->promise.percentile / 100;
    return waits * (p > 0 ? fmax(1, -log1p(-p)) : 1);
}

/* Small containers may overload the guest itself: then the delay falls before it rises. */
static bool find_any(struct search *s, struct bracket *b, double promise)
{
    double best = INFINITY;
    for (double packets = s->min; packets <= s->max; packets = floor(packets * 1.5) + 1) {
        double delay = try(s, (uint32_t)packets);
        if (KEPT(delay, promise)) {
            b->high = s->max + 1.0;
            bracket_put(b, s, packets, promise);
            return true;
        }
        if (delay > 1.5 * best || delay - could_spare(s) > promise)
            break;
        best = fmin(best, delay);
    }
    return false;
}

static void narrow(struct search *s, struct bracket *b, double promise, double tolerance)
{
    for (int i = 0; i < 60; i++) {
        double width = b->high - fmax(b->low, s->min - 1.0);
        if (width <= 1 || (b->low > 0 && b->high <= s->max && width <= tolerance * b->low))
            break;
        bracket_try(b, s, next_size(s, b, promise, i % 4 == 3), promise);
    }
}

/*
 * How fast the delay grows, s a packet, at least: the fill wait does. Of that the mean
 * takes half.
 */
static double slope_of(const struct search *s)
{
    const struct guest_load *g = load_of(s);
    double slope = (g->promise.percentile > 0 ? 1 : 0.5) / g->rate[s->lead];
    return s->tied && !search_forwards(g) ? 2 * slope : slope;
}

#define APPROACHES 4

/*
 * From a size that is nearly right, by the slope as it is seen. True: `low` could not
 * grow by `tolerance` any more, or it is `first`, and not by `hold`.
 */
static bool approach(struct search *s, struct bracket *b, double first, double promise,
                     double tolerance, double hold)
{
    double slope = slope_of(s), least = slope, at = first, delay = s->last.delay;
    for (int i = 0; i < APPROACHES && isfinite(delay); i++) {
        double more = (promise - delay) / slope, enough = at == first ? hold : 0;
        bool most = at >= s->max;
        if (b->low == at && (most || more < 1 || more <= fmax(tolerance, enough) * at))
            return true;
        double next = floor(at + more - 0.3 * tolerance * at);
        next = fmin(b->high - 1, fmax(fmax(b->low + 1, s->min), next));
        if (!(next >= s->min && next < b->high))
            return false;
        double before = delay;
        bracket_try(b, s, next, promise);
        delay = s->last.delay;
        slope = fmin(4 * least, fmax(0.5 * least, (delay - before) / (next - at)));
        at = next;
    }
    return false;
}

/*
 * Where the ceiling leaves room, a longer timeout lets containers still fill
 * when the rate falls; at most so long that a lone packet keeps the promise.
 */
static void relax(struct search *s, double promise)
{
    const struct guest_load *g = load_of(s);
    struct lane_size *size = &s->last.size[s->lead];
    double guard = size->timeout;
    double room = promise - s->last.delay + s->last.forecast.mean[s->lead].fill;
    double trickle = clamp_timeout(g, room - late_of(s, s->lead));
    if ((s->lead == DIRECTION_TX && search_forwards(g)) || !(trickle > guard))
        return;
    size->timeout = trickle;
    if (KEPT(measure(s), promise))
        return;
    size->timeout = guard;
    measure(s);
}

/* The smallest size allowed takes too long to fill: then the timeout has to do it. */
static bool shorten(struct search *s, double promise)
{
    const struct guest_load *g = load_of(s);
    try(s, s->min);
    double low = g->limits.timeout_min, high = s->last.size[s->lead].timeout;
    double other = s->last.size[!s->lead].timeout;
    for (int i = 0; i <= 16; i++) {
        double timeout = i == 0 ? low : sqrt(low * high);
        s->last.size[s->lead].timeout = timeout;
        if (s->tied)
            s->last.size[!s->lead].timeout = fmin(timeout, other);
        bool kept = KEPT(measure(s), promise);
        if (i == 0 && !kept)
            return false;
        if (kept)
            low = timeout;
        else
            high = timeout;
    }
    s->last.size[s->lead].timeout = low;
    if (s->tied)
        s->last.size[!s->lead].timeout = fmin(low, other);
    measure(s);
    return true;
}

static void largest_allowed(struct search *s)
{
    const struct guest_load *g = load_of(s);
    place(s, s->lead, s->max);
    if (s->tied)
        place(s, !s->lead, search_ceiling(g, !s->lead));
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if ((d == s->lead || s->tied) && !(d == DIRECTION_TX && search_forwards(g)))
            s->last.size[d].timeout = g->limits.timeout_max;
    measure(s);
}

enum search_result search_largest(struct search *s, uint32_t start, double tolerance, double hold)
{
    double promise = load_of(s)->promise.delay, rate = load_of(s)->rate[s->lead];
    struct bracket b = {.high = s->max + 1.0};
    if (isinf(promise)) {
        largest_allowed(s);
        return SEARCH_CEILING;
    }
    /* Containers that take longer than that to fill cannot keep it, but by their timeout. */
    bool filling = load_of(s)->limits.timeout_max > 2 * promise;
    double most = 2 * rate * promise + 1, guess = start > 0 ? start : 0.75 * most;
    uint32_t first = within(s->min, filling ? fmin(guess, most) : guess, s->max);
    bracket_try(&b, s, first, promise);
    bool done = tolerance >= SEARCH_ROUGH && approach(s, &b, first, promise, tolerance, hold);
    if (!done && hold > 0 && b.low == first && first < s->max) {
        bracket_try(&b, s, fmin(s->max, ceil(first * (1 + hold))), promise);
        done = b.low == first;
    }
    if (!done)
        narrow(s, &b, promise, tolerance);
    if (b.low == 0 && find_any(s, &b, promise))
        narrow(s, &b, promise, tolerance);
    if (b.low == 0)
        return s->min > 1 && shorten(s, promise) ? SEARCH_KEPT : SEARCH_NONE;
    s->last = b.kept;
    if (b.low < s->max)
        return SEARCH_KEPT;
    relax(s, promise);
    return SEARCH_CEILING;
}

/* ---- the cheapest ---- */

/* Walks from `start` by ever smaller factors while the cost falls. */
static void descend(struct search *s, double price, uint32_t start, const double *factors, int n)
{
    uint32_t best = within(s->min, start, s->max);
    double least = try(s, best) + price * search_work(s);
    for (int i = 0; i < 2 * n; i++)
        for (;;) {
            double factor = factors[i / 2];
            double step = i % 2 ? floor(best / factor) : ceil(best * factor);
            uint32_t next = within(s->min, step, s->max);
            if (next == best)
                break;
            double cost = try(s, next) + price * search_work(s);
            /* Where even the guest itself is overloaded, larger is better. */
            if (!(cost < least) && !(isinf(least) && next > best))
                break;
            least = cost;
            best = next;
        }
    try(s, best);
}

void search_cheapest(struct search *s, double price, uint32_t start)
{
    static const double factors[] = {1.6, 1.15};
    const struct end_costs *w = s->worker->costs;
    /* d/dk of k / (2 rate) + price rate a / k */
    double fixed = (s->lead == DIRECTION_RX ? w->publish : w->unload) + (s->tied ? w->unload : 0);
    double guess = load_of(s)->rate[s->lead] * sqrt(2 * fixed * price);
    if (start > 0)
        descend(s, price, start, factors + 1, 1);
    else
        descend(s, price, within(s->min, guess, s->max), factors, 2);
}

double search_least(struct search *s)
{
    double least = try(s, s->min);
    double rate = load_of(s)->rate[s->lead];
    for (double packets = 3.0 * s->min; packets <= s->max; packets *= 3) {
        if (could_spare(s) < packets / 3 / rate) /* what three times as many take longer to fill */
            break;
        double delay = try(s, (uint32_t)packets);
        if (isfinite(least) && !(delay < least))
            break;
        least = delay;
    }
    return least;
}
