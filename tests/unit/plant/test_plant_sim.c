// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plant/plant_sim.h"
#include "tests/unit/model/near.h"

#define US 1e-6

struct bench {
    struct end_costs worker;
    struct guest_load guests[8];
    struct lane_size sizes[8][DIRECTION_COUNT];
    size_t n;
    struct plant_sim_options options;
};

/* n equal guests whose own work costs nothing; sizes without a timeout worth the name. */
static struct bench bench_make(size_t n, double rx, double tx, uint32_t size)
{
    struct bench bench = {.n = n, .options = {.seed = 1}};
    for (size_t i = 0; i < n; i++) {
        bench.guests[i].rate[DIRECTION_RX] = rx;
        bench.guests[i].rate[DIRECTION_TX] = tx;
        for (int d = 0; d < DIRECTION_COUNT; d++)
            bench.sizes[i][d] = (struct lane_size){size, 1};
    }
    return bench;
}

static struct plant_sim *bench_start(const struct bench *bench)
{
    struct plant_sim *plant;
    assert_int_equal(plant_sim_create(&bench->options, &bench->worker, bench->guests, bench->sizes,
                                      bench->n, &plant),
                     0);
    return plant;
}

static struct plant_sim *bench_run(const struct bench *bench, double seconds)
{
    struct plant_sim *plant = bench_start(bench);
    assert_int_equal(plant_sim_run(plant, seconds / 10), 0);
    plant_sim_forget(plant);
    assert_int_equal(plant_sim_run(plant, seconds), 0);
    return plant;
}

static struct plant_sim_lane lane_of(const struct plant_sim *plant, size_t guest, int direction)
{
    struct plant_sim_guest report;
    plant_sim_guest(plant, guest, &report);
    return report.lane[direction];
}

/* Reading is all the work: M/D/1, sojourn s + rho s / (2 (1 - rho)). */
static void reading_alone_is_a_queue(void **state)
{
    (void)state;
    struct bench bench = bench_make(1, 500e3, 0, 1);
    bench.worker.read = 1 * US;
    struct plant_sim *plant = bench_run(&bench, 1);
    struct plant_sim_lane lane = lane_of(plant, 0, DIRECTION_RX);
    assert_within(lane.mean.port, 1.5 * US, 0.02 * US);
    assert_within(lane.mean.total, 1.5 * US, 0.02 * US);
    struct plant_sim_worker worker;
    plant_sim_worker(plant, &worker);
    assert_within(worker.utilisation, 0.5, 0.01);
    assert_within(worker.seconds, 1, 1e-9);
    plant_sim_destroy(plant);
}

/* With a setup D the wait grows by (2 D + lambda D^2) / (2 (1 + lambda D)) (Welch 1964). */
static void waking_up_is_a_setup(void **state)
{
    (void)state;
    struct bench bench = bench_make(1, 500e3, 0, 1);
    bench.worker.read = 1 * US;
    bench.worker.wakeup = 20 * US;
    struct plant_sim *plant = bench_run(&bench, 1);
    struct plant_sim_lane lane = lane_of(plant, 0, DIRECTION_RX);
    assert_within(lane.mean.port, (1.5 + 240.0 / 22) * US, 0.1 * US);
    plant_sim_destroy(plant);

    bench.options.spin = 1e-3; /* polling: it never gets to sleep */
    plant = bench_run(&bench, 0.2);
    lane = lane_of(plant, 0, DIRECTION_RX);
    assert_within(lane.mean.port, 1.5 * US, 0.05 * US);
    struct plant_sim_worker worker;
    plant_sim_worker(plant, &worker);
    assert_int_equal(worker.wakeups, 0);
    plant_sim_destroy(plant);
}

static void parts_add_up(void **state)
{
    (void)state;
    struct bench bench = bench_make(3, 100e3, 60e3, 20);
    bench.worker = (struct end_costs){.read = 0.5 * US,
                                      .publish = 4 * US,
                                      .publish_packet = 0.02 * US,
                                      .unload = 2 * US,
                                      .unload_packet = 0.4 * US,
                                      .scv = 1,
                                      .wakeup = 20 * US,
                                      .timer_late = 50 * US};
    for (int i = 0; i < 3; i++)
        bench.guests[i].costs = bench.worker;
    struct plant_sim *plant = bench_run(&bench, 1);
    for (size_t i = 0; i < 3; i++)
        for (int d = 0; d < DIRECTION_COUNT; d++) {
            struct plant_sim_lane lane = lane_of(plant, i, d);
            struct delay_parts *m = &lane.mean;
            assert_within(m->port + m->fill + m->publish + m->ring + m->unload, m->total,
                          1e-9 * m->total);
            assert_within((double)lane.packets, d == DIRECTION_RX ? 100e3 : 60e3, 2e3);
            assert_within(m->fill, 9.5 / (d == DIRECTION_RX ? 100e3 : 60e3), 10 * US);
            assert_true(m->unload > 2 * US && m->publish > 4 * US && m->ring > 0);
            assert_true(lane.p50 < lane.p99 && lane.p99 < lane.max);
            assert_true(lane.jitter_mean > 0 && lane.jitter_mean < lane.jitter_max);
            assert_int_equal(lane.containers[PLANT_SIM_TIMEOUT], 0);
            assert_int_equal(lane.dropped, 0);
            assert_int_equal(lane.notified + lane.spared, lane.containers[PLANT_SIM_FULL]);
        }
    struct plant_sim_worker worker;
    plant_sim_worker(plant, &worker);
    double per_guest = 100e3 * 0.52 * US + 5e3 * 4 * US + 60e3 * 0.4 * US + 3e3 * 2 * US;
    assert_within(worker.utilisation, 3 * per_guest, 0.01);
    plant_sim_destroy(plant);
}

/* A container that arrives in one piece is one burst for the guest's packer. */
static void forwarding_passes_bursts_on(void **state)
{
    (void)state;
    struct bench bench = bench_make(1, 800e3, 800e3, 160);
    bench.guests[0].forwarded = 1;
    struct plant_sim *plant = bench_run(&bench, 0.5);
    struct plant_sim_guest report;
    plant_sim_guest(plant, 0, &report);
    assert_within(report.lane[DIRECTION_RX].mean.fill, 99.4 * US, 2 * US);
    assert_true(report.lane[DIRECTION_TX].mean.fill < 1 * US);
    assert_within((double)report.forwarded, 400e3, 4e3);
    assert_within(report.forwarding_mean, report.lane[0].mean.total + report.lane[1].mean.total,
                  1 * US);
    plant_sim_destroy(plant);

    bench.sizes[0][0].timeout = bench.sizes[0][1].timeout = 200 * US;
    plant = bench_run(&bench, 0.5);
    plant_sim_guest(plant, 0, &report);
    assert_within(report.lane[DIRECTION_TX].mean.fill, 175 * US, 6 * US);
    assert_true(report.lane[DIRECTION_TX].containers[PLANT_SIM_TIMEOUT] > 0);
    plant_sim_destroy(plant);
}

/* Two bursts fill a container, but for those that a pause parts. */
static void a_pause_lets_what_is_open_go(void **state)
{
    (void)state;
    struct bench bench = bench_make(1, 100e3, 100e3, 10);
    bench.guests[0].forwarded = 1;
    bench.sizes[0][DIRECTION_TX].packets = 20;
    for (double patience = 0; patience <= 4; patience += 4) {
        bench.options.patience = patience;
        struct plant_sim *plant = bench_run(&bench, 5);
        struct plant_sim_lane lane = lane_of(plant, 0, DIRECTION_TX);
        double paused = (double)lane.containers[PLANT_SIM_EAGER];
        double bursts = (double)(lane.packets / 10);
        /* 4 of 7 bursts find an open container, and in one of four cases a pause before them. */
        assert_within(paused, patience > 0 ? bursts / 7 : 0, 0.03 * bursts / 7);
        plant_sim_destroy(plant);
    }
}

static void timers_fire_late(void **state)
{
    (void)state;
    struct bench bench = bench_make(1, 100, 0, 1000);
    bench.worker.timer_late = 50 * US;
    bench.sizes[0][DIRECTION_RX].timeout = 200 * US;
    struct plant_sim *plant = bench_run(&bench, 10);
    struct plant_sim_lane lane = lane_of(plant, 0, DIRECTION_RX);
    assert_within(lane.max, 250 * US, 0.01 * US);
    assert_int_equal(lane.containers[PLANT_SIM_FULL], 0);
    plant_sim_destroy(plant);
}

/* One guest offers far more than fits: the others keep their service, it loses its own packets. */
static void greedy_guest_hurts_itself(void **state)
{
    (void)state;
    struct bench bench = bench_make(4, 50e3, 0, 1);
    bench.worker.read = 2 * US;
    struct plant_sim *alone = bench_run(&bench, 0.5);
    bench.guests[0].rate[DIRECTION_RX] = 5e6;
    struct plant_sim *crowded = bench_run(&bench, 0.5);
    assert_true(lane_of(crowded, 0, DIRECTION_RX).dropped > 1000000);
    for (size_t i = 1; i < 4; i++) {
        struct plant_sim_lane lane = lane_of(crowded, i, DIRECTION_RX);
        assert_int_equal(lane.dropped, 0);
        assert_within((double)lane.packets, (double)lane_of(alone, i, DIRECTION_RX).packets, 1000);
        assert_true(lane.mean.total < 200 * US);
    }
    plant_sim_destroy(alone);
    plant_sim_destroy(crowded);
}

/*
 * Unloading takes more than half of both threads' time. Did either go before
 * reading always, both ends would starve each other in turns, for ever longer.
 */
static void neither_end_starves_the_other(void **state)
{
    (void)state;
    struct bench bench = bench_make(1, 100e3, 100e3, 10);
    bench.worker = (struct end_costs){.read = 1 * US, .unload_packet = 6 * US};
    bench.guests[0].costs = bench.worker;
    struct plant_sim *plant = bench_run(&bench, 5);
    for (int d = 0; d < DIRECTION_COUNT; d++) {
        struct plant_sim_lane lane = lane_of(plant, 0, d);
        assert_int_equal(lane.dropped, 0);
        assert_true(lane.max < 1000 * US);
        assert_true(lane.mean.total < 150 * US);
    }
    plant_sim_destroy(plant);
}

/* A guest that cannot keep up: its ring fills, then its port drops, and every packet is counted. */
static void slow_guest_fills_its_ring(void **state)
{
    (void)state;
    struct bench bench = bench_make(2, 200e3, 0, 10);
    bench.options.ring_bytes = 64 * 1024;
    bench.guests[0].costs.unload_packet = 10 * US; /* half of what comes */
    struct plant_sim *plant = bench_run(&bench, 0.5);
    struct plant_sim_lane slow = lane_of(plant, 0, DIRECTION_RX);
    assert_within((double)slow.packets, 50e3, 500);
    assert_within((double)slow.dropped, 50e3, 1000);
    assert_within((double)(slow.dropped + slow.packets), (double)slow.arrived, 1000);
    assert_true(lane_of(plant, 1, DIRECTION_RX).mean.total < 50 * US);
    plant_sim_destroy(plant);
}

static void sizes_and_loads_change_while_it_runs(void **state)
{
    (void)state;
    struct bench bench = bench_make(1, 100e3, 0, 100);
    struct plant_sim *plant = bench_run(&bench, 0.5);
    assert_within(lane_of(plant, 0, DIRECTION_RX).mean.fill, 495 * US, 10 * US);
    struct lane_size sizes[DIRECTION_COUNT] = {{10, 1}, {10, 1}};
    assert_int_equal(plant_sim_resize(plant, 0, sizes), 0);
    assert_int_equal(plant_sim_run(plant, 0.01), 0);
    plant_sim_forget(plant);
    assert_int_equal(plant_sim_run(plant, 0.5), 0);
    assert_within(lane_of(plant, 0, DIRECTION_RX).mean.fill, 45 * US, 2 * US);
    assert_int_equal(plant_sim_load(plant, 0, (double[]){200e3, 0}), 0);
    plant_sim_forget(plant);
    assert_int_equal(plant_sim_run(plant, 0.5), 0);
    assert_within(lane_of(plant, 0, DIRECTION_RX).mean.fill, 22.5 * US, 1 * US);
    /* silent, then woken by a shorter timeout of the container left open */
    assert_int_equal(plant_sim_load(plant, 0, (double[]){0, 0}), 0);
    sizes[DIRECTION_RX].timeout = 1e-3;
    assert_int_equal(plant_sim_resize(plant, 0, sizes), 0);
    assert_int_equal(plant_sim_run(plant, 0.5), 0);
    plant_sim_forget(plant);
    assert_int_equal(plant_sim_run(plant, 10), 0);
    assert_int_equal(lane_of(plant, 0, DIRECTION_RX).packets, 0);
    assert_int_equal(lane_of(plant, 0, DIRECTION_RX).arrived, 0);
    assert_within(plant_sim_now(plant), 12.06, 1e-9);
    assert_int_equal(plant_sim_resize(plant, 1, sizes), -EINVAL);
    assert_int_equal(plant_sim_load(plant, 0, (double[]){-1, 0}), -EINVAL);
    plant_sim_destroy(plant);
}

struct ledger {
    double seconds[3];
    uint64_t packets[3];
};

static void write_down(void *context, const struct plant_sim_work *work)
{
    struct ledger *ledger = context;
    if (work->by_guest)
        return;
    ledger->seconds[work->kind] += work->seconds;
    ledger->packets[work->kind] += work->packets;
}

static void work_is_told(void **state)
{
    (void)state;
    struct ledger ledger = {0};
    struct bench bench = bench_make(2, 100e3, 100e3, 25);
    bench.worker = (struct end_costs){.read = 1 * US, .publish = 5 * US, .unload_packet = 2 * US};
    bench.options.on_work = write_down;
    bench.options.context = &ledger;
    struct plant_sim *plant = bench_start(&bench);
    assert_int_equal(plant_sim_run(plant, 1), 0);
    assert_within(ledger.seconds[PLANT_SIM_READ], (double)ledger.packets[PLANT_SIM_READ] * US,
                  1e-6);
    assert_within(ledger.seconds[PLANT_SIM_PUBLISH],
                  (double)ledger.packets[PLANT_SIM_PUBLISH] / 25 * 5 * US, 1e-6);
    assert_within(ledger.seconds[PLANT_SIM_UNLOAD],
                  (double)ledger.packets[PLANT_SIM_UNLOAD] * 2 * US, 1e-6);
    uint64_t unloaded = lane_of(plant, 0, DIRECTION_TX).packets;
    unloaded += lane_of(plant, 1, DIRECTION_TX).packets;
    assert_int_equal(ledger.packets[PLANT_SIM_UNLOAD], unloaded);
    struct plant_sim_worker worker;
    plant_sim_worker(plant, &worker);
    assert_within(ledger.seconds[0] + ledger.seconds[1] + ledger.seconds[2],
                  worker.utilisation * worker.seconds, 1e-6);
    plant_sim_destroy(plant);
}

static void bursts_and_byte_limit(void **state)
{
    (void)state;
    struct bench bench = bench_make(1, 100e3, 0, 1000);
    bench.worker.read = 1 * US;
    bench.guests[0].packet_bytes[DIRECTION_RX] = 98;
    bench.guests[0].limits.bytes_max = 2000;
    struct plant_sim *plant = bench_run(&bench, 0.5);
    struct plant_sim_lane even = lane_of(plant, 0, DIRECTION_RX);
    assert_int_equal(even.containers[PLANT_SIM_FULL], 0);
    assert_within((double)even.packets / (double)even.containers[PLANT_SIM_BYTES], 20, 0.1);
    plant_sim_destroy(plant);

    bench.guests[0].dispersion[DIRECTION_RX] = 9;
    plant = bench_run(&bench, 0.5);
    struct plant_sim_lane bursty = lane_of(plant, 0, DIRECTION_RX);
    assert_within((double)bursty.packets, 50e3, 4e3);
    assert_true(bursty.mean.port > 4 * even.mean.port);
    plant_sim_destroy(plant);
}

/* Nothing else to do after every packet; with work that takes longer, packets join. */
static void eager_ends_publish_before_they_sleep(void **state)
{
    (void)state;
    struct bench bench = bench_make(1, 1e3, 0, 100);
    bench.options.eager = true;
    bench.worker = (struct end_costs){.read = 1 * US, .publish = 5 * US};
    struct plant_sim *plant = bench_run(&bench, 5);
    struct plant_sim_lane calm = lane_of(plant, 0, DIRECTION_RX);
    assert_true(calm.containers[PLANT_SIM_EAGER] >= calm.packets * 98 / 100);
    assert_within(calm.mean.fill, 0, 0.1 * US);
    plant_sim_destroy(plant);
    bench.guests[0].rate[DIRECTION_RX] = 800e3;
    plant = bench_run(&bench, 0.5);
    struct plant_sim_lane busy = lane_of(plant, 0, DIRECTION_RX);
    assert_true(busy.packets > 5 * busy.containers[PLANT_SIM_EAGER]);
    assert_within((double)busy.packets, 400e3, 5e3);
    plant_sim_destroy(plant);
}

struct returns {
    double one_way, forwarded;
    uint64_t n;
};

static void one_way_down(void *context, uint32_t guest, enum direction d, double delay)
{
    (void)guest;
    (void)d;
    ((struct returns *)context)->one_way += delay;
}

static void forwarded_down(void *context, uint32_t guest, double delay)
{
    struct returns *returns = context;
    assert_int_equal(guest, 0);
    returns->forwarded += delay;
    returns->n++;
}

static void what_was_forwarded_is_told(void **state)
{
    (void)state;
    struct returns returns = {0};
    struct bench bench = bench_make(1, 50e3, 50e3, 10);
    bench.guests[0].forwarded = 1;
    bench.options.on_packet = one_way_down;
    bench.options.on_forwarded = forwarded_down;
    bench.options.context = &returns;
    struct plant_sim *plant = bench_start(&bench);
    assert_int_equal(plant_sim_run(plant, 1), 0);
    assert_within((double)returns.n, 50e3, 1e3);
    assert_within(returns.forwarded, returns.one_way, 0.001 * returns.one_way);
    plant_sim_destroy(plant);
}

static void costs_change_while_it_runs(void **state)
{
    (void)state;
    struct bench bench = bench_make(1, 100e3, 0, 10);
    struct plant_sim *plant = bench_start(&bench);
    struct end_costs slow = {.read = 2 * US, .publish = 20 * US};
    assert_int_equal(plant_sim_worker_costs(plant, &slow), 0);
    assert_int_equal(plant_sim_run(plant, 1), 0);
    struct plant_sim_worker worker;
    plant_sim_worker(plant, &worker);
    assert_within(worker.utilisation, 0.4, 0.01);
    struct end_costs guest = {.unload = 30 * US};
    assert_int_equal(plant_sim_guest_costs(plant, 0, &guest), 0);
    plant_sim_forget(plant);
    assert_int_equal(plant_sim_run(plant, 1), 0);
    struct plant_sim_guest report;
    plant_sim_guest(plant, 0, &report);
    assert_within(report.utilisation, 0.3, 0.01);
    slow.read = -1;
    assert_int_equal(plant_sim_worker_costs(plant, &slow), -EINVAL);
    assert_int_equal(plant_sim_guest_costs(plant, 1, &guest), -EINVAL);
    plant_sim_destroy(plant);
}

static void refuses_bad_arguments(void **state)
{
    (void)state;
    struct plant_sim *plant = NULL;
    struct bench good = bench_make(1, 1, 1, 1), bad[5] = {good, good, good, good, good};
    bad[0].n = 0;
    bad[1].worker.read = -1;
    bad[2].guests[0].rate[0] = NAN;
    bad[3].sizes[0][1].packets = 0;
    bad[4].guests[0].forwarded = 1.5;
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            plant_sim_create(NULL, &bad[i].worker, bad[i].guests, bad[i].sizes, bad[i].n, &plant),
            -EINVAL);
    assert_null(plant);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_alone_is_a_queue),
        cmocka_unit_test(waking_up_is_a_setup),
        cmocka_unit_test(parts_add_up),
        cmocka_unit_test(forwarding_passes_bursts_on),
        cmocka_unit_test(a_pause_lets_what_is_open_go),
        cmocka_unit_test(timers_fire_late),
        cmocka_unit_test(greedy_guest_hurts_itself),
        cmocka_unit_test(neither_end_starves_the_other),
        cmocka_unit_test(slow_guest_fills_its_ring),
        cmocka_unit_test(sizes_and_loads_change_while_it_runs),
        cmocka_unit_test(work_is_told),
        cmocka_unit_test(bursts_and_byte_limit),
        cmocka_unit_test(eager_ends_publish_before_they_sleep),
        cmocka_unit_test(what_was_forwarded_is_told),
        cmocka_unit_test(costs_change_while_it_runs),
        cmocka_unit_test(refuses_bad_arguments),
    };
    return cmocka_run_group_tests_name("plant_sim", tests, NULL, NULL);
}
