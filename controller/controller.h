// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The controller: from samples and time to decisions. Does no I/O and reads no
 * clock, so that the same code runs live and, thousands of times faster,
 * against a simulated plant.
 *
 * At each tick, for all guests of a worker together: rates and costs from the
 * sample (estimate, costs); what the model leaves out, learnt from the tick that
 * ended (correction); sizes by the model for what the promise leaves after the
 * correction and a margin for how much that varies; then hysteresis: at once
 * where the sizes in use would break a promise, slowly where there is room
 * (steady).
 */
#ifndef XENAGG_CONTROLLER_CONTROLLER_H
#define XENAGG_CONTROLLER_CONTROLLER_H

#include <stddef.h>

#include "config/config.h"
#include "controller/report.h"
#include "controller/sample.h"

/* An interface that there is, and whose it is. */
struct controller_guest {
    struct keys_interface interface;
    const char *name;
    /* Sizes fixed by hand, over what the configuration says; 0 packets: none. */
    struct lane_size by_hand[DIRECTION_COUNT];
};

struct controller_input {
    double now;      /* s, never goes back */
    double time;     /* s since the epoch, for the report only */
    double interval; /* s between ticks */
    const struct config *config;
    const struct controller_guest *guests; /* no interface twice */
    size_t n_guests;
    const struct sample *sample; /* NULL: there is none */
};

struct controller;

/* 0 or -ENOMEM. */
int controller_create(struct controller **ret);
void controller_destroy(struct controller *controller); /* NULL is fine */

/*
 * One tick. `ret` has an entry for each guest of the input, in their order, and
 * borrows from the controller until the next call. 0 or -ENOMEM (then nothing
 * was decided, and the next tick may be tried).
 */
int controller_tick(struct controller *controller, const struct controller_input *input,
                    struct tick_report *ret);

#endif
