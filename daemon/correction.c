// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/correction.h"

#include <math.h>

#include "daemon/delay.h"

/* What a promise keeps in hand, in standard deviations of a tick around the prediction ... */
#define MARGIN_ERRORS 2.0
/* ... and in shares of the promise: before anything is known, at least, at most. */
#define MARGIN_GUESS 0.05
#define MARGIN_MIN 0.03
#define MARGIN_MAX 0.2
/* A correction follows slowly, but fast where a promise is being broken. */
#define GAIN 0.2
#define GAIN_BROKEN 0.4
#define DELAY_MIN 1e-6

double correction_of(const struct track *track, enum bias_of of, double model)
{
    return isfinite(model) ? bias_apply(&track->bias[of], model) : 0;
}

double correction_measured(const struct track *track, const struct segment_interface *delta)
{
    const struct histogram *const delays[] = {&delta->rx.delay, &delta->tx.delay};

    return delay_promised(&track->policy.promise, delays);
}

static void learn_one(struct track *track, enum bias_of of, double measured, double model,
                      bool broken)
{
    double gain = broken ? GAIN_BROKEN : GAIN;

    /* The first differences count for more: an average of what there is. */
    if (track->bias[of].weight < 0.5)
        gain = GAIN_BROKEN;
    if (isfinite(measured) && isfinite(model) && model > 0)
        bias_learn(&track->bias[of], measured, model, gain);
}

void correction_learn(struct track *track, const struct segment_interface *delta,
                      const struct guest_forecast *model)
{
    double promised = correction_measured(track, delta);
    bool broken = promised > track->policy.promise.delay;

    /* A tick in which the rate jumped was neither what it was before nor what it will be. */
    if (track->rate[DIRECTION_RX].jumped || track->rate[DIRECTION_TX].jumped)
        return;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        const struct histogram *delay = &delay_lane(delta, d)->delay;
        if (track->in_use[d] && histogram_count(delay) >= CORRECTION_PACKETS)
            learn_one(track, d == DIRECTION_RX ? BIAS_RX : BIAS_TX, histogram_mean(delay) * 1e-9,
                      model->mean[d].total, broken);
        else if (track->in_use[d])
            return;
    }
    learn_one(track, BIAS_PROMISE, promised, model->promised, broken);
}

double correction_margin(const struct track *track)
{
    double promised = track->policy.promise.delay;
    double error = bias_get(&track->bias[BIAS_PROMISE], MARGIN_GUESS * promised).error;

    return promised * fmin(MARGIN_MAX, fmax(MARGIN_MIN, MARGIN_ERRORS * error / promised));
}

double correction_target(const struct track *track, double reserve)
{
    double promised = track->policy.promise.delay;

    if (!isfinite(promised))
        return promised;
    return fmax(DELAY_MIN, bias_invert(&track->bias[BIAS_PROMISE], promised - reserve));
}
