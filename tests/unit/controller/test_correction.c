// SPDX-License-Identifier: GPL-2.0-or-later
/* What the controller remembers of how measurements differ from the model, and of forwarding. */
#include "tests/unit/common/testing.h"

#include <math.h>

#include "controller/correction.h"

#define TICKS 30

static const struct lane_size nothing_by_hand[DIRECTION_COUNT];

static void promise(struct track *track, double delay, double percentile)
{
    struct config_policy policy = {
        .promise = {.delay = delay, .percentile = percentile, .scope = SCOPE_ONE_WAY}};

    track_policy(track, &policy, nothing_by_hand);
}

/* As if ticks had been measured, all by so much above the model. */
static void learn(struct track *track, double model, double above)
{
    for (int tick = 0; tick < TICKS; tick++)
        bias_learn(&track->bias[BIAS_PROMISE], model + above, model, 0.2);
}

static void another_delay_is_no_reason_to_forget(void **state)
{
    struct track track = {0};

    (void)state;
    promise(&track, 10e-6, 0);
    learn(&track, 80e-6, 40e-6);
    promise(&track, 150e-6, 0);
    assert_float_equal(correction_of(&track, BIAS_PROMISE, 80e-6), 40e-6, 1e-7);
    promise(&track, 150e-6, 99);
    assert_float_equal(correction_of(&track, BIAS_PROMISE, 80e-6), 0, 1e-12);
}

/* What both ends' probes leave open is in no measured delay, so no tick tells of it. */
static void what_nobody_sees_widens_the_margin(void **state)
{
    struct track track = {0};

    (void)state;
    promise(&track, 150e-6, 0);
    learn(&track, 110e-6, 30e-6);
    double before = correction_margin(&track);
    track.unseen = 5e-6;
    double after = correction_margin(&track);
    assert_true(after >= 10e-6); /* two of these */
    assert_true(after > before);
    /* To a promise of milliseconds it is nothing. */
    promise(&track, 5e-3, 0);
    after = correction_margin(&track);
    track.unseen = 0;
    assert_true(after <= 1.01 * correction_margin(&track));
}

static double margin_of_ticks(double off)
{
    struct track track = {0};

    promise(&track, 1e-3, 0);
    for (int tick = 0; tick < TICKS; tick++)
        bias_learn(&track.bias[BIAS_PROMISE], 950e-6 + (tick % 2 ? off : -off), 950e-6, 0.2);
    return correction_margin(&track);
}

static void ticks_that_stray_widen_the_margin(void **state)
{
    (void)state;
    assert_float_equal(margin_of_ticks(0), 15e-6, 1e-6); /* the least */
    assert_true(margin_of_ticks(20e-6) > 35e-6);
    assert_true(margin_of_ticks(40e-6) > 1.8 * margin_of_ticks(20e-6));
    assert_float_equal(margin_of_ticks(300e-6), 200e-6, 1e-6); /* the most */
}

/* A few containers' mean strays without anything being wrong with the model. */
static void what_strays_for_want_of_packets_counts_less(void **state)
{
    struct track track = {0};

    (void)state;
    promise(&track, 1e-3, 0);
    for (int tick = 0; tick < TICKS; tick++)
        bias_learn(&track.bias[BIAS_PROMISE], 950e-6 + (tick % 2 ? 40e-6 : -40e-6), 950e-6, 0.2);
    double before = correction_margin(&track);
    track.noise = 40e-6 * 40e-6;
    double sampled = correction_margin(&track);
    assert_true(sampled < 0.85 * before);
    assert_true(sampled > 0.6 * before); /* a window's own error is no reason to have none */
    /* Never more than without. */
    track.noise = 1;
    assert_true(correction_margin(&track) <= before);
}

/* What estimates leave open is in the differences that are learnt, but until then. */
static void larger_errors_of_estimates_widen_the_margin_until_ticks_have_told(void **state)
{
    struct track track = {0};

    (void)state;
    promise(&track, 1e-3, 0);
    double guess = correction_margin(&track);
    track.doubt = 50e-6;
    double doubted = correction_margin(&track);
    assert_true(doubted > 1.3 * guess);
    track.doubt = 80e-6;
    assert_true(correction_margin(&track) > 1.3 * doubted);
    learn(&track, 950e-6, 0);
    assert_true(correction_margin(&track) < 0.5 * guess);
}

/*
 * A guest that was promised something for each way forwards, as one strong tick shows. At the
 * sizes that it then gets, bursts fill tx containers nearly as chance would.
 */
static void what_is_known_of_forwarding_is_not_forgotten(void **state)
{
    struct track track = {0};

    (void)state;
    promise(&track, 2500e-6, 0);
    assert_false(track_forwards(&track));
    for (int tick = 0; tick < 2; tick++)
        track_weigh_forwards(&track, 3450e-6, 3600e-6, 1940e-6);
    assert_true(track_forwards(&track));
    for (int tick = 0; tick < TICKS; tick++) {
        track_weigh_forwards(&track, 160e-6, 145e-6, 119e-6);
        assert_true(track_forwards(&track));
    }
    for (int tick = 0; tick < TICKS; tick++)
        track_weigh_forwards(&track, 119e-6, 145e-6, 119e-6);
    assert_false(track_forwards(&track));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_delay_is_no_reason_to_forget),
        cmocka_unit_test(what_is_known_of_forwarding_is_not_forgotten),
        cmocka_unit_test(what_nobody_sees_widens_the_margin),
        cmocka_unit_test(ticks_that_stray_widen_the_margin),
        cmocka_unit_test(what_strays_for_want_of_packets_counts_less),
        cmocka_unit_test(larger_errors_of_estimates_widen_the_margin_until_ticks_have_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
