// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/reason.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/duration.h"
#include "controller/correction.h"
#include "controller/shape.h"

/* A promise so many times the least delay is kept without hardship. */
#define ATTAINABLE 1.05
/* A worker busier than this makes everybody wait. */
#define BUSY 0.8
/* Containers that could be so many times as large will be soon. */
#define GROWING 1.25
/* Weight of what was learnt below which a margin is one for what is not known. */
#define KNOWN 0.5
/* Share of the promise from which on the margin is worth a word. */
#define MARGIN_WIDE 0.06

/* A sentence that grows at its end and is cut at its size. */
struct sentence {
    char *text;
    size_t size, used;
};

static void say(struct sentence *sentence, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct sentence *sentence, const char *format, ...)
{
    va_list arguments;

    if (sentence->used >= sentence->size)
        return;
    va_start(arguments, format);
    int length = vsnprintf(sentence->text + sentence->used, sentence->size - sentence->used, format,
                           arguments);
    va_end(arguments);
    sentence->used += length > 0 ? (size_t)length : 0;
}

static void say_duration(struct sentence *sentence, double seconds)
{
    char text[DURATION_TEXT];

    say(sentence, "%s", duration_format(seconds, text));
}

/* "400us (forwarding, mean)", "2.00ms (one-way, 99 %)" */
static void say_promise(struct sentence *sentence, const struct promise *promise)
{
    const char *scope = promise->scope == SCOPE_FORWARDING ? "forwarding" : "one-way";

    say_duration(sentence, promise->delay);
    if (promise->percentile > 0)
        say(sentence, " (%s, %g %%)", scope, promise->percentile);
    else
        say(sentence, " (%s, mean)", scope);
}

/* Of what is promised: both directions together, or the slower one. */
static struct delay_parts parts_of(const struct promise *promise,
                                   const struct guest_forecast *forecast)
{
    const struct delay_parts *rx = &forecast->mean[DIRECTION_RX];
    const struct delay_parts *tx = &forecast->mean[DIRECTION_TX];
    const double *lanes = forecast->lane_promised;

    if (promise->scope == SCOPE_ONE_WAY)
        return lanes[DIRECTION_TX] > lanes[DIRECTION_RX] ? *tx : *rx;
    return (struct delay_parts){.port = rx->port + tx->port,
                                .fill = rx->fill + tx->fill,
                                .publish = rx->publish + tx->publish,
                                .ring = rx->ring + tx->ring,
                                .unload = rx->unload + tx->unload};
}

/* The two that weigh most. */
static void say_largest_parts(struct sentence *sentence, const struct track *track,
                              const struct delay_parts *delay)
{
    struct {
        const char *name;
        double seconds;
    } parts[] = {{"the port's queue", delay->port},
                 {"filling", delay->fill},
                 {"publishing", delay->publish},
                 {"waking up and the ring", delay->ring},
                 {"unloading", delay->unload},
                 {"what the model leaves out", track->corrected[BIAS_PROMISE]}};
    bool mean = !(track->policy.promise.percentile > 0);

    for (int shown = 0; shown < 2; shown++) {
        size_t most = 0;
        for (size_t i = 1; i < sizeof(parts) / sizeof(parts[0]); i++)
            if (parts[i].seconds > parts[most].seconds)
                most = i;
        if (!(parts[most].seconds > 0))
            return;
        say(sentence, "%s%s ",
            shown  ? ", "
            : mean ? ", of which "
                   : "; on average ",
            parts[most].name);
        say_duration(sentence, parts[most].seconds);
        parts[most].seconds = 0;
    }
}

/* Why it is so much, and what would help. */
static void say_help(struct sentence *sentence, const struct track *track,
                     const struct delay_parts *delay, const struct worker_forecast *worker)
{
    double promised = track->policy.promise.delay, excess = track->least - promised;
    bool busy = worker->utilisation > BUSY;
    bool filling = track->policy.limits.packets_min > 1 && delay->fill > excess;

    if (delay->fill > promised)
        say(sentence, "; filling alone takes too long%s", busy ? ", and the worker is busy" : "");
    else if (busy)
        say(sentence, "; the worker is busy");
    say(sentence, "; it takes a promise of ");
    say_duration(sentence, ATTAINABLE * track->least);
    if (busy)
        say(sentence, ", or a worker less busy than %.2f", worker->utilisation);
    if (filling)
        say(sentence, ", or a smaller min-packets");
}

static void say_unattainable(struct sentence *sentence, const struct track *track,
                             const struct guest_forecast *forecast,
                             const struct worker_forecast *worker)
{
    const struct promise *promise = &track->policy.promise;

    if (!isfinite(track->least) || !worker->stable) {
        say(sentence,
            "the worker is overloaded (utilisation %.2f): nothing can be promised; fewer packets, "
            "or a worker more, would help",
            worker->utilisation);
        return;
    }
    if (track->least <= promise->delay) {
        say_promise(sentence, promise);
        say(sentence, " could be kept again, by ");
        say_duration(sentence, track->least);
        say(sentence, " at the least: not for long enough yet, or by too little, to count on it");
        return;
    }
    say(sentence, "no size keeps ");
    say_promise(sentence, promise);
    say(sentence, ": the least is ");
    say_duration(sentence, track->least);
    say(sentence, ", ");
    say_duration(sentence, track->least - promise->delay);
    say(sentence, " too much");
    struct delay_parts parts = parts_of(promise, forecast);
    say_largest_parts(sentence, track, &parts);
    say_help(sentence, track, &parts, worker);
}

static void say_fixed(struct sentence *sentence, const struct track *track)
{
    say(sentence, "sizes are fixed %s", track->by_hand ? "by hand" : "in the configuration");
}

/* OBJECTIVE_DELAY */
static void say_least(struct sentence *sentence, const struct track *track)
{
    double bound = track->policy.utilisation_max;

    say(sentence, "the least delay that leaves the worker below utilisation %.2f: ",
        bound > 0 ? bound : CONFIG_UTILISATION_MAX);
    say_duration(sentence, track->expected_promise);
    say(sentence, " expected");
}

/* Whether clearly larger sizes were found than those in use: there must be room for a while. */
static bool is_growing(const struct track *track)
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        double rate = rate_get(&track->rate[d], 1).value;
        if (track->in_use[d] && !track->policy.fixed[d] &&
            shape_packets(&track->shaped[d], rate) >
                GROWING * shape_packets(&track->current[d], rate))
            return true;
    }
    return false;
}

static void say_growing(struct sentence *sentence, const struct track *track)
{
    say(sentence, "keeps ");
    say_promise(sentence, &track->policy.promise);
    say(sentence, " with room to spare: ");
    say_duration(sentence, track->expected_promise);
    say(sentence, " expected; larger sizes when that has held for a while");
}

static void say_sizing(struct sentence *sentence, const struct track *track,
                       enum sizing_reason sizing)
{
    switch (sizing) {
    case SIZING_CEILING:
        if (isinf(track->policy.promise.delay)) {
            say(sentence, "no delay was promised: the largest size allowed");
            return;
        }
        say(sentence, "the largest size allowed keeps ");
        break;
    case SIZING_SILENT:
        say(sentence, "silent: a timeout that keeps the promise for whatever comes");
        return;
    case SIZING_FIXED:
        say_fixed(sentence, track);
        return;
    default:
        if (track->policy.objective == OBJECTIVE_DELAY) {
            say_least(sentence, track);
            return;
        }
        if (is_growing(track)) {
            say_growing(sentence, track);
            return;
        }
        say(sentence, "the largest size that keeps ");
        break;
    }
    say_promise(sentence, &track->policy.promise);
    say(sentence, ": ");
    say_duration(sentence, track->expected_promise);
    say(sentence, " expected");
}

static void say_move(struct sentence *sentence, const struct track *track)
{
    static const char *const moves[] = {
        [MOVE_NONE] = "",
        [MOVE_FIRST] = "; first decision",
        [MOVE_DANGER] = "; changed at once, the size before would have broken it",
        [MOVE_PROMISE] = "; changed at once, something else is promised",
        [MOVE_RISE] = "; changed at once, the rate has risen",
        [MOVE_ROOM] = "; there has been room for it for a while",
    };
    bool unkept = track->state == TUNING_UNATTAINABLE;

    say(sentence, "%s",
        unkept && track->move == MOVE_DANGER ? "; moved to the least" : moves[track->move]);
}

static void say_margin(struct sentence *sentence, const struct track *track)
{
    double share = correction_margin(track) / track->policy.promise.delay;

    if (track->state != TUNING_OK || !(share > MARGIN_WIDE))
        return;
    say(sentence, "; %s: margin of %.0f %%",
        track->bias[BIAS_PROMISE].weight < KNOWN ? "little was measured yet"
                                                 : "measurements stray from predictions",
        100 * share);
}

void reason_decided(const struct track *track, const struct guest_forecast *forecast,
                    const struct worker_forecast *worker, char *ret, size_t size)
{
    struct sentence sentence = {.text = ret, .size = size};

    ret[0] = '\0';
    if (!track_sized(track)) {
        say(&sentence, "new: its turn has not come yet");
        return;
    }
    if (track->state == TUNING_FIXED) {
        say_fixed(&sentence, track);
        say(&sentence, ": ");
        say_duration(&sentence, track->expected_promise);
        say(&sentence, " expected");
    } else if (track->state == TUNING_UNATTAINABLE) {
        say_unattainable(&sentence, track, forecast, worker);
    } else {
        say_sizing(&sentence, track, track->sizing.reason);
    }
    say_move(&sentence, track);
    say_margin(&sentence, track);
    if (track->ignored)
        say(&sentence, "; an end does not apply its size");
}

void reason_stale(const struct track *track, double now, char *ret, size_t size)
{
    struct sentence sentence = {.text = ret, .size = size};

    ret[0] = '\0';
    if (!track->known) {
        say(&sentence, "not connected, or the backend is not there: no measurements");
    } else if (!(track->rate[DIRECTION_RX].seconds > 0)) {
        say(&sentence, "just connected: measuring");
    } else {
        say(&sentence, "no measurements for ");
        say_duration(&sentence, now - track->seen);
        say(&sentence, ": the last sizes stay");
    }
    if (track->state == TUNING_FIXED) {
        say(&sentence, "; ");
        say_fixed(&sentence, track);
    }
}
