// SPDX-License-Identifier: GPL-2.0-or-later
/* What other sizes would be like: consistent with the sizes that were searched for. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plant/alternative.h"
#include "tests/unit/model/near.h"

#define GUESTS 3

static const struct end_costs costs = {.read = 0.3e-6,
                                       .publish = 4e-6,
                                       .publish_packet = 0.02e-6,
                                       .unload = 4e-6,
                                       .unload_packet = 0.4e-6,
                                       .scv = 0.5,
                                       .wakeup = 20e-6,
                                       .timer_late = 50e-6};

struct bench {
    struct guest_load guests[GUESTS];
    struct sizing sizings[GUESTS];
    struct lane_size sizes[GUESTS][DIRECTION_COUNT];
    struct worker_forecast worker;
};

/* Guests with the sizes that the search finds; the last one sends nothing. */
static int set_up(void **state)
{
    static struct bench bench;

    memset(&bench, 0, sizeof(bench));
    for (int i = 0; i < GUESTS; i++)
        bench.guests[i] = (struct guest_load){.rate = {40e3 * (i + 1), i < 2 ? 40e3 * (i + 1) : 0},
                                              .packet_bytes = {50, 50},
                                              .dispersion = {1, 1},
                                              .costs = costs,
                                              .promise = {.delay = 600e-6, .scope = SCOPE_ONE_WAY},
                                              .limits = {1, 1024, 20e-6, 10e-3, 65536}};
    assert_int_equal(dimension_worker(&costs, bench.guests, GUESTS, bench.sizings, &bench.worker),
                     0);
    for (int i = 0; i < GUESTS; i++)
        memcpy(bench.sizes[i], bench.sizings[i].size, sizeof(bench.sizes[i]));
    *state = &bench;
    return 0;
}

static void scaled(const struct bench *bench, size_t guest, double factor,
                   struct lane_size ret[DIRECTION_COUNT])
{
    assert_int_equal(
        alternative_size(&costs, bench->guests, bench->sizes, GUESTS, guest, factor, ret), 0);
}

static double promised(const struct bench *bench, size_t guest,
                       const struct lane_size size[DIRECTION_COUNT])
{
    struct guest_forecast forecast;
    struct worker_forecast worker;

    assert_int_equal(alternative_forecast(&costs, bench->guests, bench->sizes, GUESTS, guest, size,
                                          &forecast, &worker),
                     0);
    return forecast.promised;
}

static void the_same_size_is_what_was_searched(void **state)
{
    const struct bench *bench = *state;
    struct lane_size size[DIRECTION_COUNT];

    for (size_t i = 0; i < GUESTS; i++) {
        scaled(bench, i, 1, size);
        assert_memory_equal(size, bench->sizes[i], sizeof(size));
        assert_near(promised(bench, i, size), bench->sizings[i].forecast.promised, 1e-5);
    }
}

static void larger_sizes_break_the_promise_and_smaller_ones_do_not(void **state)
{
    const struct bench *bench = *state;
    struct lane_size half[DIRECTION_COUNT], twice[DIRECTION_COUNT];

    for (size_t i = 0; i < GUESTS; i++) {
        const struct lane_size *rx = &bench->sizes[i][DIRECTION_RX];
        scaled(bench, i, 0.5, half);
        scaled(bench, i, 2, twice);
        assert_near(half[DIRECTION_RX].packets, round(0.5 * rx->packets), 1e-9);
        assert_near(twice[DIRECTION_RX].packets, 2 * rx->packets, 1e-9);
        assert_true(half[DIRECTION_RX].timeout < rx->timeout);
        assert_true(twice[DIRECTION_RX].timeout > 1.5 * rx->timeout);
        assert_true(promised(bench, i, half) < promised(bench, i, bench->sizes[i]));
        assert_true(promised(bench, i, twice) > 1.2 * bench->guests[i].promise.delay);
    }
}

static void silent_directions_stay_and_limits_hold(void **state)
{
    struct bench *bench = *state;
    struct lane_size size[DIRECTION_COUNT];

    scaled(bench, 2, 3, size);
    assert_memory_equal(&size[DIRECTION_TX], &bench->sizes[2][DIRECTION_TX], sizeof(size[0]));
    scaled(bench, 0, INFINITY, size);
    assert_int_equal(size[DIRECTION_RX].packets, 1024);
    assert_true(size[DIRECTION_RX].timeout <= 10e-3);
    scaled(bench, 0, 1e-9, size);
    assert_int_equal(size[DIRECTION_RX].packets, 1);
    assert_true(size[DIRECTION_RX].timeout >= 20e-6);
}

/* A timeout that is three times the usual one stays so. */
static void patience_stays(void **state)
{
    struct bench *bench = *state;
    struct lane_size usual[DIRECTION_COUNT], patient[DIRECTION_COUNT];

    scaled(bench, 1, 2, usual);
    bench->sizes[1][DIRECTION_RX].timeout *= 3;
    scaled(bench, 1, 2, patient);
    assert_near(patient[DIRECTION_RX].timeout, 3 * usual[DIRECTION_RX].timeout, 0.02);
}

/* Half of a size that its timeout closes is one with half the timeout. */
static void what_the_timeout_closes_is_scaled_by_it(void **state)
{
    struct bench *bench = *state;
    struct lane_size *rx = &bench->sizes[1][DIRECTION_RX], half[DIRECTION_COUNT];

    bench->guests[1].rate[DIRECTION_RX] = bench->guests[1].rate[DIRECTION_TX] = 3000;
    *rx = (struct lane_size){.packets = 100, .timeout = 1e-3};
    scaled(bench, 1, 0.5, half);
    assert_int_equal(half[DIRECTION_RX].packets, 50);
    assert_near(half[DIRECTION_RX].timeout, 0.5e-3, 1e-9);
    assert_true(promised(bench, 1, half) < promised(bench, 1, bench->sizes[1]));
}

static void nonsense_is_refused(void **state)
{
    struct bench *bench = *state;
    struct lane_size size[DIRECTION_COUNT] = {{7, 7}, {7, 7}};

    assert_int_equal(alternative_size(&costs, bench->guests, bench->sizes, GUESTS, GUESTS, 1, size),
                     -EINVAL);
    assert_int_equal(alternative_size(&costs, bench->guests, bench->sizes, GUESTS, 0, NAN, size),
                     -EINVAL);
    bench->sizes[1][DIRECTION_TX].packets = 0;
    assert_int_equal(alternative_size(&costs, bench->guests, bench->sizes, GUESTS, 0, 2, size),
                     -EINVAL);
    assert_int_equal(size[0].packets, 7);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(the_same_size_is_what_was_searched),
        TEST(larger_sizes_break_the_promise_and_smaller_ones_do_not),
        TEST(silent_directions_stay_and_limits_hold),
        TEST(patience_stays),
        TEST(what_the_timeout_closes_is_scaled_by_it),
        TEST(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
