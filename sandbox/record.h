// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What was seen of each guest at each of the daemon's ticks, and what it comes
 * to: per phase, and against the promise. Plain arithmetic, no input or output.
 *
 * Delays in microseconds as the guest's promise counts them; NAN: not known.
 */
#ifndef XENAGG_SANDBOX_RECORD_H
#define XENAGG_SANDBOX_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/histogram.h"
#include "sandbox/plan.h"

/* A window by which a promise is judged has at least as many containers. */
#define RECORD_WINDOW_CONTAINERS 50u
/* After a change of rates or promises, seconds in which the loop may still be on its way. */
#define RECORD_SETTLE_SECONDS 3.0

/* The generator's delays of a span of time, as a promise counts them. */
struct record_delays {
    bool forwarding;        /* round: there and back; else each direction on its own */
    struct histogram round; /* forwarding */
    struct histogram to_guest, from_guest;
};

/* Means of one direction. */
struct record_lane {
    double predicted_us, backend_us, generator_us;
};

struct record_tick {
    double at, seconds; /* end of the tick since the demo began; its length */
    unsigned phase;
    bool settled;   /* not within RECORD_SETTLE_SECONDS of a change */
    double offered; /* packets/s */
    uint32_t rx_packets, rx_timeout_us, tx_packets, tx_timeout_us;
    uint64_t containers; /* of the direction with fewer, of those that the promise is about */
    double predicted_us, backend_us, generator_us;
    struct record_lane to_guest, from_guest;
    double promise_us; /* NAN: none */
    double least_us;
    double percentile; /* NAN: mean */
    char state[16];
};

struct record_score {
    unsigned windows, kept;                 /* of at least RECORD_WINDOW_CONTAINERS */
    unsigned settled_windows, settled_kept; /* of these, without the seconds after a change */
    double worst_ratio;                     /* measured by promised, of the settled ones */
};

struct record_phase {
    unsigned ticks; /* settled ones with packets and a prediction */
    double offered, predicted_us, backend_us, generator_us; /* means over these */
    double promise_us, least_us;
    double error;          /* of the mean prediction, as a share of the generator's mean */
    double absolute_error; /* mean over ticks, as a share of the generator's */
    struct record_lane to_guest, from_guest;
    uint32_t smallest, largest; /* container sizes to the guest */
};

struct record;

/* NULL: no memory. */
struct record *record_create(void);
void record_free(struct record *record);

/* `delays`: the generator's, of the tick. 0 or -ENOMEM. */
int record_add(struct record *record, unsigned guest, const struct record_tick *tick,
               const struct record_delays *delays);
unsigned record_ticks(const struct record *record, unsigned guest);
const struct record_tick *record_tick(const struct record *record, unsigned guest, unsigned index);

void record_score(const struct record *record, unsigned guest, struct record_score *ret);
void record_phase(const struct record *record, unsigned guest, unsigned phase,
                  struct record_phase *ret);
/* How often the size of containers to the guest changed from one tick to the next. */
unsigned record_retunings(const struct record *record, unsigned guest);

/*
 * The delay as a promise counts it: one way, the worse direction's; NAN where no
 * packet arrived. `percentile` NAN: the mean.
 */
double record_delay_us(const struct record_delays *delays, double percentile);
/* Of one histogram: NAN where it is empty. */
double record_value_us(const struct histogram *histogram, double percentile);

#endif
