// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/estimate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A count older than this weighs 1/e. */
#define RATE_MEMORY 5.0 /* s */
/* Standard errors that a count may be off before the older ones are forgotten. */
#define JUMP_ERRORS 4.0
#define JUMP_PACKETS 4.0 /* and packets */
#define RANGE_PACKETS 50.0
#define RANGE_MEMORY 60.0        /* s */
#define RANGE_JUMPS 2.0          /* more are not counted */
#define RANGE_AGAIN 0.5          /* of a jump: what has happened will happen again */
#define DISPERSION_MEMORY 1000.0 /* bins */
#define DISPERSION_BINS 20.0     /* fewer say nothing */
#define DISPERSION_SAMPLES 2
#define DISPERSION_ODD 2.0 /* so many times more or less is another traffic */
#define LINE_MEMORY 5000.0 /* observations */
#define SCV_MAX 4.0
#define ALIKE_SHARE                                                                                \
    0.05 /* sizes that vary by less, as a share, tell no fixed part from the rest                  \
          */
/* A difference is odd when it is so many deviations, and shares of the prediction, off. */
#define ODD_ERRORS 4.0
#define ODD_SHARE 0.15
#define ODD_WEIGHT 0.25
#define ODD_MOST 2
#define BIAS_SHARE_MIN (-0.6) /* no prediction is believed to be more than so far too high */

/* ---- arrival rate ---- */

static double rate_of(const struct rate_estimator *rate)
{
    return rate->seconds > 0 ? rate->packets / rate->seconds : 0;
}

struct estimate rate_get(const struct rate_estimator *rate, double dispersion)
{
    if (!(rate->seconds > 0))
        return (struct estimate){0, 0};
    double value = rate_of(rate);
    /* Var(sum w n) = sum w^2 Var(n), Var(n) = I rate t; nothing counted: as if it had been one. */
    double counted = fmax(value, 1 / rate->seconds) * rate->squares;
    return (struct estimate){value, sqrt(fmax(dispersion, 1) * counted) / rate->seconds};
}

static bool rate_jumps(const struct rate_estimator *rate, double packets, double seconds,
                       double dispersion)
{
    struct estimate before = rate_get(rate, dispersion);
    double expected = before.value * seconds, off = fabs(packets - expected);
    double own = fmax(dispersion, 1) * (expected + packets) / 2;
    double error = sqrt(own + before.error * before.error * seconds * seconds);

    return off > JUMP_ERRORS * error && off > JUMP_PACKETS;
}

void rate_count(struct rate_estimator *rate, double packets, double seconds, double dispersion)
{
    double keep = exp(-seconds / RATE_MEMORY);

    rate->jumped = rate->seconds > 0 && rate_jumps(rate, packets, seconds, dispersion);
    rate->trend = rate->jumped ? packets / (rate_of(rate) * seconds) : 1;
    rate->rose = rate->trend > 1;
    if (rate->jumped)
        keep = 0;
    rate->packets = rate->packets * keep + packets;
    rate->seconds = rate->seconds * keep + seconds;
    rate->squares = rate->squares * keep * keep + seconds;
}

/* As ratios: from a thousandth it takes as long as from a half. */
static void extreme(double *extreme, double rate, bool beyond, double seconds)
{
    if (!(*extreme > 0) || beyond)
        *extreme = rate;
    else
        *extreme *= pow(rate / *extreme, 1 - exp(-seconds / RANGE_MEMORY));
}

void rate_range_count(struct rate_range *range, double packets, double seconds,
                      const struct rate_estimator *rate)
{
    double now = packets / seconds, keep = exp(-seconds / RANGE_MEMORY);

    range->falls = fmin(RANGE_JUMPS, keep * range->falls + (rate->jumped && !rate->rose));
    range->rises = fmin(RANGE_JUMPS, keep * range->rises + rate->rose);
    if (packets < RANGE_PACKETS)
        return;
    extreme(&range->low, now, now < range->low, seconds);
    extreme(&range->high, now, now > range->high, seconds);
}

double rate_range_low(const struct rate_range *range)
{
    return range->falls > RANGE_AGAIN ? range->low : 0;
}

double rate_range_high(const struct rate_range *range)
{
    return range->rises > RANGE_AGAIN ? range->high : 0;
}

/* ---- index of dispersion ---- */

void dispersion_forget(struct dispersion_estimator *dispersion)
{
    memset(dispersion, 0, sizeof(*dispersion));
}

static double dispersion_of(double bins, double packets, double squares)
{
    double mean = packets / bins;

    return (squares - bins * mean * mean) / (bins - 1) / mean;
}

/* One bin with a jump in it outweighs seconds of others: two samples that know nothing of it do
 * not.
 */
static bool dispersion_odd(const struct dispersion_estimator *d, double bins, double packets,
                           double squares)
{
    if (d->bins < DISPERSION_BINS || d->packets < DISPERSION_BINS || bins < DISPERSION_BINS ||
        packets < DISPERSION_BINS)
        return false;
    double ratio =
        dispersion_of(bins, packets, squares) / dispersion_of(d->bins, d->packets, d->squares);
    return !(ratio > 1 / DISPERSION_ODD) || !(ratio < DISPERSION_ODD);
}

void dispersion_add(struct dispersion_estimator *dispersion, uint64_t bins, uint64_t packets,
                    uint64_t squares)
{
    /* A sum of squares is between the packets themselves and the square of their sum. */
    if (bins == 0 || bins > 1000000 || squares < packets ||
        (double)squares > (double)packets * (double)packets ||
        (double)squares * (double)bins < (double)packets * (double)packets * (1 - 1e-9))
        return;
    bool odd = dispersion_odd(dispersion, (double)bins, (double)packets, (double)squares);
    dispersion->odd = odd ? dispersion->odd + 1 : 0;
    if (dispersion->odd >= ODD_MOST)
        dispersion_forget(dispersion);
    double keep = exp(-(double)bins / DISPERSION_MEMORY);
    dispersion->samples += dispersion->samples < DISPERSION_SAMPLES;
    dispersion->bins = dispersion->bins * keep + (double)bins;
    dispersion->packets = dispersion->packets * keep + (double)packets;
    dispersion->squares = dispersion->squares * keep + (double)squares;
}

struct estimate dispersion_get(const struct dispersion_estimator *dispersion)
{
    double n = dispersion->bins, mean = n > 0 ? dispersion->packets / n : 0;

    if (dispersion->samples < DISPERSION_SAMPLES || n < DISPERSION_BINS ||
        dispersion->packets < DISPERSION_BINS)
        return (struct estimate){1, 1};
    double variance = (dispersion->squares - n * mean * mean) / (n - 1);
    double value = fmin(1000, fmax(0.01, variance / mean));
    return (struct estimate){value, value * sqrt(2 / (n - 1))};
}

/* Whether n numbers between 0 and `most` can have this sum and these squares. */
static bool squares_are_possible(double n, double sum, double squares, double most)
{
    return n > 0 && sum >= 0 && sum <= n * most && squares * n >= sum * sum * (1 - 1e-9) &&
           squares <= sum * most;
}

/* ---- lines ---- */

static bool line_is_possible(const struct segment_line *sums)
{
    double n = (double)sums->n, b = (double)sums->sum_b, t = (double)sums->sum_t;
    double bb = (double)sums->sum_bb, bt = (double)sums->sum_bt;
    double tt = (double)sums->t_sq * SEGMENT_SQUARE;

    return sums->n > 0 && sums->n < 1ull << 40 && b >= n && squares_are_possible(n, b, bb, 65536) &&
           squares_are_possible(n, t, tt, ESTIMATE_EVENT_MAX * 1e9) && bt <= t * 65536 &&
           bt >= t * (1 - 1e-9) && bt * bt <= bb * tt * (1 + 1e-9);
}

int line_add(struct line_estimator *line, const struct segment_line *sums)
{
    if (!line_is_possible(sums))
        return -EINVAL;
    double keep = exp(-(double)sums->n / LINE_MEMORY);
    line->n = line->n * keep + (double)sums->n;
    line->sum_b = line->sum_b * keep + (double)sums->sum_b;
    line->sum_bb = line->sum_bb * keep + (double)sums->sum_bb;
    line->sum_t = line->sum_t * keep + (double)sums->sum_t * 1e-9;
    line->sum_bt = line->sum_bt * keep + (double)sums->sum_bt * 1e-9;
    line->sum_tt = line->sum_tt * keep + (double)sums->t_sq * SEGMENT_SQUARE * 1e-18;
    return 0;
}

/*
 * How much slower than the guess everything is: containers are often all of one
 * size, which tells how long they take, but not which part of that is fixed.
 */
static double line_slowness(const struct line_estimator *line, const struct line_prior *prior)
{
    double guess = line->n * prior->fixed + line->sum_b * prior->per_packet;
    double weight = prior->weight / 10 * prior->fixed;

    return (line->sum_t + weight) / (guess + weight);
}

/* The prior as observations that lie on its line: small containers and large ones. */
static void line_weigh_in(struct line_estimator *line, const struct line_prior *prior)
{
    static const double sizes[] = {1, 64};
    double slow = line_slowness(line, prior);

    for (int i = 0; i < 2; i++) {
        double w = prior->weight / 2, b = sizes[i];
        double t = slow * (prior->fixed + prior->per_packet * b);
        line->n += w;
        line->sum_b += w * b;
        line->sum_bb += w * b * b;
        line->sum_t += w * t;
        line->sum_bt += w * b * t;
        /* With the spread of an exponential, where nothing better is known. */
        line->sum_tt += w * (t * t + slow * slow * prior->fixed * prior->fixed);
    }
}

/* Least squares, neither part below zero. */
static void line_solve(const struct line_estimator *line, double *ret_fixed, double *ret_slope)
{
    double spread = line->sum_bb - line->sum_b * line->sum_b / line->n;
    double slope = spread > 1e-9 * line->sum_bb
                       ? (line->sum_bt - line->sum_b * line->sum_t / line->n) / spread
                       : 0;
    double fixed = (line->sum_t - slope * line->sum_b) / line->n;

    if (fixed < 0) { /* through the origin */
        fixed = 0;
        slope = line->sum_bt / line->sum_bb;
    }
    if (slope < 0) {
        slope = 0;
        fixed = line->sum_t / line->n;
    }
    *ret_fixed = fixed;
    *ret_slope = slope;
}

/* Without a guess in it. */
static bool line_alike(const struct line_estimator *line)
{
    double mean_b = line->n > 0 ? line->sum_b / line->n : 0;
    double variance = line->n > 0 ? line->sum_bb / line->n - mean_b * mean_b : 0;

    return !(variance > ALIKE_SHARE * ALIKE_SHARE * mean_b * mean_b);
}

static void line_errors(const struct line_estimator *line, double variance, struct line_cost *ret)
{
    double mean_b = line->sum_b / line->n;
    double spread = line->sum_bb - line->sum_b * mean_b;
    bool told = !ret->alike && spread > 1e-9 * line->sum_bb;

    ret->error = sqrt(variance / line->n);
    ret->per_packet_error = told ? sqrt(variance / spread) : INFINITY;
    ret->fixed_error = told ? sqrt(variance * (1 / line->n + mean_b * mean_b / spread)) : INFINITY;
}

struct line_cost line_get(const struct line_estimator *line, const struct line_prior *prior)
{
    struct line_estimator sum = *line;
    struct line_cost cost;

    line_weigh_in(&sum, prior);
    line_solve(&sum, &cost.fixed, &cost.per_packet);
    double rest = sum.sum_tt - cost.fixed * sum.sum_t - cost.per_packet * sum.sum_bt;
    double variance = fmax(0, rest / sum.n);
    cost.scv = cost.fixed > 0 ? fmin(SCV_MAX, variance / (cost.fixed * cost.fixed)) : 1;
    cost.alike = line_alike(line);
    line_errors(&sum, variance, &cost);
    return cost;
}

/* ---- means ---- */

struct mean_sums mean_sums(uint64_t n, uint64_t sum, uint64_t squares, double unit)
{
    return (struct mean_sums){(double)n, (double)sum * unit,
                              (double)squares * SEGMENT_SQUARE * unit * unit};
}

int mean_add(struct mean_estimator *mean, const struct mean_sums *sums, double most, double memory)
{
    if (!squares_are_possible(sums->n, sums->sum, sums->squares, most))
        return -EINVAL;
    double keep = exp(-sums->n / memory);
    mean->n = mean->n * keep + sums->n;
    mean->sum = mean->sum * keep + sums->sum;
    mean->squares = mean->squares * keep + sums->squares;
    return 0;
}

struct estimate mean_get(const struct mean_estimator *mean, double guess, double weight)
{
    double n = mean->n, all = n + weight, own = n > 0 ? mean->sum / n : 0;
    double variance = n > 0 ? fmax(0, mean->squares / n - own * own) : 0;

    return (struct estimate){(mean->sum + guess * weight) / all,
                             hypot(sqrt(variance * n) / all, guess * weight / all)};
}

/* ---- bias ---- */

/* How far from the rule a difference may be without being odd. */
static double odd_limit(const struct bias_estimator *bias, double predicted)
{
    if (bias->weight < ODD_WEIGHT)
        return INFINITY;
    return fmax(ODD_ERRORS * bias_get(bias, 0).error, ODD_SHARE * predicted);
}

/* How many differences in a row, this one included, were odd on its side. */
static int odd_next(const struct bias_estimator *bias, double off, double limit)
{
    int side = off > 0 ? 1 : -1;

    if (fabs(off) <= limit)
        return 0;
    return bias->odd * side > 0 ? bias->odd + side : side;
}

void bias_learn(struct bias_estimator *bias, double measured, double predicted, double gain)
{
    double rule = bias_get(bias, 0).value, off = measured - predicted - rule;
    double limit = odd_limit(bias, predicted);

    if (!isfinite(off))
        return;
    bias->odd = odd_next(bias, off, limit);
    if (abs(bias->odd) >= ODD_MOST) { /* not odd any more, but how it is now */
        memset(bias, 0, sizeof(*bias));
        gain = 1;
    } else {
        off = fmin(limit, fmax(-limit, off));
    }
    double difference = rule + off;
    bias->predicted += gain * (predicted - bias->predicted);
    bias->mean += gain * (difference - bias->mean);
    bias->square += gain * (difference * difference - bias->square);
    bias->weight += gain * (1 - bias->weight);
}

void bias_doubt(struct bias_estimator *bias, double weight)
{
    if (!(bias->weight > weight))
        return;
    double keep = weight / bias->weight;
    bias->mean *= keep;
    bias->square *= keep;
    bias->predicted *= keep;
    bias->weight = weight;
}

struct estimate bias_get(const struct bias_estimator *bias, double guess)
{
    if (!(bias->weight > 0))
        return (struct estimate){0, guess};
    /* Both started at 0, which is worth 1 - weight of them. */
    double mean = bias->mean / bias->weight;
    double variance = fmax(0, bias->square / bias->weight - mean * mean);
    double known = bias->weight, doubt = (1 - known) * guess;
    return (struct estimate){mean, sqrt(known * variance + doubt * doubt)};
}

/* The rule as a share of the predictions that it was learnt at; below 0 only. */
static double bias_share(const struct bias_estimator *bias)
{
    double share = bias->predicted > 0 ? bias->mean / bias->predicted : 0;

    return fmax(BIAS_SHARE_MIN, fmin(0, share));
}

double bias_apply(const struct bias_estimator *bias, double predicted)
{
    double value = bias_get(bias, 0).value;

    return value > 0 ? value : bias_share(bias) * predicted;
}

double bias_invert(const struct bias_estimator *bias, double wanted)
{
    double value = bias_get(bias, 0).value;

    return value > 0 ? wanted - value : wanted / (1 + bias_share(bias));
}
