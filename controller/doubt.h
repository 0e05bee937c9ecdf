// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How far a forecast may be off because what it is made from is only estimated:
 * the standard errors of rates, dispersion and costs, propagated to the promised
 * delay to first order, as if they had nothing to do with each other.
 *
 * A fill wait goes with one over the rate where the count closes the containers;
 * with a timeout it varies less. Of packets that come in bursts a container is
 * full the sooner the larger the bursts are, (k - I) / (2 lambda) after its first.
 * What an end takes for a container delays its packets as it is; what the
 * worker takes, also through those that wait for it: 1 / (1 - rho) times. What
 * probes of wake-ups leave open is not in it: a margin covers that at all times.
 */
#ifndef XENAGG_CONTROLLER_DOUBT_H
#define XENAGG_CONTROLLER_DOUBT_H

#include "controller/costs.h"
#include "plant/dimension.h"

/* Standard errors. */
struct doubt_errors {
    double rate[DIRECTION_COUNT]; /* packets/s */
    double dispersion[DIRECTION_COUNT];
    struct costs_errors worker, guest;
};

/*
 * Standard error (s) of `forecast`'s promised delay, for `load`, beside a worker
 * of that utilisation. 0 where nothing is promised or forecast.
 */
double doubt_delay(const struct guest_load *load, const struct guest_forecast *forecast,
                   double utilisation, const struct doubt_errors *errors);

#endif
