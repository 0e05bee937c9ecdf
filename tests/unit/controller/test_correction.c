// SPDX-License-Identifier: GPL-2.0-or-later
/* What the controller remembers of how measurements differ from the model. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_delay_is_no_reason_to_forget),
        cmocka_unit_test(what_nobody_sees_widens_the_margin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
