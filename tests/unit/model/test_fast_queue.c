// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/fast_queue.h"
#include "model/method.h"
#include "tests/unit/model/near.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct fast_class exponential(double rate, double count, double size)
{
    return (struct fast_class){
        .rate = rate, .count = count, .gap_scv = 1 / size, .service = 1, .service_var = 1};
}

/* Simulated: N equal streams of containers of 160, exponential service. */
static void near_the_simulated_waits(void **state)
{
    static const double streams[] = {2, 5, 17, 65, 256};
    static const struct {
        double rho, wait[5];
    } rows[] = {{0.5, {0.380, 0.577, 0.812, 0.942, 0.982}},
                {0.8, {1.808, 2.041, 2.477, 3.118, 3.668}},
                {0.9, {4.308, 4.510, 5.019, 5.877, 7.148}},
                {0.95, {9.36, 9.56, 10.02, 11.06, 12.76}}};
    (void)state;
    for (size_t r = 0; r < COUNT(rows); r++)
        for (size_t s = 0; s < COUNT(streams); s++) {
            struct fast_class c = exponential(rows[r].rho / streams[s], streams[s], 160);
            struct fast_queue q;
            fast_queue_solve(&c, 1, &q, NULL);
            assert_within(q.mean, rows[r].wait[s], 0.036 * rows[r].wait[s]);
        }
}

static void one_stream_is_exact(void **state)
{
    (void)state;
    /* Erlang(10) gaps of 7 packets/s at rho 0.8, from the closed form of E_k/M/1. */
    struct fast_class c = {0.7, 1, 0.1, 0.8 / 0.7, 0.8 * 0.8 / 0.49, 0};
    struct fast_queue q;
    struct fast_share own;
    fast_queue_solve(&c, 1, &q, &own);
    assert_within(q.mean, 2.19687906, 5e-9);
    assert_within(own.wait, q.mean, 1e-12);
}

static void poisson_streams_are_pollaczek_khinchine(void **state)
{
    (void)state;
    struct fast_class c[] = {{0.3, 1, 1, 1, 0, 0}, {0.05, 4, 1, 2, 3, 0}};
    double rho = 0.3 + 0.4, second = 0.3 * 1 + 0.2 * (4 + 3);
    struct fast_share waits[2];
    struct fast_queue q;
    fast_queue_solve(c, 2, &q, waits);
    assert_within(q.utilisation, rho, 1e-12);
    assert_within(q.mean, second / 2 / (1 - rho), 1e-12);
    assert_within(q.virtual_wait, q.mean, 1e-12);
    assert_within(waits[0].wait, q.mean, 1e-12);
}

/* Brumelle: the work found is the work of those that wait and of the one in service. */
static void own_waits_make_up_the_work_found(void **state)
{
    (void)state;
    struct fast_class c[] = {
        {0.3, 1, 1.0 / 160, 1, 1, 0}, {0.02, 10, 1.0 / 8, 1.5, 0.3, 0}, {1, 1, 1, 0.1, 0, 0}};
    struct fast_share own[3];
    double work = 0, mean = 0;
    struct fast_queue q;
    fast_queue_solve(c, 3, &q, own);
    for (int i = 0; i < 3; i++) {
        double r = c[i].rate * c[i].count, s = c[i].service;
        work += r * s * own[i].wait + r * (s * s + c[i].service_var) / 2;
        mean += r / q.rate * own[i].wait;
    }
    assert_near(work, q.virtual_wait, 1e-12);
    assert_near(mean, q.mean, 1e-12);
    /* The even one, of most work, waits least; the Poisson one as long as anybody. */
    assert_true(own[0].wait < own[1].wait && own[1].wait < own[2].wait);
    assert_near(own[2].wait, q.virtual_wait, 1e-12);
}

static void close_to_saturation_keeps_its_precision(void **state)
{
    (void)state;
    struct fast_class c = exponential(0.999999, 1, 160);
    struct fast_queue q;
    fast_queue_solve(&c, 1, &q, NULL);
    /* Heavy traffic: (1 + 1/k) / (2 (1 - rho)). */
    assert_within(q.mean, (1 + 1.0 / 160) / 2e-6, 2);
}

static void nothing_and_too_much(void **state)
{
    (void)state;
    struct fast_class idle = exponential(0, 5, 160), busy = exponential(0.25, 4, 160);
    struct fast_queue q;
    struct fast_share own;
    fast_queue_solve(&idle, 1, &q, &own);
    assert_true(q.stable && q.mean == 0 && own.wait == 0);
    fast_queue_solve(&busy, 1, &q, &own);
    assert_true(!q.stable && q.utilisation == 1 && isinf(q.mean) && isinf(own.wait));
    fast_queue_solve(NULL, 0, &q, NULL);
    assert_true(q.stable && q.mean == 0);
}

/* Full containers cost by the packet, always the same: only the rest of their service varies. */
static void fixed_part_of_the_service(void **state)
{
    (void)state;
    struct stream stream = {12, 56, INFINITY, 1, {1, 1, 0.0318}};
    struct stream_delay delays[2];
    struct answer fast = {.streams = &delays[0]}, sim = {.streams = &delays[1]};
    struct query query = {&stream, 1, NULL, 0};
    struct method_options options = {.seed = 1, .containers = 2000000};
    assert_int_equal(method_solve(METHOD_FAST, &query, NULL, &fast, NULL), 0);
    assert_int_equal(method_solve(METHOD_SIM, &query, &options, &sim, NULL), 0);
    assert_near(fast.wait.mean, sim.wait.mean, 0.05);
    assert_near(delays[0].delay_p99, delays[1].delay_p99, 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_part_of_the_service),
        cmocka_unit_test(near_the_simulated_waits),
        cmocka_unit_test(one_stream_is_exact),
        cmocka_unit_test(poisson_streams_are_pollaczek_khinchine),
        cmocka_unit_test(own_waits_make_up_the_work_found),
        cmocka_unit_test(close_to_saturation_keeps_its_precision),
        cmocka_unit_test(nothing_and_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
