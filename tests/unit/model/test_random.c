// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/random.h"
#include "model/tally.h"
#include "tests/unit/model/near.h"

#define DRAWS 1000000

struct moments {
    double mean, variance, third;
};

/* Central moments of DRAWS variates; the comparisons allow five standard errors. */
static struct moments moments_of(double (*draw)(struct random *, const void *), const void *law)
{
    static double values[DRAWS];
    struct random random;
    struct moments m = {0};
    random_init(&random, 7);
    for (int i = 0; i < DRAWS; i++)
        m.mean += values[i] = draw(&random, law);
    m.mean /= DRAWS;
    for (int i = 0; i < DRAWS; i++) {
        double d = values[i] - m.mean;
        m.variance += d * d;
        m.third += d * d * d;
    }
    m.variance /= DRAWS;
    m.third /= DRAWS;
    return m;
}

static double draw_exponential(struct random *random, const void *law)
{
    (void)law;
    return random_exponential(random);
}

static double draw_normal(struct random *random, const void *law)
{
    (void)law;
    return random_normal(random);
}

static double draw_gamma(struct random *random, const void *law)
{
    return random_gamma(random, law);
}

static double draw_poisson(struct random *random, const void *law)
{
    return (double)random_poisson(random, *(const double *)law);
}

static void exponential_and_normal(void **state)
{
    (void)state;
    struct moments m = moments_of(draw_exponential, NULL);
    assert_within(m.mean, 1, 0.005);
    assert_within(m.variance, 1, 0.015);
    assert_within(m.third, 2, 0.1);
    m = moments_of(draw_normal, NULL);
    assert_within(m.mean, 0, 0.005);
    assert_within(m.variance, 1, 0.007);
    assert_within(m.third, 0, 0.02);
}

static void gamma_of_every_order(void **state)
{
    static const double shapes[] = {1, 2, 3.5, 160, 65535};
    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        double k = shapes[i];
        struct random_gamma law = random_gamma_law(k, 1 / k);
        struct moments m = moments_of(draw_gamma, &law);
        assert_within(m.mean, 1, 0.005 / sqrt(k));
        assert_within(m.variance * k, 1, 0.02);
        assert_within(m.third * k * sqrt(k), 2 / sqrt(k), 0.1);
    }
}

static void poisson_of_every_mean(void **state)
{
    static const double means[] = {0, 0.01, 1, 9.9, 10.1, 160, 1e6};
    (void)state;
    for (size_t i = 0; i < sizeof(means) / sizeof(means[0]); i++) {
        struct moments m = moments_of(draw_poisson, &means[i]);
        assert_within(m.mean, means[i], 0.005 * sqrt(means[i]));
        assert_within(m.variance, means[i], 0.01 * means[i] + 0.005 * sqrt(means[i]));
    }
}

static void whole_numbers_are_uniform(void **state)
{
    (void)state;
    struct random random;
    int count[7] = {0};
    random_init(&random, 0);
    for (int i = 0; i < 70000; i++) {
        uint32_t n = random_below(&random, 7);
        assert_true(n < 7);
        count[n]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(count[i], 9500, 10500);
}

static void quantiles_of_a_tally(void **state)
{
    (void)state;
    static struct tally tally;
    tally_init(&tally, 1e-6);
    assert_within(tally_quantile(&tally, 0.5), 0, 0);
    for (int i = 1; i <= 1000; i++)
        tally_add(&tally, i * 1e-6, 1);
    assert_within(tally_quantile(&tally, 0.5), 500e-6, 2e-6);
    assert_within(tally_quantile(&tally, 0.99), 990e-6, 3e-6);
    tally_add(&tally, 0, 1000);
    assert_within(tally_quantile(&tally, 0.5), 0, 0);
    assert_within(tally_quantile(&tally, 0.75), 500e-6, 2e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_and_normal), cmocka_unit_test(gamma_of_every_order),
        cmocka_unit_test(poisson_of_every_mean),  cmocka_unit_test(whole_numbers_are_uniform),
        cmocka_unit_test(quantiles_of_a_tally),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
