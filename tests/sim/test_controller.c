// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The closed loop in virtual time. Seeds are fixed: what passes, passes always.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/rig.h"

static double kept_share(const struct rig_tally *tally)
{
    assert_true(tally->windows > 0);
    return (double)tally->windows_kept / tally->windows;
}

/* Mean of what was measured, in shares of the promise: near 1 is tight, above is broken. */
static double tightness(const struct rig *rig, size_t guest)
{
    const struct rig_tally *tally = rig_tally(rig, guest);

    assert_true(tally->windows > 0);
    return tally->measured_sum / tally->windows / rig_report(rig, guest)->promise.delay;
}

static double prediction_error(const struct rig *rig, size_t guest)
{
    const struct rig_tally *tally = rig_tally(rig, guest);

    assert_true(tally->predicted > 0);
    return tally->error_sum / tally->predicted;
}

static void load_all(struct rig *rig, size_t n, double rx, double tx)
{
    for (size_t i = 0; i < n; i++)
        rig_load(rig, i, rx, tx);
}

/* Steady traffic: kept, not by far too much, predicted well, and sizes at rest. */
static void assert_settled(const struct rig *rig, size_t guest, double error_max)
{
    const struct rig_tally *tally = rig_tally(rig, guest);

    assert_true(kept_share(tally) >= 0.95);
    assert_true(tightness(rig, guest) > 0.7);
    assert_true(prediction_error(rig, guest) < error_max);
    assert_true(tally->changes <= 2);
    assert_int_equal(tally->in_state[TUNING_OK], tally->ticks);
}

static void forwarding_promises_are_kept_and_used(void **state)
{
    struct rig_options options = {.seed = 1,
                                  .n_guests = 2,
                                  .forwarded = 1,
                                  .config = "[default]\ndelay = 2ms\n[vm g1]\ndelay = 600us\n"};
    struct rig *rig = rig_create(&options);
    (void)state;

    load_all(rig, 2, 20e3, 20e3);
    rig_run(rig, 6);
    rig_forget(rig);
    rig_run(rig, 30);
    for (size_t i = 0; i < 2; i++)
        assert_settled(rig, i, 0.05);
    /* The longer delay gets the larger containers. */
    assert_true(rig_report(rig, 0)->lanes[DIRECTION_RX].wanted.packets >
                2 * rig_report(rig, 1)->lanes[DIRECTION_RX].wanted.packets);
    rig_destroy(rig);
}

static void one_way_and_percentile_promises_are_kept(void **state)
{
    struct rig_options options = {.seed = 2,
                                  .n_guests = 3,
                                  .config = "[default]\nscope = one-way\ndelay = 1ms\n"
                                            "[vm g1]\ndelay = 300us\n"
                                            "[vm g2]\npercentile = 99\n"};
    struct rig *rig = rig_create(&options);
    (void)state;

    load_all(rig, 3, 20e3, 10e3);
    rig_run(rig, 6);
    rig_forget(rig);
    rig_run(rig, 30);
    for (size_t i = 0; i < 3; i++)
        assert_settled(rig, i, 0.05);
    /* A percentile is dearer than the mean. */
    assert_true(rig_report(rig, 2)->lanes[DIRECTION_RX].wanted.packets <
                rig_report(rig, 0)->lanes[DIRECTION_RX].wanted.packets);
    rig_destroy(rig);
}

/* Nobody says whether a guest forwards: how its containers fill does. */
static void forwarding_is_recognised_and_independence_too(void **state)
{
    struct rig_options options = {
        .seed = 16, .n_guests = 1, .config = "[default]\nscope = one-way\ndelay = 2ms\n"};
    (void)state;

    for (int forwards = 0; forwards <= 1; forwards++) {
        options.forwarded = forwards;
        options.config = forwards ? "[default]\nscope = one-way\ndelay = 2ms\n"
                                  : "[default]\nscope = forwarding\ndelay = 2ms\n";
        struct rig *rig = rig_create(&options);
        rig_load(rig, 0, 20e3, 20e3);
        rig_run(rig, 8);
        rig_forget(rig);
        rig_run(rig, 20);
        assert_true((rig_report(rig, 0)->forwarded > 0.9) == (forwards == 1));
        assert_settled(rig, 0, 0.06);
        rig_destroy(rig);
    }
}

/* A falling rate fills containers more slowly: the tick that shows it is the last one broken. */
static void falling_rate_is_followed_at_once(void **state)
{
    struct rig_options options = {
        .seed = 3, .n_guests = 1, .config = "[default]\nscope = one-way\ndelay = 1ms\n"};
    struct rig *rig = rig_create(&options);
    (void)state;

    rig_load(rig, 0, 50e3, 50e3);
    rig_run(rig, 10);
    uint32_t before = rig_report(rig, 0)->lanes[DIRECTION_RX].wanted.packets;
    rig_load(rig, 0, 5e3, 5e3);
    rig_run(rig, 1);
    assert_true(rig_report(rig, 0)->lanes[DIRECTION_RX].wanted.packets < before / 4);
    rig_forget(rig);
    rig_run(rig, 10);
    assert_true(kept_share(rig_tally(rig, 0)) >= 0.9);
    assert_true(rig_tally(rig, 0)->worst < 1.1);
    rig_destroy(rig);
}

/* A rising rate leaves room: that is used after the hold time, not before, in one go. */
static void rising_rate_is_followed_slowly(void **state)
{
    struct rig_options options = {
        .seed = 4, .n_guests = 1, .config = "[default]\nscope = one-way\ndelay = 1ms\n"};
    struct rig *rig = rig_create(&options);
    (void)state;

    rig_load(rig, 0, 10e3, 10e3);
    rig_run(rig, 15);
    uint32_t before = rig_report(rig, 0)->lanes[DIRECTION_RX].wanted.packets;
    rig_load(rig, 0, 60e3, 60e3);
    rig_forget(rig);
    rig_run(rig, 3);
    assert_int_equal(rig_tally(rig, 0)->changes, 0);
    rig_run(rig, 3);
    assert_true(rig_report(rig, 0)->lanes[DIRECTION_RX].wanted.packets > 4 * before);
    rig_run(rig, 20);
    assert_true(rig_tally(rig, 0)->changes <= 3);
    assert_true(kept_share(rig_tally(rig, 0)) >= 0.95);
    rig_destroy(rig);
}

/* Small containers and a rate that they can't carry: no waiting for the hold time then. */
static void overload_is_answered_at_once(void **state)
{
    struct rig_options options = {
        .seed = 5, .n_guests = 1, .config = "[default]\nscope = one-way\ndelay = 400us\n"};
    struct rig *rig = rig_create(&options);
    (void)state;

    rig_load(rig, 0, 3e3, 3e3);
    rig_run(rig, 8);
    assert_true(rig_report(rig, 0)->lanes[DIRECTION_RX].wanted.packets <= 2);
    rig_load(rig, 0, 330e3, 130e3);
    rig_run(rig, 3);
    assert_true(rig_report(rig, 0)->measured < 400e-6);
    rig_run(rig, 4);
    rig_forget(rig);
    rig_run(rig, 10);
    assert_true(kept_share(rig_tally(rig, 0)) >= 0.9);
    rig_destroy(rig);
}

static void impossible_promise_is_called_so_and_left_in_peace(void **state)
{
    struct rig_options options = {
        .seed = 6, .n_guests = 1, .config = "[default]\nscope = one-way\ndelay = 20us\n"};
    struct rig *rig = rig_create(&options);
    (void)state;

    rig_load(rig, 0, 20e3, 20e3);
    rig_run(rig, 5);
    rig_forget(rig);
    rig_run(rig, 30);
    const struct rig_tally *tally = rig_tally(rig, 0);
    const struct guest_report *report = rig_report(rig, 0);
    assert_int_equal(tally->in_state[TUNING_UNATTAINABLE], tally->ticks);
    assert_int_equal(tally->changes, 0);
    assert_int_equal(tally->windows_kept, 0);
    assert_non_null(strstr(report->reason, "no size keeps 20.0us"));
    assert_non_null(strstr(report->reason, "too much"));
    /* The least that it names is about what is had. */
    double measured = tally->measured_sum / tally->windows;
    assert_true(fabs(report->least - measured) < 0.15 * measured);
    rig_destroy(rig);
}

/* 1.5 times the least is no reason to give up. */
static void tight_promise_is_kept(void **state)
{
    struct rig_options options = {
        .seed = 7, .n_guests = 1, .config = "[default]\nscope = one-way\ndelay = 20us\n"};
    struct rig *rig = rig_create(&options);
    char config[64];
    (void)state;

    rig_load(rig, 0, 20e3, 20e3);
    rig_run(rig, 10);
    double least = rig_report(rig, 0)->least;
    snprintf(config, sizeof(config), "[default]\nscope = one-way\ndelay = %.0fns\n",
             1.5 * least * 1e9);
    rig_configure(rig, config);
    /* A new promise is judged by itself: what was said of the old one does not linger. */
    rig_run(rig, 1);
    assert_int_equal(rig_report(rig, 0)->state, TUNING_OK);
    assert_null(strstr(rig_report(rig, 0)->reason, "too much"));
    rig_run(rig, 6);
    rig_forget(rig);
    rig_run(rig, 30);
    assert_true(kept_share(rig_tally(rig, 0)) >= 0.95);
    assert_int_equal(rig_tally(rig, 0)->in_state[TUNING_OK], 30);
    assert_true(rig_tally(rig, 0)->changes <= 2);
    rig_destroy(rig);
}

/* A newcomer's load must not break the promises of those who were there. */
static void newcomer_does_not_break_others_promises(void **state)
{
    struct rig_options options = {
        .seed = 8, .n_guests = 4, .config = "[default]\nscope = one-way\ndelay = 800us\n"};
    struct rig *rig = rig_create(&options);
    (void)state;

    for (size_t i = 0; i < 3; i++)
        rig_load(rig, i, 20e3, 10e3);
    rig_run(rig, 10);
    rig_load(rig, 3, 120e3, 50e3);
    rig_run(rig, 2);
    rig_forget(rig);
    rig_run(rig, 20);
    for (size_t i = 0; i < 4; i++) {
        assert_true(kept_share(rig_tally(rig, i)) >= 0.9);
        assert_true(rig_tally(rig, i)->changes <= 4);
    }
    rig_destroy(rig);
}

static void silence_ends_and_the_promise_holds_again(void **state)
{
    struct rig_options options = {
        .seed = 9, .n_guests = 2, .config = "[default]\nscope = one-way\ndelay = 700us\n"};
    struct rig *rig = rig_create(&options);
    (void)state;

    load_all(rig, 2, 15e3, 15e3);
    rig_run(rig, 6);
    rig_load(rig, 0, 0, 0);
    rig_run(rig, 10);
    assert_non_null(strstr(rig_report(rig, 0)->reason, "silent"));
    assert_int_equal(rig_report(rig, 0)->state, TUNING_OK);
    rig_forget(rig);
    rig_load(rig, 0, 15e3, 15e3);
    rig_run(rig, 15);
    /* Not even the first tick: a silent guest's size lets no packet wait. */
    assert_true(kept_share(rig_tally(rig, 0)) == 1);
    assert_true(rig_report(rig, 0)->lanes[DIRECTION_RX].wanted.packets > 4);
    assert_true(kept_share(rig_tally(rig, 1)) >= 0.95);
    rig_destroy(rig);
}

static void fixed_sizes_stay(void **state)
{
    struct rig_options options = {.seed = 10,
                                  .n_guests = 1,
                                  .config = "[default]\ndelay = 100us\n"
                                            "rx-packets = 40\nrx-timeout = 3ms\n"
                                            "tx-packets = 7\ntx-timeout = 90us\n"};
    struct rig *rig = rig_create(&options);
    (void)state;

    rig_load(rig, 0, 30e3, 30e3);
    rig_run(rig, 5);
    const struct guest_report *report = rig_report(rig, 0);
    assert_int_equal(report->state, TUNING_FIXED);
    assert_int_equal(report->lanes[DIRECTION_RX].wanted.packets, 40);
    assert_float_equal(report->lanes[DIRECTION_RX].wanted.timeout, 3e-3, 1e-9);
    assert_int_equal(report->lanes[DIRECTION_TX].wanted.packets, 7);
    assert_float_equal(report->lanes[DIRECTION_TX].wanted.timeout, 90e-6, 1e-9);
    rig_destroy(rig);
}

static void without_measurements_sizes_stay(void **state)
{
    struct rig_options options = {
        .seed = 11, .n_guests = 1, .config = "[default]\nscope = one-way\ndelay = 1ms\n"};
    struct rig *rig = rig_create(&options);
    (void)state;

    rig_load(rig, 0, 20e3, 20e3);
    rig_run(rig, 6);
    struct lane_size before = rig_report(rig, 0)->lanes[DIRECTION_RX].wanted;
    rig_blind(rig, true);
    rig_forget(rig);
    rig_run(rig, 10);
    assert_int_equal(rig_report(rig, 0)->state, TUNING_STALE);
    assert_true(isnan(rig_report(rig, 0)->measured));
    assert_int_equal(rig_tally(rig, 0)->changes, 0);
    assert_memory_equal(&before, &rig_report(rig, 0)->lanes[DIRECTION_RX].wanted, sizeof(before));
    rig_blind(rig, false);
    rig_run(rig, 3);
    assert_int_equal(rig_report(rig, 0)->state, TUNING_OK);
    rig_destroy(rig);
}

/* An end that costs twice what the worker was thought to: learnt, and kept to. */
static void slow_machine_keeps_its_promises_too(void **state)
{
    struct rig_options options = {
        .seed = 12,
        .n_guests = 2,
        .config = "[default]\nscope = one-way\ndelay = 1500us\n",
        .costs = {.read = 6e-6,
                  .publish = 20e-6,
                  .publish_packet = 100e-9,
                  .unload = 10e-6,
                  .unload_packet = 8e-6,
                  .scv = 1,
                  .wakeup = 200e-6,
                  .timer_late = 50e-6},
    };
    struct rig *rig = rig_create(&options);
    (void)state;

    load_all(rig, 2, 10e3, 8e3);
    rig_run(rig, 8);
    rig_forget(rig);
    rig_run(rig, 30);
    for (size_t i = 0; i < 2; i++)
        assert_settled(rig, i, 0.08);
    rig_destroy(rig);
}

/* A guest that takes no sizes: its predictions are about what it does, nobody else suffers. */
static void deaf_guest_is_predicted_as_it_is(void **state)
{
    struct rig_options options = {
        .seed = 13, .n_guests = 2, .config = "[default]\nscope = one-way\ndelay = 900us\n"};
    struct rig *rig = rig_create(&options);
    (void)state;

    rig_deaf(rig, 0, true);
    load_all(rig, 2, 20e3, 20e3);
    rig_run(rig, 8);
    rig_forget(rig);
    rig_run(rig, 20);
    assert_true(prediction_error(rig, 0) < 0.1);
    assert_non_null(strstr(rig_report(rig, 0)->reason, "does not apply"));
    assert_true(kept_share(rig_tally(rig, 1)) >= 0.95);
    rig_destroy(rig);
}

/* Rates that change all the time, by little and by much, for minutes: no hunting. */
static void changing_rates_do_not_make_it_hunt(void **state)
{
    struct rig_options options = {
        .seed = 14, .n_guests = 2, .config = "[default]\nscope = one-way\ndelay = 1ms\n"};
    struct rig *rig = rig_create(&options);
    uint32_t draw = 12345;
    unsigned jumps = 0;
    (void)state;

    load_all(rig, 2, 20e3, 20e3);
    rig_run(rig, 8);
    rig_forget(rig);
    for (int second = 0; second < 240; second++) {
        for (size_t i = 0; i < 2; i++) {
            draw = draw * 1664525u + 1013904223u;
            double wiggle = 0.97 + 0.06 * (double)(draw >> 8) / (1 << 24);
            bool high = second / 60 % 2 == 1;
            rig_load(rig, i, wiggle * (high ? 45e3 : 20e3), wiggle * 20e3);
        }
        jumps += second % 60 == 0;
        rig_run(rig, 1);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_true(kept_share(rig_tally(rig, i)) >= 0.93);
        assert_true(rig_tally(rig, i)->changes <= 6 * jumps);
        assert_true(tightness(rig, i) > 0.7);
    }
    rig_destroy(rig);
}

/* More guests than are looked at in one tick: all get their sizes, and keep their promises. */
static void many_guests_take_turns(void **state)
{
    struct rig_options options = {
        .seed = 17, .n_guests = 150, .config = "[default]\nscope = one-way\ndelay = 4ms\n"};
    struct rig *rig = rig_create(&options);
    (void)state;

    load_all(rig, 150, 500, 500);
    rig_run(rig, 12);
    rig_forget(rig);
    rig_run(rig, 12);
    for (size_t i = 0; i < 150; i++) {
        assert_true(kept_share(rig_tally(rig, i)) >= 0.8);
        assert_true(rig_report(rig, i)->lanes[DIRECTION_RX].wanted.packets < 16);
        assert_non_null(strstr(rig_report(rig, i)->reason, "keeps 4.00ms"));
    }
    /* A tenth of them changes all at once: that is more than their share of the turns. */
    for (size_t i = 0; i < 150; i += 5)
        rig_load(rig, i, 4000, 4000);
    rig_run(rig, 12);
    for (size_t i = 0; i < 150; i += 5)
        assert_true(rig_report(rig, i)->lanes[DIRECTION_RX].wanted.packets > 8);
    rig_destroy(rig);
}

/* Half a second between ticks works like a whole one. */
static void shorter_interval_works_too(void **state)
{
    struct rig_options options = {.seed = 15,
                                  .interval = 0.25,
                                  .n_guests = 1,
                                  .config = "[default]\nscope = one-way\ndelay = 1ms\n"};
    struct rig *rig = rig_create(&options);
    (void)state;

    rig_load(rig, 0, 20e3, 20e3);
    rig_run(rig, 6);
    rig_forget(rig);
    rig_run(rig, 15);
    assert_settled(rig, 0, 0.05);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forwarding_promises_are_kept_and_used),
        cmocka_unit_test(one_way_and_percentile_promises_are_kept),
        cmocka_unit_test(forwarding_is_recognised_and_independence_too),
        cmocka_unit_test(falling_rate_is_followed_at_once),
        cmocka_unit_test(rising_rate_is_followed_slowly),
        cmocka_unit_test(overload_is_answered_at_once),
        cmocka_unit_test(impossible_promise_is_called_so_and_left_in_peace),
        cmocka_unit_test(tight_promise_is_kept),
        cmocka_unit_test(newcomer_does_not_break_others_promises),
        cmocka_unit_test(silence_ends_and_the_promise_holds_again),
        cmocka_unit_test(fixed_sizes_stay),
        cmocka_unit_test(without_measurements_sizes_stay),
        cmocka_unit_test(slow_machine_keeps_its_promises_too),
        cmocka_unit_test(deaf_guest_is_predicted_as_it_is),
        cmocka_unit_test(changing_rates_do_not_make_it_hunt),
        cmocka_unit_test(many_guests_take_turns),
        cmocka_unit_test(shorter_interval_works_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
