// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "controller/shape.h"
#include "model/closing.h"

static const struct end_costs worker = {1e-6, 4e-6, 5e-9, 2e-6, 1e-6, 1, 40e-6, 1e-9};
static const double none[DIRECTION_COUNT];
static const struct lane_size unused[DIRECTION_COUNT];
static const struct rate_range steady[DIRECTION_COUNT];

static struct guest_load load_of(double rate, double percentile)
{
    return (struct guest_load){.rate = {rate, rate},
                               .dispersion = {1, 1},
                               .promise = {.delay = 2e-3, .percentile = percentile},
                               .costs = worker,
                               .limits = {1, 1024, 10e-6, 10e-3, 65536}};
}

static void shape(const struct guest_load *load, const struct rate_range *range,
                  const struct sizing *sizing, const double *spare,
                  struct lane_size ret[DIRECTION_COUNT])
{
    struct shape_around around = {.range = range, .spare = spare, .before = unused};

    shape_sizes(&worker, load, sizing, &around, ret);
}

/* As the model sizes: the guard closes three of ten. */
static struct sizing sizing_of(uint32_t packets, double rate)
{
    struct lane_size size = {packets, 1.1 * packets / rate};
    return (struct sizing){
        .size = {size, size}, .attainable = true, .reason = SIZING_PROMISE, .least = 100e-6};
}

static double fill(double rate, const struct lane_size *size)
{
    struct closing_law law;
    assert_int_equal(closing_solve(rate, size->packets, size->timeout, &law), 0);
    return law.fill_mean;
}

/* What a packet waits for, the rest of its container being served included. */
static double wait(double rate, const struct lane_size *size)
{
    struct closing_law law;
    assert_int_equal(closing_solve(rate, size->packets, size->timeout, &law), 0);
    return law.fill_mean + law.packets_met * (worker.publish_packet + worker.unload_packet);
}

static double packets(double rate, const struct lane_size *size)
{
    struct closing_law law;
    assert_int_equal(closing_solve(rate, size->packets, size->timeout, &law), 0);
    return law.packets;
}

static void the_fill_wait_stays_and_hardly_grows_when_the_rate_falls(void **state)
{
    struct guest_load load = load_of(20e3, 0);
    struct sizing sizing = sizing_of(40, 20e3);
    struct lane_size shaped[DIRECTION_COUNT];
    (void)state;

    shape(&load, steady, &sizing, none, shaped);
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        double before = wait(20e3, &sizing.size[d]);
        assert_true(shaped[d].packets >= 50);
        assert_true(shaped[d].timeout < sizing.size[d].timeout);
        assert_float_equal(wait(20e3, &shaped[d]), before, 0.005 * before);
        assert_true(packets(20e3, &shaped[d]) > 0.93 * packets(20e3, &sizing.size[d]));
        /* A tenth of the rate: the count alone would take ten times as long. */
        assert_true(wait(2e3, &shaped[d]) < 1.15 * before);
        assert_true(wait(2e3, &sizing.size[d]) > 1.18 * before);
    }
}

static void containers_grow_with_the_rate_at_once(void **state)
{
    struct guest_load load = load_of(1e3, 0);
    struct sizing sizing = sizing_of(5, 1e3);
    struct lane_size shaped[DIRECTION_COUNT];
    (void)state;

    shape(&load, steady, &sizing, none, shaped);
    double before = wait(1e3, &sizing.size[0]);
    assert_float_equal(wait(1e3, &shaped[0]), before, 0.005 * before);
    /* The promise holds whatever the rate comes to. */
    for (double rate = 2e3; rate < 2e6; rate *= 2)
        assert_true(wait(rate, &shaped[0]) <= before * 1.02);
    assert_true(packets(100e3, &shaped[0]) > 100);
}

static void large_containers_are_closed_by_their_count(void **state)
{
    struct guest_load load = load_of(100e3, 0);
    struct sizing sizing = sizing_of(200, 100e3);
    struct lane_size shaped[DIRECTION_COUNT];
    (void)state;

    shape(&load, steady, &sizing, none, shaped);
    assert_in_range(shaped[0].packets, 200, 202);
}

static void what_whole_packets_leave_is_taken(void **state)
{
    struct guest_load load = load_of(2e3, 0);
    struct sizing sizing = sizing_of(4, 2e3);
    const double spare[DIRECTION_COUNT] = {0.15e-3, 0};
    struct lane_size shaped[DIRECTION_COUNT];
    (void)state;

    shape(&load, steady, &sizing, spare, shaped);
    assert_true(packets(2e3, &shaped[DIRECTION_RX]) > packets(2e3, &shaped[DIRECTION_TX]) + 0.2);
    assert_float_equal(wait(2e3, &shaped[DIRECTION_RX]), wait(2e3, &sizing.size[0]) + 0.15e-3,
                       5e-6);
}

static void a_percentile_keeps_its_tail(void **state)
{
    struct guest_load load = load_of(50e3, 99);
    struct sizing sizing = sizing_of(60, 50e3);
    struct lane_size shaped[DIRECTION_COUNT];
    struct closing_law before, after;
    (void)state;

    shape(&load, steady, &sizing, none, shaped);
    assert_true(shaped[DIRECTION_RX].packets > 60);
    assert_int_equal(closing_solve(50e3, 60, sizing.size[0].timeout, &before), 0);
    assert_int_equal(closing_solve(50e3, shaped[0].packets, shaped[0].timeout, &after), 0);
    for (double x = 0; x < 2e-3; x += 10e-6)
        if (closing_fill_tail(&before, x) <= 0.01) {
            assert_true(closing_fill_tail(&after, x) <= 0.011);
            break;
        }
}

static void what_came_and_went_may_come_again(void **state)
{
    struct guest_load load = load_of(20e3, 0);
    struct sizing sizing = sizing_of(40, 20e3);
    struct rate_range falls[DIRECTION_COUNT] = {{.low = 1e3, .high = 20e3, .falls = 1},
                                                {.low = 1e3, .high = 20e3, .falls = 0}};
    struct rate_range rises[DIRECTION_COUNT] = {{.low = 8e3, .high = 400e3, .rises = 1},
                                                {.low = 8e3, .high = 400e3, .rises = 0}};
    struct lane_size shaped[DIRECTION_COUNT];
    (void)state;

    shape(&load, falls, &sizing, none, shaped);
    assert_true(fill(1e3, &shaped[DIRECTION_RX]) <= 1.005 * fill(20e3, &sizing.size[0]));
    assert_true(fill(1e3, &shaped[DIRECTION_TX]) > 1.01 * fill(20e3, &sizing.size[0]));
    load = load_of(8e3, 0);
    sizing = sizing_of(8, 8e3);
    shape(&load, rises, &sizing, none, shaped);
    assert_true(shaped[DIRECTION_RX].packets >= 2 * shaped[DIRECTION_TX].packets);
}

static void fixed_and_forwarded_sizes_stay(void **state)
{
    struct guest_load load = load_of(20e3, 0);
    struct sizing sizing = sizing_of(40, 20e3);
    struct lane_size shaped[DIRECTION_COUNT];
    (void)state;

    load.fixed[DIRECTION_RX] = true;
    shape(&load, steady, &sizing, none, shaped);
    assert_int_equal(shaped[DIRECTION_RX].packets, 40);
    assert_true(shaped[DIRECTION_TX].packets > 40);
    load.fixed[DIRECTION_RX] = false;
    load.forwarded = 1;
    shape(&load, steady, &sizing, none, shaped);
    assert_memory_equal(shaped, sizing.size, sizeof(shaped));
}

static void a_silent_lane_waits_as_far_as_the_promise_goes(void **state)
{
    struct guest_load load = load_of(0, 0);
    struct sizing sizing = {.size = {{1, 10e-6}, {1, 10e-6}},
                            .attainable = true,
                            .reason = SIZING_SILENT,
                            .least = 100e-6};
    struct lane_size shaped[DIRECTION_COUNT];
    (void)state;

    shape(&load, steady, &sizing, none, shaped);
    assert_int_equal(shaped[DIRECTION_RX].packets, 1024);
    assert_true(shaped[DIRECTION_RX].timeout > 1e-3);
    assert_true(shaped[DIRECTION_RX].timeout + sizing.least < load.promise.delay);
    /* A size means something: in so short a time no more can be read. */
    load.promise.delay = 130e-6;
    shape(&load, steady, &sizing, none, shaped);
    assert_in_range(shaped[DIRECTION_RX].packets, 5, 1 + 30);
    load.promise.delay = 2e-3;
    sizing.attainable = false;
    shape(&load, steady, &sizing, none, shaped);
    assert_memory_equal(shaped, sizing.size, sizeof(shaped));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fill_wait_stays_and_hardly_grows_when_the_rate_falls),
        cmocka_unit_test(containers_grow_with_the_rate_at_once),
        cmocka_unit_test(large_containers_are_closed_by_their_count),
        cmocka_unit_test(what_whole_packets_leave_is_taken),
        cmocka_unit_test(a_percentile_keeps_its_tail),
        cmocka_unit_test(what_came_and_went_may_come_again),
        cmocka_unit_test(fixed_and_forwarded_sizes_stay),
        cmocka_unit_test(a_silent_lane_waits_as_far_as_the_promise_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
