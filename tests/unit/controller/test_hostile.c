// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that reports whatever it likes of its own part: nothing becomes
 * impossible, and nobody else's estimates move.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "controller/controller.h"

#define TICKS 400
enum { HONEST, LIAR, GUESTS };

struct bench {
    struct config *config;
    struct controller *controller;
    struct sample_interface interfaces[GUESTS];
    struct sample_worker worker;
    struct tick_report report;
    uint64_t random;
};

static uint64_t random_next(struct bench *bench)
{
    bench->random = bench->random * 6364136223846793005ull + 1442695040888963407ull;
    return bench->random >> 11;
}

/* What liars say: nothing, too much, a little off, anything. */
static uint64_t lie(struct bench *bench, uint64_t truth)
{
    static const uint64_t extremes[] = {0, 1, UINT32_MAX, UINT64_MAX, UINT64_MAX / 2, 1ull << 40};
    uint64_t r = random_next(bench);

    switch (r % 5) {
    case 0:
        return extremes[r / 5 % (sizeof(extremes) / sizeof(extremes[0]))];
    case 1:
        return truth * (r / 5 % 4);
    case 2:
        return random_next(bench) << 11 >> r / 5 % 64;
    default:
        return truth;
    }
}

static void lies(struct bench *bench, void *counters, size_t size)
{
    uint64_t *words = counters;

    for (size_t i = 0; i < size / sizeof(*words); i++)
        words[i] = lie(bench, words[i]);
}

static void count_pack(struct segment_pack *pack, uint64_t packets, uint64_t size)
{
    pack->packets = pack->reads = pack->published_packets = pack->bin_packets = packets;
    pack->bytes = 100 * packets;
    pack->bytes_sq = packets * segment_square(100);
    pack->read_ns = 1500 * packets;
    pack->read_sq = packets * segment_square(1500);
    pack->containers = packets / size;
    pack->bins = 100;
    pack->bin_packets_squared = packets * packets / 100 + packets;
    for (uint64_t i = 0; i < pack->containers; i++)
        segment_line_add(&pack->publish, size + i % 2, 4000 + 5 * i % 100);
}

static void count_unload(struct segment_unload *unload, uint64_t packets, uint64_t size)
{
    unload->packets = packets;
    unload->bytes = 100 * packets;
    unload->bytes_sq = packets * segment_square(100);
    unload->containers = packets / size;
    unload->place_ns = 2000 * packets;
    for (uint64_t i = 0; i < unload->containers; i++)
        segment_line_add(&unload->unload, size + i % 2, 2000 + 1500 * (size + i % 2));
}

static struct segment_sleep sleeping(void)
{
    return (struct segment_sleep){.busy_ns = 200000000,
                                  .wake_n = 10,
                                  .wake_ns = 400000,
                                  .wake_sq = 10 * segment_square(40000)};
}

static void count_guest(struct bench *bench, uint32_t i, bool lying)
{
    struct segment_interface *delta = &bench->interfaces[i].delta;
    uint64_t packets = 5000 + random_next(bench) % 100;

    *delta = (struct segment_interface){.in_use = 1, .domid = i + 1, .generation = 1};
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        struct segment_lane *lane = d == DIRECTION_RX ? &delta->rx : &delta->tx;
        count_pack(&lane->pack, packets, 10);
        count_unload(&lane->unload, packets, 10);
        histogram_add(&lane->delay, 500000, (uint32_t)packets);
        lane->tuning = (struct segment_tuning){.packets = 10, .timeout_us = 2000, .bytes = 65536};
    }
    delta->guest = sleeping();
    if (!lying)
        return;
    lies(bench, &delta->rx.unload, sizeof(delta->rx.unload));
    lies(bench, &delta->tx.pack, sizeof(delta->tx.pack));
    lies(bench, &delta->guest, sizeof(delta->guest));
    delta->tx.tuning.packets = (uint32_t)lie(bench, 10);
    delta->tx.tuning.timeout_us = (uint32_t)lie(bench, 2000);
}

static void tick(struct bench *bench, int t, uint32_t guests)
{
    static const struct controller_guest there[GUESTS] = {
        [HONEST] = {.interface = {1, 0}, .name = "honest"},
        [LIAR] = {.interface = {2, 0}, .name = "liar"},
    };
    struct sample sample = {.n_interfaces = guests,
                            .n_workers = 1,
                            .interfaces = bench->interfaces,
                            .workers = &bench->worker};
    struct controller_input input = {.now = 100 + t,
                                     .time = 1e9 + t,
                                     .interval = 1,
                                     .config = bench->config,
                                     .guests = there,
                                     .n_guests = guests,
                                     .sample = &sample};

    for (uint32_t i = 0; i < guests; i++) {
        count_guest(bench, i, i == LIAR);
        bench->interfaces[i].seconds = t ? 1 : 0;
    }
    bench->worker = (struct sample_worker){.seconds = 1, .delta = {.sleep = sleeping()}};
    assert_int_equal(controller_tick(bench->controller, &input, &bench->report), 0);
}

static void costs_are_possible(const struct end_costs *costs, const struct costs_errors *errors)
{
    const double values[] = {costs->read,   costs->publish,       costs->publish_packet,
                             costs->unload, costs->unload_packet, costs->wakeup};
    const double known[] = {errors->read, errors->wakeup, errors->publish_whole,
                            errors->unload_whole};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        assert_true(values[i] > 0 && values[i] <= ESTIMATE_EVENT_MAX);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_true(known[i] >= 0 && isfinite(known[i]));
    assert_true(errors->publish >= 0 && errors->unload >= 0); /* infinite, perhaps, but a number */
}

static void report_is_possible(const struct guest_report *guest)
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        const struct lane_report *lane = &guest->lanes[d];
        assert_true(lane->wanted.packets >= guest->limits.packets_min &&
                    lane->wanted.packets <= guest->limits.packets_max);
        assert_true(lane->wanted.timeout >= 0.999999 * guest->limits.timeout_min &&
                    lane->wanted.timeout <= 1.000001 * guest->limits.timeout_max);
        assert_true(lane->rate.value >= 0 && isfinite(lane->rate.error));
        assert_true(lane->dispersion.value > 0 && isfinite(lane->dispersion.error));
        assert_true(lane->packet_bytes.value >= 0 && isfinite(lane->packet_bytes.error));
    }
    assert_false(isnan(guest->least));
    if (guest->basis.known)
        costs_are_possible(&guest->basis.load.costs, &guest->basis.errors);
}

static void begin(struct bench *bench)
{
    *bench = (struct bench){.config = config_defaults(), .random = 1};
    assert_non_null(bench->config);
    assert_int_equal(controller_create(&bench->controller), 0);
}

static void end(struct bench *bench)
{
    controller_destroy(bench->controller);
    config_free(bench->config);
}

static void lies_make_nothing_impossible(void **state)
{
    static struct bench bench;
    (void)state;

    begin(&bench);
    for (int t = 0; t < TICKS; t++) {
        tick(&bench, t, GUESTS);
        for (uint32_t i = 0; t > 2 && i < GUESTS; i++)
            report_is_possible(&bench.report.guests[i]);
        if (t > 2)
            costs_are_possible(&bench.report.workers[0].costs, &bench.report.workers[0].errors);
    }
    end(&bench);
}

/* What is estimated of the honest guest and of the worker is from what they say, alone. */
static void lies_stay_with_the_liar(void **state)
{
    static struct bench alone, beside;
    (void)state;

    begin(&alone);
    begin(&beside);
    for (int t = 0; t < TICKS / 4; t++) {
        alone.random = beside.random = (uint64_t)t;
        tick(&alone, t, 1);
        tick(&beside, t, GUESTS);
        if (t < 3)
            continue;
        const struct guest_report *a = &alone.report.guests[HONEST];
        const struct guest_report *b = &beside.report.guests[HONEST];
        assert_true(a->basis.known && b->basis.known);
        assert_memory_equal(&a->basis.load.costs, &b->basis.load.costs, sizeof(struct end_costs));
        assert_memory_equal(a->basis.load.rate, b->basis.load.rate, sizeof(a->basis.load.rate));
        assert_int_equal(b->state, TUNING_OK);
    }
    /* Nor are its times the worker's. */
    assert_float_equal(beside.report.workers[0].costs.wakeup, 40e-6, 1e-6);
    end(&alone);
    end(&beside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lies_make_nothing_impossible),
        cmocka_unit_test(lies_stay_with_the_liar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
