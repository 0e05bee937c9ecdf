// SPDX-License-Identifier: GPL-2.0-or-later
/* The transform form: against closed forms, the matrices, and simulation. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/method.h"
#include "model/random.h"
#include "tests/unit/model/near.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define STREAMS 4
#define TAILS 3

struct asked {
    struct answer answer;
    struct stream_delay streams[STREAMS];
    double tail[TAILS];
};

static int ask(enum method method, const struct stream *streams, size_t n, const double *at,
               struct asked *ret)
{
    struct query query = {streams, n, at, at ? TAILS : 0};
    struct method_options options = {.seed = 1, .containers = 400000, .max_phases = 400};
    ret->answer = (struct answer){.streams = ret->streams, .tail = ret->tail};
    return method_solve(method, &query, &options, &ret->answer, NULL);
}

static struct stream erlang(double rate, uint32_t size, double service, double scv)
{
    return (struct stream){rate, size, INFINITY, 1, {service, scv, 0}};
}

/* sigma = (lambda / (lambda + mu (1 - sigma)))^k by bisection, mu = 1. */
static double erlang_sigma(double rate, double k)
{
    double low = 0, high = 1 - 1e-12;
    for (int i = 0; i < 200; i++) {
        double middle = (low + high) / 2;
        if (pow(rate / (rate + 1 - middle), k) > middle)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void one_stream_in_closed_form(void **state)
{
    static const uint32_t sizes[] = {1, 2, 7, 40, 160, 1024};
    static const double rhos[] = {0.3, 0.5, 0.8, 0.95, 0.99}, at[TAILS] = {0, 1, 5};
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t j = 0; j < COUNT(rhos); j++) {
            struct asked asked;
            struct stream stream = erlang(rhos[j] * sizes[i], sizes[i], 1, 1);
            double sigma = erlang_sigma(stream.rate, sizes[i]), mean = sigma / (1 - sigma);
            assert_int_equal(ask(METHOD_PUBLISHED, &stream, 1, at, &asked), 0);
            assert_within(asked.answer.wait.mean, mean, 1e-9 * fmax(1, mean));
            for (int t = 0; t < TAILS; t++)
                assert_within(asked.tail[t], sigma * exp(-(1 - sigma) * at[t]), 1e-9);
            double p99 = sigma > 0.01 ? log(sigma / 0.01) / (1 - sigma) : 0;
            assert_within(asked.answer.wait.p99, p99, 1e-8 * (1 + p99));
        }
}

/* Waits of superposed Erlang streams, known to 8 digits from the matrices. */
static void the_table_to_all_its_digits(void **state)
{
    static const struct {
        struct {
            double rate;
            uint32_t size;
        } streams[3];
        double rho, wait;
    } rows[] = {{{{3, 3}, {4, 4}}, 0.8, 1.13352530},
                {{{10, 5}, {1, 2}, {5, 3}}, 0.9, 1.44814443},
                {{{1, 4}, {1, 4}, {1, 4}}, 0.6, 0.88469159},
                {{{7, 10}}, 0.8, 2.19687906}};
    (void)state;
    for (size_t r = 0; r < COUNT(rows); r++) {
        struct stream streams[3];
        struct asked asked;
        double containers = 0;
        size_t n = 0;
        for (; n < 3 && rows[r].streams[n].rate > 0; n++)
            containers += rows[r].streams[n].rate / rows[r].streams[n].size;
        double mu = containers / rows[r].rho;
        for (size_t i = 0; i < n; i++)
            streams[i] = erlang(rows[r].streams[i].rate, rows[r].streams[i].size, 1 / mu, 1);
        double at[TAILS] = {0, 1 / mu, 2 / mu};
        assert_int_equal(ask(METHOD_PUBLISHED, streams, n, at, &asked), 0);
        assert_within(asked.answer.wait.mean, rows[r].wait, 0.6e-8);
        if (r == 0) {
            assert_within(asked.tail[0], 0.739163, 0.6e-6);
            assert_within(asked.tail[1], 0.569456, 0.6e-6);
            assert_within(asked.tail[2], 0.438713, 0.6e-6);
        }
    }
}

/* Random small questions of every kind of service: the matrices say the same. */
static void agrees_with_the_matrices(void **state)
{
    static const double scvs[] = {1, 0.5, 0.3, 0.0625, 2.5, 20};
    struct random random;
    random_init(&random, 20);
    (void)state;
    for (int i = 0; i < 18; i++) {
        struct stream streams[2];
        struct asked fast, slow;
        double rho = 0.05 + 0.94 * random_uniform(&random), containers = 0;
        const double scv = scvs[i % COUNT(scvs)];
        for (int s = 0; s < 2; s++) {
            uint32_t size = 1 + (uint32_t)(3 * random_uniform(&random));
            streams[s] = erlang(0.5 + 5 * random_uniform(&random), size, 1, scv);
            containers += streams[s].rate / size;
        }
        for (int s = 0; s < 2; s++)
            streams[s].service.mean = rho / containers;
        double at[TAILS] = {0, 1 / containers, 4 / containers};
        assert_int_equal(ask(METHOD_PUBLISHED, streams, 2, at, &fast), 0);
        assert_int_equal(ask(METHOD_QBD, streams, 2, at, &slow), 0);
        assert_near(fast.answer.wait.mean, slow.answer.wait.mean, 1e-8);
        assert_near(fast.answer.wait.p99, slow.answer.wait.p99, 1e-8);
        for (int t = 0; t < TAILS; t++)
            assert_within(fast.tail[t], slow.tail[t], 1e-9);
        assert_near(fast.streams[0].delay_mean, slow.streams[0].delay_mean, 1e-8);
        assert_near(fast.streams[1].delay_p99, slow.streams[1].delay_p99, 1e-4);
    }
}

/* One stream is a renewal process: there the method is exact, timeouts included. */
static void one_stream_with_timeouts_as_simulated(void **state)
{
    static const double timeouts[] = {0.3, 1, 3}, scvs[] = {1, 0.25, 4};
    (void)state;
    for (size_t t = 0; t < COUNT(timeouts); t++)
        for (size_t s = 0; s < COUNT(scvs); s++) {
            struct stream stream = {10, 10, timeouts[t], 1, {0.8, scvs[s], 0}};
            struct asked exact, simulated;
            stream.service.mean = timeouts[t] < 0.5 ? 0.3 : 0.8;
            assert_int_equal(ask(METHOD_PUBLISHED, &stream, 1, NULL, &exact), 0);
            assert_int_equal(ask(METHOD_SIM, &stream, 1, NULL, &simulated), 0);
            assert_within(exact.answer.wait.mean, simulated.answer.wait.mean,
                          2.5 * simulated.answer.wait_ci95);
            /* The fill wait and the wait of one container are taken as independent. */
            assert_near(exact.streams[0].delay_p99, simulated.streams[0].delay_p99, 0.08);
            assert_near(exact.streams[0].fill_mean, simulated.streams[0].fill_mean, 0.005);
        }
}

static void extremes_stay_finite(void **state)
{
    static const double rhos[] = {1e-9, 1e-3, 0.5, 0.999999}, scvs[] = {0, 0.25, 1, 100};
    static const uint32_t sizes[] = {1, 160, STREAM_SIZE_MAX};
    (void)state;
    for (size_t r = 0; r < COUNT(rhos); r++)
        for (size_t c = 0; c < COUNT(scvs); c++)
            for (size_t s = 0; s < COUNT(sizes); s++) {
                struct stream streams[2] = {{1e7, sizes[s], INFINITY, 3, {0, scvs[c], 0}},
                                            {1, sizes[s], 1e-3, 1, {0, scvs[c], 0}}};
                struct asked asked;
                double containers = 3e7 / sizes[s] + 1;
                streams[0].service.mean = streams[1].service.mean = rhos[r] / containers;
                assert_int_equal(ask(METHOD_PUBLISHED, streams, 2, NULL, &asked), 0);
                const struct wait_summary *w = &asked.answer.wait;
                assert_true(asked.answer.stable);
                assert_true(isfinite(w->mean) && w->mean >= 0);
                assert_true(w->p50 <= w->p99 && w->p99 <= w->p999 && isfinite(w->p999));
                for (int i = 0; i < 2; i++)
                    assert_true(isfinite(asked.streams[i].delay_p99) &&
                                asked.streams[i].delay_p50 <= asked.streams[i].delay_p99);
            }
}

static void silent_and_overloaded(void **state)
{
    (void)state;
    struct asked asked;
    struct stream silent = erlang(0, 10, 1, 1), busy = erlang(20, 10, 0.5, 1);
    assert_int_equal(ask(METHOD_PUBLISHED, &silent, 1, NULL, &asked), 0);
    assert_true(asked.answer.stable && asked.answer.wait.mean == 0);
    assert_int_equal(ask(METHOD_PUBLISHED, &busy, 1, NULL, &asked), 0);
    assert_true(!asked.answer.stable && asked.answer.utilisation == 1);
    assert_true(isinf(asked.answer.wait.mean) && isinf(asked.streams[0].delay_mean));
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    const struct stream bad[] = {
        {-1, 10, INFINITY, 1, {1, 1, 0}},  {1, 0, INFINITY, 1, {1, 1, 0}},
        {1, 10, 0, 1, {1, 1, 0}},          {1, 10, INFINITY, 0, {1, 1, 0}},
        {1, 10, INFINITY, 1, {0, 1, 0}},   {1, 10, INFINITY, 1, {1, -1, 0}},
        {1, 10, INFINITY, 1, {NAN, 1, 0}}, {1, 10, INFINITY, 1, {1, 1, INFINITY}},
    };
    for (enum method m = 0; m < METHOD_SIM; m++)
        for (size_t i = 0; i < COUNT(bad); i++) {
            struct asked asked = {.streams = {{.fill_mean = 42}}};
            assert_int_equal(ask(m, &bad[i], 1, NULL, &asked), -EINVAL);
            assert_true(asked.streams[0].fill_mean == 42);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_stream_in_closed_form),
        cmocka_unit_test(the_table_to_all_its_digits),
        cmocka_unit_test(agrees_with_the_matrices),
        cmocka_unit_test(one_stream_with_timeouts_as_simulated),
        cmocka_unit_test(extremes_stay_finite),
        cmocka_unit_test(silent_and_overloaded),
        cmocka_unit_test(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
