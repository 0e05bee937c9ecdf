// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/closing.h"
#include "plant/dimension.h"
#include "plant/search.h"
#include "tests/unit/model/near.h"

#define GUESTS 6

static const struct end_costs costs = {.read = 0.3e-6,
                                       .publish = 4e-6,
                                       .publish_packet = 0.02e-6,
                                       .unload = 4e-6,
                                       .unload_packet = 0.4e-6,
                                       .scv = 0.5,
                                       .wakeup = 20e-6,
                                       .timer_late = 50e-6};

static struct guest_load load(double rx, double tx, double forwarded, double delay,
                              enum scope scope)
{
    return (struct guest_load){.rate = {rx, tx},
                               .packet_bytes = {50, 50},
                               .dispersion = {1, 1},
                               .forwarded = forwarded,
                               .costs = costs,
                               .promise = {.delay = delay, .scope = scope},
                               .limits = {1, 1024, 20e-6, 10e-3, 65536}};
}

static double promised_at(const struct guest_load *guests, size_t n, const struct sizing *sizings,
                          size_t which, enum direction d, int more)
{
    struct lane_size sizes[GUESTS][DIRECTION_COUNT];
    struct guest_forecast forecasts[GUESTS];
    struct worker_forecast worker;
    for (size_t i = 0; i < n; i++)
        memcpy(sizes[i], sizings[i].size, sizeof(sizes[i]));
    for (enum direction e = 0; more && e < DIRECTION_COUNT; e++)
        if (d == DIRECTION_COUNT || d == e) {
            sizes[which][e].packets += (uint32_t)more;
            sizes[which][e].timeout *= 1 + (double)more / sizes[which][e].packets;
        }
    assert_int_equal(plant_forecast(&costs, guests, sizes, n, forecasts, &worker), 0);
    return forecasts[which].promised;
}

static void largest_sizes_that_keep_every_promise(void **state)
{
    (void)state;
    const double delays[] = {250e-6, 400e-6, 600e-6, 1.5e-3};
    for (int scope = 0; scope < 2; scope++)
        for (size_t c = 0; c < 4; c++) {
            struct guest_load guests[3];
            struct sizing sizings[3] = {0};
            struct worker_forecast worker;
            for (int i = 0; i < 3; i++)
                guests[i] = load(50e3 * (i + 1), 50e3 * (i + 1), scope, delays[c] * (1 + 0.2 * i),
                                 (enum scope)scope);
            assert_int_equal(dimension_worker(&costs, guests, 3, sizings, &worker), 0);
            assert_true(worker.stable);
            for (int i = 0; i < 3; i++) {
                const struct sizing *s = &sizings[i];
                double promise = guests[i].promise.delay;
                assert_true(s->attainable);
                assert_int_equal(s->reason, SIZING_PROMISE);
                assert_true(s->forecast.promised <= promise * 1.001);
                assert_true(s->least < promise);
                /* but for what a search remembers of the waits that it came by */
                assert_near(promised_at(guests, 3, sizings, i, DIRECTION_COUNT, 0),
                            s->forecast.promised, 1e-3);
                assert_true(promised_at(guests, 3, sizings, i, DIRECTION_COUNT, 3) > promise);
            }
        }
}

static void timeouts_are_guards(void **state)
{
    (void)state;
    for (double rate = 1e3; rate < 1e6; rate *= 3) {
        struct guest_load guest = load(rate, 0, 0, 600e-6, SCOPE_ONE_WAY);
        struct sizing sizing = {0};
        struct worker_forecast worker;
        struct closing_law closing;
        assert_int_equal(dimension_worker(&costs, &guest, 1, &sizing, &worker), 0);
        const struct lane_size *rx = &sizing.size[DIRECTION_RX];
        assert_true(isfinite(rx->timeout) && rx->timeout > 0);
        assert_int_equal(closing_solve(rate, rx->packets, rx->timeout + costs.timer_late, &closing),
                         0);
        assert_true(closing.timeout_share < 0.5);
    }
}

static void equal_sizes_let_a_burst_leave_as_it_came(void **state)
{
    (void)state;
    struct guest_load guest = load(200e3, 200e3, 1, 600e-6, SCOPE_FORWARDING);
    struct sizing sizing = {0};
    struct worker_forecast worker;
    assert_int_equal(dimension_worker(&costs, &guest, 1, &sizing, &worker), 0);
    assert_int_equal(sizing.size[DIRECTION_RX].packets, sizing.size[DIRECTION_TX].packets);
    assert_true(sizing.forecast.mean[DIRECTION_TX].fill <
                0.2 * sizing.forecast.mean[DIRECTION_RX].fill);
    assert_true(sizing.forecast.forwarding_mean <= 600e-6 * 1.001);
}

static void says_what_cannot_be_kept(void **state)
{
    (void)state;
    struct guest_load guests[2] = {load(100e3, 100e3, 1, 30e-6, SCOPE_FORWARDING),
                                   load(100e3, 100e3, 1, 900e-6, SCOPE_FORWARDING)};
    struct sizing sizings[2] = {0};
    struct worker_forecast worker;
    assert_int_equal(dimension_worker(&costs, guests, 2, sizings, &worker), 0);
    assert_false(sizings[0].attainable);
    assert_int_equal(sizings[0].reason, SIZING_UNATTAINABLE);
    assert_true(sizings[0].least > 30e-6 && sizings[0].least < 200e-6);
    assert_true(sizings[0].forecast.promised < 1.2 * sizings[0].least);
    assert_true(sizings[1].attainable);
}

static void an_overload_gets_the_largest_sizes(void **state)
{
    (void)state;
    struct guest_load guest = load(5e6, 1e6, 0, 1e-3, SCOPE_ONE_WAY);
    struct sizing sizing = {0};
    struct worker_forecast worker;
    assert_int_equal(dimension_worker(&costs, &guest, 1, &sizing, &worker), 0);
    assert_false(worker.stable);
    assert_false(sizing.attainable);
    assert_int_equal(sizing.reason, SIZING_UNSTABLE);
    assert_int_equal(sizing.size[DIRECTION_RX].packets, 1024);
}

static void limits_and_fixed_sizes_hold(void **state)
{
    (void)state;
    struct guest_load guests[3] = {load(300e3, 100e3, 0, 1e-3, SCOPE_ONE_WAY),
                                   load(300e3, 100e3, 0, 1e-3, SCOPE_ONE_WAY),
                                   load(300e3, 100e3, 0, 1e-3, SCOPE_ONE_WAY)};
    struct sizing sizings[3] = {0};
    struct worker_forecast worker;
    guests[0].limits.packets_max = 20;
    guests[1].packet_bytes[DIRECTION_RX] = 1500; /* 43 fit */
    guests[2].fixed[DIRECTION_TX] = true;
    guests[2].fixed_size[DIRECTION_TX] = (struct lane_size){7, 1e-4};
    assert_int_equal(dimension_worker(&costs, guests, 3, sizings, &worker), 0);
    assert_int_equal(sizings[0].size[DIRECTION_RX].packets, 20);
    assert_int_equal(sizings[0].reason, SIZING_CEILING);
    assert_int_equal(sizings[1].size[DIRECTION_RX].packets, 43);
    assert_int_equal(sizings[2].size[DIRECTION_TX].packets, 7);
    assert_true(sizings[2].size[DIRECTION_TX].timeout == 1e-4);
    assert_true(sizings[2].size[DIRECTION_RX].packets > 100);
}

static void a_silent_guest_keeps_its_promise_for_a_trickle(void **state)
{
    (void)state;
    const double delays[] = {150e-6, 300e-6, 1e-2, INFINITY};
    for (int i = 0; i < 4; i++) {
        struct guest_load guest = load(0, 0, 0, delays[i], SCOPE_FORWARDING);
        struct sizing sizing = {0};
        struct worker_forecast worker;
        assert_int_equal(dimension_worker(&costs, &guest, 1, &sizing, &worker), 0);
        assert_int_equal(sizing.reason, SIZING_SILENT);
        assert_true(sizing.forecast.promised <= delays[i]);
        assert_true(worker.stable && worker.utilisation == 0);
    }
}

static void without_a_promise_the_largest_allowed(void **state)
{
    (void)state;
    struct guest_load guest = load(100e3, 100e3, 0, INFINITY, SCOPE_ONE_WAY);
    struct sizing sizing = {0};
    struct worker_forecast worker;
    assert_int_equal(dimension_worker(&costs, &guest, 1, &sizing, &worker), 0);
    assert_true(sizing.attainable);
    assert_int_equal(sizing.reason, SIZING_CEILING);
    assert_int_equal(sizing.size[DIRECTION_RX].packets, 1024);
    assert_true(sizing.size[DIRECTION_RX].timeout == 10e-3);
}

/* The answer is a resting point: asked again from where it stands, it stays. */
static void a_warm_start_rests(void **state)
{
    (void)state;
    struct guest_load guests[GUESTS];
    struct sizing sizings[GUESTS] = {0};
    struct worker_forecast worker;
    for (int i = 0; i < GUESTS; i++)
        guests[i] = load(30e3 * (i + 1), 10e3 * (i + 1), i % 2, 200e-6 * (i + 1),
                         i % 2 ? SCOPE_FORWARDING : SCOPE_ONE_WAY);
    assert_int_equal(dimension_worker(&costs, guests, GUESTS, sizings, &worker), 0);
    for (int again = 0; again < 3; again++) {
        struct sizing before[GUESTS];
        memcpy(before, sizings, sizeof(before));
        assert_int_equal(dimension_worker(&costs, guests, GUESTS, sizings, &worker), 0);
        for (int i = 0; i < GUESTS; i++)
            for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
                assert_int_equal(sizings[i].size[d].packets, before[i].size[d].packets);
                assert_true(sizings[i].size[d].timeout == before[i].size[d].timeout);
            }
    }
}

/* Where a small container is not allowed, the timeout keeps the promise. */
/* Looks at so many sizes, where one that stands is right no longer. */
static double trials(double rate, double delay, double percentile, uint32_t start)
{
    struct guest_load guest = load(rate, rate, 0, delay, SCOPE_ONE_WAY);
    struct plant_worker worker = {0};
    struct lane_size sizes[DIRECTION_COUNT] = {{start, 1e-3}, {start, 1e-3}};
    struct search search;
    guest.promise.percentile = percentile;
    assert_int_equal(plant_worker_begin(&worker, &costs, &guest, 1), 0);
    plant_worker_size(&worker, 0, sizes);
    plant_worker_solve(&worker);
    search_init(&search, &worker, 0, sizes, DIRECTION_RX, false, 5e-6);
    assert_int_equal(search_largest(&search, start, 1e-2, 1e-2), SEARCH_KEPT);
    plant_worker_free(&worker);
    return search.spent / (percentile > 0 ? SEARCH_PERCENTILE : SEARCH_MEAN);
}

/* What many guests cost is how often each is looked at. */
static void a_warm_search_looks_once_or_twice(void **state)
{
    (void)state;
    for (double percentile = 0; percentile < 100; percentile += 99)
        for (int i = 0; i < 8; i++) {
            double rate = 20e3 * (i + 1), delay = 600e-6 + 100e-6 * i;
            struct guest_load guest = load(rate, rate, 0, delay, SCOPE_ONE_WAY);
            struct sizing sizing = {0};
            struct worker_forecast forecast;
            guest.promise.percentile = percentile;
            assert_int_equal(dimension_worker(&costs, &guest, 1, &sizing, &forecast), 0);
            uint32_t size = sizing.size[DIRECTION_RX].packets;
            assert_true(trials(rate, delay, percentile, (uint32_t)(0.95 * size)) <= 3);
            assert_true(trials(rate, delay, percentile, (uint32_t)(1.05 * size)) <= 3);
        }
}

static void a_floor_on_the_size_leaves_it_to_the_timeout(void **state)
{
    (void)state;
    struct guest_load guest = load(10e3, 10e3, 0, 600e-6, SCOPE_ONE_WAY);
    struct sizing sizing = {0};
    struct worker_forecast worker;
    guest.limits.packets_min = 100;
    assert_int_equal(dimension_worker(&costs, &guest, 1, &sizing, &worker), 0);
    assert_true(sizing.attainable);
    assert_int_equal(sizing.size[DIRECTION_RX].packets, 100);
    assert_true(sizing.forecast.promised > 500e-6);
}

/* More guests than the worker can serve well: an answer within the budget, and an honest one. */
static void a_crowd_gets_a_stable_answer(void **state)
{
    enum { CROWD = 200 };
    static struct guest_load guests[CROWD];
    static struct sizing sizings[CROWD];
    struct worker_forecast worker;
    (void)state;
    for (int i = 0; i < CROWD; i++) {
        guests[i] = load(4e3 + 20 * i, 4e3 + 10 * i, 0, (1 + i % 5) * 100e-6, SCOPE_ONE_WAY);
        guests[i].promise.percentile = 99;
    }
    assert_int_equal(dimension_worker(&costs, guests, CROWD, sizings, &worker), 0);
    assert_true(worker.stable && worker.utilisation < 1);
    int kept = 0;
    for (int i = 0; i < CROWD; i++) {
        const struct sizing *s = &sizings[i];
        assert_int_equal(s->attainable, s->forecast.promised <= guests[i].promise.delay * 1.001);
        assert_true(s->least <= s->forecast.promised);
        kept += s->attainable;
    }
    assert_true(kept < CROWD);
}

/* Kept from call to call, for fewer and for more guests: the answers of a new one. */
static void a_room_changes_no_answer(void **state)
{
    static const size_t counts[] = {3, GUESTS, 1, GUESTS};
    struct dimension_room *room = dimension_room_create();
    (void)state;
    assert_non_null(room);
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct guest_load guests[GUESTS];
        struct sizing anew[GUESTS] = {0}, kept[GUESTS] = {0};
        struct worker_forecast worker;
        for (int i = 0; i < GUESTS; i++)
            guests[i] = load(20e3 * (i + 1), 10e3 * (c + 1.0), i % 2, 300e-6 * (i + 1),
                             i % 2 ? SCOPE_FORWARDING : SCOPE_ONE_WAY);
        assert_int_equal(dimension_worker(&costs, guests, counts[c], anew, &worker), 0);
        assert_int_equal(dimension_worker_in(room, &costs, guests, counts[c], kept, &worker), 0);
        for (size_t i = 0; i < counts[c]; i++) {
            assert_memory_equal(kept[i].size, anew[i].size, sizeof(anew[i].size));
            assert_true(kept[i].forecast.promised == anew[i].forecast.promised);
        }
    }
    dimension_room_destroy(room);
}

/* What the forecast of a kept room remembers makes no difference that matters. */
static void a_forecast_hardly_knows_what_was_before(void **state)
{
    struct dimension_room *room = dimension_room_create();
    (void)state;
    assert_non_null(room);
    for (int step = 0; step < 12; step++) {
        struct guest_load guests[GUESTS];
        struct lane_size sizes[GUESTS][DIRECTION_COUNT];
        struct guest_forecast kept[GUESTS], anew[GUESTS];
        struct worker_forecast worker;
        bool chosen[GUESTS];
        for (int i = 0; i < GUESTS; i++) {
            double rate = (20e3 + 5e3 * (step / 2 % 3)) * (i + 1);
            uint32_t size = 20 + 10 * (uint32_t)i + (step % 2 ? 3 : 0);
            guests[i] = load(rate, rate, i % 2 * (0.5 + 0.5 * (step % 4 < 2)), 1e-3,
                             i % 2 ? SCOPE_FORWARDING : SCOPE_ONE_WAY);
            guests[i].promise.percentile = step < 6 ? 0 : 99;
            guests[i].dispersion[DIRECTION_RX] = i % 3 == 2 ? 4 : 1;
            for (enum direction d = 0; d < DIRECTION_COUNT; d++)
                sizes[i][d] = (struct lane_size){size, 1.2 * size / rate};
            chosen[i] = (i + step) % 3 > 0;
        }
        memset(kept, 0, sizeof(kept));
        assert_int_equal(plant_forecast(&costs, guests, (const void *)sizes, GUESTS, anew, &worker),
                         0);
        assert_int_equal(plant_forecast_in(room, &costs, guests, (const void *)sizes, GUESTS,
                                           chosen, kept, &worker),
                         0);
        for (int i = 0; i < GUESTS; i++)
            assert_near(kept[i].promised, chosen[i] ? anew[i].promised : 0, 0.005);
    }
    dimension_room_destroy(room);
}

/* One guest's means with another load: those that a forecast of that load alone has. */
static void means_if_are_those_of_the_other_load(void **state)
{
    struct dimension_room *room = dimension_room_create();
    struct guest_load guest = load(40e3, 40e3, 0, 1e-3, SCOPE_FORWARDING), other = guest;
    struct lane_size sizes[1][DIRECTION_COUNT] = {{{30, 2e-3}, {30, 2e-3}}};
    struct guest_forecast now, doubted, alone;
    struct worker_forecast worker;
    (void)state;
    assert_non_null(room);
    other.forwarded = 1;
    other.promise.percentile = 99;
    assert_int_equal(
        plant_forecast_in(room, &costs, &guest, (const void *)sizes, 1, NULL, &now, &worker), 0);
    assert_int_equal(plant_means_if(room, 0, &other, sizes[0], &doubted), 0);
    assert_int_equal(plant_forecast(&costs, &other, (const void *)sizes, 1, &alone, &worker), 0);
    assert_near(doubted.mean[DIRECTION_TX].fill, alone.mean[DIRECTION_TX].fill, 0.02);
    assert_true(fabs(now.mean[DIRECTION_TX].fill / doubted.mean[DIRECTION_TX].fill - 1) > 0.2);
    other.rate[DIRECTION_RX] = NAN;
    assert_int_equal(plant_means_if(room, 0, &other, sizes[0], &doubted), -EINVAL);
    dimension_room_destroy(room);
}

static void refuses_bad_arguments(void **state)
{
    (void)state;
    struct sizing sizing = {0}, untouched = {0};
    struct worker_forecast worker;
    struct guest_load good = load(1e5, 1e5, 0, 1e-3, SCOPE_ONE_WAY), bad;
    struct end_costs bad_costs = costs;
    bad = good, bad.rate[0] = NAN;
    assert_int_equal(dimension_worker(&costs, &bad, 1, &sizing, &worker), -EINVAL);
    bad = good, bad.promise.delay = -1;
    assert_int_equal(dimension_worker(&costs, &bad, 1, &sizing, &worker), -EINVAL);
    bad = good, bad.promise.percentile = 49;
    assert_int_equal(dimension_worker(&costs, &bad, 1, &sizing, &worker), -EINVAL);
    bad = good, bad.limits.packets_min = 0;
    assert_int_equal(dimension_worker(&costs, &bad, 1, &sizing, &worker), -EINVAL);
    bad_costs.publish = INFINITY;
    assert_int_equal(dimension_worker(&bad_costs, &good, 1, &sizing, &worker), -EINVAL);
    assert_memory_equal(&sizing, &untouched, sizeof(sizing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(largest_sizes_that_keep_every_promise),
        cmocka_unit_test(timeouts_are_guards),
        cmocka_unit_test(equal_sizes_let_a_burst_leave_as_it_came),
        cmocka_unit_test(says_what_cannot_be_kept),
        cmocka_unit_test(an_overload_gets_the_largest_sizes),
        cmocka_unit_test(limits_and_fixed_sizes_hold),
        cmocka_unit_test(a_silent_guest_keeps_its_promise_for_a_trickle),
        cmocka_unit_test(without_a_promise_the_largest_allowed),
        cmocka_unit_test(a_warm_start_rests),
        cmocka_unit_test(a_warm_search_looks_once_or_twice),
        cmocka_unit_test(a_floor_on_the_size_leaves_it_to_the_timeout),
        cmocka_unit_test(a_crowd_gets_a_stable_answer),
        cmocka_unit_test(a_room_changes_no_answer),
        cmocka_unit_test(a_forecast_hardly_knows_what_was_before),
        cmocka_unit_test(means_if_are_those_of_the_other_load),
        cmocka_unit_test(refuses_bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
