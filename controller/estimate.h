// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Estimators: what is known of rates and costs after some samples, and how
 * well. Each returns its own uncertainty, and each forgets.
 */
#ifndef XENAGG_CONTROLLER_ESTIMATE_H
#define XENAGG_CONTROLLER_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/segment.h"

/* No single thing that is timed takes longer, whatever a guest reports. */
#define ESTIMATE_EVENT_MAX 10.0 /* s */

/* A value and its standard error, in the same unit. */
struct estimate {
    double value, error;
};

/* ---- arrival rate ---- */

/*
 * Counts with exponential forgetting; where a new count does not fit what the
 * others say, the others are forgotten at once (a jump).
 */
struct rate_estimator {
    double packets, seconds; /* weighted */
    double squares;          /* sum of squared weights times seconds: for the error */
    bool jumped, rose;       /* at the last count; upwards */
    double trend;            /* then: the new rate over the old one; else 1 */
};

/*
 * Adds `packets` in `seconds` (> 0). `dispersion` (>= 1 is used) is the index
 * of dispersion of counts: how much more than Poisson they vary.
 */
void rate_count(struct rate_estimator *rate, double packets, double seconds, double dispersion);
/* 0 +- 0 before anything was counted. */
struct estimate rate_get(const struct rate_estimator *rate, double dispersion);

/*
 * Where a rate has been of late, and whether it comes and goes: extremes are
 * taken over at once and forgotten within minutes, jumps are counted and
 * forgotten as slowly. Counts of a few packets say nothing.
 */
struct rate_range {
    double low, high;    /* packets/s; 0: none known */
    double falls, rises; /* jumps, weighted */
};

/* The same count as rate_count's, after it. */
void rate_range_count(struct rate_range *range, double packets, double seconds,
                      const struct rate_estimator *rate);
/* A rate that may come back at any time: one that it fell to, or rose to, before. 0: none. */
double rate_range_low(const struct rate_range *range);
double rate_range_high(const struct rate_range *range);

/* ---- index of dispersion of counts ---- */

struct dispersion_estimator {
    double bins, packets, squares; /* weighted sums over bins */
    int samples;                   /* so many make it up; 2: or more */
    int odd;                       /* samples in a row that were clearly other than the rest */
};

void dispersion_add(struct dispersion_estimator *dispersion, uint64_t bins, uint64_t packets,
                    uint64_t squares);
void dispersion_forget(struct dispersion_estimator *dispersion);
/*
 * 1 +- 1 before enough bins were seen, in two samples: the first one may hold a
 * jump. Within 0.01..1000.
 */
struct estimate dispersion_get(const struct dispersion_estimator *dispersion);

/* ---- a cost that is a line, t = fixed + per_packet B ---- */

struct line_estimator {
    double n, sum_b, sum_bb, sum_t, sum_bt, sum_tt; /* weighted; s */
};

/* A guess that counts as much as `weight` observations, until measurements outweigh it. */
struct line_prior {
    double fixed, per_packet; /* s */
    double weight;
};

struct line_cost {
    double fixed, per_packet; /* s, >= 0 */
    double scv;               /* squared coefficient of variation of the fixed part */
    double error;             /* s, standard error at the mean B seen */
    /* s, standard errors of the two parts; INFINITY where they are not told apart: see `alike` */
    double fixed_error, per_packet_error;
    bool alike; /* B hardly varied, or nothing was measured: the guess says which part is fixed */
};

/* `sums`: a difference of two samples. Sums that can't be are left out: -EINVAL. */
int line_add(struct line_estimator *line, const struct segment_line *sums);
struct line_cost line_get(const struct line_estimator *line, const struct line_prior *prior);

/* ---- a mean per event (time per packet read, lateness per timer, bytes of a packet) ---- */

struct mean_estimator {
    double n, sum, squares; /* weighted */
};

/* n events: their sum, and that of their squares. */
struct mean_sums {
    double n, sum, squares;
};
/* As the segment counts them, its units being `unit`. */
struct mean_sums mean_sums(uint64_t n, uint64_t sum, uint64_t squares, double unit);

/*
 * Adds them; sums that no events between 0 and `most` have are left out: -EINVAL. An event
 * that came `memory` events ago weighs 1/e.
 */
int mean_add(struct mean_estimator *mean, const struct mean_sums *sums, double most, double memory);
/*
 * `guess` counts as `weight` events, and may be off by all of itself. The standard error is that
 * of independent events; since old ones count for less, it is up to 1.4 times what it should be.
 */
struct estimate mean_get(const struct mean_estimator *mean, double guess, double weight);

/* ---- what a prediction leaves out ---- */

/* How far measurements are above a prediction, as a rule, and how much that varies. */
struct bias_estimator {
    double mean, square; /* of measured - predicted; exponentially weighted */
    double predicted;    /* mean, the same */
    double weight;       /* 0: nothing learnt; towards 1 */
    int odd;             /* differences in a row that were far above (> 0) or below the rule */
};

/*
 * `gain` 0..1: how much of the estimate this one pair replaces. One difference
 * far from the rule may be an accident; a second one on the same side replaces
 * it all.
 */
void bias_learn(struct bias_estimator *bias, double measured, double predicted, double gain);
/* What is learnt stays, but as if there were only so little of it (0..1). */
void bias_doubt(struct bias_estimator *bias, double weight);
/* The rule, and one standard deviation around it; 0 +- `guess` where nothing was learnt. */
struct estimate bias_get(const struct bias_estimator *bias, double guess);
/*
 * What is to be added to another prediction. What is missing in a prediction
 * is mostly something fixed (a wake-up, a switch of threads): added as it is.
 * What is too much in one is a share of it: taken off in proportion.
 */
double bias_apply(const struct bias_estimator *bias, double predicted);
/* The prediction that comes to `wanted` when the rule is added. */
double bias_invert(const struct bias_estimator *bias, double wanted);

#endif
