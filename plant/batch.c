// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/batch.h"

#include <math.h>
#include <stdbool.h>

#define WARM_UP 8
#define REPLAYED 64

struct replay {
    double size, timeout;
    double now, deadline;
    double held; /* packets in the open container; 0: none is open */
    double age;  /* sum of their arrival times */
    bool counting;
    double closed, short_ones, packets, packets2, waited;
    double last, gaps, gaps2; /* time of the last closing */
};

static void close_container(struct replay *r, double at, bool by_timeout)
{
    if (r->counting) {
        double gap = at - r->last;
        r->closed++;
        r->short_ones += by_timeout;
        r->packets += r->held;
        r->packets2 += r->held * r->held;
        r->waited += r->held * at - r->age;
        r->gaps += gap;
        r->gaps2 += gap * gap;
    }
    r->last = at;
    r->held = r->age = 0;
}

/* Whole containers that a burst fills by itself: they leave at once. */
static void count_whole(struct replay *r, double whole)
{
    if (r->counting) {
        r->closed += whole;
        r->packets += whole * r->size;
        r->packets2 += whole * r->size * r->size;
        r->gaps += r->now - r->last;
        r->gaps2 += (r->now - r->last) * (r->now - r->last);
    }
    r->last = r->now;
}

static void take_burst(struct replay *r, double burst)
{
    if (r->held > 0 && r->now >= r->deadline)
        close_container(r, r->deadline, true);
    double room = r->size - r->held;
    if (r->held > 0 && burst >= room) {
        r->held = r->size;
        r->age += room * r->now;
        burst -= room;
        close_container(r, r->now, false);
    }
    double whole = r->held == 0 ? floor(burst / r->size) : 0;
    if (whole > 0)
        count_whole(r, whole);
    burst -= whole * r->size;
    if (!(burst > 0))
        return;
    if (r->held == 0)
        r->deadline = r->now + r->timeout;
    r->held += burst;
    r->age += burst * r->now;
}

/* Not one closing was seen: so many bursts to a container that they flow. */
static void flow(struct replay *r, double rate)
{
    double open = fmin((r->size - 1) / rate, r->timeout);
    r->closed = 1;
    r->short_ones = open >= r->timeout;
    r->packets = fmin(r->size, 1 + rate * open);
    r->packets2 = r->packets * r->packets;
    r->waited = r->packets * open / 2;
    r->gaps = r->packets / rate;
    r->gaps2 = r->gaps * r->gaps;
}

static void summarise(const struct replay *r, double rate, struct closing_law *ret)
{
    double packets = fmin(r->size, fmax(1, r->packets / r->closed)), gap = r->gaps / r->closed;
    *ret = (struct closing_law){
        .rate = rate,
        .size = r->size,
        .timeout = r->timeout,
        .packets = packets,
        .packets_var = fmax(0, r->packets2 / r->closed - packets * packets),
        .containers = rate / packets,
        .gap_scv = gap > 0 ? fmin(1, fmax(0, r->gaps2 / r->closed / (gap * gap) - 1)) : 1,
        .fill_mean = fmin(r->timeout, r->waited / fmax(r->packets, 1)),
        .timeout_share = r->short_ones / r->closed,
    };
    ret->packets_met = fmin(r->size, packets + ret->packets_var / packets);
}

void batch_closing_solve(double rate, double dispersion, uint32_t size, double timeout,
                         struct closing_law *ret)
{
    struct replay r = {.size = size, .timeout = timeout};
    double mean = (dispersion + 1) / 2, bursts = rate / mean, log_more = log1p(-1 / mean), whole;
    /* More of them where it takes many to fill a container. */
    int rounds = (int)(REPLAYED * fmin(8, fmax(1, size / mean / 8)));
    for (int j = 0; j < WARM_UP + rounds; j++) {
        double u = modf(0.5 + j * 0.61803398874989485, &whole);
        double v = modf(0.5 + j * 0.75487766624669276, &whole);
        r.counting = j >= WARM_UP;
        r.now -= log1p(-v) / bursts;
        take_burst(&r, 1 + floor(log1p(-u) / log_more));
    }
    if (r.closed == 0)
        flow(&r, rate);
    summarise(&r, rate, ret);
}
