// SPDX-License-Identifier: GPL-2.0-or-later
/* What the operator is told, of each kind of decision. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "controller/reason.h"

struct bench {
    struct track track;
    struct guest_forecast forecast;
    struct worker_forecast worker;
    char said[400];
};

/* A guest of 1000 packets/s that is kept to 1 ms by containers of 2 packets. */
static int set_up(void **state)
{
    static struct bench bench;
    struct track *track = &bench.track;
    const struct lane_size size = {.packets = 2, .timeout = 1e-3};

    memset(&bench, 0, sizeof(bench));
    track_begin(track, (struct keys_interface){.domid = 3}, "web");
    track->known = true;
    track->policy.promise = (struct promise){.delay = 1e-3, .scope = SCOPE_ONE_WAY};
    track->policy.limits.packets_min = 1;
    track->state = TUNING_OK;
    track->sizing.reason = SIZING_PROMISE;
    track->decided = track->expects = true;
    track->expected_promise = 0.9e-3;
    track->least = 0.2e-3;
    /* Nothing strays: the margin is not worth a word. */
    for (int i = 0; i < 100; i++)
        bias_learn(&track->bias[BIAS_PROMISE], 1e-3, 1e-3, 0.2);
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        rate_count(&track->rate[d], 1000, 1, 1);
        track->in_use[d] = true;
        track->sizing.size[d] = track->shaped[d] = track->current[d] = size;
        bench.forecast.mean[d] = (struct delay_parts){.port = 50e-6, .fill = 500e-6, .ring = 70e-6};
    }
    bench.forecast.lane_promised[DIRECTION_RX] = 0.62e-3;
    bench.worker = (struct worker_forecast){.stable = true, .utilisation = 0.3};
    *state = &bench;
    return 0;
}

static const char *say(struct bench *bench)
{
    reason_decided(&bench->track, &bench->forecast, &bench->worker, bench->said,
                   sizeof(bench->said));
    return bench->said;
}

static void says(struct bench *bench, const char *text)
{
    if (!strstr(say(bench), text))
        fail_msg("it says '%s', not '%s'", bench->said, text);
}

static void says_not(struct bench *bench, const char *text)
{
    if (strstr(say(bench), text))
        fail_msg("it says '%s'", bench->said);
}

static void a_promise_kept(void **state)
{
    struct bench *bench = *state;

    assert_string_equal(say(bench),
                        "the largest size that keeps 1.00ms (one-way, mean): 900us expected");
    bench->track.policy.promise.percentile = 99;
    bench->track.policy.promise.scope = SCOPE_FORWARDING;
    bench->track.move = MOVE_DANGER;
    assert_string_equal(say(bench),
                        "the largest size that keeps 1.00ms (forwarding, 99 %): 900us expected; "
                        "changed at once, the size before would have broken it");
    bench->track.sizing.reason = SIZING_CEILING;
    bench->track.move = MOVE_NONE;
    says(bench, "the largest size allowed keeps 1.00ms");
    bench->track.policy.promise.delay = INFINITY;
    assert_string_equal(say(bench), "no delay was promised: the largest size allowed");
}

/* After a looser promise, say: the size in use is not yet the largest one. */
static void room_that_is_not_used_yet(void **state)
{
    struct bench *bench = *state;

    bench->track.shaped[DIRECTION_TX] = (struct lane_size){.packets = 40, .timeout = 10e-3};
    assert_string_equal(say(bench), "keeps 1.00ms (one-way, mean) with room to spare: 900us "
                                    "expected; larger sizes when that has held for a while");
    /* A count that is never reached, for the timeout closes it, is no larger. */
    bench->track.shaped[DIRECTION_TX].timeout = 1e-3;
    says(bench, "the largest size that keeps");
    /* Nor is a silent direction. */
    bench->track.shaped[DIRECTION_TX].timeout = 10e-3;
    bench->track.in_use[DIRECTION_TX] = false;
    says(bench, "the largest size that keeps");
}

static void a_margin_that_is_wide(void **state)
{
    struct bench *bench = *state;

    says_not(bench, "margin");
    bench->track.surprise = 0.12 * 0.12;
    says(bench, "; measurements stray from predictions: margin of 12 %");
    /* A guess of how well things are known is nothing that strays. */
    bench->track.bias[BIAS_PROMISE] = (struct bias_estimator){0};
    says(bench, "; little was measured yet: margin of 1");
    /* Where the promise is not kept anyway, it is no matter. */
    bench->track.state = TUNING_UNATTAINABLE;
    bench->track.least = 1.2e-3;
    says_not(bench, "margin");
}

static void what_drifts_apart_widens_the_margin(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < 30; i++)
        bias_learn(&bench->track.bias[BIAS_PROMISE], 1e-3 + (i % 2 ? 0.08e-3 : -0.08e-3), 1e-3,
                   0.2);
    says(bench, "; measurements stray from predictions: margin of 1");
}

static void a_promise_that_nothing_keeps(void **state)
{
    struct bench *bench = *state;

    bench->track.state = TUNING_UNATTAINABLE;
    bench->track.least = 1.2e-3;
    bench->track.move = MOVE_DANGER;
    /* One way: the parts of that way, not of both. */
    assert_string_equal(say(bench),
                        "no size keeps 1.00ms (one-way, mean): the least is 1.20ms, 200us too "
                        "much, of which filling 500us, waking up and the ring 70.0us; it takes a "
                        "promise of 1.26ms; moved to the least");
    bench->track.policy.promise.scope = SCOPE_FORWARDING;
    says(bench, "of which filling 1.00ms, waking up and the ring 140us");
    bench->track.policy.promise.percentile = 99;
    says(bench, "too much; on average filling 1.00ms");
}

/* Filling, the worker, or both. */
static void why_nothing_keeps_it_and_what_helps(void **state)
{
    struct bench *bench = *state;

    bench->track.state = TUNING_UNATTAINABLE;
    bench->track.policy.promise.delay = 0.4e-3;
    bench->track.least = 0.62e-3;
    bench->track.policy.limits.packets_min = 2;
    says(bench, "; filling alone takes too long; it takes a promise of 651us, or a smaller "
                "min-packets");
    bench->worker.utilisation = 0.93;
    says(bench, "; filling alone takes too long, and the worker is busy; it takes");
    says(bench, ", or a worker less busy than 0.93, or a smaller min-packets");
    bench->forecast.mean[DIRECTION_RX] = (struct delay_parts){.port = 600e-6};
    says(bench, "; the worker is busy; it takes a promise of 651us, or a worker less busy");
    says_not(bench, "min-packets");
    bench->worker.stable = false;
    says(bench, "the worker is overloaded (utilisation 0.93): nothing can be promised");
    bench->worker.stable = true;
    bench->track.least = INFINITY;
    says(bench, "the worker is overloaded");
    bench->track.least = 0.39e-3;
    says(bench, "could be kept again, by 390us at the least");
}

static void sizes_that_are_not_the_controllers(void **state)
{
    struct bench *bench = *state;

    bench->track.state = TUNING_FIXED;
    assert_string_equal(say(bench), "sizes are fixed in the configuration: 900us expected");
    bench->track.by_hand = true;
    says(bench, "sizes are fixed by hand: 900us expected");
    bench->track.ignored = true;
    says(bench, "; an end does not apply its size");
    bench->track.state = TUNING_OK;
    bench->track.sizing.reason = SIZING_SILENT;
    says(bench, "silent: a timeout that keeps the promise for whatever comes");
    bench->track.sizing.reason = SIZING_PROMISE;
    bench->track.policy.objective = OBJECTIVE_DELAY;
    bench->track.policy.utilisation_max = 0.6;
    says(bench, "the least delay that leaves the worker below utilisation 0.60: 900us expected");
    memset(&bench->track.sizing, 0, sizeof(bench->track.sizing));
    says(bench, "new: its turn has not come yet");
}

static void without_measurements(void **state)
{
    struct bench *bench = *state;
    struct track *track = &bench->track;

    track->seen = 100;
    reason_stale(track, 107, bench->said, sizeof(bench->said));
    assert_string_equal(bench->said, "no measurements for 7.00s: the last sizes stay");
    track->state = TUNING_FIXED;
    reason_stale(track, 107, bench->said, sizeof(bench->said));
    assert_non_null(strstr(bench->said, "; sizes are fixed in the configuration"));
    memset(track->rate, 0, sizeof(track->rate));
    track->state = TUNING_STALE;
    reason_stale(track, 107, bench->said, sizeof(bench->said));
    assert_string_equal(bench->said, "just connected: measuring");
    track->known = false;
    reason_stale(track, 107, bench->said, sizeof(bench->said));
    assert_string_equal(bench->said, "not connected, or the backend is not there: no measurements");
}

/* A report's room is less than the longest sentence: its beginning counts. */
static void a_sentence_is_cut_where_its_room_ends(void **state)
{
    struct bench *bench = *state;
    char whole[sizeof(bench->said)], cut[40];

    strcpy(whole, say(bench));
    memset(cut, 'x', sizeof(cut));
    reason_decided(&bench->track, &bench->forecast, &bench->worker, cut, sizeof(cut));
    assert_int_equal(strlen(cut), sizeof(cut) - 1);
    assert_memory_equal(cut, whole, 30);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(a_promise_kept),
        TEST(room_that_is_not_used_yet),
        TEST(a_margin_that_is_wide),
        TEST(what_drifts_apart_widens_the_margin),
        TEST(a_promise_that_nothing_keeps),
        TEST(why_nothing_keeps_it_and_what_helps),
        TEST(sizes_that_are_not_the_controllers),
        TEST(without_measurements),
        TEST(a_sentence_is_cut_where_its_room_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
