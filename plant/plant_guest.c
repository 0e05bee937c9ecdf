// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/plant.h"

#include <math.h>

#include "plant/percentile.h"

enum guest_class { GUEST_READ, GUEST_PUBLISH, GUEST_TAKE, GUEST_CLASSES };

/* Waits for the guest's own thread, means. */
struct guest_queue {
    bool stable;
    double found;                /* s, a Poisson arrival's */
    double waits[GUEST_CLASSES]; /* s, of each class's own */
    double decay;                /* 1/s */
    double setup;                /* s, what its sleeping adds */
};

/*
 * What a container that is forwarded asks of the guest is one piece of work:
 * unloading, reading its packets, and publishing what they fill.
 */
static void guest_classes(const struct guest_load *guest, const struct guest_lanes *lanes,
                          struct fast_class ret[GUEST_CLASSES])
{
    const struct end_costs *costs = &guest->costs;
    const struct lane *rx = &lanes->lane[DIRECTION_RX], *tx = &lanes->lane[DIRECTION_TX];
    double tx_rate = guest->rate[DIRECTION_TX], forwarded = lanes->forwarded * tx_rate;
    double burst = guest->forwarded > 0 ? 1 : plant_burst(guest->dispersion[DIRECTION_TX]);
    double back = guest->rate[DIRECTION_RX] > 0 ? forwarded / guest->rate[DIRECTION_RX] : 0;
    double published = rx->containers > 0 ? lanes->forwarded * tx->containers / rx->containers : 0;
    ret[GUEST_READ] = (struct fast_class){.rate = fmax(0, tx_rate - forwarded) / burst,
                                          .count = 1,
                                          .gap_scv = 1,
                                          .service = costs->read * burst};
    ret[GUEST_PUBLISH] = plant_container(tx, costs->publish, costs->publish_packet, costs->scv);
    ret[GUEST_PUBLISH].rate *= 1 - lanes->forwarded;
    ret[GUEST_TAKE] = plant_container(
        rx, costs->unload, costs->unload_packet + back * (costs->read + costs->publish_packet),
        costs->scv);
    ret[GUEST_TAKE].service += published * costs->publish;
    ret[GUEST_TAKE].service_var += published * costs->scv * costs->publish * costs->publish;
}

/*
 * Three classes, and a small part of the delay: two moments (Kraemer and
 * Langenbach-Belz), and less of it for the evenly spaced, as in fast_queue.
 */
static void guest_waits(const struct fast_class classes[GUEST_CLASSES], struct guest_queue *ret)
{
    double work = 0, work2 = 0, gaps = 0, var = 0, less[GUEST_CLASSES], by_work = 0;
    for (int i = 0; i < GUEST_CLASSES; i++) {
        const struct fast_class *c = &classes[i];
        double s2 = c->service * c->service;
        work += c->rate * c->service;
        work2 += c->rate * s2;
        gaps += c->rate * s2 * c->gap_scv;
        var += c->rate * c->service_var;
    }
    *ret = (struct guest_queue){.stable = work < 1, .decay = INFINITY};
    if (!(work > 0) || !(work < 1))
        return;
    double ca = gaps / work2, cs = var / work2, residual = (work2 + var) / 2, mean = 0;
    if (ca + cs > 1e-12)
        mean = (gaps + var) / (2 * (1 - work)) *
               exp(-2 * (1 - work) * (1 - ca) * (1 - ca) / (3 * work * (ca + cs)));
    ret->found = work * mean + residual;
    ret->decay = 2 * (1 - work) / (gaps + var + 1e-9 * work2);
    for (int i = 0; i < GUEST_CLASSES; i++) {
        const struct fast_class *c = &classes[i];
        double share = c->rate * c->service / work, even = 1 - c->gap_scv;
        less[i] = even > 0 && share > 0 ? even * c->service * pow(fmin(1, share), 1 - work) : 0;
        by_work += share * less[i];
    }
    for (int i = 0; i < GUEST_CLASSES; i++) {
        double below = by_work > 0 ? (ret->found - mean) * less[i] / by_work : 0;
        ret->waits[i] = fmax(0, ret->found - below);
    }
}

/* ---- a direction's parts: their means, and what is needed for a percentile ---- */

/*
 * Delay = scale * (fill wait) + rest: the first packets of a container wait
 * longest for its closing, and are the first to be unloaded.
 */
struct way {
    bool means_only;
    struct delay_parts mean;
    double fill_scale;
    struct rest rest;                  /* without the fill wait */
    const struct forwarder *forwarded; /* instead of guest wait, fill and publication */
    double alike;                      /* s^2, covariance of both passes' waits for the worker */
};

static void add_up(struct delay_parts *parts)
{
    parts->total = parts->port + parts->fill + parts->publish + parts->ring + parts->unload;
}

/* Parts that every container meets: publication at one end, wait and unloading at the other. */
static void way_container(struct way *way, const struct lane *lane, const struct end_costs *from,
                          const struct end_costs *to, double wait, double decay, double setup)
{
    double last = to->unload_packet * lane->packets_met; /* the container's last packet */
    double middle = to->unload_packet * (lane->packets_met + 1) / 2;
    way->mean.publish = from->publish + from->publish_packet * lane->packets_met;
    way->mean.ring = wait + setup;
    way->mean.unload = to->unload + middle;
    double sooner = lane->fill_mean > 0 ? (last - middle) / lane->fill_mean : 1;
    if (way->means_only)
        return;
    way->fill_scale = fmax(0, 1 - sooner);
    rest_add(&way->rest, rest_service(from->publish, from->scv));
    rest_add(&way->rest, rest_service(to->unload, to->scv));
    rest_add(&way->rest, rest_wait(wait, decay));
    rest_add(&way->rest, rest_wakeup(to->wakeup, setup));
}

/* The port's part, and the fill wait as it comes out between arrivals at the port. */
static void way_port(struct way *way, const struct lane *lane, const struct end_costs *costs,
                     double burst, double read, double complete, double decay, double setup)
{
    way->mean.port = read + setup + costs->read * (burst + 1) / 2;
    /* The packet that completes the container may wait less or more than this one did. */
    way->mean.fill = fmax(0, lane->fill_mean + complete - read);
    if (way->means_only)
        return;
    rest_add(&way->rest, rest_wait(complete, decay));
    rest_add(&way->rest, rest_wakeup(costs->wakeup, setup));
}

/* All means are in the parts; the rest is what is left of them without the fill wait. */
static void way_finish(struct way *way, const struct lane *lane)
{
    add_up(&way->mean);
    double fill = way->forwarded ? 0 : way->fill_scale * lane->fill_mean;
    double guest = way->forwarded ? way->mean.port + way->mean.fill + way->mean.publish : 0;
    way->rest.mean = fmax(0, way->mean.total - fill - guest);
}

static void way_rx(const struct end_costs *worker, const struct guest_load *guest,
                   const struct guest_lanes *lanes, const struct worker_view *view,
                   const struct guest_queue *queue, struct way *ret)
{
    const struct lane *lane = &lanes->lane[DIRECTION_RX];
    double wait = queue->waits[GUEST_TAKE], setup = queue->setup;
    *ret = (struct way){.means_only = !(guest->promise.percentile > 0)};
    way_port(ret, lane, worker, plant_burst(guest->dispersion[DIRECTION_RX]), view->read,
             view->publish, view->decay, view->setup);
    way_container(ret, lane, worker, &guest->costs, wait, queue->decay, setup);
    way_finish(ret, lane);
}

/* Packets that start in the guest. */
static void way_own(const struct end_costs *worker, const struct guest_load *guest,
                    const struct guest_lanes *lanes, const struct worker_view *view,
                    const struct guest_queue *queue, struct way *ret)
{
    struct lane lane = lanes->lane[DIRECTION_TX];
    double burst = guest->forwarded > 0 ? 1 : plant_burst(guest->dispersion[DIRECTION_TX]);
    if (lanes->forwarded > 0)
        lane.fill_mean = lane.law.fill_mean;
    *ret = (struct way){.means_only = !(guest->promise.percentile > 0)};
    way_port(ret, &lane, &guest->costs, burst, queue->found, queue->waits[GUEST_PUBLISH],
             queue->decay, queue->setup);
    way_container(ret, &lane, &guest->costs, worker, view->take, view->decay, view->setup);
    way_finish(ret, &lane);
}

/* Packets that the guest forwards, from having left their rx container. */
static void way_forwarded(const struct end_costs *worker, const struct guest_load *guest,
                          const struct guest_lanes *lanes, const struct worker_view *view,
                          struct way *ret)
{
    const struct lane *lane = &lanes->lane[DIRECTION_TX], *rx = &lanes->lane[DIRECTION_RX];
    const struct forwarder *f = &lanes->replayed;
    double away = plant_away(guest, rx), soon = 1 - lane->timeout_share;
    double wait = fmax(0, view->take + plant_returning(worker, guest, lanes, view->found,
                                                       view->busy, view->share));
    double relative = plant_setup_after(worker, view->events, view->busy, away);
    double setup = view->setup * (1 + soon * (relative - 1));
    /* Containers made of one burst meet each other, where they are sent faster than taken. */
    double taken = worker->unload + worker->unload_packet * lane->packets;
    double sent =
        guest->costs.publish + (guest->costs.read + guest->costs.publish_packet) * lane->packets;
    double together = f->per_burst * (1 - f->timeout_share);
    wait += fmax(0, together - 1) / 2 * fmax(0, taken - sent);
    *ret = (struct way){.forwarded = f};
    way_container(ret, lane, &guest->costs, worker, wait, view->decay, fmin(setup, worker->wakeup));
    if (wait > 0) /* a queue that was long is long still: it drains at 1 - busy */
        ret->alike = soon * exp(-away * (1 - view->busy) / wait) * rest_wait(wait, view->decay).var;
    ret->mean.port = f->port;
    ret->mean.fill = f->fill;
    ret->mean.publish = f->publish;
    way_finish(ret, lane);
}

static double way_percentile(const struct way *way, const struct lane *lane, double p)
{
    if (way->forwarded) {
        struct forwarder_law law;
        forwarder_one_way(way->forwarded, &law);
        struct rest rest = {fmax(0, way->mean.total - law.mean), way->rest.var};
        return percentile_values(law.values, law.weights, law.n, rest, p);
    }
    return percentile_fill(&lane->law, way->fill_scale, way->rest, p);
}

/* First one way, then the other: the first's fill wait by its law, all else by its moments. */
static double ways_percentile(const struct way *rx, const struct way *tx,
                              const struct guest_lanes *lanes, double p)
{
    struct rest rest = rx->rest;
    const struct closing_law *law = &lanes->lane[DIRECTION_TX].law;
    double var = 0;
    if (tx->forwarded) {
        struct forwarder_law through;
        forwarder_through(tx->forwarded, &lanes->lane[DIRECTION_RX].law, &through);
        double mean = rx->mean.total + tx->mean.total - through.mean;
        rest = (struct rest){fmax(0, mean), rx->rest.var + tx->rest.var + 2 * tx->alike};
        return percentile_values(through.values, through.weights, through.n, rest, p);
    }
    if (law->size > 1) /* about uniform from 0 to twice its mean */
        var = tx->fill_scale * tx->fill_scale * law->fill_mean * law->fill_mean / 3;
    rest_add(&rest, (struct rest){tx->mean.total, tx->rest.var + var});
    return percentile_fill(&lanes->lane[DIRECTION_RX].law, rx->fill_scale, rest, p);
}

/* ---- the guest ---- */

static void mix_parts(double share, const struct delay_parts *a, struct delay_parts *b)
{
    b->port = plant_mix(share, a->port, b->port);
    b->fill = plant_mix(share, a->fill, b->fill);
    b->publish = plant_mix(share, a->publish, b->publish);
    b->ring = plant_mix(share, a->ring, b->ring);
    b->unload = plant_mix(share, a->unload, b->unload);
    add_up(b);
}

/* The ways that a guest's promise is about. */
struct ways {
    const struct way *rx, *tx;
    double tx_mean; /* s, of the packets that count */
};

static void lanes_promised(const struct guest_load *guest, const struct guest_lanes *lanes,
                           const struct ways *ways, enum plant_wanted wanted,
                           struct guest_forecast *ret)
{
    double p = guest->promise.percentile / 100, *lane = ret->lane_promised;
    if (wanted & PLANT_LANE_RX)
        lane[DIRECTION_RX] =
            p > 0 ? way_percentile(ways->rx, &lanes->lane[DIRECTION_RX], p) : ways->rx->mean.total;
    if (wanted & PLANT_LANE_TX)
        lane[DIRECTION_TX] =
            p > 0 ? way_percentile(ways->tx, &lanes->lane[DIRECTION_TX], p) : ways->tx_mean;
}

/* What the promise's scope and percentile come to. */
static void promised(const struct guest_load *guest, const struct guest_lanes *lanes,
                     const struct ways *ways, enum plant_wanted wanted, struct guest_forecast *ret)
{
    bool rx = guest->rate[DIRECTION_RX] > 0, tx = guest->rate[DIRECTION_TX] > 0;
    bool sum = guest->promise.scope == SCOPE_FORWARDING && rx == tx;
    double p = guest->promise.percentile / 100, *lane = ret->lane_promised;
    if ((wanted & PLANT_PROMISED) && !(sum && p > 0))
        wanted = PLANT_ALL;
    lanes_promised(guest, lanes, ways, wanted, ret);
    if (!(wanted & PLANT_PROMISED))
        return;
    if (sum)
        ret->promised = p > 0 ? ways_percentile(ways->rx, ways->tx, lanes, p)
                              : lane[DIRECTION_RX] + lane[DIRECTION_TX];
    else /* where nothing runs in a direction, it cannot break a promise */
        ret->promised =
            fmax(rx || !tx ? lane[DIRECTION_RX] : 0, tx || !rx ? lane[DIRECTION_TX] : 0);
}

static void hopeless(struct guest_forecast *ret)
{
    struct delay_parts never = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY};
    *ret = (struct guest_forecast){.mean = {never, never},
                                   .forwarding_mean = INFINITY,
                                   .lane_promised = {INFINITY, INFINITY},
                                   .promised = INFINITY};
}

/* s, the half of the loop's budget for a visit that unloading has. */
#define UNLOADING_TURN 100e-6
/* Of it, at most; and the load from which on it is felt. Fitted. */
#define ALTERNATION 0.45
#define ALTERNATION_LOAD 1.02

/*
 * While one end does nothing but unload the other gets nothing to unload; where
 * the two works of unloading together come near to all of the time (Rybko,
 * Stolyar), both ends take turns at it, each as long as a turn may be. The mean
 * that this adds to the wait in the ring, and a third of it in the port.
 */
static double alternation(const struct end_costs *worker, const struct guest_load *guest,
                          const struct guest_lanes *lanes, const struct worker_view *view)
{
    const struct lane *rx = &lanes->lane[DIRECTION_RX], *tx = &lanes->lane[DIRECTION_TX];
    double here = rx->containers * (guest->costs.unload + guest->costs.unload_packet * rx->packets);
    double there = tx->containers * (worker->unload + worker->unload_packet * tx->packets);
    double others = view->busy * (1 - view->share);
    double x = (here + there / fmax(1e-9, 1 - others)) / ALTERNATION_LOAD, x3 = x * x * x;
    return ALTERNATION * UNLOADING_TURN * x3 * x3 / (1 + x3 * x3);
}

static void way_alternates(struct way *way, double seconds)
{
    way->mean.ring += 0.75 * seconds;
    way->mean.port += 0.25 * seconds;
    way->rest.mean += seconds;
    add_up(&way->mean);
}

void plant_guest(const struct end_costs *worker, const struct guest_load *guest,
                 const struct guest_lanes *lanes, const struct worker_view *view,
                 enum plant_wanted wanted, struct guest_forecast *ret)
{
    const struct lane *rx_lane = &lanes->lane[DIRECTION_RX], *tx = &lanes->lane[DIRECTION_TX];
    struct fast_class classes[GUEST_CLASSES];
    struct guest_queue queue;
    guest_classes(guest, lanes, classes);
    guest_waits(classes, &queue);
    if (!queue.stable || lanes->overloaded || !isfinite(view->read)) {
        hopeless(ret);
        return;
    }
    struct plant_events events = {.arrivals = classes[GUEST_READ].rate + rx_lane->containers,
                                  .timers = tx->containers * tx->timeout_share};
    queue.setup = plant_setup(&guest->costs, &events);
    struct way rx, own, forwarded = {0};
    struct guest_forecast f = {0};
    way_rx(worker, guest, lanes, view, &queue, &rx);
    way_own(worker, guest, lanes, view, &queue, &own);
    double turns = alternation(worker, guest, lanes, view);
    way_alternates(&rx, turns);
    way_alternates(&own, turns);
    f.mean[DIRECTION_RX] = rx.mean;
    f.mean[DIRECTION_TX] = own.mean;
    if (lanes->forwarded > 0) {
        way_forwarded(worker, guest, lanes, view, &forwarded);
        mix_parts(lanes->forwarded, &forwarded.mean, &f.mean[DIRECTION_TX]);
        f.forwarding_mean = rx.mean.total + forwarded.mean.total;
    }
    /* What counts on the way back: what is forwarded, if that was promised or is most of it. */
    struct ways ways = {.rx = &rx, .tx = &own, .tx_mean = f.mean[DIRECTION_TX].total};
    bool forwarding = guest->promise.scope == SCOPE_FORWARDING;
    if (lanes->forwarded > 0 && (forwarding || lanes->forwarded >= 0.5))
        ways.tx = &forwarded;
    if (forwarding)
        ways.tx_mean = ways.tx->mean.total;
    promised(guest, lanes, &ways, wanted, &f);
    *ret = f;
}
