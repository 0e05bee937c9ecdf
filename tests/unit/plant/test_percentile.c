// SPDX-License-Identifier: GPL-2.0-or-later
/* Percentiles at the controller's speed, against a fine sum over the exact law of the fill wait. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plant/percentile.h"
#include "tests/unit/model/near.h"

#define STEPS 1000

/* P(rest > t): a fixed time and an exponential one, or nothing at all with some probability. */
static double rest_tail(struct rest rest, double t)
{
    double sd = sqrt(rest.var), scale = (rest.var + rest.mean * rest.mean) / (2 * rest.mean);
    if (sd <= rest.mean)
        return t < rest.mean - sd ? 1 : sd > 0 ? exp(-(t - rest.mean + sd) / sd) : 0;
    return t < 0 ? 1 : rest.mean / scale * exp(-t / scale);
}

/* P(scale * (fill wait) + rest > x) */
static double slow_tail(const struct closing_law *fill, double scale, struct rest rest, double x)
{
    double most = fmin(fill->timeout, (fill->size + 20 * sqrt(fill->size) + 40) / fill->rate);
    double sum = 0, before = 1;
    for (int i = 1; i <= STEPS; i++) {
        double at = most * i / STEPS, after = i < STEPS ? closing_fill_tail(fill, at) : 0;
        /* The last step holds what waits for the timeout: at its end. */
        double place = i < STEPS ? at - most / STEPS / 2 : most;
        sum += (before - after) * rest_tail(rest, x - scale * place);
        before = after;
    }
    return sum;
}

static double slow_percentile(const struct closing_law *fill, double scale, struct rest rest,
                              double p)
{
    double low = 0, high = fmin(fill->timeout, 1e3 * fill->size / fill->rate) +
                           40 * (rest.mean + sqrt(rest.var));
    while (high - low > 3e-4 * high) {
        double middle = (low + high) / 2;
        if (slow_tail(fill, scale, rest, middle) > 1 - p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

static void as_the_slow_sum(void **state)
{
    static const double ps[] = {0.5, 0.9, 0.99, 0.999};
    static const uint32_t sizes[] = {2, 3, 8, 60, 700};
    (void)state;
    for (int s = 0; s < 5; s++)
        for (int t = 0; t < 3; t++)
            for (int r = 0; r < 4; r++)
                for (int i = 0; i < 4; i++) {
                    double rate = 50e3, fills = sizes[s] / rate, mean = fills * 0.3 * r;
                    struct rest rest = {mean, mean * mean * (r == 3 ? 4 : 0.3 * r)};
                    struct closing_law law;
                    assert_int_equal(closing_solve(rate, sizes[s], fills * (0.6 + 0.6 * t), &law),
                                     0);
                    double slow = slow_percentile(&law, 0.9, rest, ps[i]);
                    /* Of what fills in time to begin with, the cells know no more. */
                    assert_within(percentile_fill(&law, 0.9, rest, ps[i]), slow,
                                  0.01 * slow + 0.005 * fills);
                }
}

/* Without a fill wait, the rest's own: of an exponential time, logarithms. */
static void the_rest_alone(void **state)
{
    struct closing_law single;
    (void)state;
    assert_int_equal(closing_solve(1e4, 1, 1e-3, &single), 0);
    assert_near(percentile_fill(NULL, 1, (struct rest){1e-3, 1e-6}, 0.99), 1e-3 * log(100), 1e-9);
    assert_near(percentile_fill(&single, 1, (struct rest){1e-3, 0}, 0.99), 1e-3, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_slow_sum),
        cmocka_unit_test(the_rest_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
