// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "controller/costs.h"
#include "controller/estimate.h"

/* ---- rate ---- */

static void rate_of_nothing_is_nothing(void **state)
{
    struct rate_estimator rate = {0};
    (void)state;
    assert_float_equal(rate_get(&rate, 1).value, 0, 0);
    assert_float_equal(rate_get(&rate, 1).error, 0, 0);
}

static void rate_has_the_error_of_its_count(void **state)
{
    struct rate_estimator rate = {0};
    (void)state;

    rate_count(&rate, 10000, 1, 1);
    assert_float_equal(rate_get(&rate, 1).value, 10000, 1e-9);
    assert_float_equal(rate_get(&rate, 1).error, 100, 1e-9);
    /* Packets that vary four times as much: twice the error. */
    assert_float_equal(rate_get(&rate, 4).error, 200, 1e-9);
    /* More counts, less error, but not endlessly: old ones are forgotten. */
    for (int i = 0; i < 100; i++)
        rate_count(&rate, 10000, 1, 1);
    assert_float_equal(rate_get(&rate, 1).value, 10000, 1e-6);
    assert_true(rate_get(&rate, 1).error < 40);
    assert_true(rate_get(&rate, 1).error > 20);
}

static void rate_of_silence_has_an_error(void **state)
{
    struct rate_estimator rate = {0};
    (void)state;
    rate_count(&rate, 0, 2, 1);
    assert_float_equal(rate_get(&rate, 1).value, 0, 0);
    assert_true(rate_get(&rate, 1).error > 0.1);
}

static void rate_jumps_at_once_and_noise_does_not(void **state)
{
    struct rate_estimator rate = {0};
    (void)state;

    for (int i = 0; i < 10; i++) {
        rate_count(&rate, 10000 + (i % 2 ? 150 : -150), 1, 1);
        assert_false(rate.jumped);
    }
    rate_count(&rate, 20000, 1, 1);
    assert_true(rate.jumped);
    assert_float_equal(rate_get(&rate, 1).value, 20000, 1e-9);
    /* The same difference is within the errors of bursty traffic. */
    struct rate_estimator bursty = {0};
    for (int i = 0; i < 10; i++)
        rate_count(&bursty, 10000, 1, 2000);
    rate_count(&bursty, 20000, 1, 2000);
    assert_false(bursty.jumped);
}

static void few_packets_are_no_jump(void **state)
{
    struct rate_estimator rate = {0};
    (void)state;
    for (int i = 0; i < 20; i++)
        rate_count(&rate, 0, 1, 1);
    rate_count(&rate, 3, 1, 1);
    assert_false(rate.jumped);
}

/* ---- dispersion ---- */

static void dispersion_is_variance_over_mean(void **state)
{
    struct dispersion_estimator dispersion = {0};
    (void)state;

    assert_float_equal(dispersion_get(&dispersion).value, 1, 0);
    assert_float_equal(dispersion_get(&dispersion).error, 1, 0);
    /* 50 bins of 10 and 50 of 30: mean 20, variance 100 * 100 / 99. */
    dispersion_add(&dispersion, 50, 1000, 25 * 100 + 25 * 900);
    assert_float_equal(dispersion_get(&dispersion).value, 1, 0); /* may hold a jump */
    dispersion.bins = dispersion.packets = dispersion.squares = 0;
    dispersion_add(&dispersion, 100, 2000, 50 * 100 + 50 * 900);
    assert_float_equal(dispersion_get(&dispersion).value, 100.0 / 99 * 100 / 20, 1e-6);
    assert_true(dispersion_get(&dispersion).error > 0);
    dispersion_forget(&dispersion);
    assert_float_equal(dispersion_get(&dispersion).value, 1, 0);
}

/* What a guest reports need not be true; it must be possible. */
static void impossible_bins_are_left_out(void **state)
{
    struct dispersion_estimator dispersion = {0};
    (void)state;

    dispersion_add(&dispersion, 100, 2000, 1000);           /* below the packets */
    dispersion_add(&dispersion, 100, 2000, 2000ull * 2001); /* above their square */
    dispersion_add(&dispersion, 100, 2000, 39000);          /* below an even spread */
    dispersion_add(&dispersion, UINT64_MAX, 2000, 40000);
    dispersion_add(&dispersion, 0, 2000, 40000);
    assert_float_equal(dispersion.bins, 0, 0);
}

/* ---- lines ---- */

static void line_sums(struct segment_line *line, const unsigned *sizes, int n, double fixed,
                      double per_packet)
{
    memset(line, 0, sizeof(*line));
    for (int i = 0; i < n; i++) {
        unsigned b = sizes[i % 4];
        segment_line_add(line, b, (uint64_t)((fixed + per_packet * b) * 1e9));
    }
}

static void line_is_found(void **state)
{
    static const unsigned sizes[] = {10, 40, 80, 120};
    const struct line_prior prior = {.fixed = 1e-6, .per_packet = 1e-9, .weight = 20};
    struct line_estimator line = {0};
    struct segment_line sums;
    (void)state;

    assert_float_equal(line_get(&line, &prior).fixed, 1e-6, 1e-12);
    assert_float_equal(line_get(&line, &prior).per_packet, 1e-9, 1e-15);
    line_sums(&sums, sizes, 4000, 20e-6, 300e-9);
    assert_int_equal(line_add(&line, &sums), 0);
    struct line_cost cost = line_get(&line, &prior);
    assert_float_equal(cost.fixed, 20e-6, 0.5e-6);
    assert_float_equal(cost.per_packet, 300e-9, 10e-9);
    assert_true(cost.scv < 0.1);
    assert_false(cost.alike);
    assert_true(cost.fixed_error > cost.error && cost.fixed_error < 1e-6);
    assert_true(cost.per_packet_error > 0 && cost.per_packet_error < 10e-9);
}

/* All of one size: how long is known, which part is fixed is not. Nothing goes below zero. */
static void line_of_one_size_meets_its_mean(void **state)
{
    static const unsigned sizes[] = {64, 64, 64, 64};
    const struct line_prior prior = {.fixed = 4e-6, .per_packet = 5e-9, .weight = 50};
    struct line_estimator line = {0};
    struct segment_line sums;
    (void)state;

    line_sums(&sums, sizes, 4000, 30e-6, 0);
    assert_int_equal(line_add(&line, &sums), 0);
    struct line_cost cost = line_get(&line, &prior);
    assert_true(cost.fixed > 0 && cost.per_packet >= 0);
    assert_float_equal(cost.fixed + 64 * cost.per_packet, 30e-6, 1e-6);
    /* Only the guess tells them apart, and the fit says so. */
    assert_true(cost.alike && isinf(cost.fixed_error) && isinf(cost.per_packet_error));
    assert_true(isfinite(cost.error));
}

static void impossible_lines_are_left_out(void **state)
{
    static const unsigned sizes[] = {1, 2, 3, 4};
    struct segment_line good, bad[10];
    struct line_estimator line = {0};
    (void)state;

    line_sums(&good, sizes, 100, 1e-6, 1e-6);
    for (int i = 0; i < 10; i++)
        bad[i] = good;
    bad[0].n = 0;
    bad[1].sum_b = 99;             /* containers without packets */
    bad[2].sum_bb = 1;             /* squares below their mean's */
    bad[3].sum_t = UINT64_MAX;     /* years */
    bad[4].sum_bt = 0;             /* less than the times themselves */
    bad[5].sum_b = 100ull * 65537; /* larger than any */
    bad[6].n = UINT64_MAX;
    bad[7].t_sq = good.sum_t * good.sum_t / good.n / SEGMENT_SQUARE; /* as if all took the same */
    bad[8].t_sq = UINT64_MAX;
    bad[9].sum_bt = 4 * good.sum_t; /* all of the time in the largest */
    for (int i = 0; i < 10; i++)
        assert_int_equal(line_add(&line, &bad[i]), -EINVAL);
    assert_float_equal(line.n, 0, 0);
    assert_int_equal(line_add(&line, &good), 0);
}

/* ---- means ---- */

/* n events, half of them `spread` above the mean and half as much below. */
static struct mean_sums events(double n, double mean, double spread)
{
    return (struct mean_sums){n, n * mean, n * (mean * mean + spread * spread)};
}

static void mean_starts_at_its_guess_and_leaves_it(void **state)
{
    struct mean_estimator mean = {0};
    struct mean_sums sums = events(10, 15, 0);
    (void)state;

    assert_float_equal(mean_get(&mean, 5, 10).value, 5, 1e-12);
    assert_float_equal(mean_get(&mean, 5, 10).error, 5, 1e-12); /* nobody has seen it */
    assert_int_equal(mean_add(&mean, &sums, 100, 1000), 0);
    assert_float_equal(mean_get(&mean, 5, 10).value, 10, 0.2);
    sums = events(100, 15, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(mean_add(&mean, &sums, 100, 1000), 0);
    assert_float_equal(mean_get(&mean, 5, 10).value, 15, 0.2);
}

/* Of a known spread: the error falls with the root of the number, then stays, for it forgets. */
static void mean_has_the_error_of_its_events(void **state)
{
    struct mean_estimator mean = {0};
    struct mean_sums sums = events(100, 15, 3);
    (void)state;

    assert_int_equal(mean_add(&mean, &sums, 100, 1e9), 0);
    assert_float_equal(mean_get(&mean, 15, 1e-6).error, 3 / sqrt(100), 1e-6);
    for (int i = 1; i < 16; i++)
        mean_add(&mean, &sums, 100, 1e9);
    assert_float_equal(mean_get(&mean, 15, 1e-6).error, 3 / sqrt(1600), 1e-4);
    for (int i = 0; i < 1000; i++)
        mean_add(&mean, &sums, 100, 400);
    assert_true(mean_get(&mean, 15, 1e-6).error > 3 / sqrt(1600));
    /* Half of the events are a guess: it may be wrong by all of itself. */
    struct mean_estimator half = {0};
    mean_add(&half, &sums, 100, 1e9);
    assert_float_equal(mean_get(&half, 15, 100).value, 15, 1e-9);
    assert_float_equal(mean_get(&half, 15, 100).error, hypot(0.15, 7.5), 1e-6);
}

/* What no events between 0 and the most can sum up to. */
static void impossible_means_are_left_out(void **state)
{
    static const struct mean_sums bad[] = {
        {100, 10001, 1e7},   /* above the most */
        {100, -1, 10},       /* below 0 */
        {0, 5, 25},          /* nothing that took time */
        {100, 1500, 22499},  /* less than if all were alike */
        {100, 1500, 150001}, /* more than if all were 0 or the most */
        {100, 0, 1},         /* squares of zeros */
        {NAN, 1500, 22500},  {100, NAN, 22500}, {100, 1500, NAN}, {INFINITY, 1500, INFINITY}};
    struct mean_estimator mean = {0};
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(mean_add(&mean, &bad[i], 100, 1000), -EINVAL);
    assert_float_equal(mean.n, 0, 0);
    const struct mean_sums alike = {100, 1500, 22500}, apart = {100, 1500, 150000};
    assert_int_equal(mean_add(&mean, &alike, 100, 1000), 0);
    assert_int_equal(mean_add(&mean, &apart, 100, 1000), 0);
}

/* Counted in the segment's whole units, however coarse for such values, true sums are possible. */
static void what_was_counted_is_possible(void **state)
{
    static const uint64_t values[] = {0, 1, 7, 8, 9, 63, 64, 65, 1500, 10000000000};
    (void)state;

    for (size_t i = 0; i < 9; i++) {
        struct mean_estimator mean = {0};
        struct mean_sums sums =
            mean_sums(1000, 1000 * values[i], 1000 * segment_square(values[i]), 1e-9);
        assert_int_equal(mean_add(&mean, &sums, ESTIMATE_EVENT_MAX, 1e6), 0);
        assert_true(mean_get(&mean, 0, 1e-9).error < 8e-9 / 30);
    }
    /* Longer than a square has room for: left out, not misjudged. */
    struct mean_estimator mean = {0};
    struct mean_sums sums = mean_sums(1, values[9], segment_square(values[9]), 1e-9);
    assert_int_equal(mean_add(&mean, &sums, ESTIMATE_EVENT_MAX, 1e6), -EINVAL);
}

/* ---- bias ---- */

static void bias_learns_the_rule_and_its_spread(void **state)
{
    struct bias_estimator bias = {0};
    (void)state;

    assert_float_equal(bias_get(&bias, 7).value, 0, 0);
    assert_float_equal(bias_get(&bias, 7).error, 7, 0);
    for (int i = 0; i < 60; i++)
        bias_learn(&bias, 130 + (i % 2 ? 5 : -5), 100, 0.2);
    assert_float_equal(bias_get(&bias, 7).value, 30, 1);
    assert_float_equal(bias_get(&bias, 7).error, 5, 0.5);
    /* Missing time is added as it is, to large predictions and small ones. */
    assert_float_equal(bias_apply(&bias, 1000), 30, 1);
    assert_float_equal(bias_apply(&bias, 10), 30, 1);
    assert_float_equal(bias_invert(&bias, 200), 170, 1);
}

static void too_high_predictions_are_lowered_in_proportion(void **state)
{
    struct bias_estimator bias = {0};
    (void)state;

    for (int i = 0; i < 60; i++)
        bias_learn(&bias, 80, 100, 0.2);
    assert_float_equal(bias_apply(&bias, 100), -20, 0.1);
    assert_float_equal(bias_apply(&bias, 10), -2, 0.1);
    double target = bias_invert(&bias, 400);
    assert_float_equal(target + bias_apply(&bias, target), 400, 1e-6);
    /* Never all of it, whatever was measured. */
    struct bias_estimator absurd = {0};
    for (int i = 0; i < 60; i++)
        bias_learn(&absurd, 0.001, 100, 0.5);
    assert_true(bias_apply(&absurd, 100) >= -60.0001);
}

static void one_odd_difference_moves_little_two_move_all(void **state)
{
    struct bias_estimator bias = {0};
    (void)state;

    for (int i = 0; i < 40; i++)
        bias_learn(&bias, 110 + i % 2, 100, 0.2);
    bias_learn(&bias, 1000, 100, 0.2);
    assert_true(bias_get(&bias, 0).value < 15);
    /* Then as before: forgotten. */
    bias_learn(&bias, 110, 100, 0.2);
    bias_learn(&bias, 1000, 100, 0.2);
    assert_true(bias_get(&bias, 0).value < 20);
    /* And again: that is how it is now. */
    bias_learn(&bias, 990, 100, 0.2);
    assert_float_equal(bias_get(&bias, 0).value, 890, 1);
    bias_learn(&bias, NAN, 100, 0.2);
    assert_float_equal(bias_get(&bias, 0).value, 890, 1);
}

/* ---- costs of an end ---- */

static struct segment_sleep wake_ups(uint64_t n, uint64_t ns)
{
    return (struct segment_sleep){
        .wake_n = n, .wake_ns = n * ns, .wake_sq = n * segment_square(ns)};
}

static void costs_start_at_guesses_and_follow_measurements(void **state)
{
    struct costs costs = {0};
    struct end_costs guess, found;
    struct segment_pack pack = {
        .reads = 100000, .read_ns = 100000ull * 3000, .read_sq = 100000 * segment_square(3000)};
    struct segment_sleep sleep = wake_ups(1000, 90000);
    (void)state;

    costs_get(&costs, &guess);
    assert_true(guess.read > 0 && guess.publish > 0 && guess.unload > 0 && guess.wakeup > 0);
    assert_float_equal(guess.scv, 1, 1e-9);
    costs_add_pack(&costs, &pack);
    costs_add_sleep(&costs, &sleep);
    costs_add_sleep(&costs, &sleep);
    costs_get(&costs, &found);
    assert_float_equal(found.read, 3e-6, 0.1e-6);
    assert_float_equal(found.wakeup, 90e-6, 2e-6);
    /* One probe of ten that met a busy moment of 20 ms. */
    struct segment_sleep busy = wake_ups(9, 90000);
    busy.wake_n++;
    busy.wake_ns += 20000000;
    busy.wake_sq += segment_square(20000000);
    costs_add_sleep(&costs, &busy);
    costs_get(&costs, &found);
    assert_true(found.wakeup < 120e-6);
    /* A machine that is slow from now on is believed soon enough. */
    struct segment_sleep slow = wake_ups(10, 900000);
    for (int i = 0; i < 40; i++)
        costs_add_sleep(&costs, &slow);
    costs_get(&costs, &found);
    assert_float_equal(found.wakeup, 900e-6, 90e-6);
    assert_float_equal(found.unload, guess.unload, 1e-12);
}

static void costs_know_how_well_they_are_known(void **state)
{
    struct costs costs = {0};
    struct end_costs guess;
    struct costs_errors errors;
    struct segment_pack pack = {.reads = 20000};
    struct segment_sleep sleep = {.wake_n = 100};
    (void)state;

    costs_get(&costs, &guess);
    costs_errors(&costs, &errors);
    assert_float_equal(errors.read, guess.read, 1e-12);
    assert_float_equal(errors.wakeup, guess.wakeup, 1e-12);
    assert_true(isinf(errors.publish) && isinf(errors.unload) && errors.publish_alike);
    assert_true(errors.publish_whole > 0 && isfinite(errors.publish_whole));
    for (uint64_t i = 0; i < pack.reads; i++) { /* 1 or 3 us */
        uint64_t ns = i % 2 ? 1000 : 3000;
        pack.read_ns += ns;
        pack.read_sq += segment_square(ns);
        segment_line_add(&pack.publish, 10 + i % 3, 4000 + ns);
    }
    for (uint64_t i = 0; i < sleep.wake_n; i++) {
        uint64_t ns = i % 2 ? 20000 : 60000;
        sleep.wake_ns += ns;
        sleep.wake_sq += segment_square(ns);
    }
    costs_add_pack(&costs, &pack);
    costs_add_sleep(&costs, &sleep);
    costs_errors(&costs, &errors);
    assert_in_range((uint64_t)(errors.read * 1e12), 7071,
                    9000); /* 1 us / sqrt(20000), and a guess */
    assert_in_range((uint64_t)(errors.wakeup * 1e9), 1970,
                    2300); /* 20 us / sqrt(100), and a guess */
    assert_false(errors.publish_alike);
    assert_true(errors.publish_whole < errors.publish && errors.publish < 1e-6);
}

/* A guest that lies about its squares changes nothing at all. */
static void lies_of_a_guest_change_no_cost(void **state)
{
    struct costs costs = {0};
    struct end_costs before, after;
    struct segment_pack pack = {.reads = 1000, .read_ns = 1500000, .read_sq = 10};
    struct segment_sleep sleep = {.wake_n = 10, .wake_ns = 900000, .wake_sq = UINT64_MAX};
    (void)state;

    costs_get(&costs, &before);
    costs_add_pack(&costs, &pack);
    costs_add_sleep(&costs, &sleep);
    pack.read_sq = UINT64_MAX;
    sleep.wake_sq = 0;
    costs_add_pack(&costs, &pack);
    costs_add_sleep(&costs, &sleep);
    costs_get(&costs, &after);
    assert_memory_equal(&before, &after, sizeof(before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_of_nothing_is_nothing),
        cmocka_unit_test(rate_has_the_error_of_its_count),
        cmocka_unit_test(rate_of_silence_has_an_error),
        cmocka_unit_test(rate_jumps_at_once_and_noise_does_not),
        cmocka_unit_test(few_packets_are_no_jump),
        cmocka_unit_test(dispersion_is_variance_over_mean),
        cmocka_unit_test(impossible_bins_are_left_out),
        cmocka_unit_test(line_is_found),
        cmocka_unit_test(line_of_one_size_meets_its_mean),
        cmocka_unit_test(impossible_lines_are_left_out),
        cmocka_unit_test(mean_starts_at_its_guess_and_leaves_it),
        cmocka_unit_test(mean_has_the_error_of_its_events),
        cmocka_unit_test(impossible_means_are_left_out),
        cmocka_unit_test(what_was_counted_is_possible),
        cmocka_unit_test(bias_learns_the_rule_and_its_spread),
        cmocka_unit_test(too_high_predictions_are_lowered_in_proportion),
        cmocka_unit_test(one_odd_difference_moves_little_two_move_all),
        cmocka_unit_test(costs_start_at_guesses_and_follow_measurements),
        cmocka_unit_test(costs_know_how_well_they_are_known),
        cmocka_unit_test(lies_of_a_guest_change_no_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
