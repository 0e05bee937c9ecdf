// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/closing.h"
#include "model/poisson.h"
#include "model/stream.h"
#include "tests/unit/model/near.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct closing_law solved(double rate, uint32_t size, double timeout)
{
    struct closing_law c;
    assert_int_equal(closing_solve(rate, size, timeout, &c), 0);
    return c;
}

static const struct {
    double rate;
    uint32_t size;
    double timeout;
} cases[] = {{1, 2, 1},     {1, 3, 0.01},      {10, 5, 0.4},    {8e5, 160, 2e-4},
             {8e5, 160, 1}, {1e5, 160, 2e-4},  {3, 20, 100},    {1e3, 1000, 1},
             {7, 2, 1e-3},  {2e6, 1024, 5e-4}, {1e4, 64, 6e-3}, {1, 1, 5}};

/* Everything from the counts' probabilities, one by one, and from integrals of the tails. */
static void agrees_with_sums_over_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct closing_law c = solved(cases[i].rate, cases[i].size, cases[i].timeout);
        double a = c.rate * c.timeout, mean = 0, square = 0;
        int n = (int)cases[i].size - 1;
        for (int j = 1; j <= n; j++) {
            double reaches = poisson_reaches(j, a);
            mean += reaches;
            square += (2 * j - 1) * reaches;
        }
        assert_near(c.packets, 1 + mean, 1e-9);
        assert_within(c.packets_var, square - mean * mean, 1e-9 * (1 + square));
        assert_near(c.containers, c.rate / (1 + mean), 1e-9);
        assert_near(c.timeout_share, n ? poisson_below(n, a) : 0, 1e-9);
    }
}

/* Far more counts than a table has: sums in more digits than there are here. */
static void tails_of_large_counts_are_exact(void **state)
{
    (void)state;
    assert_near(poisson_reaches(40788, 40606.2), 0.184095700408380738692, 1e-12);
    assert_near(poisson_reaches(1277, 1244.84), 0.184519590567993026151, 1e-12);
    assert_near(poisson_below(40788, 40606.2), 1 - 0.184095700408380738692, 1e-12);
}

static double integral(double (*tail)(const struct closing_law *, double),
                       const struct closing_law *c, double from, double to)
{
    const int steps = 20000;
    double sum = 0, h = (to - from) / steps;
    for (int i = 0; i < steps; i++)
        sum += tail(c, from + (i + 0.5) * h);
    return sum * h;
}

static void tails_integrate_to_the_means(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct closing_law c = solved(cases[i].rate, cases[i].size, cases[i].timeout);
        /* Beyond `end` is nothing that 1e-6 would notice. */
        double full = (c.size + 12 * sqrt(c.size) + 30) / c.rate;
        double end = fmin(full, c.timeout), late = end + 30 / c.rate;
        assert_near(integral(closing_fill_tail, &c, 0, end) + 1e-12, c.fill_mean + 1e-12, 1e-5);
        double gap = integral(closing_gap_tail, &c, 0, end);
        gap += integral(closing_gap_tail, &c, end, late);
        assert_near(gap, 1 / c.containers, 1e-5);
        /* Mean residual gap: half the mean gap, times 1 + SCV. */
        double residual = integral(closing_residual_tail, &c, 0, end);
        residual += integral(closing_residual_tail, &c, end, late);
        assert_near(residual, (1 + c.gap_scv) / (2 * c.containers), 1e-4);
    }
}

static void without_timeout_the_count_decides(void **state)
{
    (void)state;
    struct closing_law c = solved(8e5, 160, INFINITY);
    assert_near(c.packets, 160, 1e-15);
    assert_near(c.fill_mean, 159 / (2 * 8e5), 1e-12);
    assert_near(c.gap_scv, 1.0 / 160, 1e-12);
    assert_true(c.timeout_share == 0);
    struct closing_law far = solved(8e5, 160, 1e-3);
    assert_near(far.fill_mean, c.fill_mean, 1e-12);
}

static void a_trickle_waits_for_the_timeout(void **state)
{
    (void)state;
    const double rates[] = {0, 1e-300, 1e-9, 1e-3};
    for (size_t i = 0; i < COUNT(rates); i++) {
        struct closing_law c = solved(rates[i], 160, 2e-4);
        assert_near(c.packets, 1, 1e-6);
        assert_near(c.fill_mean, 2e-4, 1e-6);
        assert_near(c.gap_scv, 1, 1e-6);
        assert_near(c.timeout_share, 1, 1e-6);
        assert_near(closing_fill_tail(&c, 1e-4), 1, 1e-6);
        assert_true(closing_fill_tail(&c, 2e-4) == 0);
    }
}

/* Whatever comes, the answer is finite, in its range and continuous in the timeout. */
static void survives_extremes(void **state)
{
    (void)state;
    const double rates[] = {1e-12, 1, 1e4, 1e7, 1e12};
    const uint32_t sizes[] = {1, 2, 3, 160, STREAM_SIZE_MAX};
    const double timeouts[] = {1e-12, 1e-6, 1e-3, 1, 1e9, INFINITY};
    for (size_t r = 0; r < COUNT(rates); r++)
        for (size_t s = 0; s < COUNT(sizes); s++)
            for (size_t t = 0; t < COUNT(timeouts); t++) {
                struct closing_law c = solved(rates[r], sizes[s], timeouts[t]);
                assert_true(c.packets >= 1 && c.packets <= sizes[s] * (1 + 1e-9));
                assert_true(c.packets_var >= 0 && c.packets_var < 1e10);
                assert_true(c.gap_scv > 0 && c.gap_scv <= 1);
                assert_true(c.fill_mean >= 0 && c.fill_mean <= timeouts[t] * (1 + 1e-9));
                assert_true(c.fill_mean <= sizes[s] / rates[r]);
                assert_true(c.timeout_share >= 0 && c.timeout_share <= 1);
                double before = 1;
                for (double x = 1e-10; x < 1e10; x *= 10) {
                    double tail = closing_fill_tail(&c, x);
                    assert_true(tail >= 0 && tail <= before + 1e-9);
                    before = tail;
                    double gap = closing_gap_tail(&c, x), residual = closing_residual_tail(&c, x);
                    assert_true(gap >= 0 && gap <= 1 && residual >= 0 && residual <= 1);
                }
            }
}

static void keeps_its_precision_where_containers_hardly_fill(void **state)
{
    (void)state;
    /* E[T^2] -> tau^2 and Var T -> 0 for a lone packet. */
    struct closing_law c = solved(1, STREAM_SIZE_MAX, 1e-3);
    assert_near(c.packets, 1 + 1e-3, 1e-12);
    assert_near(c.gap_scv, 1 / (1.001 * 1.001), 1e-9);
    assert_near(c.fill_mean, (1e-3 + 0.5e-6) / 1.001, 1e-9);
}

static void refuses_bad_arguments(void **state)
{
    (void)state;
    struct closing_law c = {.size = 42};
    assert_int_equal(closing_solve(-1, 2, 1, &c), -EINVAL);
    assert_int_equal(closing_solve(NAN, 2, 1, &c), -EINVAL);
    assert_int_equal(closing_solve(INFINITY, 2, 1, &c), -EINVAL);
    assert_int_equal(closing_solve(1, 0, 1, &c), -EINVAL);
    assert_int_equal(closing_solve(1, STREAM_SIZE_MAX + 1, 1, &c), -EINVAL);
    assert_int_equal(closing_solve(1, 2, 0, &c), -EINVAL);
    assert_int_equal(closing_solve(1, 2, NAN, &c), -EINVAL);
    assert_true(c.size == 42);
}

static void byte_limit_shrinks_the_container(void **state)
{
    (void)state;
    assert_int_equal(closing_size(160, 65536, 1500), 43);
    assert_int_equal(closing_size(160, 65536, 64), 160);
    assert_int_equal(closing_size(160, 1000, 1500), 1);
    assert_int_equal(closing_size(160, 65536, 0), 160);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_sums_over_counts),
        cmocka_unit_test(tails_of_large_counts_are_exact),
        cmocka_unit_test(tails_integrate_to_the_means),
        cmocka_unit_test(without_timeout_the_count_decides),
        cmocka_unit_test(a_trickle_waits_for_the_timeout),
        cmocka_unit_test(survives_extremes),
        cmocka_unit_test(keeps_its_precision_where_containers_hardly_fill),
        cmocka_unit_test(refuses_bad_arguments),
        cmocka_unit_test(byte_limit_shrinks_the_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
