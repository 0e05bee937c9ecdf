// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A small part of what `./run bench model` does at length: the fast method
 * against simulation on generated cases of the judging set, and what must hold
 * for any input.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/fast_queue.h"
#include "model/method.h"
#include "model/random.h"
#include "model/sim.h"
#include "tests/bench/grid.h"

#define CASES 60
#define CONTAINERS 300000

/* Of 60 cases, those with enough containers of each stream for a short run to tell. */
static void fast_agrees_with_simulation(void **state)
{
    static struct grid_case c;
    static struct stream_delay sim_streams[GRID_STREAMS], fast_streams[GRID_STREAMS];
    static struct sim_stream seen[GRID_STREAMS];
    (void)state;
    int compared = 0, off = 0;
    for (uint32_t i = 0; i < CASES; i++) {
        grid_make(GRID_JUDGE, i, &c);
        if (c.n > 12 || c.rho < 0.3 || c.rho > 0.95)
            continue;
        struct query query = {c.streams, c.n, NULL, 0};
        struct answer sim = {.streams = sim_streams}, fast = {.streams = fast_streams};
        struct sim_report report = {.streams = seen};
        struct sim_options options = {.seed = i, .containers = CONTAINERS};
        assert_int_equal(sim_run(&query, &options, &sim, &report), 0);
        assert_int_equal(method_solve(METHOD_FAST, &query, NULL, &fast, NULL), 0);
        for (size_t j = 0; j < c.n; j++) {
            double delay = sim_streams[j].delay_mean, scatter = 2 * seen[j].delay_ci95 / delay;
            double error = fabs(fast_streams[j].delay_mean / delay - 1);
            if (seen[j].containers < 3000 || scatter > 0.05)
                continue;
            compared++;
            off += error > 0.02 + scatter;
            assert_true(error < 0.05 + scatter);
        }
    }
    assert_true(compared > 60);
    assert_true(off * 20 <= compared);
}

static struct fast_class class_draw(struct random *random)
{
    double service = pow(10, 3 * random_uniform(random)), scv = 4 * random_uniform(random);
    return (struct fast_class){.rate = pow(10, 7 * random_uniform(random)),
                               .count = 1 + random_below(random, 100),
                               .gap_scv = 1 / (1 + floor(pow(65535, random_uniform(random)))),
                               .service = service,
                               .service_var = scv * service * service};
}

/* Rates scaled so that the utilisation is rho. */
static void classes_draw(struct random *random, double rho, struct fast_class *classes, size_t n)
{
    double work = 0;
    for (size_t i = 0; i < n; i++) {
        classes[i] = class_draw(random);
        work += classes[i].rate * classes[i].count * classes[i].service;
    }
    for (size_t i = 0; i < n; i++)
        classes[i].rate *= rho / work;
}

static void always_finite_and_between_its_ends(void **state)
{
    static const double rhos[] = {1e-9, 0.01, 0.3, 0.9, 0.999, 0.999999};
    struct random random;
    (void)state;
    random_init(&random, 1);
    for (int i = 0; i < 3000; i++) {
        struct fast_class classes[8];
        struct fast_share shares[8];
        struct fast_queue queue;
        size_t n = 1 + random_below(&random, 8);
        classes_draw(&random, rhos[i % 6], classes, n);
        fast_queue_solve(classes, n, &queue, shares);
        assert_true(queue.stable && isfinite(queue.mean) && queue.mean >= 0);
        assert_true(queue.by_work >= queue.lower * (1 - 1e-9));
        assert_true(queue.by_work <= queue.upper * (1 + 1e-9));
        assert_true(isfinite(queue.decay) && queue.decay > 0);
        for (size_t j = 0; j < n; j++)
            assert_true(isfinite(shares[j].wait) && shares[j].wait >= 0);
    }
}

/* More work for every container: every wait grows. */
static void rises_with_the_service_time(void **state)
{
    struct random random;
    (void)state;
    random_init(&random, 2);
    for (int i = 0; i < 500; i++) {
        struct fast_class classes[6];
        size_t n = 1 + random_below(&random, 6);
        double before = 0;
        classes_draw(&random, 0.1, classes, n);
        for (int step = 0; step < 9; step++) {
            struct fast_queue queue;
            struct fast_class longer[6];
            for (size_t j = 0; j < n; j++) {
                double factor = 1 + step;
                longer[j] = classes[j];
                longer[j].service *= factor;
                longer[j].service_var *= factor * factor;
            }
            fast_queue_solve(longer, n, &queue, NULL);
            assert_true(queue.by_work >= before * (1 - 1e-6));
            before = queue.by_work;
        }
    }
}

/* At fixed container rates, the evener the gaps the shorter the wait. */
static void falls_with_the_order_of_the_gap(void **state)
{
    static const double scvs[] = {0, 0.25, 1, 3};
    (void)state;
    for (int c = 0; c < 4; c++)
        for (double rho = 0.1; rho < 1; rho += 0.11)
            for (int count = 1; count < 200; count *= 3) {
                double before = INFINITY;
                for (uint32_t k = 1; k <= 65535; k = 2 * k + 1) {
                    struct fast_class class = {rho / count, count, 1.0 / k, 1, scvs[c]};
                    struct fast_queue queue;
                    fast_queue_solve(&class, 1, &queue, NULL);
                    assert_true(queue.mean <=
                                before * 1.012 +
                                    0.002); /* fixed service: as even as it is fitted */
                    before = queue.mean;
                }
            }
}

static void mixed_rates_have_all_answers(void **state)
{
    static const enum method methods[] = {METHOD_FAST, METHOD_PUBLISHED, METHOD_SIM};
    (void)state;
    for (int m = 0; m < 3; m++) {
        struct stream streams[] = {{1, 1, INFINITY, 1, {1e-7, 1, 0}},
                                   {1e7, 65535, 1, 1, {1e-7, 1, 0}},
                                   {0, 160, 1e-3, 5, {1e-7, 1, 0}}};
        struct stream_delay delays[3];
        double tail[1];
        struct answer answer = {.streams = delays, .tail = tail};
        struct query query = {streams, 3, (const double[]){1e-7}, 1};
        struct method_options options = {.containers = 20000};
        assert_int_equal(method_solve(methods[m], &query, &options, &answer, NULL), 0);
        assert_true(answer.stable && isfinite(answer.wait.p999) && answer.wait.mean >= 0);
        for (int i = 0; i < 3; i++)
            assert_true(isfinite(delays[i].delay_mean) && isfinite(delays[i].delay_p99) &&
                        delays[i].delay_p99 >= delays[i].delay_p50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_agrees_with_simulation),
        cmocka_unit_test(always_finite_and_between_its_ends),
        cmocka_unit_test(rises_with_the_service_time),
        cmocka_unit_test(falls_with_the_order_of_the_gap),
        cmocka_unit_test(mixed_rates_have_all_answers),
    };
    return cmocka_run_group_tests_name("grid", tests, NULL, NULL);
}
