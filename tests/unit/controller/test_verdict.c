// SPDX-License-Identifier: GPL-2.0-or-later
/* Delays out of samples, and whether they keep a promise. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/delay.h"
#include "controller/verdict.h"

#define US 1e-6

/* A tick in which a direction moved packets of one delay in so many containers. */
static void tick_lane(struct segment_interface *delta, enum direction d, uint32_t packets,
                      uint32_t containers, uint64_t delay_us)
{
    struct segment_lane *lane = d == DIRECTION_RX ? &delta->rx : &delta->tx;

    lane->pack.packets = lane->pack.published_packets = packets;
    lane->unload.packets = packets;
    lane->pack.containers = lane->unload.containers = containers;
    histogram_add(&lane->delay, delay_us * 1000, packets);
}

static struct segment_interface *tick(uint32_t rx, uint64_t rx_us, uint32_t tx, uint64_t tx_us)
{
    struct segment_interface *delta = calloc(1, sizeof(*delta));

    assert_non_null(delta);
    tick_lane(delta, DIRECTION_RX, rx, rx / 10, rx_us);
    tick_lane(delta, DIRECTION_TX, tx, tx / 10, tx_us);
    return delta;
}

static double promised(const struct promise *promise, const struct segment_interface *delta)
{
    const struct histogram *const delays[] = {&delta->rx.delay, &delta->tx.delay};
    return delay_promised(promise, delays);
}

static void promises_are_counted_by_scope(void **state)
{
    struct promise one_way = {.delay = 1, .scope = SCOPE_ONE_WAY};
    struct promise forwarding = {.delay = 1, .scope = SCOPE_FORWARDING};
    struct segment_interface *delta = tick(1000, 100, 1000, 250);
    (void)state;

    assert_float_equal(promised(&one_way, delta), 250 * US, 1e-9);
    assert_float_equal(promised(&forwarding, delta), 350 * US, 1e-9);
    forwarding.percentile = 99;
    /* One bin is a sixteenth wide. */
    assert_float_equal(promised(&forwarding, delta), 350 * US, 350 * US / 12);
    free(delta);
}

static void stray_packets_decide_nothing(void **state)
{
    struct promise one_way = {.delay = 1, .scope = SCOPE_ONE_WAY};
    struct segment_interface *delta = tick(100000, 100, 20, 9000);
    struct segment_interface *nothing = tick(0, 0, 0, 0);
    (void)state;

    assert_float_equal(promised(&one_way, delta), 100 * US, 1e-9);
    assert_true(isnan(promised(&one_way, nothing)));
    free(delta);
    free(nothing);
}

static void percentile_of_two_ways_is_of_their_sum(void **state)
{
    struct promise promise = {.delay = 1, .percentile = 90, .scope = SCOPE_FORWARDING};
    struct segment_interface *delta = calloc(1, sizeof(*delta));
    (void)state;

    assert_non_null(delta);
    /* Each way 100 us, but one in ten 1000 us: the sum has 1100 or more in 19 of 100. */
    for (int lane = 0; lane < 2; lane++) {
        struct histogram *delay = lane ? &delta->tx.delay : &delta->rx.delay;
        histogram_add(delay, 100000, 900);
        histogram_add(delay, 1000000, 100);
    }
    double p90 = promised(&promise, delta);
    assert_float_equal(p90, 1100 * US, 1100 * US / 12);
    promise.percentile = 80;
    assert_true(promised(&promise, delta) < 300 * US);
    free(delta);
}

static void parts_are_means(void **state)
{
    struct segment_interface *delta = tick(1000, 100, 0, 0);
    struct delay_parts parts;
    (void)state;

    delta->rx.pack.port_wait_ns = 1000ull * 5000;
    delta->rx.pack.fill_ns = 1000ull * 60000;
    delta->rx.pack.publish_wait_ns = 100ull * 2000;
    delta->rx.pack.publish.sum_t = 100ull * 1000;
    delta->rx.unload.place_ns = 1000ull * 7000;
    delta->echo_n = 10;
    delta->echo_ns = 10ull * 40000;
    delay_parts(delta, DIRECTION_RX, &parts);
    assert_float_equal(parts.port, 5 * US, 1e-12);
    assert_float_equal(parts.fill, 60 * US, 1e-12);
    assert_float_equal(parts.publish, 3 * US, 1e-12);
    assert_float_equal(parts.ring, 20 * US, 1e-12);
    assert_float_equal(parts.unload, 7 * US, 1e-12);
    assert_float_equal(parts.total, 100 * US, 1e-12);
    delay_parts(delta, DIRECTION_TX, &parts);
    assert_true(isnan(parts.total) && isnan(parts.fill));
    free(delta);
}

static void window_ends_with_a_hundred_containers(void **state)
{
    struct promise promise = {.delay = 200 * US, .scope = SCOPE_FORWARDING};
    struct segment_interface *delta = tick(200, 80, 300, 100);
    struct verdict verdict = {0};
    struct verdict_result result;
    (void)state;

    /* 20 containers one way, 30 the other. */
    const double predicted[] = {170 * US, NAN, 190 * US, 180 * US, 180 * US};
    for (int t = 0; t < 5; t++) {
        assert_false(verdict_judge(&verdict, &promise, &result));
        verdict_add(&verdict, delta, 1, predicted[t]);
    }
    assert_true(verdict_judge(&verdict, &promise, &result));
    assert_true(result.kept);
    assert_int_equal(result.containers, 100);
    assert_float_equal(result.seconds, 5, 1e-12);
    assert_float_equal(result.measured, 180 * US, 1e-9);
    assert_float_equal(result.predicted, 180 * US, 1e-9);
    /* A new one begins. */
    assert_false(verdict_judge(&verdict, &promise, &result));
    free(delta);
}

static void broken_is_broken(void **state)
{
    struct promise promise = {.delay = 99 * US, .scope = SCOPE_ONE_WAY};
    struct segment_interface *delta = tick(1000, 50, 1000, 100);
    struct verdict verdict = {0};
    struct verdict_result result;
    (void)state;

    verdict_add(&verdict, delta, 1, NAN);
    assert_true(verdict_judge(&verdict, &promise, &result));
    assert_false(result.kept);
    assert_true(isnan(result.predicted));
    free(delta);
}

/* 100 containers of 10 packets; the first of each waits 180 us and the last none, all 20 us more.
 */
static struct segment_interface *filling(uint64_t others_ns)
{
    struct segment_interface *delta = calloc(1, sizeof(*delta));
    struct segment_lane *lane;

    assert_non_null(delta);
    lane = &delta->rx;
    lane->pack.packets = lane->pack.published_packets = 1000;
    lane->pack.containers = 100;
    for (uint64_t i = 0; i < 100; i++)
        for (uint64_t p = 0; p < 10; p++) {
            lane->pack.fill_ns += 20000 * p;
            histogram_add(&lane->delay, 20000 + 20000 * p + (i % 2 ? others_ns : 0), 1);
        }
    return delta;
}

static bool kept(const struct segment_interface *delta, double promised, double percentile)
{
    struct promise promise = {.delay = promised, .percentile = percentile, .scope = SCOPE_ONE_WAY};
    struct verdict verdict = {0};
    struct verdict_result result;

    verdict_add(&verdict, delta, 1, NAN);
    assert_true(verdict_judge(&verdict, &promise, &result));
    return result.kept;
}

static void chance_breaks_no_promise(void **state)
{
    struct segment_interface *alike = filling(0), *differ = filling(100000);
    (void)state;

    /* A mean of 110 us, in containers that are all alike: known well. */
    assert_true(kept(alike, 110 * US, 0));
    assert_true(kept(alike, 108 * US, 0));
    assert_false(kept(alike, 103 * US, 0));
    /* A mean of 160 us, half of the containers being 100 us later than the others: 5 us. */
    assert_true(kept(differ, 152 * US, 0));
    assert_false(kept(differ, 140 * US, 0));
    /* One in ten is above 190 us. */
    assert_true(kept(alike, 190 * US, 90));
    assert_true(kept(alike, 190 * US, 91));
    assert_false(kept(alike, 190 * US, 97));
    free(alike);
    free(differ);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promises_are_counted_by_scope),
        cmocka_unit_test(stray_packets_decide_nothing),
        cmocka_unit_test(percentile_of_two_ways_is_of_their_sum),
        cmocka_unit_test(parts_are_means),
        cmocka_unit_test(window_ends_with_a_hundred_containers),
        cmocka_unit_test(broken_is_broken),
        cmocka_unit_test(chance_breaks_no_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
