// SPDX-License-Identifier: GPL-2.0-or-later
/* How far a forecast may be off for the errors of what it is made from. */
#include "tests/unit/common/testing.h"

#include <math.h>

#include "controller/doubt.h"

#define BUSY 0.5

static const struct guest_load load = {
    .rate = {10e3, 10e3}, .dispersion = {1, 1}, .promise = {.delay = 1e-3}};
static const struct guest_forecast forecast = {
    .mean = {{.fill = 600e-6, .total = 800e-6}, {.fill = 300e-6, .total = 500e-6}},
    .lane_promised = {1600e-6, 900e-6}};

static double doubt(const struct guest_load *of, double busy, const struct doubt_errors *errors)
{
    return doubt_delay(of, &forecast, busy, errors);
}

static void what_is_known_exactly_leaves_no_doubt(void **state)
{
    const struct doubt_errors errors = {0};
    (void)state;

    assert_float_equal(doubt(&load, BUSY, &errors), 0, 0);
}

static void fill_waits_go_with_the_rate(void **state)
{
    struct doubt_errors errors = {.rate = {500, 500}};
    (void)state;

    /* 5 % of the worse direction's 600 us. */
    assert_float_equal(doubt(&load, BUSY, &errors), 30e-6, 1e-9);
    errors.rate[DIRECTION_RX] = 1000;
    assert_float_equal(doubt(&load, BUSY, &errors), 60e-6, 1e-9);
}

static void costs_of_the_worker_count_for_all_that_wait_for_it(void **state)
{
    const struct doubt_errors worker = {.worker.publish_whole = 5e-6};
    const struct doubt_errors guest = {.guest.unload_whole = 5e-6};
    (void)state;

    assert_float_equal(doubt(&load, BUSY, &guest), 5e-6, 1e-10);
    assert_float_equal(doubt(&load, BUSY, &worker), 10e-6, 1e-10);
    assert_true(doubt(&load, 5, &worker) < 1e-4); /* an overloaded one is not infinitely so */
}

static void errors_add_as_independent_ones_do(void **state)
{
    const struct doubt_errors errors = {.rate = {500, 0}, .guest.unload_whole = 40e-6};
    (void)state;

    assert_float_equal(doubt(&load, BUSY, &errors), 50e-6, 1e-9);
}

static void only_bursts_depend_on_their_size(void **state)
{
    const struct doubt_errors errors = {.dispersion = {2, 0}};
    struct guest_load bursts = load;
    (void)state;

    assert_float_equal(doubt(&load, BUSY, &errors), 0, 0);
    bursts.dispersion[DIRECTION_RX] = 10;
    assert_float_equal(doubt(&bursts, BUSY, &errors), 100e-6, 1e-9); /* 2 / (2 * 10e3) */
}

static void both_passes_count_where_packets_are_forwarded(void **state)
{
    const struct doubt_errors errors = {.rate = {500, 500}};
    struct guest_load router = load;
    (void)state;

    router.promise.scope = SCOPE_FORWARDING;
    assert_float_equal(doubt(&router, BUSY, &errors), hypot(30e-6, 15e-6), 1e-9);
}

static void a_percentile_is_as_uncertain_in_proportion(void **state)
{
    const struct doubt_errors errors = {.rate = {500, 0}};
    struct guest_load strict = load;
    (void)state;

    strict.promise.percentile = 99;
    assert_float_equal(doubt(&strict, BUSY, &errors), 60e-6, 1e-9);
}

static void nothing_promised_or_forecast_leaves_nothing_to_doubt(void **state)
{
    const struct doubt_errors errors = {.rate = {500, 500}};
    struct guest_load free_one = load, silent = load;
    struct guest_forecast overloaded = forecast;
    (void)state;

    free_one.promise.delay = INFINITY;
    assert_float_equal(doubt(&free_one, BUSY, &errors), 0, 0);
    silent.rate[DIRECTION_RX] = silent.rate[DIRECTION_TX] = 0;
    assert_float_equal(doubt(&silent, BUSY, &errors), 0, 0);
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        overloaded.mean[d].total = INFINITY;
    assert_float_equal(doubt_delay(&load, &overloaded, BUSY, &errors), 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_exactly_leaves_no_doubt),
        cmocka_unit_test(fill_waits_go_with_the_rate),
        cmocka_unit_test(costs_of_the_worker_count_for_all_that_wait_for_it),
        cmocka_unit_test(errors_add_as_independent_ones_do),
        cmocka_unit_test(only_bursts_depend_on_their_size),
        cmocka_unit_test(both_passes_count_where_packets_are_forwarded),
        cmocka_unit_test(a_percentile_is_as_uncertain_in_proportion),
        cmocka_unit_test(nothing_promised_or_forecast_leaves_nothing_to_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
