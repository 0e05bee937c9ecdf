// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/strata.h"
#include "model/tail.h"
#include "tests/unit/model/near.h"

/* above e^-y */
static struct tail exponential(double above)
{
    struct tail tail;
    tail_zero(&tail);
    for (int i = 0; i < 40; i++)
        tail_append(&tail, i, above * exp(-i));
    return tail;
}

static void exponential_between_its_points(void **state)
{
    struct tail tail = exponential(0.5);
    (void)state;
    for (double y = 0; y < 60; y += 0.37)
        assert_near(tail_probability(&tail, y), 0.5 * exp(-y), 1e-12);
    assert_true(tail_probability(&tail, -1e-9) == 1);
    assert_near(tail_quantile(&tail, 0.01), log(50), 1e-12);
    assert_true(tail_quantile(&tail, 0.6) == 0);
}

static void scaled_mixed_and_shifted(void **state)
{
    struct tail tail = exponential(0.5), half, both, later;
    (void)state;
    tail_scale(&tail, 0.5, &half);
    tail_mix(&tail, &half, 0.4, &both);
    tail_shift(&tail, 3, &later);
    for (double y = 0.1; y < 20; y += 0.7) {
        assert_near(tail_probability(&half, y), 0.25 * exp(-y), 1e-12);
        assert_near(tail_probability(&both, y), (0.4 * 0.5 + 0.6 * 0.25) * exp(-y), 1e-12);
        assert_near(tail_probability(&later, y + 3), 0.5 * exp(-y), 1e-8);
    }
    assert_true(tail_probability(&later, 2.9) > 0.999);
}

/* Sums with equally likely values: term by term. */
static void sums_with_values(void **state)
{
    double values[200];
    struct tail tail = exponential(0.7);
    (void)state;
    for (int i = 0; i < 200; i++)
        values[i] = 0.02 * i;
    for (double x = 0; x < 12; x += 0.33) {
        double sum = 0;
        for (int i = 0; i < 200; i++)
            sum += tail_probability(&tail, x - values[i]);
        assert_near(tail_sum_probability(&tail, values, 200, x), sum / 200, 1e-8);
    }
    for (double beyond = 0.9; beyond > 1e-6; beyond /= 3) {
        double x = tail_sum_quantile(&tail, values, 200, beyond);
        assert_true(tail_sum_probability(&tail, values, 200, x) <= beyond * (1 + 1e-9));
        assert_true(tail_sum_probability(&tail, values, 200, x * (1 - 1e-6)) > beyond);
    }
}

/* Means and spreads of the strata of a service. */
static void strata_have_the_law_s_moments(void **state)
{
    static const double scvs[] = {0, 0.05, 0.25, 1, 4};
    (void)state;
    for (int i = 0; i < 5; i++) {
        double values[STRATA], mean = 0, square = 0;
        strata_service(scvs[i], values);
        for (int j = 0; j < STRATA; j++) {
            mean += values[j] / STRATA;
            square += values[j] * values[j] / STRATA;
            assert_true(j == 0 || values[j] >= values[j - 1]);
        }
        assert_within(mean, 1, 2e-3);
        assert_within(square, 1 + scvs[i], 0.05 * (1 + scvs[i]));
    }
}

/* A service that hardly varies, and nobody waits: the sum is as narrow. */
static void narrow_sums(void **state)
{
    struct tail none, sum;
    double values[STRATA];
    (void)state;
    tail_zero(&none);
    strata_service(1e-5, values);
    strata_add(&none, 200, values, &sum);
    for (double beyond = 0.9; beyond > 1e-9; beyond /= 10)
        assert_within(tail_quantile(&sum, beyond), 200, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_between_its_points),
        cmocka_unit_test(scaled_mixed_and_shifted),
        cmocka_unit_test(sums_with_values),
        cmocka_unit_test(strata_have_the_law_s_moments),
        cmocka_unit_test(narrow_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
