// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/correction.h"

#include <math.h>

#include "controller/delay.h"

/* What a promise keeps in hand, in standard deviations of a tick around the prediction ... */
#define MARGIN_ERRORS 2.0
/* ... and in shares of the promise: before anything is known, at least, at most. */
#define MARGIN_GUESS 0.03
#define MARGIN_MIN 0.015
#define MARGIN_MIN_PERCENTILE 0.02
#define MARGIN_MAX 0.2
/* What was learnt at one delay says less of another: share of the way there. */
#define MARGIN_FAR 0.03
/* ... nothing is known to less than this (s) ... */
#define MARGIN_SECONDS 1.2e-6
/* ... and a large correction is known less well than a small one: share of it. */
#define MARGIN_CORRECTION 0.1
/* A correction follows slowly, but fast where a promise is being broken. */
#define GAIN 0.2
#define GAIN_BROKEN 0.4
/* Ticks of fewer containers say less. */
#define GAIN_CONTAINERS 150.0
#define DELAY_MIN 1e-6
/* Of the square of a tick's surprise; the most that one tick counts for, in shares of the promise.
 */
#define SURPRISE_GAIN 0.08
#define SURPRISE_MAX 0.3
/* Of what varies because few containers were measured only this counts: a promise is judged with
 * as much allowed for. */
#define NOISE_COUNTS 0.4
/* How much of it is believed at another rate than it was learnt at. */
#define JUMP_KEEPS 0.3
/* ... and where another guest of the worker has jumped. */
#define NEIGHBOUR_KEEPS 0.6

double correction_of(const struct track *track, enum bias_of of, double model)
{
    return isfinite(model) ? bias_apply(&track->bias[of], model) : 0;
}

double correction_measured(const struct track *track, const struct segment_interface *delta)
{
    const struct histogram *const delays[] = {&delta->rx.delay, &delta->tx.delay};

    return delay_promised(&track->policy.promise, delays);
}

/* Of the direction in use that has fewer. */
static double containers_of(const struct track *track, const struct segment_interface *delta)
{
    double fewest = INFINITY,
           of[] = {(double)delta->rx.pack.containers, (double)delta->tx.unload.containers};

    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (track->in_use[d])
            fewest = fmin(fewest, of[d]);
    return fewest;
}

static void learn_one(struct track *track, enum bias_of of, double measured, double model,
                      double gain)
{

    /* The first differences count for more: an average of what there is. */
    if (track->bias[of].weight < 0.5)
        gain = GAIN_BROKEN;
    if (isfinite(measured) && isfinite(model) && model > 0)
        bias_learn(&track->bias[of], measured, model, gain);
}

/* How much worse than expected it came, whatever the reason. */
static void surprise_learn(struct track *track, double promised)
{
    double delay = track->policy.promise.delay;

    if (!track->expects || !isfinite(promised) || !isfinite(delay) || track->before != TUNING_OK)
        return;
    double above = fmin(SURPRISE_MAX, fmax(0, promised - track->expected_promise) / delay);
    track->surprise += SURPRISE_GAIN * (above * above - track->surprise);
}

static void noise_learn(struct track *track, const struct segment_interface *delta, double gain)
{
    double noise = verdict_noise(delta, &track->policy.promise);

    if (isfinite(noise))
        track->noise += gain * (noise * noise - track->noise);
}

/* What varies from tick to tick, less what only varies since so little was measured. */
static double spread(const struct track *track, double error)
{
    double varies = error * error - (1 - NOISE_COUNTS) * track->noise;

    return sqrt(fmin(error * error, fmax(varies, NOISE_COUNTS * track->noise)));
}

void correction_learn(struct track *track, const struct segment_interface *delta,
                      const struct guest_forecast *model)
{
    double promised = correction_measured(track, delta);
    bool broken = promised > track->policy.promise.delay;
    double gain = broken ? GAIN_BROKEN : GAIN;

    gain *= fmin(1, containers_of(track, delta) / GAIN_CONTAINERS);
    surprise_learn(track, promised);
    /* A tick in which the rate jumped was neither what it was before nor what it will be. */
    if (track->rate[DIRECTION_RX].jumped || track->rate[DIRECTION_TX].jumped) {
        for (int of = 0; of < BIAS_COUNT; of++)
            bias_doubt(&track->bias[of], JUMP_KEEPS);
        return;
    }
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        const struct histogram *delay = &delay_lane(delta, d)->delay;
        if (track->in_use[d] && histogram_count(delay) >= CORRECTION_PACKETS)
            learn_one(track, d == DIRECTION_RX ? BIAS_RX : BIAS_TX, histogram_mean(delay) * 1e-9,
                      model->mean[d].total, gain);
        else if (track->in_use[d])
            return;
    }
    learn_one(track, BIAS_PROMISE, promised, model->promised, gain);
    noise_learn(track, delta, gain);
}

void correction_doubt(struct track *track)
{
    for (int of = 0; of < BIAS_COUNT; of++)
        bias_doubt(&track->bias[of], NEIGHBOUR_KEEPS);
}

double correction_margin(const struct track *track)
{
    const struct bias_estimator *bias = &track->bias[BIAS_PROMISE];
    double promised = track->policy.promise.delay;
    double error = spread(track, bias_get(bias, fmax(MARGIN_GUESS * promised, track->doubt)).error);
    double far = bias->weight > 0 ? fabs(promised - bias->predicted / bias->weight) : 0;

    error = hypot(error, MARGIN_FAR * fmin(far, promised));
    error = hypot(error, MARGIN_SECONDS);
    error = hypot(error, track->unseen);
    error = hypot(error, MARGIN_CORRECTION / MARGIN_ERRORS * fabs(bias_get(bias, 0).value));
    double least = track->policy.promise.percentile > 0 ? MARGIN_MIN_PERCENTILE : MARGIN_MIN;
    double share = hypot(MARGIN_ERRORS * error / promised, correction_surprise(track));
    return promised * fmin(MARGIN_MAX, fmax(least, share));
}

double correction_surprise(const struct track *track)
{
    return sqrt(track->surprise);
}

double correction_target(const struct track *track, double reserve)
{
    double promised = track->policy.promise.delay;

    if (!isfinite(promised))
        return promised;
    return fmax(DELAY_MIN, bias_invert(&track->bias[BIAS_PROMISE], promised - reserve));
}
