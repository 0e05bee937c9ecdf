// SPDX-License-Identifier: GPL-2.0-or-later
/* The methods that keep every phase: exact and qbd, and what they are made of. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/exact.h"
#include "model/published.h"
#include "model/qbd.h"
#include "model/sim.h"
#include "tests/unit/model/near.h"

#define TAILS 3

struct asked {
    struct answer answer;
    struct stream_delay streams[4];
    double tail[TAILS];
    uint64_t phases;
};

typedef int solver(const struct query *, const struct method_options *, struct answer *,
                   uint64_t *);

static int ask(solver *solve, const struct stream *streams, size_t n, const double *tail_at,
               struct asked *ret)
{
    struct query query = {streams, n, tail_at, tail_at ? TAILS : 0};
    struct method_options options = {0};
    *ret = (struct asked){.phases = 0};
    ret->answer = (struct answer){.streams = ret->streams, .tail = ret->tail};
    return solve(&query, &options, &ret->answer, &ret->phases);
}

static struct stream erlang(double rate, uint32_t size, uint32_t count)
{
    return (struct stream){rate, size, INFINITY, count, {1, 1, 0}};
}

/* Erlang(k)/M/1 in closed form: sigma = (lambda / (lambda + mu (1 - sigma)))^k. */
static double erlang_sigma(double rate, uint32_t k, double mu)
{
    double sigma = 0.5;
    for (int i = 0; i < 100000; i++) {
        double next = pow(rate / (rate + mu * (1 - sigma)), k);
        if (fabs(next - sigma) < 1e-16)
            break;
        sigma = next;
    }
    return sigma;
}

static void one_stream_in_closed_form(void **state)
{
    static const uint32_t sizes[] = {1, 2, 7, 40};
    static const double rhos[] = {0.05, 0.5, 0.95}, at[TAILS] = {0, 1, 5};
    static solver *const solvers[] = {exact_solve, qbd_solve};
    (void)state;
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 3; j++) {
                struct asked asked;
                struct stream stream = erlang(rhos[j] * sizes[i], sizes[i], 1);
                double sigma = erlang_sigma(stream.rate, sizes[i], 1);
                double mean = sigma / (1 - sigma);
                assert_int_equal(ask(solvers[m], &stream, 1, at, &asked), 0);
                assert_within(asked.answer.wait.mean, mean, 1e-9 * fmax(1, mean));
                for (int t = 0; t < TAILS; t++)
                    assert_within(asked.tail[t], sigma * exp(-(1 - sigma) * at[t]), 1e-9);
                double p99 = sigma > 0.01 ? log(sigma / 0.01) / (1 - sigma) : 0;
                assert_within(asked.answer.wait.p99, p99, 1e-6 * (1 + p99));
                assert_within(asked.streams[0].wait_mean, mean, 1e-9 * fmax(1, mean));
                assert_within(asked.streams[0].fill_mean, (sizes[i] - 1) / (2 * stream.rate), 1e-9);
            }
}

/* docs/model.md, the table of the published solution. */
static void qbd_has_the_published_values(void **state)
{
    static const double at[TAILS] = {0, 0.1, 0.2};
    static const struct {
        struct stream streams[3];
        size_t n;
        uint64_t phases;
        double rho, wait;
    } rows[] = {
        {{{3, 3, INFINITY, 1, {1, 1, 0}}, {4, 4, INFINITY, 1, {1, 1, 0}}}, 2, 24, 0.8, 1.13352530},
        {{{10, 5, INFINITY, 1, {1, 1, 0}},
          {1, 2, INFINITY, 1, {1, 1, 0}},
          {5, 3, INFINITY, 1, {1, 1, 0}}},
         3,
         90,
         0.9,
         1.44814443},
        {{{1, 4, INFINITY, 3, {1, 1, 0}}}, 1, 192, 0.6, 0.88469159},
        {{{7, 10, INFINITY, 1, {1, 1, 0}}}, 1, 10, 0.8, 2.19687906},
    };
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct asked asked;
        struct stream streams[3];
        double containers = 0;
        for (size_t j = 0; j < rows[i].n; j++) {
            const struct stream *s = &rows[i].streams[j];
            containers += s->count * s->rate / s->size;
        }
        for (size_t j = 0; j < rows[i].n; j++) {
            streams[j] = rows[i].streams[j];
            streams[j].service.mean = rows[i].rho / containers;
        }
        assert_int_equal(ask(qbd_solve, streams, rows[i].n, at, &asked), 0);
        assert_int_equal(asked.phases, rows[i].phases);
        assert_within(asked.answer.utilisation, rows[i].rho, 1e-12);
        assert_within(asked.answer.wait.mean, rows[i].wait, 0.6e-8);
    }
}

static void qbd_has_the_published_tail(void **state)
{
    (void)state;
    struct asked asked;
    double mean = 0.8 / 2, at[TAILS] = {0, mean, 2 * mean};
    struct stream streams[] = {{3, 3, INFINITY, 1, {mean, 1, 0}},
                               {4, 4, INFINITY, 1, {mean, 1, 0}}};
    assert_int_equal(ask(qbd_solve, streams, 2, at, &asked), 0);
    assert_within(asked.tail[0], 0.739163, 0.6e-6);
    assert_within(asked.tail[1], 0.569456, 0.6e-6);
    assert_within(asked.tail[2], 0.438713, 0.6e-6);
}

/* docs/model.md, exact small cases: shares of the container rate, sizes, rho, E[W]. */
static void exact_has_the_stated_values(void **state)
{
    static const struct {
        double shares[3];
        uint32_t sizes[3];
        double rho, wait;
    } rows[] = {
        {{.5, .5}, {2, 2}, .3, 0.26571},
        {{.5, .5}, {12, 12}, .8, 1.98517},
        {{.2, .8}, {12, 5}, .8, 2.17914},
        {{1. / 3, 1. / 3, 1. / 3}, {4, 4, 4}, .95, 11.76792},
        {{.6, .2, .2}, {6, 5, 3}, .6, 0.81691},
    };
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct asked asked;
        struct stream streams[3];
        size_t n = rows[i].sizes[2] ? 3 : 2;
        for (size_t j = 0; j < n; j++)
            streams[j] =
                erlang(rows[i].shares[j] * rows[i].rho * rows[i].sizes[j], rows[i].sizes[j], 1);
        assert_int_equal(ask(exact_solve, streams, n, NULL, &asked), 0);
        assert_within(asked.answer.wait.mean, rows[i].wait, 0.6e-5);
    }
}

/* Streams that are alike are lumped: 3 of 4 phases make 20 states, not 64. */
static void alike_streams_are_lumped(void **state)
{
    (void)state;
    struct asked lumped, apart;
    struct stream one = erlang(1.2, 4, 3);
    struct stream three[] = {erlang(1.2, 4, 1), erlang(1.2 * (1 + 1e-12), 4, 1),
                             erlang(1.2 * (1 - 1e-12), 4, 1)};
    assert_int_equal(ask(exact_solve, &one, 1, NULL, &lumped), 0);
    assert_int_equal(ask(exact_solve, three, 3, NULL, &apart), 0);
    assert_int_equal(lumped.phases, 20);
    assert_int_equal(apart.phases, 64);
    assert_within(lumped.answer.wait.mean, apart.answer.wait.mean, 1e-9);
    assert_within(lumped.streams[0].delay_p99, apart.streams[2].delay_p99, 1e-6);
}

/* All sizes 1: M/G/1 whatever the streams; P-K mean, each stream alike. */
static void poisson_streams_are_one(void **state)
{
    static const double scvs[] = {0.0625, 0.25, 0.3, 1, 2.5};
    static solver *const solvers[] = {exact_solve, qbd_solve};
    (void)state;
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < 5; i++) {
            struct asked asked;
            struct stream streams[] = {erlang(0.3, 1, 1), erlang(0.1, 1, 3)};
            streams[0].service.scv = streams[1].service.scv = scvs[i];
            assert_int_equal(ask(solvers[m], streams, 2, NULL, &asked), 0);
            double wait = 0.6 * (1 + scvs[i]) / (2 * 0.4);
            assert_within(asked.answer.wait.mean, wait, 1e-9);
            assert_within(asked.streams[0].wait_mean, wait, 1e-9);
            assert_within(asked.streams[1].delay_mean, wait + 1, 1e-9);
        }
}

/* With one stream nothing depends: both views are the same queue, for every service. */
static void views_agree_on_one_stream(void **state)
{
    static const double scvs[] = {0.125, 0.4, 1, 3}, at[TAILS] = {0, 2, 6};
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct asked exact, qbd;
        struct stream stream = erlang(8 * 0.9, 8, 1);
        stream.service.scv = scvs[i];
        assert_int_equal(ask(exact_solve, &stream, 1, at, &exact), 0);
        assert_int_equal(ask(qbd_solve, &stream, 1, at, &qbd), 0);
        assert_within(exact.answer.wait.mean, qbd.answer.wait.mean, 1e-9);
        assert_within(exact.streams[0].delay_p99, qbd.streams[0].delay_p99, 1e-6);
        for (int t = 0; t < TAILS; t++)
            assert_within(exact.tail[t], qbd.tail[t], 1e-9);
    }
}

/* Each stream's own wait against simulation; its p99 takes fill and wait as independent. */
static void exact_agrees_with_simulation(void **state)
{
    (void)state;
    struct asked exact;
    struct stream streams[] = {erlang(0.56 * 10, 10, 1), erlang(0.24 * 10, 10, 1)};
    streams[0].service.scv = streams[1].service.scv = 0.25;
    assert_int_equal(ask(exact_solve, streams, 2, NULL, &exact), 0);
    struct stream_delay sim_streams[2];
    struct answer sim = {.streams = sim_streams};
    struct query query = {streams, 2, NULL, 0};
    struct sim_options options = {.seed = 1, .containers = 2000000};
    assert_int_equal(sim_run(&query, &options, &sim, NULL), 0);
    assert_within(exact.answer.wait.mean, sim.wait.mean, 0.01);
    assert_within(exact.answer.wait.p99, sim.wait.p99, 0.1);
    assert_true(exact.streams[0].wait_mean < exact.streams[1].wait_mean - 0.03);
    for (int i = 0; i < 2; i++) {
        assert_within(exact.streams[i].wait_mean, sim_streams[i].wait_mean, 0.01);
        assert_within(exact.streams[i].delay_mean, sim_streams[i].delay_mean, 0.01);
        assert_within(exact.streams[i].delay_p99, sim_streams[i].delay_p99,
                      0.04 * sim_streams[i].delay_p99);
    }
}

struct solved {
    struct qbd_gap gap;
    struct phases service;
    struct quasi quasi;
};

static struct solved solve_pair(double scv)
{
    static const double rates[] = {3, 4};
    static const uint32_t sizes[] = {3, 4};
    struct solved s;
    assert_int_equal(phases_fit(0.4, scv, &s.service), 0);
    assert_int_equal(qbd_gap_init(rates, sizes, 2, &s.gap), 0);
    assert_int_equal(quasi_init(&s.quasi, s.gap.n * s.service.n), 0);
    qbd_blocks(&s.gap, &s.service, &s.quasi);
    assert_int_equal(quasi_solve(&s.quasi), 0);
    return s;
}

static void solved_free(struct solved *s)
{
    quasi_free(&s->quasi);
    qbd_gap_free(&s->gap);
}

static void matrices_hold_their_equations(void **state)
{
    static const double scvs[] = {0.2, 1, 2};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct solved s = solve_pair(scvs[i]);
        size_t n = s.gap.n * s.service.n;
        assert_true(quasi_residual(&s.quasi) < 1e-13);
        double total = 0;
        for (size_t a = 0; a < n; a++) {
            double row = 0, block = 0;
            for (size_t b = 0; b < n; b++) {
                row += MATRIX(s.quasi.g, a, b);
                block +=
                    MATRIX(s.quasi.a0, a, b) + MATRIX(s.quasi.a1, a, b) + MATRIX(s.quasi.a2, a, b);
                assert_true(MATRIX(s.quasi.r, a, b) > -1e-12);
            }
            assert_within(row, 1, 1e-10);
            assert_within(block, 0, 1e-10);
            total += s.quasi.phase[a];
        }
        assert_within(total, 1, 1e-10);
        solved_free(&s);
    }
}

/* The wait as phase-type law from R: mean and tail equal those of the levels themselves. */
static void wait_from_r_is_phase_type(void **state)
{
    static const double scvs[] = {0.2, 1, 2};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct solved s = solve_pair(scvs[i]);
        struct qbd_wait wait;
        assert_int_equal(qbd_wait_init(&s.quasi, &s.gap, &s.service, &wait), 0);
        assert_int_equal(wait.n, s.service.n * s.service.n);
        for (size_t a = 0; a < wait.n; a++) {
            double row = 0;
            assert_true(wait.initial[a] >= 0);
            for (size_t b = 0; b < wait.n; b++) {
                row += MATRIX(wait.rates, a, b);
                assert_true(a == b || MATRIX(wait.rates, a, b) > -1e-12);
            }
            assert_true(row < 1e-10);
        }
        struct asked asked;
        double at[TAILS] = {0, 0.4, 2};
        struct stream streams[] = {{3, 3, INFINITY, 1, {0.4, scvs[i], 0}},
                                   {4, 4, INFINITY, 1, {0.4, scvs[i], 0}}};
        assert_int_equal(ask(qbd_solve, streams, 2, at, &asked), 0);
        assert_within(qbd_wait_mean(&wait), asked.answer.wait.mean, 1e-9);
        for (int t = 0; t < TAILS; t++)
            assert_within(qbd_wait_tail(&wait, at[t]), asked.tail[t], 1e-9);
        qbd_wait_free(&wait);
        solved_free(&s);
    }
}

static void limits_and_refusals(void **state)
{
    (void)state;
    struct asked asked;
    struct stream published = erlang(10, 200, 4);
    assert_int_equal(ask(qbd_solve, &published, 1, NULL, &asked), -E2BIG);
    assert_int_equal(asked.phases, 6400000000); /* 4 * 200^4 */
    struct stream huge = erlang(1e-3, 65535, 200);
    assert_int_equal(ask(qbd_solve, &huge, 1, NULL, &asked), -E2BIG);
    assert_int_equal(ask(exact_solve, &huge, 1, NULL, &asked), -E2BIG);
    assert_true(asked.phases == UINT64_MAX);
    struct stream timed = {1, 4, 2, 1, {1, 1, 0}}, fixed = {1, 4, INFINITY, 1, {1, 0, 0}};
    assert_int_equal(ask(exact_solve, &timed, 1, NULL, &asked), -ENOTSUP);
    assert_int_equal(ask(qbd_solve, &fixed, 1, NULL, &asked), -ENOTSUP);
    timed.timeout = 1e6;
    assert_int_equal(ask(exact_solve, &timed, 1, NULL, &asked), 0);
    struct stream bad = erlang(-1, 4, 1);
    assert_int_equal(ask(exact_solve, &bad, 1, NULL, &asked), -EINVAL);
    struct stream full = erlang(4, 4, 1), silent = erlang(0, 4, 2);
    silent.timeout = 3;
    assert_int_equal(ask(qbd_solve, &full, 1, NULL, &asked), 0);
    assert_true(!asked.answer.stable && isinf(asked.answer.wait.mean));
    assert_int_equal(ask(exact_solve, &silent, 1, NULL, &asked), 0);
    assert_true(asked.answer.stable && asked.answer.wait.mean == 0);
    assert_within(asked.streams[0].delay_mean, 4, 1e-12);
}

/* Single packets of unlike services: Pollaczek and Khinchine. */
static void own_services_in_closed_form(void **state)
{
    (void)state;
    struct stream streams[] = {{0.3, 1, INFINITY, 1, {1, 1, 0}},
                               {0.02, 1, INFINITY, 3, {8, 0.25, 0}},
                               {0.1, 1, INFINITY, 1, {0.5, 3, 0}}};
    struct asked asked;
    double rho = 0, second = 0;
    for (int i = 0; i < 3; i++) {
        double work = streams[i].count * streams[i].rate * streams[i].service.mean;
        rho += work;
        second += work * streams[i].service.mean * (1 + streams[i].service.scv);
    }
    double wait = second / (2 * (1 - rho));
    assert_int_equal(ask(exact_solve, streams, 3, (double[]){0, 1, 5}, &asked), 0);
    assert_near(asked.answer.utilisation, rho, 1e-12);
    assert_near(asked.answer.wait.mean / wait, 1, 1e-10);
    assert_near(asked.tail[0], rho, 1e-10);
    for (int i = 0; i < 3; i++) {
        assert_near(asked.streams[i].wait_mean / wait, 1, 1e-10);
        assert_near(asked.streams[i].delay_mean, wait + streams[i].service.mean, 1e-9);
    }
}

/* Services that hardly differ: by the age of the one in service as by the number of all. */
static void ages_and_levels_agree(void **state)
{
    (void)state;
    static const double scvs[] = {0.3, 1, 2};
    for (int i = 0; i < 3; i++) {
        struct stream streams[] = {erlang(1.2, 4, 2), erlang(0.9, 5, 1)};
        struct asked levels, ages;
        for (int j = 0; j < 2; j++)
            streams[j].service = (struct service){0.97, scvs[i], 0};
        assert_int_equal(ask(exact_solve, streams, 2, (double[]){0, 1, 5}, &levels), 0);
        streams[1].service.mean *= 1 + 1e-8;
        assert_int_equal(ask(exact_solve, streams, 2, (double[]){0, 1, 5}, &ages), 0);
        assert_near(ages.answer.wait.mean / levels.answer.wait.mean, 1, 1e-6);
        assert_near(ages.answer.wait.p99 / levels.answer.wait.p99, 1, 1e-6);
        for (int j = 0; j < TAILS; j++)
            assert_near(ages.tail[j] / levels.tail[j], 1, 1e-6);
        for (int j = 0; j < 2; j++) {
            assert_near(ages.streams[j].wait_mean / levels.streams[j].wait_mean, 1, 1e-6);
            assert_near(ages.streams[j].delay_p99 / levels.streams[j].delay_p99, 1, 1e-6);
        }
    }
}

/* Services that differ much, against a simulation that follows each container. */
static void own_services_as_simulated(void **state)
{
    (void)state;
    struct stream streams[] = {{1.2, 6, INFINITY, 1, {2, 0.25, 0}},
                               {0.6, 3, INFINITY, 1, {0.5, 1, 0}},
                               {0.08, 2, INFINITY, 1, {4, 0.5, 0}}};
    struct asked asked;
    struct stream_delay delays[3];
    struct answer sim = {.streams = delays};
    struct query query = {streams, 3, NULL, 0};
    struct sim_options options = {.seed = 1, .containers = 4000000};
    assert_int_equal(ask(exact_solve, streams, 3, NULL, &asked), 0);
    assert_int_equal(sim_run(&query, &options, &sim, NULL), 0);
    assert_near(asked.answer.wait.mean / sim.wait.mean, 1, 0.015);
    assert_near(asked.answer.wait.p99 / sim.wait.p99, 1, 0.02);
    for (int i = 0; i < 3; i++)
        assert_near(asked.streams[i].wait_mean / delays[i].wait_mean, 1, 0.015);
}

/* The published view of unlike services: their mixture, in both of its forms. */
static void mixed_services_as_published(void **state)
{
    (void)state;
    struct stream streams[] = {{1.2, 6, INFINITY, 1, {2, 1, 0}},
                               {0.6, 3, INFINITY, 1, {0.5, 0.5, 0}}};
    struct asked qbd, published;
    assert_int_equal(ask(qbd_solve, streams, 2, (double[]){0, 1, 5}, &qbd), 0);
    assert_int_equal(ask(published_solve, streams, 2, (double[]){0, 1, 5}, &published), 0);
    assert_near(qbd.answer.wait.mean / published.answer.wait.mean, 1, 1e-8);
    for (int i = 0; i < TAILS; i++)
        assert_near(qbd.tail[i] / published.tail[i], 1, 1e-8);
    for (int i = 0; i < 2; i++) {
        assert_near(qbd.streams[i].delay_mean / published.streams[i].delay_mean, 1, 1e-8);
        assert_near(qbd.streams[i].delay_p99 / published.streams[i].delay_p99, 1, 1e-6);
    }
}

/* A cost per packet is a fixed time on top: same mean, less variation. */
static void cost_per_packet_is_fixed_time(void **state)
{
    (void)state;
    struct asked whole, split;
    struct stream a = erlang(3.2, 8, 2), b = erlang(3.2, 8, 2);
    a.service = (struct service){1, 0.25, 0};
    b.service = (struct service){0.5, 1, 0.0625};
    assert_int_equal(ask(exact_solve, &a, 1, NULL, &whole), 0);
    assert_int_equal(ask(exact_solve, &b, 1, NULL, &split), 0);
    assert_within(whole.answer.wait.mean, split.answer.wait.mean, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_stream_in_closed_form),
        cmocka_unit_test(qbd_has_the_published_values),
        cmocka_unit_test(qbd_has_the_published_tail),
        cmocka_unit_test(exact_has_the_stated_values),
        cmocka_unit_test(alike_streams_are_lumped),
        cmocka_unit_test(poisson_streams_are_one),
        cmocka_unit_test(views_agree_on_one_stream),
        cmocka_unit_test(exact_agrees_with_simulation),
        cmocka_unit_test(matrices_hold_their_equations),
        cmocka_unit_test(wait_from_r_is_phase_type),
        cmocka_unit_test(limits_and_refusals),
        cmocka_unit_test(own_services_in_closed_form),
        cmocka_unit_test(ages_and_levels_agree),
        cmocka_unit_test(own_services_as_simulated),
        cmocka_unit_test(mixed_services_as_published),
        cmocka_unit_test(cost_per_packet_is_fixed_time),
    };
    return cmocka_run_group_tests_name("phased", tests, NULL, NULL);
}
