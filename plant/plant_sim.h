// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The plant by discrete-event simulation, packet by packet: one backend worker
 * and the guests it serves, each a thread running the same loop over its
 * interfaces (docs/model.md, "The plant"). In virtual time, steppable, with sizes and
 * loads that may change while it runs: what a controller is tested against.
 * It knows none of the formulas that the controller decides by.
 *
 * The loop of an end (worker or guest), interface by interface, until a whole
 * round found nothing to do:
 *   - the interface's time budget is topped up, each of its halves;
 *   - while one half lasts: take containers from the ring towards this end,
 *     unload them;
 *   - while the other half lasts: read packets from the port into the open
 *     container; publish the container when it is full (by count or bytes);
 *   - publish the open container if its deadline has passed.
 * Then it polls for `spin` seconds and sleeps: until a packet, a notification
 * (both: `wakeup` later), or the next deadline (`timer_late` later).
 *
 * The fixed parts of publishing and unloading vary with end_costs.scv; all other
 * costs are constant. A packet that is forwarded reaches the guest's port when
 * it was unloaded there.
 * guest_load: rate[DIRECTION_TX] is the guest's whole rate, forwarded packets
 * included; its own packets make up the rest (none, if the rest is negative).
 * A dispersion above 1 makes arrivals come in geometric bursts, all at once.
 */
#ifndef XENAGG_PLANT_PLANT_SIM_H
#define XENAGG_PLANT_PLANT_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plant/dimension.h"

enum plant_sim_kind { PLANT_SIM_READ, PLANT_SIM_PUBLISH, PLANT_SIM_UNLOAD };

struct plant_sim_work {
    double at;      /* s, when it was done */
    double seconds; /* how long it took */
    uint32_t guest, packets;
    enum plant_sim_kind kind;
    bool by_guest; /* by the guest's own loop, not the worker's */
    bool notified; /* PUBLISH: the other side had to be woken */
};

/* Zero means the default. */
struct plant_sim_options {
    uint64_t seed;
    double budget;         /* s that an interface may use per round; 200 us */
    uint32_t port_packets; /* room in a port's queue, beyond it packets are dropped; 4096 */
    uint32_t ring_bytes;   /* room in a ring; 1 MB */
    double spin;           /* s of polling before it sleeps; none */
    double patience;       /* containers between two pauses of a guest that forwards; none */
    bool eager;            /* an end with nothing else to do publishes what is open, then sleeps */
    /* Called for every piece of work done, as an end would measure it; may be NULL. */
    void (*on_work)(void *context, const struct plant_sim_work *work);
    /* Called for every packet that leaves at the far side, with its one-way delay; may be NULL. */
    void (*on_packet)(void *context, uint32_t guest, enum direction d, double delay);
    /* The same for one that was forwarded, after on_packet, from its first port; may be NULL. */
    void (*on_forwarded)(void *context, uint32_t guest, double delay);
    void *context;
};

enum plant_sim_closing {
    PLANT_SIM_FULL,  /* by count */
    PLANT_SIM_BYTES, /* by its byte limit */
    PLANT_SIM_TIMEOUT,
    PLANT_SIM_EAGER, /* there was nothing else to do */
    PLANT_SIM_CLOSINGS
};

/* One direction of one guest. Times in s; percentiles over packets. */
struct plant_sim_lane {
    uint64_t arrived, packets; /* reached the port; arrived at the far side's port */
    uint64_t dropped;          /* at the full port */
    uint64_t containers[PLANT_SIM_CLOSINGS];
    uint64_t notified, spared; /* containers published with and without a notification */
    struct delay_parts mean;
    double p50, p99, max;           /* of the one-way delay */
    double jitter_mean, jitter_max; /* RFC 3550, section 6.4.1, of the one-way delay */
};

struct plant_sim_guest {
    struct plant_sim_lane lane[DIRECTION_COUNT];
    uint64_t forwarded;
    double forwarding_mean, forwarding_p50, forwarding_p99; /* s, port to port through the guest */
    double utilisation;                                     /* of the guest's thread */
};

struct plant_sim_worker {
    double seconds;     /* how long this was measured */
    double utilisation; /* share of time spent working, waking up not counted */
    uint64_t wakeups;
};

struct plant_sim;

/*
 * `worker`, `guests` and `sizes` (n entries) are copied. Returns 0, -EINVAL
 * (a rate, cost or size out of its range, n = 0), -ENOMEM.
 */
int plant_sim_create(const struct plant_sim_options *options, const struct end_costs *worker,
                     const struct guest_load *guests,
                     const struct lane_size (*sizes)[DIRECTION_COUNT], size_t n,
                     struct plant_sim **ret);
void plant_sim_destroy(struct plant_sim *plant);

/* Runs for so long. 0, or -ENOMEM: then destroy it. */
int plant_sim_run(struct plant_sim *plant, double seconds);
/* Virtual seconds since it was created. */
double plant_sim_now(const struct plant_sim *plant);

/* From now on; what was collected already stays collected. 0 or -EINVAL. */
int plant_sim_resize(struct plant_sim *plant, size_t guest,
                     const struct lane_size sizes[DIRECTION_COUNT]);
int plant_sim_load(struct plant_sim *plant, size_t guest, const double rates[DIRECTION_COUNT]);
/* Of the worker; of one guest. What is being done already takes as long as it took. */
int plant_sim_worker_costs(struct plant_sim *plant, const struct end_costs *costs);
int plant_sim_guest_costs(struct plant_sim *plant, size_t guest, const struct end_costs *costs);

/* What was measured since creation or the last plant_sim_forget. */
void plant_sim_guest(const struct plant_sim *plant, size_t guest, struct plant_sim_guest *ret);
void plant_sim_worker(const struct plant_sim *plant, struct plant_sim_worker *ret);
void plant_sim_forget(struct plant_sim *plant);

#endif
