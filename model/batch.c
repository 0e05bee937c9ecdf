// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/batch.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdbool.h>

#define WARM_UP 8
#define REPLAYED 64

struct replay {
    double size, timeout, singles;
    double now;
    double held; /* packets in the open container; 0: none is open */
    double deadline;
    double burst_held, burst_age; /* of them from bursts, and the sum of their arrival times */
    double single_held, single_age;
    bool counting;
    double closed, closed_by_timeout, packets, packets2;
    double last, gaps, gaps2; /* time of the last closing */
    double burst_packets, burst_wait, single_packets, single_wait;
};

static void close_container(struct replay *r, bool by_timeout)
{
    if (r->counting) {
        double gap = r->now - r->last;
        r->closed++;
        r->closed_by_timeout += by_timeout;
        r->packets += r->held;
        r->packets2 += r->held * r->held;
        r->gaps += gap;
        r->gaps2 += gap * gap;
        r->burst_packets += r->burst_held;
        r->burst_wait += r->burst_held * r->now - r->burst_age;
        r->single_packets += r->single_held;
        r->single_wait += r->single_held * r->now - r->single_age;
    }
    r->last = r->now;
    r->held = r->burst_held = r->burst_age = r->single_held = r->single_age = 0;
}

static void open_container(struct replay *r)
{
    if (r->held == 0)
        r->deadline = r->now + r->timeout;
}

/*
 * Nothing but singles for many containers: all but the last few at once, so
 * that a replay's time is bounded whatever the rates.
 */
static void skip_cycles(struct replay *r, double until)
{
    double open = fmin((r->size - 1) / r->singles, r->timeout), cycle = open + 1 / r->singles;
    double cycles = floor((until - r->now) / cycle) - 2;
    if (!(cycles > 4))
        return;
    double packets = cycle * r->singles;
    r->now = r->last = r->now + cycles * cycle;
    if (!r->counting)
        return;
    r->closed += cycles;
    r->closed_by_timeout += packets < r->size * (1 - 1e-9) ? cycles : 0;
    r->packets += cycles * packets;
    r->packets2 += cycles * packets * packets;
    r->gaps += cycles * cycle;
    r->gaps2 += cycles * cycle * cycle;
    r->single_packets += cycles * packets;
    r->single_wait += cycles * packets * open / 2;
}

/* Singles flow in evenly until `until`; the container may close on the way. */
static void advance(struct replay *r, double until)
{
    if (r->held == 0 && r->singles > 0)
        skip_cycles(r, until);
    while (r->now < until) {
        if (r->held == 0) { /* the next single opens one */
            double next = r->singles > 0 ? r->now + 1 / r->singles : INFINITY;
            if (next >= until)
                break;
            r->now = next;
            open_container(r);
            r->held = r->single_held = 1;
            r->single_age = next;
        }
        double full = r->singles > 0 ? r->now + (r->size - r->held) / r->singles : INFINITY;
        double end = fmin(until, fmin(full, r->deadline));
        double came = r->singles * (end - r->now);
        r->held += came;
        r->single_held += came;
        r->single_age += came * (end + r->now) / 2;
        r->now = end;
        if (end >= full || end >= r->deadline) {
            close_container(r, end < full);
            if (r->singles > 0)
                skip_cycles(r, until);
        }
    }
    r->now = until;
}

static void take_burst(struct replay *r, double burst)
{
    double room = r->size - r->held;
    if (burst >= room && r->held > 0) { /* the first of them complete the open one */
        r->burst_held += room;
        r->burst_age += room * r->now;
        r->held = r->size;
        close_container(r, false);
        burst -= room;
    }
    if (r->held == 0 && burst >= r->size) { /* whole ones, which leave as they came */
        double whole = floor(burst / r->size * (1 + 1e-12));
        burst = fmax(0, burst - whole * r->size);
        r->held = r->burst_held = r->size;
        r->burst_age = r->size * r->now;
        close_container(r, false);
        if (r->counting) {
            r->closed += whole - 1;
            r->packets += (whole - 1) * r->size;
            r->packets2 += (whole - 1) * r->size * r->size;
            r->burst_packets += (whole - 1) * r->size;
        }
    }
    if (burst > 1e-9 * r->size) {
        open_container(r);
        r->held += burst;
        r->burst_held += burst;
        r->burst_age += burst * r->now;
    }
}

/* u-quantile of Erlang(n, rate), Wilson and Hilferty's approximation. */
static double erlang_quantile(double n, double rate, double u)
{
    if (n < 1)
        return 0;
    double root = 1 - 1 / (9 * n) + gsl_cdf_ugaussian_Pinv(u) / (3 * sqrt(n));
    return n / rate * fmax(0.001, root * root * root);
}

/* The j-th burst and the gap after it. */
static void next_burst(const struct batch_source *s, int j, double *ret_burst, double *ret_gap)
{
    double whole, u = modf(0.5 + j * 0.61803398874989485, &whole);
    double v = modf(0.5 + j * 0.75487766624669276, &whole);
    if (!s->from) {
        *ret_burst = s->burst;
        *ret_gap = -log1p(-v) / s->bursts;
        return;
    }
    const struct closing_law *c = s->from;
    double n = c->size - 1, open = erlang_quantile(n, c->rate, u), packets = c->size;
    if (open > c->timeout) {
        packets = 1 + n * c->timeout / open;
        open = c->timeout;
    }
    *ret_burst = s->share * packets;
    *ret_gap = open - log1p(-v) / c->rate;
}

/* Not one closing was seen: so many bursts to a container that they flow. */
static void summarise_flow(struct replay *r, double rate)
{
    double open = fmin((r->size - 1) / rate, r->timeout);
    r->closed = 1;
    r->closed_by_timeout = open >= r->timeout;
    r->packets = fmin(r->size, 1 + rate * open);
    r->packets2 = r->packets * r->packets;
    r->gaps = r->packets / rate;
    r->gaps2 = r->gaps * r->gaps;
    r->burst_packets = r->single_packets = 1;
    r->burst_wait = r->single_wait = open / 2;
}

static void summarise(struct replay *r, const struct batch_source *s, struct batch_closing *ret)
{
    double burst_rate = s->from ? s->share * s->from->rate : s->burst * s->bursts;
    if (r->closed == 0)
        summarise_flow(r, burst_rate + s->singles);
    double packets = fmax(1, r->packets / r->closed), gap = r->gaps / r->closed;
    ret->packets = fmin(packets, r->size);
    ret->packets_var = fmax(0, r->packets2 / r->closed - packets * packets);
    ret->packets_met = fmin(r->size, ret->packets + ret->packets_var / ret->packets);
    ret->containers = (burst_rate + s->singles) / ret->packets;
    ret->gap_scv = gap > 0 ? fmin(1, fmax(0, r->gaps2 / r->closed / (gap * gap) - 1)) : 1;
    ret->fill_mean = r->burst_packets > 0 ? r->burst_wait / r->burst_packets : r->timeout;
    ret->fill_singles = r->single_packets > 0 ? r->single_wait / r->single_packets : ret->fill_mean;
    ret->timeout_share = r->closed_by_timeout / r->closed;
}

void batch_closing_solve(const struct batch_source *source, uint32_t size, double timeout,
                         struct batch_closing *ret)
{
    struct replay r = {.size = size, .timeout = timeout, .singles = source->singles};
    double burst, gap, mean = source->burst;
    if (source->from)
        mean = source->share * source->from->packets;
    /* More of them where it takes many to fill a container. */
    double each = fmin(size / fmax(mean, 1e-9), 64);
    int rounds = (int)(REPLAYED * fmax(1, each / 8));
    for (int j = 0; j < WARM_UP + rounds; j++) {
        r.counting = j >= WARM_UP;
        next_burst(source, j, &burst, &gap);
        take_burst(&r, burst);
        advance(&r, r.now + gap);
    }
    summarise(&r, source, ret);
}
