// SPDX-License-Identifier: GPL-2.0-or-later
/* The limits that the interpolation's shape comes from (docs/model.md). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/mixing.h"
#include "tests/unit/model/near.h"

/* Fixed service. */
static struct fast_class even(double rate, double service)
{
    return (struct fast_class){.rate = rate, .count = 1, .gap_scv = 1e-3, .service = service};
}

static struct mixing_view look(const struct fast_class *classes, size_t n, size_t i)
{
    struct mixing_sums sums;
    struct mixing mixing;
    mixing_sum(classes, n, &sums);
    mixing_init(classes, n, &sums, &mixing);
    return mixing_look(&mixing, &classes[i]);
}

/* How much of the Poisson wait is left. */
static double left(struct mixing_view view)
{
    return isinf(view.mixing) ? 1 : view.mixing / (1 + view.mixing);
}

static void sums_leave_out_what_is_silent(void **state)
{
    struct fast_class classes[] = {
        {2, 3, 0.5, 0.1, 0.02, 0}, {0, 9, 1, 5, 1, 0}, {1, 0, 1, 5, 1, 0}};
    struct mixing_sums sums;
    (void)state;
    mixing_sum(classes, 3, &sums);
    assert_near(sums.rate, 6, 1e-12);
    assert_near(sums.work, 0.6, 1e-12);
    assert_near(sums.work2, 0.06, 1e-12);
    assert_near(sums.work2_gap, 0.03, 1e-12);
    assert_near(sums.work_var, 0.12, 1e-12);
    assert_true(!sums.poisson && !sums.exponential);
}

/* Two containers of one stream do not meet. */
static void at_low_load_a_stream_misses_its_own_share(void **state)
{
    struct fast_class classes[] = {even(7e-4, 1), even(2e-4, 1), even(1e-4, 1)};
    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_within(left(look(classes, 3, i)), 1 - classes[i].rate / 1e-3, 0.01);
}

static void alone_or_at_random(void **state)
{
    struct fast_class classes[] = {even(0.8, 1), {.rate = 0.1, 1, .gap_scv = 1, .service = 1}};
    (void)state;
    assert_true(look(classes, 1, 0).mixing == 0);
    assert_true(isinf(look(classes, 2, 1).mixing));
    assert_true(look(classes, 2, 1).less == 0);
    classes[0].rate = 0;
    assert_true(isinf(look(classes, 2, 0).mixing));
}

/* A rare stream's work drains at the rate that many small even containers leave. */
static void a_rare_stream_beside_a_flow(void **state)
{
    struct fast_class classes[] = {even(90, 0.01), even(1e-3, 20)};
    double rho = 0.92, alone = (1 - rho) / (1 - rho + 0.02);
    (void)state;
    assert_within(left(look(classes, 2, 1)), alone, 0.15 * alone);
}

/* Many streams are as Poisson ones, few are not. */
static void the_more_the_more_at_random(void **state)
{
    double before = -1;
    (void)state;
    for (int n = 1; n <= 4096; n *= 4) {
        struct fast_class class = even(0.8 / n, 1);
        class.count = n;
        double now = left(look(&class, 1, 0));
        assert_true(now >= before);
        before = now;
    }
    assert_true(before > 0.9);
}

/* Whether seconds or hours. */
static void no_unit_matters(void **state)
{
    struct fast_class classes[] = {even(0.05, 8), even(0.3, 1), even(0.001, 100)}, other[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        other[i] = classes[i];
        other[i].rate /= 3600;
        other[i].service *= 3600;
    }
    for (size_t i = 0; i < 3; i++) {
        assert_near(look(other, 3, i).mixing, look(classes, 3, i).mixing, 1e-9);
        assert_near(look(other, 3, i).less, 3600 * look(classes, 3, i).less, 1e-9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_leave_out_what_is_silent),
        cmocka_unit_test(at_low_load_a_stream_misses_its_own_share),
        cmocka_unit_test(alone_or_at_random),
        cmocka_unit_test(a_rare_stream_beside_a_flow),
        cmocka_unit_test(the_more_the_more_at_random),
        cmocka_unit_test(no_unit_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
