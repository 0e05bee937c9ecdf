// SPDX-License-Identifier: GPL-2.0-or-later
/* The law of the work found: what it must keep, and the delay of single packets, which is that law.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "model/fast_queue.h"
#include "model/sim.h"
#include "tests/unit/model/near.h"

static double mean_of(const struct tail *tail)
{
    double sum = 0;
    for (size_t i = 0; i + 1 < tail->n; i++)
        for (int j = 0; j < 64; j++) {
            double step = (tail->at[i + 1] - tail->at[i]) / 64;
            sum += step * tail_probability(tail, tail->at[i] + (j + 0.5) * step);
        }
    return sum;
}

static void solve(const struct fast_class *classes, size_t n, struct fast_queue *queue,
                  struct tail *ret)
{
    struct fast_share shares[4];
    struct fast_tails tails;
    assert_true(n <= 4);
    fast_queue_solve(classes, n, queue, shares);
    assert_true(queue->stable);
    fast_queue_tails(classes, shares, n, queue, &tails);
    *ret = tails.found;
}

/* P(V > 0) is the utilisation, and the mean is the one that was found before. */
static void test_kept(void **state)
{
    (void)state;
    static const double scvs[] = {0.001, 0.1, 0.7};
    for (int i = 0; i < 3; i++)
        for (double rho = 0.05; rho < 1; rho += 0.1) {
            struct fast_class classes[] = {{rho / 4, 2, scvs[i], 1, 0, 0},
                                           {rho / 20, 1, 1, 10, 25, 5}};
            struct fast_queue queue;
            struct tail found;
            solve(classes, 2, &queue, &found);
            assert_near(tail_probability(&found, 0), rho, 1e-9);
            assert_near(mean_of(&found), queue.virtual_wait, 0.01);
        }
}

/* One even stream of fixed service: what is left of one service, never more. */
static void test_alone(void **state)
{
    (void)state;
    struct fast_class one = {0.5, 1, 1e-4, 1, 0, 0};
    struct fast_queue queue;
    struct tail found;
    solve(&one, 1, &queue, &found);
    assert_within(tail_probability(&found, 0.5), 0.25, 0.05);
    assert_true(tail_probability(&found, 1.2) < 1e-3);
}

/* Single packets beside large containers. */
static const struct scene {
    struct stream streams[3];
    double margin;
} scenes[] = {
    {{{0.00157, 1, INFINITY, 1, {1, 0, 0.415}},
      {0.31, 39, INFINITY, 1, {1, 0, 0.415}},
      {0.957, 39, INFINITY, 1, {1, 0, 0.415}}},
     0.08},
    {{{0.05, 1, INFINITY, 1, {1, 0, 0}},
      {80, 160, INFINITY, 1, {1, 0, 0}},
      {12, 120, INFINITY, 3, {1, 0, 0}}},
     0.06},
    {{{0.02, 1, INFINITY, 1, {1, 0, 0.38}},
      {1.3, 533, INFINITY, 1, {1, 0, 0.38}},
      {0.35, 180, INFINITY, 2, {1, 0, 0.38}}},
     0.06},
};

static void test_simulation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
        struct stream_delay got[3], wanted[3];
        struct answer fast = {.streams = got}, sim = {.streams = wanted};
        struct query query = {scenes[i].streams, 3, NULL, 0};
        struct sim_options options = {.seed = 1, .containers = 3000000};
        assert_int_equal(method_solve(METHOD_FAST, &query, NULL, &fast, NULL), 0);
        assert_int_equal(sim_run(&query, &options, &sim, NULL), 0);
        assert_near(got[0].delay_p99, wanted[0].delay_p99, scenes[i].margin);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_simulation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
