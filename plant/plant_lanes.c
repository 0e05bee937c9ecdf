// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/plant.h"

#include <math.h>

#include "plant/batch.h"

/* Of the work found, s: so long it is remembered that a publication was just before. */
#define RETURN_MEMORY 1.3
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

/* Packets that arrive on their own account: Poisson, or in Poisson bursts. */
static void lane_of_arrivals(double rate, double dispersion, const struct lane_size *size,
                             double late, struct lane *ret)
{
    struct closing_law batches;
    /* Cannot fail: the caller has checked rate and size. */
    (void)closing_solve(rate, size->packets, size->timeout + late, &ret->law);
    lane_from_closing(&ret->law, ret);
    if (!(dispersion > BATCH_DISPERSION) || !(rate > 0))
        return;
    batch_closing_solve(rate, dispersion, size->packets, size->timeout + late, &batches);
    lane_from_closing(&batches, ret);
}

double plant_mix(double share, double a, double b)
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
                              const struct lane_size *size, const struct plant_weather *weather,
                              struct guest_lanes *lanes)
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
    double busy = fmin(1, guest_work(guest, rx, size->packets));
    struct closing_law arrivals;
    double late = fmin(weather->late, rx->law.timeout / 2);
    (void)closing_solve(rx->law.rate, (uint32_t)rx->law.size, rx->law.timeout - late, &arrivals);
    struct forwarder_load load = {.arrivals = &arrivals,
                                  .arrivals_late = late,
                                  .share = forwarded / guest->rate[DIRECTION_RX],
                                  .singles = share > 0.999 ? 0 : rate - forwarded,
                                  .jitter = weather->jitter,
                                  .publish_packet = worker->publish_packet,
                                  .late = plant_late(&guest->costs, rx->containers, busy)};
    struct forwarder *f = &lanes->replayed;
    forwarder_solve(&load, &guest->costs, size->packets, size->timeout, f);
    double w = fmin(1, 2 * share);
    tx->packets = plant_mix(w, f->packets, own.packets);
    tx->packets_var = plant_mix(w, f->packets_var, own.packets_var);
    tx->packets_met = plant_mix(w, f->packets_met, own.packets_met);
    tx->containers = rate / tx->packets;
    tx->gap_scv = plant_mix(w, f->gap_scv, own.gap_scv);
    tx->timeout_share = plant_mix(w, f->timeout_share, own.timeout_share);
    tx->fill_mean = plant_mix(share, f->fill, own.fill_mean);
}

static struct lane_size within_bytes(const struct guest_load *guest, enum direction d,
                                     const struct lane_size *size)
{
    struct lane_size fit = *size;
    fit.packets = closing_size(size->packets, guest->limits.bytes_max, guest->packet_bytes[d]);
    return fit;
}

static void lane_rx(const struct guest_load *guest, const struct lane_size *size,
                    const struct plant_weather *weather, struct guest_lanes *lanes)
{
    struct lane_size rx = within_bytes(guest, DIRECTION_RX, size);
    lane_of_arrivals(guest->rate[DIRECTION_RX], guest->dispersion[DIRECTION_RX], &rx, weather->late,
                     &lanes->lane[DIRECTION_RX]);
}

/* The guest's own packets, and what there is of forwarded ones. */
static void lane_tx(const struct end_costs *worker, const struct guest_load *guest,
                    const struct lane_size *size, const struct plant_weather *weather,
                    struct guest_lanes *lanes)
{
    struct lane_size tx = within_bytes(guest, DIRECTION_TX, size);
    const struct lane *in = &lanes->lane[DIRECTION_RX];
    double busy = fmin(1, guest_work(guest, in, tx.packets));
    double late = plant_late(&guest->costs, in->containers + guest->rate[DIRECTION_TX], busy);
    /* Forwarded packets explain a dispersion of their own: not counted twice. */
    double dispersion = guest->forwarded > 0 ? 1 : guest->dispersion[DIRECTION_TX];
    lane_of_arrivals(guest->rate[DIRECTION_TX], dispersion, &tx, late, &lanes->lane[DIRECTION_TX]);
    lane_of_forwarder(worker, guest, &tx, weather, lanes);
}

void plant_lanes(const struct end_costs *worker, const struct guest_load *guest,
                 const struct lane_size size[DIRECTION_COUNT], const struct plant_weather *weather,
                 struct guest_lanes *ret)
{
    lane_rx(guest, &size[DIRECTION_RX], weather, ret);
    lane_tx(worker, guest, &size[DIRECTION_TX], weather, ret);
}

void plant_lane(const struct end_costs *worker, const struct guest_load *guest,
                const struct lane_size size[DIRECTION_COUNT], const struct plant_weather *weather,
                enum direction direction, struct guest_lanes *lanes)
{
    if (direction == DIRECTION_RX) {
        lane_rx(guest, &size[DIRECTION_RX], weather, lanes);
        lanes->overloaded = guest_work(guest, &lanes->lane[DIRECTION_RX],
                                       fmax(1, lanes->lane[DIRECTION_TX].law.size)) >= 1;
    } else {
        lane_tx(worker, guest, &size[DIRECTION_TX], weather, lanes);
    }
}

/* Fixed part with its variation, and a part per packet of B packets. */
struct fast_class plant_container(const struct lane *lane, double fixed, double per_packet,
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
    *ret_publish = plant_container(&lanes->lane[DIRECTION_RX], worker->publish,
                                   worker->publish_packet, worker->scv);
    /* The packet that fills a container was read just before: both are one piece of work. */
    double whole = lanes->lane[DIRECTION_RX].timeout_share;
    ret_publish->service_var += 2 * (1 - whole) * worker->read * ret_publish->service;
    *ret_take = plant_container(&lanes->lane[DIRECTION_TX], worker->unload, worker->unload_packet,
                                worker->scv);
}

double plant_burst(double dispersion)
{
    return dispersion > BATCH_DISPERSION ? dispersion : 1;
}

void plant_read_class(const struct end_costs *worker, const struct guest_load *guests, size_t n,
                      struct fast_class *ret)
{
    double packets = 0, bursts = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double rate = guests[i].rate[DIRECTION_RX];
        double burst = plant_burst(guests[i].dispersion[DIRECTION_RX]);
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
        guest->rate[DIRECTION_RX] / plant_burst(guest->dispersion[DIRECTION_RX]) + tx->containers;
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

/* Steps of a wake-up, and for how many wake-ups an end remembers. */
#define SETUP_STEPS 16
#define SETUP_MEMORY 4

/*
 * Idle for an exponential time, waking up for a fixed one, at work for an
 * exponential one, at work to begin with; in small steps.
 */
double plant_setup_after(const struct end_costs *costs, double arrivals, double busy, double delay)
{
    double wakeup = costs->wakeup, x = wakeup * arrivals, waking[SETUP_STEPS] = {0};
    if (!(x > 1e-6) || delay > SETUP_MEMORY * wakeup || !(busy < 1))
        return 1;
    double step = wakeup / SETUP_STEPS,
           at_work = fmax(1e-9, busy) * (1 + x) / (1 - busy) / arrivals;
    double called = -expm1(-arrivals * step), done = -expm1(-step / at_work);
    double idle = 0, work = 1, wait = 0, cycle = 1 / arrivals + wakeup + at_work;
    int n = (int)(delay / step + 0.5), first = 0;
    for (int i = 0; i < n; i++) { /* waking[first] wakes up next */
        double up = waking[first], calls = idle * called, ends = work * done;
        waking[first] = calls;
        first = (first + 1) % SETUP_STEPS;
        idle += ends - calls;
        work += up - ends;
    }
    for (int i = 0; i < SETUP_STEPS; i++)
        wait += waking[(first + i) % SETUP_STEPS] * (i + 0.5) * step;
    return (wait + idle * wakeup) * cycle * arrivals / (wakeup * (1 + x / 2));
}

double plant_away(const struct guest_load *guest, const struct lane *rx)
{
    const struct end_costs *g = &guest->costs;
    return g->wakeup + g->unload + g->publish +
           rx->packets_met * (g->unload_packet + g->read + g->publish_packet);
}

/*
 * Just after the publication the worker is at the others' interfaces: it finds
 * what that publication left behind, busy (found + publication), and half of
 * what comes to them meanwhile goes before: W = that + W busy / 2. How fast
 * this is forgotten was seen in simulations.
 */
double plant_returning(const struct end_costs *worker, const struct guest_load *guest,
                       const struct guest_lanes *lanes, double found, double busy, double share)
{
    const struct lane *rx = &lanes->lane[DIRECTION_RX];
    double soon = lanes->forwarded * (1 - lanes->lane[DIRECTION_TX].timeout_share);
    double published = worker->publish + worker->publish_packet * rx->packets_met;
    double more = busy * (found + published) / (1 - busy / 2) - found;
    if (!(found > 0) || !(soon > 0))
        return 0;
    return soon * (1 - share) * more * exp(-plant_away(guest, rx) / (RETURN_MEMORY * found));
}

double plant_late(const struct end_costs *costs, double arrivals, double busy)
{
    double late = costs->timer_late, wakeup = costs->wakeup, x = wakeup * arrivals;
    double idle = fmax(0, 1 - busy) / (1 + x), asleep = late;
    if (late > wakeup && arrivals * (late - wakeup) > 1e-9)
        asleep = wakeup - expm1(-arrivals * (late - wakeup)) / arrivals;
    return idle * asleep + idle * x * fmin(late, wakeup / 2);
}
