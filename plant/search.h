// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sizes of one guest, the waits at the worker being given: the largest that
 * keep its promise, the cheapest where none does, the least delay there is.
 *
 * One number is varied, the packets of the leading lane; the other lane follows
 * in proportion where both are bound by one promise.
 */
#ifndef XENAGG_PLANT_SEARCH_H
#define XENAGG_PLANT_SEARCH_H

#include "plant/plant_worker.h"

struct search {
    const struct plant_worker *worker;
    size_t guest;
    struct worker_view view;
    enum direction lead;
    bool tied;         /* the other lane follows */
    bool both;         /* the promise is on all of the guest */
    uint32_t min, max; /* packets of the leading lane */
    enum plant_wanted wanted;
    double ratio; /* the other's packets for each of these */
    struct trial {
        struct lane_size size[DIRECTION_COUNT];
        struct guest_lanes lanes;
        struct guest_forecast forecast;
        double delay; /* s, as promised */
    } last;
    double spent; /* about what all trials so far have cost, SEARCH_* each */
};

/* What a trial costs, in units of about a microsecond of a server's core. */
#define SEARCH_MEAN 1
#define SEARCH_PERCENTILE 6
#define SEARCH_FORWARDING 8

#define SEARCH_ROUGH 5e-3

enum search_result {
    SEARCH_KEPT,    /* the promise is kept, and would not be by larger sizes */
    SEARCH_CEILING, /* the largest sizes allowed keep it */
    SEARCH_NONE     /* no size does */
};

/* `sizes`: of both lanes; those that do not vary stay. `wait`: see plant_worker_view(). */
void search_init(struct search *search, const struct plant_worker *worker, size_t guest,
                 const struct lane_size sizes[DIRECTION_COUNT], enum direction lead, bool tied,
                 double wait);

/* Whether the guest's tx containers are made for what it forwards. */
bool search_forwards(const struct guest_load *guest);
/* The timeout (s) that goes with so many packets in a lane. */
double search_timeout(const struct search *search, enum direction direction, uint32_t packets);
/* Largest container allowed, in packets and bytes; at least the smallest. */
uint32_t search_ceiling(const struct guest_load *guest, enum direction direction);

/*
 * All leave the sizes found as the last trial.
 *
 * Largest: to `tolerance` of the size, from `start` packets (0: no idea). From
 * SEARCH_ROUGH on, how much larger it could be is taken from how fast the delay grows.
 * `hold`: a start that keeps the promise stays unless one so much larger does, too.
 */
enum search_result search_largest(struct search *search, uint32_t start, double tolerance,
                                  double hold);
/* Least delay + price * (share of the worker's time); `start` as above. */
void search_cheapest(struct search *search, double price, uint32_t start);

/* About the least delay of any size, s. Leaves some trial or other. */
double search_least(struct search *search);

/* Share of the worker's time that the guest's containers take. */
double search_work(const struct search *search);

#endif
