// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/forwarder.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define WARM_UP 8
#define BURSTS 48     /* measured */
#define BUDGET 100e-6 /* s that a visit takes at most, as the loop has it */
#define BATCH 64      /* packets that a visit reads at most */
#define QUEUE 64      /* runs of packets waiting in the port */
#define STEPS_MAX 20000
#define SEEN 256 /* outgoing containers remembered */

/* Packets that came one after the other, `apart` seconds from each other. */
struct run {
    double packets, first, apart;
    bool own;
};

struct replay {
    const struct forwarder_load *load;
    const struct end_costs *costs;
    double size, timeout;
    double now;
    int taken;     /* containers taken so far */
    double closed; /* when the next container was closed, in the worker */
    double next;   /* when it comes: after some wait there */
    double next_packets;
    double came; /* own packets up to here are in the port */
    struct run port[QUEUE];
    int first, runs;
    /* The open container: all its packets, and of the forwarded ones the sums of when
       they left the incoming container and were read. */
    double open, forwarded, left, read, opened;
    double last_closed;
    bool counting;
    /* Sums over what was counted. */
    double containers, short_ones, packets, packets2, gaps, gaps2;
    double ring_packets, ring;
    double out_packets, port_time, fill_time, publish_time, time2;
    /* Each outgoing container's forwarded packets, and their time in the guest, mean. */
    struct {
        double time, packets;
    } seen[SEEN];
    int n_seen;
};

/* u-quantile of Erlang(n, rate), Wilson and Hilferty's approximation. */
static double erlang_quantile(double n, double rate, double u)
{
    if (n < 1)
        return 0;
    double root = 1 - 1 / (9 * n) + gsl_cdf_ugaussian_Pinv(u) / (3 * sqrt(n));
    return n / rate * fmax(0.001, root * root * root);
}

/* The p-quantile of Poisson(a): summed where it is small, else by Cornish and Fisher. */
static double poisson_quantile(double a, double p)
{
    if (a > 30) {
        double z = gsl_cdf_ugaussian_Pinv(p);
        return fmax(0, floor(a + z * sqrt(a) + (z * z - 1) / 6 + 0.5));
    }
    double n = 0, term = exp(-a), sum = term;
    for (; sum < p && n < 200; sum += term)
        term *= a / ++n;
    return n;
}

/* The next container: its packets, when it was closed, when it comes. */
static void replay_draw(struct replay *r)
{
    const struct closing_law *c = r->load->arrivals;
    double whole, n = c->size - 1;
    double u = modf(0.5 + r->taken * 0.61803398874989485, &whole);
    double v = modf(0.5 + r->taken * 0.75487766624669276, &whole);
    double w = modf(0.5 + r->taken * 0.81917251339616443, &whole);
    double open = erlang_quantile(n, c->rate, u), packets = c->size;
    if (open > c->timeout) {
        packets = 1 + fmin(n - 1, poisson_quantile(c->rate * c->timeout, 1 - u));
        open = c->timeout;
    }
    r->closed += open - log1p(-v) / c->rate;
    r->next = fmax(r->next + r->load->apart, r->closed - r->load->jitter * log1p(-w));
    r->next_packets = packets;
}

static void port_push(struct replay *r, const struct run *run)
{
    if (r->runs == QUEUE) { /* joins the last one: only when the guest is far behind */
        struct run *last = &r->port[(r->first + r->runs - 1) % QUEUE];
        last->packets += run->packets;
        return;
    }
    r->port[(r->first + r->runs++) % QUEUE] = *run;
}

/* Own packets that came until now. */
static void port_pull(struct replay *r)
{
    double packets = r->load->singles * (r->now - r->came);
    if (packets < 1)
        return;
    struct run run = {packets, r->came, 1 / r->load->singles, true};
    r->came = r->now;
    port_push(r, &run);
}

static void replay_publish(struct replay *r, bool is_short)
{
    double took = r->costs->publish + r->costs->publish_packet * r->open;
    if (r->counting) {
        double gap = r->now - r->last_closed, n = r->forwarded;
        r->containers++;
        r->short_ones += is_short;
        r->packets += r->open;
        r->packets2 += r->open * r->open;
        r->gaps += gap;
        r->gaps2 += gap * gap;
        r->out_packets += n;
        r->port_time += r->read - r->left;
        r->fill_time += n * r->now - r->read;
        r->publish_time += n * took;
        double mean = n > 0 ? r->now + took - r->left / n : 0;
        r->time2 += n * mean * mean;
        if (n > 0 && r->n_seen < SEEN) {
            r->seen[r->n_seen].time = mean;
            r->seen[r->n_seen++].packets = n;
        }
    }
    r->last_closed = r->now;
    r->open = r->forwarded = r->left = r->read = 0;
    r->now += took;
}

/* Closed by the timeout, if its time has come. */
static bool replay_expire(struct replay *r)
{
    if (r->open == 0 || r->now < r->opened + r->timeout)
        return false;
    replay_publish(r, true);
    return true;
}

static void replay_take(struct replay *r)
{
    const struct end_costs *costs = r->costs;
    struct run run = {.packets = r->load->share * r->next_packets,
                      .first = r->now + costs->unload + costs->unload_packet,
                      .apart = costs->unload_packet / r->load->share};
    if (r->counting) {
        r->ring_packets += r->next_packets;
        r->ring += r->next_packets * (r->now - r->next);
    }
    r->now += costs->unload + costs->unload_packet * r->next_packets;
    port_push(r, &run);
    r->taken++;
    r->counting = r->taken >= WARM_UP;
    replay_draw(r);
}

/* Reads up to `most` packets of the first run into the container. */
static double replay_read(struct replay *r, double most)
{
    struct run *run = &r->port[r->first];
    double n = fmin(fmin(run->packets, most), r->size - r->open), each = r->costs->read;
    if (r->open == 0)
        r->opened = r->now + each;
    r->open += n;
    if (!run->own) {
        r->forwarded += n;
        r->left += n * (run->first + run->apart * (n - 1) / 2);
        r->read += n * (r->now + each * (n + 1) / 2);
    }
    r->now += n * each;
    run->packets -= n;
    run->first += n * run->apart;
    if (run->packets < 1e-6) {
        r->first = (r->first + 1) % QUEUE;
        r->runs--;
    }
    return n;
}

/* One visit of the loop; false where it found nothing to do. */
static bool replay_visit(struct replay *r)
{
    double began = r->now, left = BATCH;
    bool worked = false;
    while (r->next <= r->now && r->now - began < BUDGET) {
        replay_take(r);
        worked = true;
    }
    port_pull(r);
    worked |= replay_expire(r);
    while (r->runs > 0 && left > 1e-6 && r->now - began < BUDGET) {
        double budget = r->costs->read > 0 ? (BUDGET - (r->now - began)) / r->costs->read : left;
        left -= replay_read(r, fmin(left, ceil(budget)));
        worked = true;
        if (r->open >= r->size * (1 - 1e-9))
            replay_publish(r, false);
        else
            replay_expire(r);
    }
    return worked;
}

/* Sleeps until something comes or the open container's time is up. */
static void replay_sleep(struct replay *r)
{
    double wake = fmax(r->now, r->next) + r->costs->wakeup;
    if (r->load->singles > 0)
        wake = fmin(wake, fmax(r->now, r->came + 1 / r->load->singles) + r->costs->wakeup);
    if (r->open > 0)
        wake = fmin(wake, fmax(r->now, r->opened + r->timeout) + r->costs->timer_late);
    r->now = wake;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b; /* `time` comes first */
    return (x > y) - (x < y);
}

/* What was seen, cut where the percentiles that people ask for are. */
static void law_of_seen(struct replay *r, struct forwarder *ret)
{
    static const double edges[FORWARDER_LAW] = {0.3, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 1};
    double total = 0, reached = 0;
    qsort(r->seen, (size_t)r->n_seen, sizeof(r->seen[0]), compare);
    for (int i = 0; i < r->n_seen; i++)
        total += r->seen[i].packets;
    for (int cut = 0, i = 0; cut < FORWARDER_LAW; cut++) {
        double until = edges[cut] * total, sum = 0, weight = 0;
        while (i < r->n_seen && reached < until * (1 - 1e-12)) {
            double part = fmin(r->seen[i].packets, until - reached);
            sum += part * r->seen[i].time;
            weight += part;
            reached += part;
            r->seen[i].packets -= part;
            i += r->seen[i].packets <= 1e-9 * total;
        }
        ret->weights[cut] = total > 0 ? weight / total : cut == 0;
        ret->values[cut] = weight > 0 ? sum / weight : 0;
    }
}

static void summarise(struct replay *r, struct forwarder *ret)
{
    double out = fmax(r->out_packets, 1e-9), closed = fmax(r->containers, 1e-9);
    double rate = r->load->share * r->load->arrivals->rate + r->load->singles;
    double packets = fmin(r->size, fmax(1, r->packets / closed)), gap = r->gaps / closed;
    double mean = (r->port_time + r->fill_time + r->publish_time) / out;
    *ret = (struct forwarder){
        .ring = r->ring / fmax(r->ring_packets, 1e-9),
        .port = r->port_time / out,
        .fill = r->fill_time / out,
        .publish = r->publish_time / out,
        .var = fmax(0, r->time2 / out - mean * mean),
        .packets = packets,
        .packets_var = fmax(0, r->packets2 / closed - packets * packets),
        .containers = rate / packets,
        .gap_scv = gap > 0 ? fmin(1, fmax(0, r->gaps2 / closed / (gap * gap) - 1)) : 1,
        .timeout_share = r->short_ones / closed,
    };
    ret->packets_met = fmin(r->size, packets + ret->packets_var / packets);
    if (r->load->law)
        law_of_seen(r, ret);
}

void forwarder_solve(const struct forwarder_load *load, const struct end_costs *costs,
                     uint32_t size, double timeout, struct forwarder *ret)
{
    struct replay r = {.load = load, .costs = costs, .size = size, .timeout = timeout};
    /* More of them where it takes many to fill a container. */
    double each = size / (load->share * load->arrivals->packets);
    int bursts = WARM_UP + (int)(BURSTS * fmin(8, fmax(1, each / 8)));
    replay_draw(&r);
    for (int i = 0; i < STEPS_MAX && r.taken < bursts; i++)
        if (!replay_visit(&r))
            replay_sleep(&r);
    if (r.containers == 0) { /* none was full, none expired: all that came is in one */
        r.counting = true;
        r.now = fmax(r.now, r.opened + timeout);
        replay_publish(&r, true);
    }
    summarise(&r, ret);
}
