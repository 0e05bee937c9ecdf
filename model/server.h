// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The published question: streams that share one server, all with the same
 * service, and the largest containers with which every packet of them still
 * keeps a promised delay (docs/model.md, "Dimensioning"). Waits are those of
 * METHOD_FAST, and of feedback.h where containers return. The backend decides by dimension.h, which
 * knows what its plant really does; this is for the published model's figures and for planning.
 *
 * The size asked for is the largest, jointly: no stream's can grow with the
 * others' as they are. Streams of the same rate get the same size.
 */
#ifndef XENAGG_MODEL_SERVER_H
#define XENAGG_MODEL_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/stream.h"

/* `count` streams that are alike. */
struct server_load {
    double rate; /* packets/s, > 0 */
    uint32_t count;
};

struct server {
    const struct server_load *loads; /* borrowed */
    size_t n;                        /* >= 1 */
    struct service service;
    double percentile; /* of the packets' delay that counts, 50..99.9; 0: the mean */
    bool returns;      /* a guest sends each container back as it came: through the server again */
};

/*
 * One entry's containers, and what its packets see, both passes together where containers
 * return. All times in s, INFINITY where unstable.
 */
struct server_lane {
    uint32_t size;
    double timeout;             /* > 0 */
    double fill, wait, service; /* means */
    double delay;               /* their sum, or the percentile asked for */
    bool attainable;            /* set by server_dimension */
};

/*
 * The timeout that goes with a size: closes one container in a thousand at this rate,
 * but all of them at a rate that fell. s.
 */
double server_timeout(double rate, uint32_t size);

/* Completes `lanes` (n entries), whose size and timeout are given. 0, -EINVAL, -ENOMEM. */
int server_forecast(const struct server *server, struct server_lane *lanes,
                    double *ret_utilisation);

/*
 * Chooses sizes for a delay (s, > 0). An entry that no size helps gets the one
 * of the least delay; where all are unstable, the largest there is. `ret_lanes` has n entries.
 * 0, -EINVAL, -ENOMEM; nothing is written on failure.
 */
int server_dimension(const struct server *server, double delay, struct server_lane *ret_lanes,
                     double *ret_utilisation);

#endif
