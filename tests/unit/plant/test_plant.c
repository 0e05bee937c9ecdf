// SPDX-License-Identifier: GPL-2.0-or-later
/* The forecast of guests that forward, against the simulated loop; its parts against theory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plant/bursts.h"
#include "plant/dimension.h"
#include "plant/forwarder.h"
#include "plant/plant.h"
#include "plant/plant_sim.h"
#include "tests/unit/model/near.h"

#define US 1e-6

static const struct end_costs costs = {.read = 0.3 * US,
                                       .publish = 4 * US,
                                       .publish_packet = 0.02 * US,
                                       .unload = 4 * US,
                                       .unload_packet = 0.4 * US,
                                       .scv = 0.5,
                                       .wakeup = 20 * US,
                                       .timer_late = 50 * US};

/* One guest, its tx sizes and timeouts being those of rx times a factor. */
struct echo {
    double rate, share; /* packets/s; share sent back */
    uint32_t rx, tx;
    double rx_fills, tx_fills; /* timeouts, in mean times to fill the container */
    double bursts;             /* to simulate: the rarer a change of alignment, the more */
};

static struct guest_load echo_load(const struct echo *e, enum scope scope, double percentile)
{
    return (struct guest_load){
        .rate = {e->rate, e->share * e->rate},
        .dispersion = {1, 1},
        .forwarded = e->share,
        .costs = costs,
        .promise = {.delay = 1, .percentile = percentile, .scope = scope},
        .limits = {.packets_min = 1, .packets_max = 65535, .timeout_min = US, .timeout_max = 10}};
}

static void echo_sizes(const struct echo *e, struct lane_size ret[DIRECTION_COUNT])
{
    ret[DIRECTION_RX] = (struct lane_size){e->rx, e->rx_fills * e->rx / e->rate};
    ret[DIRECTION_TX] = (struct lane_size){e->tx, e->tx_fills * e->tx / (e->share * e->rate)};
}

static void echo_simulate(const struct echo *e, struct plant_sim_guest *ret)
{
    struct guest_load load = echo_load(e, SCOPE_ONE_WAY, 99);
    struct plant_sim_options options = {
        .seed = 5, .port_packets = 1u << 20, .ring_bytes = 1u << 30};
    struct lane_size sizes[1][DIRECTION_COUNT];
    struct plant_sim *plant;
    double seconds = e->bursts * e->rx / e->rate;
    echo_sizes(e, sizes[0]);
    assert_int_equal(plant_sim_create(&options, &costs, &load, (const void *)sizes, 1, &plant), 0);
    assert_int_equal(plant_sim_run(plant, seconds / 20), 0);
    plant_sim_forget(plant);
    assert_int_equal(plant_sim_run(plant, seconds), 0);
    plant_sim_guest(plant, 0, ret);
    plant_sim_destroy(plant);
}

static struct guest_forecast echo_forecast(const struct echo *e, enum scope scope)
{
    struct guest_load load = echo_load(e, scope, 99);
    struct lane_size sizes[1][DIRECTION_COUNT];
    struct guest_forecast forecast;
    struct worker_forecast worker;
    echo_sizes(e, sizes[0]);
    assert_int_equal(plant_forecast(&costs, &load, (const void *)sizes, 1, &forecast, &worker), 0);
    return forecast;
}

/* Rates, shares, sizes that are equal or not, with timeouts that matter or not. */
static void forwarding_is_as_simulated(void **state)
{
    (void)state;
    static const struct echo echoes[] = {
        {20e3, 1, 4, 4, 2.7, 2.7, 4e4},      {10e3, 1, 2, 2, 1.2, 1.2, 4e4},
        {100e3, 1, 20, 20, 1.6, 1.6, 4e4},   {200e3, 1, 100, 100, 1.15, 1.15, 2e4},
        {50e3, 1, 10, 10, 0.8, 0.8, 1e4},    {200e3, 1, 40, 40, 3, 3, 3e3},
        {200e3, 1, 160, 100, 3, 2, 3e3},     {100e3, 1, 20, 25, 2, 2, 1e4},
        {100e3, 1, 5, 60, 3, 1.3, 1e4},      {100e3, 1, 1, 30, 1, 1.5, 1e5},
        {200e3, 0.6, 50, 30, 2, 2, 1e4},     {100e3, 0.3, 40, 12, 1.2, 0.8, 1e4},
        {20e3, 1, 6, 6, 2, 0.4, 1e4},        {50e3, 1, 8, 24, 2, 2, 1e4},
        {100e3, 0.5, 30, 60, 1.5, 1.2, 1e4}, {50e3, 0.5, 8, 4, 1.2, 1.5, 2e4},
        {20e3, 1, 38, 128, 2.6, 0.49, 5e3},  {60e3, 1, 228, 400, 6, 0.8, 2e3},
    };
    for (size_t i = 0; i < sizeof(echoes) / sizeof(echoes[0]); i++) {
        const struct echo *e = &echoes[i];
        struct guest_forecast one_way = echo_forecast(e, SCOPE_ONE_WAY);
        struct guest_forecast both = echo_forecast(e, SCOPE_FORWARDING);
        struct plant_sim_guest seen;
        echo_simulate(e, &seen);
        const struct plant_sim_lane *tx = &seen.lane[DIRECTION_TX];
        assert_within(one_way.mean[DIRECTION_TX].total, tx->mean.total, 0.1 * tx->mean.total);
        assert_within(one_way.lane_promised[DIRECTION_TX], tx->p99, 0.25 * tx->p99);
        assert_within(one_way.forwarding_mean, seen.forwarding_mean, 0.1 * seen.forwarding_mean);
        assert_within(both.promised, seen.forwarding_p99, 0.25 * seen.forwarding_p99);
    }
}

/*
 * Both ends' unloading comes near to all of one thread's time, or takes more:
 * they do it in turns, and the delay is longer for that, but not without bound.
 */
static void unloading_in_turns_is_as_simulated(void **state)
{
    (void)state;
    static const struct {
        double read, unload;
        size_t n;
    } cases[] = {{1 * US, 4.5 * US, 1}, {1 * US, 6 * US, 1}, {1 * US, 8 * US, 1},
                 {3 * US, 6 * US, 1},   {1 * US, 6 * US, 2}, {1 * US, 6 * US, 8}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = cases[i].n;
        struct end_costs guest = {.read = cases[i].read, .unload_packet = cases[i].unload};
        struct end_costs worker = {.read = guest.read / (double)n,
                                   .unload_packet = guest.unload_packet / (double)n};
        struct guest_load loads[8];
        struct lane_size sizes[8][DIRECTION_COUNT];
        struct guest_forecast forecasts[8];
        struct worker_forecast whole;
        struct plant_sim_guest seen;
        struct plant_sim *plant;
        for (size_t j = 0; j < n; j++) {
            struct echo e = {.rate = 100e3, .rx = 10, .tx = 10, .share = 1};
            loads[j] = echo_load(&e, SCOPE_ONE_WAY, 0);
            loads[j].forwarded = 0;
            loads[j].costs = guest;
            sizes[j][0] = sizes[j][1] = (struct lane_size){10, 10e-3};
        }
        assert_int_equal(plant_forecast(&worker, loads, (const void *)sizes, n, forecasts, &whole),
                         0);
        assert_int_equal(plant_sim_create(NULL, &worker, loads, (const void *)sizes, n, &plant), 0);
        assert_int_equal(plant_sim_run(plant, 3.0 / (double)n), 0);
        plant_sim_guest(plant, 0, &seen);
        for (int d = 0; d < DIRECTION_COUNT; d++)
            assert_within(forecasts[0].mean[d].total, seen.lane[d].mean.total,
                          0.07 * seen.lane[d].mean.total);
        plant_sim_destroy(plant);
    }
}

/* Promises about 99 % of the packets through a guest: kept by what is chosen, and used. */
static void chosen_sizes_keep_a_percentile_through_a_guest(void **state)
{
    (void)state;
    const double promises[] = {400 * US, 800 * US, 2500 * US};
    for (int i = 0; i < 3; i++) {
        struct echo e = {.rate = 100e3, .share = 1, .bursts = 2e4};
        struct guest_load load = echo_load(&e, SCOPE_FORWARDING, 99);
        struct worker_forecast worker;
        struct plant_sim_guest seen;
        struct sizing sizing = {0};
        load.promise.delay = promises[i];
        load.limits.timeout_min = 20 * US;
        assert_int_equal(dimension_worker(&costs, &load, 1, &sizing, &worker), 0);
        assert_true(sizing.attainable);
        const struct lane_size *rx = &sizing.size[DIRECTION_RX], *tx = &sizing.size[DIRECTION_TX];
        e.rx = rx->packets;
        e.tx = tx->packets;
        e.rx_fills = rx->timeout * e.rate / rx->packets;
        e.tx_fills = tx->timeout * e.rate / tx->packets;
        echo_simulate(&e, &seen);
        assert_true(seen.forwarding_p99 > 0.75 * promises[i]);
    }
}

/* ---- bursts ---- */

/* Mean packets and mean gap by kinds are those of the closing rule. */
static void bursts_add_up(void **state)
{
    (void)state;
    for (uint32_t k = 1; k < 2000; k = 3 * k + 1)
        for (double fills = 0.3; fills < 5; fills *= 1.7) {
            const double rate = 1e5;
            struct closing_law law;
            struct bursts b;
            double share = 0, packets = 0, gap = 0;
            assert_int_equal(closing_solve(rate, k, fills * k / rate, &law), 0);
            bursts_init(&b, &law, 0, INFINITY);
            for (int i = 0; i < b.n; i++) {
                const struct burst_kind *kind = &b.kinds[i];
                share += kind->share;
                packets += kind->share * kind->packets;
                gap += kind->share * bursts_gap_within(&b, kind->full, 1e3, NULL);
            }
            assert_within(share, 1, 1e-9);
            assert_within(packets, law.packets, 0.01 * law.packets);
            assert_within(gap, law.packets / rate, 0.01 * law.packets / rate);
        }
}

/* One packet a container: the gap is exponential, and so is all that is asked of it. */
static void a_single_packets_gap_is_exponential(void **state)
{
    (void)state;
    struct closing_law law;
    struct bursts b;
    assert_int_equal(closing_solve(1, 1, 1, &law), 0);
    bursts_init(&b, &law, 0, INFINITY);
    assert_int_equal(b.n, 1);
    for (double x = 0; x < 30; x += 0.37) {
        double square, mean = bursts_gap_within(&b, true, x, &square);
        assert_within(bursts_gap_tail(&b, true, x), exp(-x), 2e-3 * exp(-x));
        assert_within(mean, -expm1(-x), 2e-3);
        assert_within(square, 2 - 2 * exp(-x) * (1 + x), 1e-2);
    }
}

/* ---- the chain ---- */

static struct forwarder solved(double fills, uint32_t rx, uint32_t tx, double share)
{
    const double rate = 1e5;
    struct closing_law law;
    struct forwarder f;
    assert_int_equal(closing_solve(rate, rx, fills * rx / rate, &law), 0);
    struct forwarder_load load = {.arrivals = &law, .share = share};
    forwarder_solve(&load, &costs, tx, fills * tx / rate / share, &f);
    return f;
}

/* Bursts that are always just enough: each leaves as it came, after its reading. */
static void whole_bursts_leave_as_they_came(void **state)
{
    (void)state;
    for (uint32_t k = 1; k <= 400; k = 2 * k + 1) {
        struct forwarder f = solved(40, k, k, 1);
        assert_within(f.per_burst, 1, 1e-6);
        assert_within(f.packets, k, 1e-6);
        assert_within(f.fill, costs.read * (k - 1) / 2, 1e-9);
        assert_within(f.timeout_share, 0, 1e-9);
        assert_true(f.places[true][0].left < 1e-9);
    }
}

/* Two bursts to a container: the packets of the first wait for a gap. */
static void half_a_container_waits_for_the_other_half(void **state)
{
    (void)state;
    struct forwarder f = solved(40, 50, 100, 1);
    assert_within(f.per_burst, 0.5, 1e-3);
    assert_within(f.fill, 50 / 1e5 / 2, 0.1 * 50 / 1e5 / 2);
    assert_within(f.places[true][0].left, 0.5, 1e-2);
    assert_within(f.places[true][0].wait, 50 / 1e5, 0.05 * 50 / 1e5);
}

/* Three bursts and a third to a container: after three or four of them it leaves, evenly. */
static void containers_of_many_bursts_leave_evenly(void **state)
{
    (void)state;
    struct forwarder f = solved(40, 30, 100, 1);
    assert_within(f.per_burst, 0.3, 2e-3);
    assert_true(f.gap_scv < 0.05);
}

/* Four containers of one burst: the worker takes longer for each than the guest for the next. */
static void containers_of_one_burst_meet_each_other(void **state)
{
    (void)state;
    struct echo e = {.rate = 7e3, .share = 1, .rx = 12, .tx = 3, .rx_fills = 5, .tx_fills = 3};
    struct guest_load load = echo_load(&e, SCOPE_ONE_WAY, 0);
    struct end_costs worker = costs;
    struct lane_size sizes[1][DIRECTION_COUNT];
    struct guest_forecast forecast;
    struct worker_forecast whole;
    struct plant_sim_guest seen;
    struct plant_sim *plant;
    worker.unload = 40 * US;
    echo_sizes(&e, sizes[0]);
    assert_int_equal(plant_forecast(&worker, &load, (const void *)sizes, 1, &forecast, &whole), 0);
    assert_int_equal(plant_sim_create(NULL, &worker, &load, (const void *)sizes, 1, &plant), 0);
    assert_int_equal(plant_sim_run(plant, 10), 0);
    plant_sim_guest(plant, 0, &seen);
    double truth = seen.lane[DIRECTION_TX].mean.total;
    assert_within(forecast.mean[DIRECTION_TX].total, truth, 0.1 * truth);
    plant_sim_destroy(plant);
}

/* What goes in comes out, and laws are laws. */
static void packets_and_weights_are_kept(void **state)
{
    (void)state;
    static struct forwarder_law law;
    for (double fills = 0.5; fills < 4; fills *= 1.5)
        for (uint32_t rx = 1; rx < 500; rx = 3 * rx + 1)
            for (uint32_t tx = 1; tx < 2000; tx = 4 * tx + 1)
                for (double share = 0.3; share <= 1; share += 0.35) {
                    struct closing_law in;
                    double weight = 0;
                    struct forwarder f = solved(fills, rx, tx, share);
                    assert_int_equal(closing_solve(1e5, rx, fills * rx / 1e5, &in), 0);
                    assert_true(isfinite(f.fill) && f.fill >= 0 && isfinite(f.port));
                    assert_true(f.fill < 1.1 * (fills * tx / 1e5 / share + 500 * US));
                    assert_true(f.packets >= 1 && f.packets <= tx);
                    assert_within(f.per_burst * in.containers, f.containers, 0.01 * f.containers);
                    assert_true(f.timeout_share >= 0 && f.timeout_share <= 1);
                    forwarder_through(&f, &in, &law);
                    assert_true(law.n > 0 && law.n <= FORWARDER_VALUES);
                    for (int i = 0; i < law.n; i++)
                        weight += law.weights[i];
                    assert_within(weight, 1, 1e-9);
                }
}

/* ---- waking up ---- */

/* At once: at work still. Much later: as anything that comes. */
static void an_end_just_at_work_is_awake(void **state)
{
    (void)state;
    for (double rate = 1e3; rate < 1e6; rate *= 10) {
        assert_true(plant_setup_after(&costs, rate, 0.3, 0) < 1e-9);
        assert_within(plant_setup_after(&costs, rate, 0.3, 1), 1, 1e-9);
    }
    /* hardly ever woken: asleep soon, and for long */
    assert_within(plant_setup_after(&costs, 100, 0.001, 50 * US), 1, 0.05);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forwarding_is_as_simulated),
        cmocka_unit_test(unloading_in_turns_is_as_simulated),
        cmocka_unit_test(chosen_sizes_keep_a_percentile_through_a_guest),
        cmocka_unit_test(bursts_add_up),
        cmocka_unit_test(a_single_packets_gap_is_exponential),
        cmocka_unit_test(whole_bursts_leave_as_they_came),
        cmocka_unit_test(half_a_container_waits_for_the_other_half),
        cmocka_unit_test(containers_of_many_bursts_leave_evenly),
        cmocka_unit_test(containers_of_one_burst_meet_each_other),
        cmocka_unit_test(packets_and_weights_are_kept),
        cmocka_unit_test(an_end_just_at_work_is_awake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
