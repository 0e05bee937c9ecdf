// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/plant.h"

#include <errno.h>
#include <math.h>

#include "model/batch.h"
#include "model/stream.h"

/* Packets that come closer together than Poisson's are taken as bursts from here on. */
#define DISPERSION_BURSTS 1.5
/* Below this share the forwarded bursts are lost among the guest's own packets. */
#define FORWARDED_MIN 0.02

static void lane_from_closing(const struct closing_law *c, struct lane *ret)
{
    ret->packets = c->packets;
    ret->packets_var = c->packets_var;
    ret->packets_met = c->packets_met;
    ret->containers = c->containers;
    ret->gap_scv = c->gap_scv;
    ret->fill_mean = c->fill_mean;
    ret->timeout_share = c->timeout_share;
}

static void lane_from_batches(const struct batch_closing *b, struct lane *ret)
{
    ret->packets = b->packets;
    ret->packets_var = b->packets_var;
    ret->packets_met = b->packets_met;
    ret->containers = b->containers;
    ret->gap_scv = b->gap_scv;
    ret->fill_mean = b->fill_mean;
    ret->timeout_share = b->timeout_share;
}

/* Packets that arrive on their own account: Poisson, or in Poisson bursts. */
static void lane_of_arrivals(double rate, double dispersion, const struct lane_size *size,
                             double late, struct lane *ret)
{
    struct batch_closing batches;
    /* Cannot fail: the caller has checked rate and size. */
    (void)closing_solve(rate, size->packets, size->timeout + late, &ret->law);
    lane_from_closing(&ret->law, ret);
    if (!(dispersion > DISPERSION_BURSTS) || !(rate > 0))
        return;
    batch_closing_solve(rate, dispersion, size->packets, size->timeout + late, &batches);
    lane_from_batches(&batches, ret);
}

static double mix(double share, double a, double b)
{
    return share > 0 ? share * a + (share < 1 ? (1 - share) * b : 0) : b;
}

/* Utilisation of the guest's thread, its tx containers being of the mean size given. */
static double guest_work(const struct guest_load *guest, const struct lane *rx, double tx_packets)
{
    const struct end_costs *costs = &guest->costs;
    double tx = guest->rate[DIRECTION_TX];
    return rx->containers * (costs->unload + costs->unload_packet * rx->packets) +
           tx * (costs->read + costs->publish_packet) + tx / tx_packets * costs->publish;
}

/*
 * The guest's tx containers where packets come forwarded; with few of them,
 * towards the law of the guest's own packets.
 */
static void lane_of_forwarder(const struct end_costs *worker, const struct guest_load *guest,
                              const struct lane_size *size, double wait, struct guest_lanes *lanes)
{
    const struct lane *rx = &lanes->lane[DIRECTION_RX];
    struct lane *tx = &lanes->lane[DIRECTION_TX], own = *tx;
    double rate = guest->rate[DIRECTION_TX];
    double forwarded = fmin(rate, guest->forwarded * guest->rate[DIRECTION_RX]);
    double share = rate > 0 ? forwarded / rate : 0;
    lanes->forwarded = share > FORWARDED_MIN ? share : 0;
    /* Even with nothing but whole containers? */
    lanes->overloaded = guest_work(guest, rx, size->packets) >= 1;
    if (lanes->forwarded == 0 || lanes->overloaded)
        return;
    struct forwarder_load load = {.arrivals = &rx->law,
                                  .share = forwarded / guest->rate[DIRECTION_RX],
                                  .singles = share > 0.999 ? 0 : rate - forwarded,
                                  .jitter = isfinite(wait) ? wait : 0,
                                  .apart = worker->publish + worker->publish_packet * rx->packets};
    struct forwarder *f = &lanes->replayed;
    forwarder_solve(&load, &guest->costs, size->packets, size->timeout, f);
    double w = fmin(1, 2 * share);
    tx->packets = mix(w, f->packets, own.packets);
    tx->packets_var = mix(w, f->packets_var, own.packets_var);
    tx->packets_met = mix(w, f->packets_met, own.packets_met);
    tx->containers = rate / tx->packets;
    tx->gap_scv = mix(w, f->gap_scv, own.gap_scv);
    tx->timeout_share = mix(w, f->timeout_share, own.timeout_share);
    tx->fill_mean = mix(share, f->fill, own.fill_mean);
}

static struct lane_size within_bytes(const struct guest_load *guest, enum direction d,
                                     const struct lane_size *size)
{
    struct lane_size fit = *size;
    fit.packets = closing_size(size->packets, guest->limits.bytes_max, guest->packet_bytes[d]);
    return fit;
}

void plant_lanes(const struct end_costs *worker, const struct guest_load *guest,
                 const struct lane_size size[DIRECTION_COUNT], const struct plant_weather *weather,
                 struct guest_lanes *ret)
{
    struct lane_size rx = within_bytes(guest, DIRECTION_RX, &size[DIRECTION_RX]);
    struct lane_size tx = within_bytes(guest, DIRECTION_TX, &size[DIRECTION_TX]);
    lane_of_arrivals(guest->rate[DIRECTION_RX], guest->dispersion[DIRECTION_RX], &rx, weather->late,
                     &ret->lane[DIRECTION_RX]);
    const struct lane *in = &ret->lane[DIRECTION_RX];
    double busy = fmin(1, guest_work(guest, in, tx.packets));
    double late = plant_late(&guest->costs, in->containers + guest->rate[DIRECTION_TX], busy);
    /* Forwarded packets explain a dispersion of their own: not counted twice. */
    double dispersion = guest->forwarded > 0 ? 1 : guest->dispersion[DIRECTION_TX];
    lane_of_arrivals(guest->rate[DIRECTION_TX], dispersion, &tx, late, &ret->lane[DIRECTION_TX]);
    lane_of_forwarder(worker, guest, &tx, weather->wait, ret);
}

/* Fixed part with its variation, and a part per packet of B packets. */
static struct fast_class container_class(const struct lane *lane, double fixed, double per_packet,
                                         double scv)
{
    return (struct fast_class){
        .rate = lane->containers,
        .count = 1,
        .gap_scv = lane->gap_scv,
        .service = fixed + per_packet * lane->packets,
        .service_var = scv * fixed * fixed + per_packet * per_packet * lane->packets_var,
    };
}

void plant_guest_classes(const struct end_costs *worker, const struct guest_lanes *lanes,
                         struct fast_class *ret_publish, struct fast_class *ret_take)
{
    *ret_publish = container_class(&lanes->lane[DIRECTION_RX], worker->publish,
                                   worker->publish_packet, worker->scv);
    *ret_take = container_class(&lanes->lane[DIRECTION_TX], worker->unload, worker->unload_packet,
                                worker->scv);
}

static double burst_of(double dispersion)
{
    return dispersion > DISPERSION_BURSTS ? dispersion : 1;
}

void plant_read_class(const struct end_costs *worker, const struct guest_load *guests, size_t n,
                      struct fast_class *ret)
{
    double packets = 0, bursts = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double rate = guests[i].rate[DIRECTION_RX];
        double burst = burst_of(guests[i].dispersion[DIRECTION_RX]);
        packets += rate;
        bursts += rate / burst;
        squares += rate * burst;
    }
    *ret = (struct fast_class){.rate = bursts, .count = 1, .gap_scv = 1};
    if (bursts > 0) {
        double mean = packets / bursts;
        ret->service = worker->read * mean;
        ret->service_var = worker->read * worker->read * fmax(0, squares / bursts - mean * mean);
    }
}

void plant_worker_events(const struct guest_load *guest, const struct guest_lanes *lanes,
                         struct plant_events *events)
{
    const struct lane *rx = &lanes->lane[DIRECTION_RX], *tx = &lanes->lane[DIRECTION_TX];
    events->arrivals +=
        guest->rate[DIRECTION_RX] / burst_of(guest->dispersion[DIRECTION_RX]) + tx->containers;
    events->timers += rx->containers * rx->timeout_share;
}

/*
 * A single-server queue with set-up times: decomposition, exact for Poisson
 * arrivals. A deadline that passes during a slower wake-up ends it.
 */
double plant_setup(const struct end_costs *costs, const struct plant_events *events)
{
    double wakeup = costs->wakeup, slower = wakeup - costs->timer_late;
    if (slower > 0 && events->timers * slower > 1e-6)
        wakeup = costs->timer_late - expm1(-events->timers * slower) / events->timers;
    double x = wakeup * events->arrivals;
    return wakeup * (1 + x / 2) / (1 + x);
}

double plant_late(const struct end_costs *costs, double arrivals, double busy)
{
    double late = costs->timer_late, wakeup = costs->wakeup, x = wakeup * arrivals;
    double idle = fmax(0, 1 - busy) / (1 + x), asleep = late;
    if (late > wakeup && arrivals * (late - wakeup) > 1e-9)
        asleep = wakeup - expm1(-arrivals * (late - wakeup)) / arrivals;
    return idle * asleep + idle * x * fmin(late, wakeup / 2);
}

enum guest_class { GUEST_READ, GUEST_PUBLISH, GUEST_TAKE, GUEST_CLASSES };

/*
 * The guest's thread. A forwarded packet is read right after its container was
 * unloaded, so that its read is part of that container's work.
 */
static void guest_classes(const struct guest_load *guest, const struct guest_lanes *lanes,
                          struct fast_class ret[GUEST_CLASSES])
{
    const struct end_costs *costs = &guest->costs;
    const struct lane *rx = &lanes->lane[DIRECTION_RX];
    double tx_rate = guest->rate[DIRECTION_TX], forwarded = lanes->forwarded * tx_rate;
    double burst = guest->forwarded > 0 ? 1 : burst_of(guest->dispersion[DIRECTION_TX]);
    ret[GUEST_READ] = (struct fast_class){.rate = fmax(0, tx_rate - forwarded) / burst,
                                          .count = 1,
                                          .gap_scv = 1,
                                          .service = costs->read * burst};
    ret[GUEST_PUBLISH] = container_class(&lanes->lane[DIRECTION_TX], costs->publish,
                                         costs->publish_packet, costs->scv);
    double back = guest->rate[DIRECTION_RX] > 0 ? forwarded / guest->rate[DIRECTION_RX] : 0;
    ret[GUEST_TAKE] =
        container_class(rx, costs->unload, costs->unload_packet + back * costs->read, costs->scv);
}

static void add_up(struct delay_parts *parts)
{
    parts->total = parts->port + parts->fill + parts->publish + parts->ring + parts->unload;
}

/* Up to the packet's place in its container: the middle of the one it is in. */
static double unload_up_to(const struct end_costs *costs, const struct lane *lane)
{
    return costs->unload + costs->unload_packet * (lane->packets_met + 1) / 2;
}

static void rx_parts(const struct end_costs *worker, const struct guest_load *guest,
                     const struct guest_lanes *lanes, const struct worker_view *view, double ring,
                     struct delay_parts *ret)
{
    const struct lane *lane = &lanes->lane[DIRECTION_RX];
    ret->port = view->read + worker->read * (burst_of(guest->dispersion[DIRECTION_RX]) + 1) / 2;
    /* The packet that completes the container may wait less or more than this one did. */
    ret->fill = fmax(0, lane->fill_mean + view->publish - view->read);
    ret->publish = worker->publish + worker->publish_packet * lane->packets_met;
    ret->ring = ring;
    ret->unload = unload_up_to(&guest->costs, lane);
    add_up(ret);
}

static void tx_parts(const struct end_costs *worker, const struct guest_load *guest,
                     const struct guest_lanes *lanes, const struct worker_view *view, double port,
                     double fill, struct delay_parts *ret)
{
    const struct lane *lane = &lanes->lane[DIRECTION_TX];
    ret->port = port;
    ret->fill = fill;
    ret->publish = guest->costs.publish + guest->costs.publish_packet * lane->packets_met;
    ret->ring = view->take;
    ret->unload = unload_up_to(worker, lane);
    add_up(ret);
}

/* A forwarded packet, from having left its rx container. */
static void forwarded_parts(const struct end_costs *worker, const struct guest_load *guest,
                            const struct guest_lanes *lanes, const struct worker_view *view,
                            struct delay_parts *ret)
{
    tx_parts(worker, guest, lanes, view, lanes->replayed.port, lanes->replayed.fill, ret);
    ret->publish = lanes->replayed.publish;
    add_up(ret);
}

static void mix_parts(double share, const struct delay_parts *a, struct delay_parts *b)
{
    b->port = mix(share, a->port, b->port);
    b->fill = mix(share, a->fill, b->fill);
    b->publish = mix(share, a->publish, b->publish);
    b->ring = mix(share, a->ring, b->ring);
    b->unload = mix(share, a->unload, b->unload);
    add_up(b);
}

static double at_percentile(const struct guest_load *guest, const struct guest_lanes *lanes,
                            const struct worker_view *view, const struct fast_queue *queue,
                            enum direction d);

static void promised(const struct guest_load *guest, const struct guest_lanes *lanes,
                     const struct worker_view *view, const struct fast_queue *queue,
                     double forwarded_total, struct guest_forecast *ret)
{
    double total[DIRECTION_COUNT];
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        total[d] =
            d == DIRECTION_TX && guest->promise.scope == SCOPE_FORWARDING && lanes->forwarded > 0
                ? forwarded_total
                : ret->mean[d].total;
        if (guest->promise.percentile > 0)
            total[d] += at_percentile(guest, lanes, view, queue, d);
        ret->lane_promised[d] = total[d];
        /* Where nothing runs in a direction, it cannot break a promise. */
        if (guest->rate[d] == 0 && guest->rate[!d] > 0)
            total[d] = 0;
    }
    double rx = total[DIRECTION_RX], tx = total[DIRECTION_TX];
    ret->promised = guest->promise.scope == SCOPE_FORWARDING ? rx + tx : fmax(rx, tx);
}

/* s that the share q of the waits of an exponential tail stays under, above their mean. */
static double tail_excess(double busy, double decay, double mean, double beyond)
{
    if (!(decay > 0))
        return INFINITY;
    return fmax(0, log(fmax(busy, 1e-300) / beyond) / decay - mean);
}

/* s by which the percentile of the fill wait is above its mean. */
static double fill_excess(const struct lane *lane, double beyond)
{
    double low = 0, high = fmin(lane->law.timeout, lane->law.size / fmax(lane->law.rate, 1e-9) * 4);
    if (lane->law.size <= 1)
        return 0;
    for (int i = 0; i < 24; i++) {
        double middle = (low + high) / 2;
        if (closing_fill_tail(&lane->law, middle) > beyond)
            low = middle;
        else
            high = middle;
    }
    return fmax(0, high - lane->law.fill_mean);
}

/*
 * How far the percentile lies above the mean, at most about: the percentiles
 * of its parts all at once.
 */
static double at_percentile(const struct guest_load *guest, const struct guest_lanes *lanes,
                            const struct worker_view *view, const struct fast_queue *queue,
                            enum direction d)
{
    double beyond = 1 - guest->promise.percentile / 100;
    double excess = tail_excess(view->busy, view->decay,
                                d == DIRECTION_RX ? view->publish : view->take, beyond);
    if (queue->utilisation > 0)
        excess += tail_excess(queue->utilisation, queue->decay, queue->mean, beyond);
    return excess + fill_excess(&lanes->lane[d], beyond);
}

static void hopeless(struct guest_forecast *ret)
{
    struct delay_parts never = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY};
    *ret = (struct guest_forecast){.mean = {never, never},
                                   .forwarding_mean = INFINITY,
                                   .lane_promised = {INFINITY, INFINITY},
                                   .promised = INFINITY};
}

void plant_guest(const struct end_costs *worker, const struct guest_load *guest,
                 const struct guest_lanes *lanes, const struct worker_view *view,
                 struct guest_forecast *ret)
{
    const struct end_costs *costs = &guest->costs;
    struct fast_class classes[GUEST_CLASSES];
    struct fast_queue queue;
    struct fast_share shares[GUEST_CLASSES];
    guest_classes(guest, lanes, classes);
    fast_queue_solve(classes, GUEST_CLASSES, &queue, shares);
    if (!queue.stable || lanes->overloaded || !isfinite(view->read)) {
        hopeless(ret);
        return;
    }
    const struct lane *rx = &lanes->lane[DIRECTION_RX], *tx = &lanes->lane[DIRECTION_TX];
    struct plant_events events = {.arrivals = classes[GUEST_READ].rate + rx->containers,
                                  .timers = tx->containers * tx->timeout_share};
    double setup = plant_setup(costs, &events), share = lanes->forwarded;
    double ring = shares[GUEST_TAKE].wait + setup;
    struct guest_forecast f = {0};
    struct delay_parts forwarded = {0};
    if (share > 0)
        ring = mix(fmin(1, 2 * share), lanes->replayed.ring, ring);
    rx_parts(worker, guest, lanes, view, ring, &f.mean[DIRECTION_RX]);
    double fill = tx->law.fill_mean;
    if (share == 0)
        fill = fmax(0, tx->fill_mean + shares[GUEST_PUBLISH].wait - queue.virtual_wait);
    double burst = burst_of(guest->dispersion[DIRECTION_TX]);
    tx_parts(worker, guest, lanes, view, queue.virtual_wait + setup + costs->read * (burst + 1) / 2,
             fill, &f.mean[DIRECTION_TX]);
    if (share > 0) {
        forwarded_parts(worker, guest, lanes, view, &forwarded);
        mix_parts(share, &forwarded, &f.mean[DIRECTION_TX]);
        f.forwarding_mean = f.mean[DIRECTION_RX].total + forwarded.total;
    }
    promised(guest, lanes, view, &queue, forwarded.total, &f);
    *ret = f;
}

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
