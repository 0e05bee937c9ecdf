// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/exact.h"
#include "model/renewal.h"
#include "tests/unit/model/near.h"

/* One stream of Erlang gaps, mean service 1, with every phase kept. */
static struct wait_summary exactly(uint32_t size, double rho, double scv, double *ret_above)
{
    struct stream stream = {rho * size, size, INFINITY, 1, {1, scv, 0}};
    struct query query = {&stream, 1, (const double[]){0}, 1};
    struct stream_delay delay;
    struct answer answer = {.streams = &delay, .tail = ret_above};
    assert_int_equal(exact_solve(&query, NULL, &answer, NULL), 0);
    return answer.wait;
}

static void agrees_with_every_phase_kept(void **state)
{
    static const uint32_t sizes[] = {1, 3, 20};
    static const double rhos[] = {0.2, 0.7, 0.95}, scvs[] = {0.25, 0.5, 1, 3};
    (void)state;
    for (int k = 0; k < 3; k++)
        for (int r = 0; r < 3; r++)
            for (int c = 0; c < 4; c++) {
                double above;
                struct wait_summary exact = exactly(sizes[k], rhos[r], scvs[c], &above);
                struct renewal_wait wait;
                renewal_solve(rhos[r], 1.0 / sizes[k], &(struct renewal_service){0, 1, scvs[c]}, 0,
                              &wait);
                assert_within(wait.mean, exact.mean, 2e-4 * (exact.mean + 1e-2));
                assert_within(wait.above, above, 2e-4);
                double p99 = fmax(0, renewal_quantile(&wait, log(100)));
                assert_within(p99, exact.p99, 0.02 * exact.p99 + 1e-6);
            }
}

/* M/D/1: rho / (2 (1 - rho)), P(W > 0) = rho; with E[W^2] by Takacs. */
static void fixed_service(void **state)
{
    (void)state;
    struct renewal_wait wait;
    renewal_solve(0.8, 1, &(struct renewal_service){0, 1, 0}, 0, &wait);
    assert_within(wait.mean, 2, 4e-4);
    assert_within(wait.above, 0.8, 2e-3);
    assert_within(wait.square, 2 * 4 + 0.8 / (3 * 0.2), 5e-3);
    /* Even gaps: nobody waits, up to what the quadrature leaves. */
    renewal_solve(0.8, 1.0 / 1024, &(struct renewal_service){0, 1, 0}, 0, &wait);
    assert_true(wait.mean < 0.002);
}

static void poisson_in_closed_form(void **state)
{
    (void)state;
    struct renewal_wait wait;
    renewal_poisson(0.5, 1, 4, 0.5, &wait); /* M/M/1, mean service 1 */
    assert_within(renewal_quantile(&wait, log(100)), 2 * log(50), 1e-9);
    assert_true(renewal_quantile(&wait, 0.1) <= 0);
}

static void moments_of_the_service(void **state)
{
    static const double scvs[] = {0, 0.25, 1, 4}, fixed[] = {0, 0.7};
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct renewal_service service = {fixed[i / 4], 2 - fixed[i / 4], scvs[i % 4]};
        double rest = service.mean, variance = rest * rest * service.scv;
        /* Third cumulant of ln E[e^(xS)] by differences of its slope. */
        double up, down, mid, h = 1e-3, second = 4 + variance;
        renewal_log_service(h, &service, &up);
        renewal_log_service(-h, &service, &down);
        renewal_log_service(0, &service, &mid);
        assert_within(mid, 2, 1e-9);
        assert_within((up - down) / (2 * h), variance, 1e-3 * second);
        double third = (up - 2 * mid + down) / (h * h) + 3 * second * 2 - 2 * 8;
        assert_within(renewal_third(&service), third, 2e-3 * third);
        double pole = renewal_pole(&service);
        assert_true(service.scv == 0 ? isinf(pole) : isfinite(pole) && pole > 0);
    }
}

/* A fixed part and an exponential one: M/G/1 by Pollaczek and Khinchine. */
static void fixed_part(void **state)
{
    (void)state;
    struct renewal_service service = renewal_service(1, 0.16, 0.6);
    struct renewal_wait wait;
    assert_within(service.scv, 1, 1e-12);
    renewal_solve(0.8, 1, &service, 0, &wait);
    assert_within(wait.mean, 0.8 * 1.16 / (2 * 0.2), 1e-3);
    assert_within(wait.above, 0.8, 1e-3);
    service = renewal_service(1, 0.5, 0.6); /* too little left to vary so much */
    assert_within(service.fixed, 0, 0);
    assert_within(service.scv, 0.5, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_every_phase_kept),
        cmocka_unit_test(fixed_service),
        cmocka_unit_test(poisson_in_closed_form),
        cmocka_unit_test(moments_of_the_service),
        cmocka_unit_test(fixed_part),
    };
    return cmocka_run_group_tests_name("renewal", tests, NULL, NULL);
}
