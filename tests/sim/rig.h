// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The controller against the simulated plant, in virtual time: what the plant
 * does becomes samples in the segment's own form, what the controller decides
 * becomes the plant's sizes. The controller is the daemon's own code and sees
 * nothing of the plant but these samples.
 *
 * Failures end the test (cmocka).
 */
#ifndef XENAGG_TESTS_SIM_RIG_H
#define XENAGG_TESTS_SIM_RIG_H

#include "daemon/controller.h"
#include "model/plant_sim.h"

#define RIG_GUESTS 256

/* A machine like ours: TAPs, eventfds, 50 us to wake up. */
extern const struct end_costs rig_costs;

struct rig_options {
    uint64_t seed;
    double interval;        /* s; 0: 1 */
    struct end_costs costs; /* of all ends; all zero: rig_costs */
    size_t n_guests;
    double forwarded;   /* share of rx packets that every guest sends back */
    const char *config; /* text of the configuration file; guests are called g0, g1, ... */
};

/* What became of one guest in the ticks since rig_forget. */
struct rig_tally {
    unsigned ticks, changes; /* ticks in which its sizes changed */
    unsigned windows, windows_kept;
    double worst;        /* measured, in shares of the promise, of a window */
    double measured_sum; /* s, over windows */
    double error_sum;    /* |predicted - measured| / measured, over windows */
    unsigned predicted;  /* windows with a prediction */
    unsigned in_state[TUNING_STATES];
};

struct rig;

struct rig *rig_create(const struct rig_options *options);
void rig_destroy(struct rig *rig);
/* Loads from now on (packets/s); `tx_rate` includes what is forwarded. */
void rig_load(struct rig *rig, size_t guest, double rx_rate, double tx_rate);
/* Replaces the configuration. */
void rig_configure(struct rig *rig, const char *config);
/* The backend stops or goes on showing figures. */
void rig_blind(struct rig *rig, bool blind);
/* The guest takes no sizes, or takes them again. */
void rig_deaf(struct rig *rig, size_t guest, bool deaf);
void rig_run(struct rig *rig, double seconds);
void rig_forget(struct rig *rig);
const struct rig_tally *rig_tally(const struct rig *rig, size_t guest);
/* Of the last tick. */
const struct guest_report *rig_report(const struct rig *rig, size_t guest);
const struct worker_report *rig_worker(const struct rig *rig);

#endif
