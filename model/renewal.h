// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The wait in a first-in-first-out queue with independent gaps: gamma gaps and
 * a service of a fixed part and one given by two moments (gamma up to an SCV of 1, balanced
 * hyperexponential above), GI/G/1 by Pollaczek's contour integrals (Abate,
 * Choudhury, Whitt 1993), and Poisson arrivals, M/G/1, in closed form.
 */
#ifndef XENAGG_MODEL_RENEWAL_H
#define XENAGG_MODEL_RENEWAL_H

/* A wait: P(W > y) = slow e^(-decay y) + fast e^(-fast_decay y), fitted to what is known exactly.
 */
struct renewal_wait {
    double above;  /* P(W > 0) */
    double mean;   /* s */
    double square; /* s^2, E[W^2] */
    double decay;  /* 1/s, of the tail in the end */
    double slow, fast, fast_decay;
};

/* A service: a fixed time, and after it one of this mean (s) and SCV. */
struct renewal_service {
    double fixed; /* s */
    double mean, scv;
};

/* With a fixed part of at most `fixed`, and this mean and variance in all. */
struct renewal_service renewal_service(double mean, double variance, double fixed);

/* ln E[e^(x S)] and its slope in x; x below renewal_pole(). */
double renewal_log_service(double x, const struct renewal_service *service, double *ret_slope);
/* Where that becomes infinite; INFINITY for a fixed service. */
double renewal_pole(const struct renewal_service *service);

/* E[S^3] */
double renewal_third(const struct renewal_service *service);

/*
 * One stream: `rate` containers/s, gap SCV in (0, 1], rate times the mean service below 1.
 * Decay: the root of E[e^(x S)] E[e^(-x gap)] = 1, where known, else 0.
 */
void renewal_solve(double rate, double gap_scv, const struct renewal_service *service, double decay,
                   struct renewal_wait *ret);

/* Another decay rate for the same probability of waiting and moments. */
void renewal_decay(struct renewal_wait *wait, double decay);

/* Poisson arrivals: utilisation in (0, 1), mean wait, E[W^2] and decay are given. */
void renewal_poisson(double utilisation, double mean, double square, double decay,
                     struct renewal_wait *ret);

/* The wait that is exceeded with probability e^-log_beyond. */
double renewal_quantile(const struct renewal_wait *wait, double log_beyond);

#endif
