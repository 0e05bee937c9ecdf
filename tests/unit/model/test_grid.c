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
                    struct fast_class class = {rho / count, count, 1.0 / k, 1, scvs[c], 0};
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

/* Small questions that every method takes, of random rates, sizes and service. */
static size_t small_draw(struct random *random, double rho, struct stream *streams)
{
    static const double scvs[] = {0.25, 0.5, 1, 2.5};
    size_t n = 1 + random_below(random, 2);
    double scv = scvs[random_below(random, 4)], containers = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t size = 1 + (uint32_t)random_below(random, 4);
        streams[i] =
            (struct stream){pow(10, 3 * random_uniform(random)), size, INFINITY, 1, {1, scv, 0}};
        containers += streams[i].rate / size;
    }
    for (size_t i = 0; i < n; i++)
        streams[i].service.mean = rho / containers;
    return n;
}

static double wait_by(enum method method, const struct stream *streams, size_t n)
{
    struct stream_delay delays[2];
    struct answer answer = {.streams = delays};
    struct query query = {streams, n, NULL, 0};
    struct method_options options = {.seed = 7, .max_phases = 1000, .containers = 1000000};
    assert_int_equal(method_solve(method, &query, &options, &answer, NULL), 0);
    assert_true(answer.stable && isfinite(answer.wait.mean) && answer.wait.mean >= 0);
    for (size_t i = 0; i < n; i++)
        assert_true(isfinite(delays[i].delay_mean) && delays[i].delay_p50 <= delays[i].delay_p99);
    return answer.wait.mean;
}

static const enum method every[] = {METHOD_FAST, METHOD_PUBLISHED, METHOD_QBD, METHOD_EXACT,
                                    METHOD_SIM};
#define EVERY (sizeof(every) / sizeof(every[0]))

/* Longer services: longer waits, by every method. (One seed: the same containers, simulated.) */
static void every_method_rises_with_the_service_time(void **state)
{
    struct random random;
    (void)state;
    random_init(&random, 3);
    for (int i = 0; i < 12; i++) {
        struct stream streams[2];
        size_t n = small_draw(&random, 0.3, streams);
        for (size_t m = 0; m < EVERY; m++) {
            double before = 0;
            for (int step = 1; step <= 3; step++) {
                struct stream longer[2] = {streams[0], streams[1]};
                for (size_t j = 0; j < n; j++)
                    longer[j].service.mean *= step;
                double wait = wait_by(every[m], longer, n);
                assert_true(wait > before);
                before = wait;
            }
        }
    }
}

/* The same container rates of evener gaps: shorter waits, by every method. */
static void every_method_falls_with_the_order(void **state)
{
    static const double slack[EVERY] = {1.01, 1, 1, 1, 1.05}; /* fitted; scattered */
    struct random random;
    (void)state;
    random_init(&random, 4);
    for (int i = 0; i < 8; i++) {
        struct stream streams[2];
        size_t n = small_draw(&random, 0.5 + 0.45 * random_uniform(&random), streams);
        for (size_t m = 0; m < EVERY; m++) {
            double before = INFINITY;
            for (uint32_t order = 1; order <= 4; order++) {
                struct stream even[2] = {streams[0], streams[1]};
                for (size_t j = 0; j < n; j++) {
                    even[j].rate *= (double)order / even[j].size;
                    even[j].size = order;
                }
                double wait = wait_by(every[m], even, n);
                assert_true(wait < before * slack[m]);
                before = wait;
            }
        }
    }
}

/* Saturation and the largest sizes, by the methods that have no limit. */
static void no_extreme_is_too_much(void **state)
{
    static const enum method methods[] = {METHOD_FAST, METHOD_PUBLISHED};
    static const uint32_t sizes[] = {1, 160, 65535};
    struct random random;
    (void)state;
    random_init(&random, 5);
    for (int i = 0; i < 24; i++) {
        uint32_t size = sizes[i % 3];
        double scv = i % 4 ? 1 : 0.25, rates[2] = {pow(10, 7 * random_uniform(&random)), 1};
        struct stream streams[2];
        for (int j = 0; j < 2; j++)
            streams[j] = (struct stream){
                rates[j], size, INFINITY, 1 + (uint32_t)random_below(&random, 50), {1, scv, 0}};
        double containers = (rates[0] * streams[0].count + rates[1] * streams[1].count) / size;
        for (int j = 0; j < 2; j++)
            streams[j].service.mean = (i % 2 ? 0.999999 : 0.7) / containers;
        for (int m = 0; m < 2; m++)
            (void)wait_by(methods[m], streams, 2);
    }
}

/* Saturation and rates far apart, by the methods of small sizes; one service, and one of each. */
static void no_extreme_is_too_much_for_matrices(void **state)
{
    static const double rhos[] = {1e-6, 0.5, 0.999, 0.999999}, rates[][2] = {{1, 1}, {1, 1e7}};
    static const enum method methods[] = {METHOD_QBD, METHOD_EXACT};
    (void)state;
    for (int i = 0; i < 16; i++)
        for (int m = 0; m < 2; m++) {
            struct stream streams[] = {{rates[i & 1][0], 3, INFINITY, 2, {1, 1, 0}},
                                       {rates[i & 1][1], 2, INFINITY, 1, {i & 8 ? 3 : 1, 0.5, 0}}};
            double work = 0, rho = rhos[i / 2 % 4];
            if (!(i & 8))
                streams[1].service = streams[0].service;
            for (int j = 0; j < 2; j++)
                work +=
                    streams[j].count * streams[j].rate / streams[j].size * streams[j].service.mean;
            for (int j = 0; j < 2; j++)
                streams[j].service.mean *= rho / work;
            (void)wait_by(methods[m], streams, 2);
        }
}

/* Any sizes, timeouts and services: what is said of times is a law. */
static void query_draw(struct random *random, double rho, struct stream *streams, size_t n)
{
    static const double scvs[] = {0, 0.02, 0.25, 1, 4};
    static const uint32_t sizes[] = {1, 2, 160, 1024, 65535};
    double work = 0;
    for (size_t i = 0; i < n; i++) {
        struct stream *s = &streams[i];
        *s = (struct stream){.rate = i ? pow(10, 7 * random_uniform(random)) : 0,
                             .size = sizes[random_below(random, 5)],
                             .timeout = i ? INFINITY : 1,
                             .count = 1 + random_below(random, 20),
                             .service = {1, scvs[random_below(random, 5)], 0}};
        if (random_below(random, 2))
            s->service.per_packet = random_uniform(random);
        if (i && random_below(random, 3) == 0)
            s->timeout = 2 * random_uniform(random) * s->size / s->rate;
    }
    for (int round = 0; round < 2; round++) { /* measure the work, then scale it */
        struct stream_delay delays[4];
        struct answer answer = {.streams = delays};
        struct query query = {streams, n, NULL, 0};
        assert_int_equal(method_solve(METHOD_FAST, &query, NULL, &answer, NULL), 0);
        work = answer.utilisation;
        for (size_t i = 0; round == 0 && i < n; i++) {
            streams[i].service.mean *= rho / work;
            streams[i].service.per_packet *= rho / work;
        }
    }
    assert_true(fabs(work / rho - 1) < 1e-9);
}

static void assert_law(const struct wait_summary *wait, const double *tail, size_t n)
{
    assert_true(isfinite(wait->mean) && wait->mean >= 0 && isfinite(wait->p999));
    assert_true(wait->p50 <= wait->p99 && wait->p99 <= wait->p999);
    for (size_t i = 0; i < n; i++)
        assert_true(tail[i] >= 0 && tail[i] <= (i ? tail[i - 1] : 1) * (1 + 1e-9));
}

static void every_answer_is_a_law(void **state)
{
    static const double rhos[] = {1e-6, 0.3, 0.9, 0.999, 0.999999};
    static const enum method methods[] = {METHOD_FAST, METHOD_PUBLISHED, METHOD_SIM};
    struct random random;
    (void)state;
    random_init(&random, 6);
    for (int i = 0; i < 120; i++) {
        struct stream streams[4];
        struct stream_delay delays[4];
        double tail[6], at[6];
        size_t n = 2 + random_below(&random, 3);
        query_draw(&random, rhos[i % 5], streams, n);
        for (int m = 0; m < 3; m++) {
            struct answer answer = {.streams = delays, .tail = tail};
            struct query query = {streams, n, at, 6};
            struct method_options options = {.containers = 2000};
            for (int j = 0; j < 6; j++)
                at[j] = j * j * streams[1].service.mean / (1 - rhos[i % 5]);
            if (m == 1 && i % 4) /* many phases at saturation take their time */
                continue;
            assert_int_equal(method_solve(methods[m], &query, &options, &answer, NULL), 0);
            assert_true(answer.stable);
            assert_law(&answer.wait, tail, 6);
            for (size_t j = 0; j < n; j++) {
                assert_true(isfinite(delays[j].delay_mean) && delays[j].wait_mean >= 0);
                assert_true(delays[j].delay_p50 <= delays[j].delay_p99);
                assert_true(isfinite(delays[j].delay_p99));
            }
        }
    }
}

/* Nobody sends anything: nobody waits, by any method. */
static void silence_has_an_answer(void **state)
{
    (void)state;
    for (size_t m = 0; m < EVERY; m++) {
        struct stream silent = {0, 65535, 2, 3, {1, 1, 0}};
        assert_true(wait_by(every[m], &silent, 1) == 0);
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
        cmocka_unit_test(every_method_rises_with_the_service_time),
        cmocka_unit_test(every_method_falls_with_the_order),
        cmocka_unit_test(no_extreme_is_too_much),
        cmocka_unit_test(no_extreme_is_too_much_for_matrices),
        cmocka_unit_test(every_answer_is_a_law),
        cmocka_unit_test(silence_has_an_answer),
    };
    return cmocka_run_group_tests_name("grid", tests, NULL, NULL);
}
