// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/sim.h"
#include "tests/unit/model/near.h"

#define CONTAINERS 1000000

struct run {
    struct answer answer;
    struct stream_delay streams[4];
    double tail[2];
    struct sim_report report;
    struct sim_stream extra[4];
};

static const double tail_at[2] = {1, 2};

static int simulate(struct run *run, const struct stream *streams, size_t n,
                    const struct sim_options *options)
{
    struct query query = {streams, n, tail_at, 2};
    run->answer = (struct answer){.streams = run->streams, .tail = run->tail};
    run->report = (struct sim_report){.streams = run->extra};
    return sim_run(&query, options, &run->answer, &run->report);
}

static struct stream erlang(double rate, uint32_t size, uint32_t count)
{
    return (struct stream){rate, size, INFINITY, count, {1, 1, 0}};
}

/* M/M/1 at rho 0.5: E[W] = 1, P(W > y) = 0.5 e^(-y/2). */
static void agrees_with_mm1(void **state)
{
    (void)state;
    struct run run;
    struct stream stream = erlang(0.5, 1, 1);
    struct sim_options options = {.seed = 1, .containers = CONTAINERS};
    assert_int_equal(simulate(&run, &stream, 1, &options), 0);
    assert_true(run.answer.stable);
    assert_within(run.answer.utilisation, 0.5, 1e-12);
    assert_within(run.answer.wait.mean, 1, 0.03);
    assert_true(run.answer.wait_ci95 > 0.002 && run.answer.wait_ci95 < 0.03);
    assert_within(run.tail[0], 0.5 * exp(-0.5), 0.01);
    assert_within(run.tail[1], 0.5 * exp(-1), 0.01);
    assert_within(run.answer.wait.p50, 0, 0.01);
    assert_within(run.answer.wait.p99, 2 * log(50), 0.2);
    assert_within(run.streams[0].delay_mean, 2, 0.04);
    assert_within(run.streams[0].delay_p99, 2 * log(100), 0.25);
}

/* Pollaczek-Khinchine: E[W] = rho (1 + scv) / (2 (1 - rho)) for every law of service. */
static void agrees_with_pollaczek_khinchine(void **state)
{
    static const double scvs[] = {0, 0.25, 0.4, 1, 2};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct run run;
        struct stream stream = {0.5, 1, INFINITY, 1, {1, scvs[i], 0}};
        struct sim_options options = {.seed = 2, .containers = CONTAINERS};
        assert_int_equal(simulate(&run, &stream, 1, &options), 0);
        assert_within(run.answer.wait.mean, (1 + scvs[i]) / 2, 0.04 * (1 + scvs[i]) / 2);
        assert_within(run.streams[0].service_mean, 1, 0.01);
    }
}

/* Rows of docs/model.md: exact values of the queue with dependence kept. */
static void agrees_with_exact_small_cases(void **state)
{
    (void)state;
    struct run run;
    struct sim_options options = {.seed = 3, .containers = CONTAINERS};
    struct stream equal = erlang(0.8 * 12 / 2, 12, 2);
    assert_int_equal(simulate(&run, &equal, 1, &options), 0);
    assert_within(run.answer.wait.mean, 1.98517, 0.06);
    struct stream mixed[] = {erlang(0.36 * 6, 6, 1), erlang(0.12 * 5, 5, 1),
                             erlang(0.12 * 3, 3, 1)};
    assert_int_equal(simulate(&run, mixed, 3, &options), 0);
    assert_within(run.answer.wait.mean, 0.81691, 0.02);
}

static void same_seed_same_answer(void **state)
{
    (void)state;
    struct run a, b, c;
    struct stream stream = erlang(8, 10, 1);
    struct sim_options options = {.seed = 4, .containers = 10000};
    assert_int_equal(simulate(&a, &stream, 1, &options), 0);
    assert_int_equal(simulate(&b, &stream, 1, &options), 0);
    options.seed = 5;
    assert_int_equal(simulate(&c, &stream, 1, &options), 0);
    assert_within(a.answer.wait.mean, b.answer.wait.mean, 0);
    assert_float_not_equal(a.answer.wait.mean, c.answer.wait.mean, 0);
}

/* A container at once or packet by packet: the same law, with and without timeouts. */
static void packets_and_containers_agree(void **state)
{
    static const double timeouts[] = {INFINITY, 0.9, 0.3, 4};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct run whole, single;
        struct stream stream = {12, 12, timeouts[i], 2, {0.1, 1, 0.005}};
        struct sim_options options = {.seed = 6, .containers = CONTAINERS};
        assert_int_equal(simulate(&whole, &stream, 1, &options), 0);
        options.packets = true;
        options.containers = CONTAINERS / 4;
        assert_int_equal(simulate(&single, &stream, 1, &options), 0);
        struct stream_delay *a = whole.streams, *b = single.streams;
        assert_within(a->packets_per_container, b->packets_per_container,
                      0.01 * a->packets_per_container);
        assert_within(a->fill_mean, b->fill_mean, 0.01 * a->fill_mean);
        assert_within(a->wait_mean, b->wait_mean, 0.04 * a->wait_mean);
        assert_within(a->service_mean, b->service_mean, 0.01 * a->service_mean);
        assert_within(a->delay_mean, b->delay_mean, 0.01 * a->delay_mean);
        assert_within(a->delay_p50, b->delay_p50, 0.02 * a->delay_p50);
        assert_within(a->delay_p99, b->delay_p99, 0.03 * a->delay_p99);
        assert_true(single.extra[0].jitter_mean > 0);
        assert_true(single.extra[0].jitter_max > single.extra[0].jitter_mean);
        assert_true(whole.extra[0].jitter_mean == 0);
    }
}

/* Bursts: against the closed form of batch arrivals. On and off: only worse than Poisson. */
static void bursts_wait_longer(void **state)
{
    (void)state;
    struct run poisson, bursts, on_off;
    struct stream stream = erlang(0.5, 1, 1);
    struct sim_options options = {.seed = 8, .containers = CONTAINERS};
    assert_int_equal(simulate(&poisson, &stream, 1, &options), 0);
    struct sim_traffic traffic = {.kind = SIM_BURSTS, .burst = 4};
    options.traffic = &traffic;
    assert_int_equal(simulate(&bursts, &stream, 1, &options), 0);
    /* M[X]/M/1, geometric batches of mean b: E[W] = rho / (1 - rho) + (b - 1) / (1 - rho) */
    assert_within(bursts.answer.wait.mean, 1 + 3 / 0.5, 0.3);
    assert_within(bursts.streams[0].packets_per_container, 1, 0);
    traffic = (struct sim_traffic){.kind = SIM_ON_OFF, .burst = 8, .peak = 4};
    assert_int_equal(simulate(&on_off, &stream, 1, &options), 0);
    assert_true(on_off.answer.wait.mean > 3 * poisson.answer.wait.mean);
    double jitter = on_off.extra[0].jitter_mean;
    assert_true(jitter > 0.1 && jitter < 2 * on_off.streams[0].delay_mean);
}

static void unstable_and_silent(void **state)
{
    (void)state;
    struct run run;
    struct sim_options options = {.seed = 9, .containers = 10000};
    struct stream full = erlang(1, 1, 1), silent = erlang(0, 5, 3);
    assert_int_equal(simulate(&run, &full, 1, &options), 0);
    assert_false(run.answer.stable);
    assert_true(isinf(run.answer.wait.mean) && isinf(run.streams[0].delay_p99));
    assert_int_equal(simulate(&run, &silent, 1, &options), 0);
    assert_true(run.answer.stable);
    assert_within(run.answer.container_rate, 0, 0);
    assert_within(run.answer.wait.mean, 0, 0);
    struct stream both[] = {erlang(0.5, 1, 1), {1e-9, 5, 2, 1, {1, 1, 0}}};
    assert_int_equal(simulate(&run, both, 2, &options), 0);
    assert_within(run.streams[1].fill_mean, 2, 1e-6);
    assert_true(run.streams[1].delay_p99 > run.streams[1].delay_mean);
}

static void refuses_bad_arguments(void **state)
{
    (void)state;
    struct run run;
    struct sim_options options = {.seed = 1, .containers = 100};
    struct stream good = erlang(0.5, 1, 1);
    struct stream bad[6] = {good, good, good, good, good, good};
    bad[0].rate = -1;
    bad[1].size = 0;
    bad[2].timeout = 0;
    bad[3].count = 0;
    bad[4].service = (struct service){0};
    bad[5].service.scv = NAN;
    for (int i = 0; i < 6; i++)
        assert_int_equal(simulate(&run, &bad[i], 1, &options), -EINVAL);
    assert_int_equal(simulate(&run, &good, 0, &options), -EINVAL);
    struct sim_traffic traffic = {.kind = SIM_ON_OFF, .burst = 8, .peak = 1};
    options.traffic = &traffic;
    assert_int_equal(simulate(&run, &good, 1, &options), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_mm1),
        cmocka_unit_test(agrees_with_pollaczek_khinchine),
        cmocka_unit_test(agrees_with_exact_small_cases),
        cmocka_unit_test(same_seed_same_answer),
        cmocka_unit_test(packets_and_containers_agree),
        cmocka_unit_test(bursts_wait_longer),
        cmocka_unit_test(unstable_and_silent),
        cmocka_unit_test(refuses_bad_arguments),
    };
    return cmocka_run_group_tests_name("sim", tests, NULL, NULL);
}
