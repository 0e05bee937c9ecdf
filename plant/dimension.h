// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Container sizes for all guests of one worker, jointly: the largest that keep
 * every guest's promised delay (docs/model.md, "Dimensioning"). And the
 * forecast behind it: the plant (the worker's loop, the guest's loop) as queues.
 *
 * Directions are named as netback does: rx goes to the guest, tx comes from it.
 */
#ifndef XENAGG_PLANT_DIMENSION_H
#define XENAGG_PLANT_DIMENSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum direction { DIRECTION_RX, DIRECTION_TX, DIRECTION_COUNT };

/*
 * Costs of an end of the data path: seconds of one thread. Both the backend's
 * worker and the guest's have them.
 */
struct end_costs {
    double read;           /* read one packet from the port and append it */
    double publish;        /* publish a closed container: fixed part */
    double publish_packet; /* ... and per packet in it */
    double unload;         /* take a container and unload it: fixed part */
    double unload_packet;  /* ... and per packet in it */
    double scv;            /* variation of the fixed parts; 1 where unknown */
    double wakeup;         /* from the event to running, when it was asleep */
    double timer_late;     /* how late a timer fires, mean */
};

enum scope { SCOPE_ONE_WAY, SCOPE_FORWARDING };

/* What the operator asked for. */
struct promise {
    double delay;      /* s; INFINITY: none asked, the largest sizes allowed */
    double percentile; /* 0: the mean; else 50..99.9 */
    enum scope scope;  /* one-way: each direction on its own; forwarding: rx + tx */
};

/* One direction's container. */
struct lane_size {
    uint32_t packets; /* 1..STREAM_SIZE_MAX */
    double timeout;   /* s, finite */
};

struct size_limits {
    uint32_t packets_min, packets_max;
    double timeout_min, timeout_max; /* s */
    double bytes_max;                /* a container's byte limit, both directions */
};

struct guest_load {
    double rate[DIRECTION_COUNT];         /* packets/s */
    double packet_bytes[DIRECTION_COUNT]; /* mean stored size; 0: unknown */
    double dispersion[DIRECTION_COUNT];   /* index of dispersion of counts; 1: Poisson */
    double forwarded;                     /* share of rx packets that return as tx, 0..1 */
    struct end_costs costs;               /* the guest's own */
    struct promise promise;
    struct size_limits limits;
    bool fixed[DIRECTION_COUNT]; /* size is the operator's, keep `fixed_size` */
    struct lane_size fixed_size[DIRECTION_COUNT];
    bool unasked; /* both are fixed, and nobody wants to know what comes of it: others do meet it */
};

/* A delay and what it is made of (mean, s). */
struct delay_parts {
    double port;    /* in the port's queue, until the packet has been read */
    double fill;    /* until the container is closed */
    double publish; /* the container's copy and notification */
    double ring;    /* until the other side takes the container */
    double unload;  /* up to the packet's place in it */
    double total;
};

struct guest_forecast {
    struct delay_parts mean[DIRECTION_COUNT];
    double forwarding_mean;                /* s, rx then tx; 0 where nothing is forwarded */
    double lane_promised[DIRECTION_COUNT]; /* s, each direction at the promise's percentile */
    double promised;                       /* s, what the promise's scope and percentile come to:
                                              one-way: the worse of the directions in use */
};

struct worker_forecast {
    bool stable;
    double utilisation;    /* of the worker's thread */
    double container_rate; /* containers/s, all guests, both directions */
};

enum sizing_reason {
    SIZING_PROMISE,      /* the promise decides the size */
    SIZING_CEILING,      /* the largest size allowed keeps the promise */
    SIZING_FIXED,        /* the operator fixed it */
    SIZING_UNATTAINABLE, /* no size keeps the promise: the least delay was taken */
    SIZING_UNSTABLE,     /* no size is stable: the largest was taken */
    SIZING_SILENT,       /* no packets: what would be right for a first trickle of them */
};

struct sizing {
    struct lane_size size[DIRECTION_COUNT];
    bool attainable;
    enum sizing_reason reason;
    double least;                   /* s, about the least delay (as promised: scope, percentile)
                                       that any size gives this guest at this load, never above
                                       what is promised now */
    struct guest_forecast forecast; /* with the sizes chosen for all */
};

/* Forecast for given sizes. `guests`, `sizes`, `ret_guests` have n entries. 0 or -EINVAL. */
int plant_forecast(const struct end_costs *worker, const struct guest_load *guests,
                   const struct lane_size (*sizes)[DIRECTION_COUNT], size_t n,
                   struct guest_forecast *ret_guests, struct worker_forecast *ret_worker);

/*
 * Sizes for all guests. `sizings` has n entries and is also the starting point:
 * pass the previous decision for a warm start, or sizes of 0 packets for a cold
 * one. The work is bounded (to less than half a second of a server's core for any
 * number of guests up to a few hundred): if the search is not done by then, the
 * best that it has found counts, and `attainable` says what that keeps. Returns 0, -EINVAL,
 * -ENOMEM; `sizings` is untouched on failure, and where a guest is unasked.
 */
int dimension_worker(const struct end_costs *worker, const struct guest_load *guests, size_t n,
                     struct sizing *sizings, struct worker_forecast *ret_worker);

/*
 * Both in a room that is kept from one call to the next: nothing is allocated
 * while there are no more guests than before. The forecast is made for `chosen`
 * guests (NULL: all); nothing is written for others. It begins with the waits of the last
 * answer, and differs by what they are rounded to (less than 1 %) from that of a new room.
 */
struct dimension_room;
struct dimension_room *dimension_room_create(void); /* NULL: no memory */
void dimension_room_destroy(struct dimension_room *room);
int plant_forecast_in(struct dimension_room *room, const struct end_costs *worker,
                      const struct guest_load *guests,
                      const struct lane_size (*sizes)[DIRECTION_COUNT], size_t n,
                      const bool *chosen, struct guest_forecast *ret_guests,
                      struct worker_forecast *ret_worker);
/*
 * After plant_forecast_in(), whose arguments still stand: the means of guest i, if its load
 * were this and the waits for the worker were as they are. 0 or -EINVAL.
 */
int plant_means_if(const struct dimension_room *room, size_t i, const struct guest_load *load,
                   const struct lane_size sizes[DIRECTION_COUNT], struct guest_forecast *ret);
int dimension_worker_in(struct dimension_room *room, const struct end_costs *worker,
                        const struct guest_load *guests, size_t n, struct sizing *sizings,
                        struct worker_forecast *ret_worker);

#endif
