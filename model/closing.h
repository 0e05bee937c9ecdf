// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The closing rule: a container opens with its first packet and closes with
 * its `size`-th or `timeout` after the first, whichever comes first. For
 * packets that arrive as a Poisson process everything about it is known in
 * closed form (docs/model.md, "Closing rule"; derived there). The gaps between
 * closings are independent, so the containers are a renewal process.
 */
#ifndef XENAGG_MODEL_CLOSING_H
#define XENAGG_MODEL_CLOSING_H

#include <stdint.h>

struct closing_law {
    double rate;    /* packets/s */
    double size;    /* k */
    double timeout; /* s, INFINITY: none */

    double packets;       /* mean packets per container, 1..size */
    double packets_var;   /* their variance */
    double packets_met;   /* mean size of the container a packet is in: E[B^2]/E[B] */
    double containers;    /* containers/s */
    double open_mean;     /* s from opening to closing, mean */
    double gap_scv;       /* squared coefficient of variation of the gap, 0..1 */
    double fill_mean;     /* s a packet waits for the closing, mean */
    double timeout_share; /* share of the containers that the timeout closes */
};

/*
 * rate 0..1e12 (0: the lone first packet waits for the timeout), size
 * 1..STREAM_SIZE_MAX, timeout > 0. A size of 1 closes at once. 0 or -EINVAL.
 */
int closing_solve(double rate, uint32_t size, double timeout, struct closing_law *ret);

/*
 * The size that a byte limit leaves: a container also closes when the next
 * packet would not fit. 1..size; mean_bytes 0: unknown, the limit is ignored.
 */
uint32_t closing_size(uint32_t size, double bytes_max, double mean_bytes);

/* P(fill wait of a packet > x). */
double closing_fill_tail(const struct closing_law *closing, double x);

/* P(gap between two containers > u). */
double closing_gap_tail(const struct closing_law *closing, double u);

/* P(time from any moment to the next container > t): the residual gap. rate > 0. */
double closing_residual_tail(const struct closing_law *closing, double t);

#endif
