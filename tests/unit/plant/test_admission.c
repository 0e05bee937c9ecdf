// SPDX-License-Identifier: GPL-2.0-or-later
/* How many more guests fit: against asking about each number in turn. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plant/admission.h"

#define MOST 40u /* the gentlest of the newcomers below fits that often, no other */

static const struct end_costs costs = {.read = 1e-6,
                                       .publish = 4e-6,
                                       .publish_packet = 0.02e-6,
                                       .unload = 4e-6,
                                       .unload_packet = 1e-6,
                                       .scv = 0.5,
                                       .wakeup = 20e-6,
                                       .timer_late = 1e-9};

static struct guest_load load(double rate, double delay)
{
    return (struct guest_load){.rate = {rate, rate},
                               .packet_bytes = {50, 50},
                               .dispersion = {1, 1},
                               .costs = costs,
                               .promise = {.delay = delay, .scope = SCOPE_ONE_WAY},
                               .limits = {1, 1024, 20e-6, 10e-3, 65536}};
}

/* Whether all promises are kept with so many newcomers behind `n` guests. */
static bool fits(const struct guest_load *present, size_t n, const struct guest_load *newcomer,
                 uint32_t count)
{
    struct guest_load guests[8 + MOST];
    struct sizing sizings[8 + MOST] = {0};
    struct worker_forecast worker;

    memcpy(guests, present, n * sizeof(*guests));
    for (uint32_t i = 0; i < count; i++)
        guests[n + i] = *newcomer;
    assert_int_equal(dimension_worker(&costs, guests, n + count, sizings, &worker), 0);
    for (size_t i = 0; i < n + count; i++)
        if (!sizings[i].attainable)
            return false;
    return worker.stable;
}

static struct admission ask(const struct guest_load *present, size_t n,
                            const struct guest_load *newcomer)
{
    struct admission answer;

    assert_int_equal(admission_solve(&costs, present, n, newcomer, MOST, &answer), 0);
    return answer;
}

static void as_many_as_one_by_one(void **state)
{
    static const double delays[] = {250e-6, 500e-6, 2e-3}, rates[] = {10e3, 25e3, 60e3};
    const struct guest_load present[] = {load(20e3, 400e-6), load(5e3, 2e-3)};

    (void)state;
    for (int d = 0; d < 3; d++)
        for (int r = 0; r < 3; r++) {
            struct guest_load newcomer = load(rates[r], delays[d]);
            struct admission answer = ask(present, 2, &newcomer);
            uint32_t count = 0;
            while (count < MOST && fits(present, 2, &newcomer, count + 1))
                count++;
            assert_int_equal(answer.count, count);
            assert_true(count > 0);
            assert_int_equal(answer.limit == ADMISSION_NONE, count == MOST);
            assert_true(answer.delay <= 1.001 * delays[d]);
            assert_true(answer.utilisation < 1);
            assert_true(answer.size[DIRECTION_RX].packets >= 1);
        }
}

static void tighter_promises_take_fewer(void **state)
{
    const struct guest_load present = load(20e3, 1e-3);
    struct guest_load strict = load(20e3, 150e-6), relaxed = load(20e3, 3e-3);

    (void)state;
    assert_true(ask(&present, 1, &strict).count < ask(&present, 1, &relaxed).count);
}

static void what_does_not_fit_says_why(void **state)
{
    struct guest_load calm = load(20e3, 1e-3), hopeless = load(20e3, 2e-6);
    struct guest_load torrent = load(2e6, 1), strict = load(20e3, 130e-6);
    struct admission answer = ask(&calm, 1, &hopeless);

    (void)state;
    assert_int_equal(answer.count, 0);
    assert_int_equal(answer.limit, ADMISSION_NEWCOMER);
    assert_true(answer.delay > 2e-6);
    assert_int_equal(ask(&calm, 1, &torrent).limit, ADMISSION_WORKER);
    struct guest_load present[] = {calm, strict};
    answer = ask(present, 2, &calm);
    assert_int_equal(answer.limit, ADMISSION_OTHERS);
    assert_int_equal(answer.victim, 1);
}

/* A promise that is broken without newcomers does not keep them out. */
static void what_is_broken_already_is_nobodys_fault(void **state)
{
    struct guest_load present[] = {load(20e3, 1e-3), load(20e3, 2e-6)};
    struct guest_load newcomer = load(10e3, 2e-3);

    (void)state;
    assert_true(ask(present, 2, &newcomer).count > 0);
}

static void an_empty_worker_takes_them_too(void **state)
{
    struct guest_load newcomer = load(100, 2e-3);
    struct admission answer = ask(NULL, 0, &newcomer);

    (void)state;
    assert_int_equal(answer.count, MOST);
    assert_int_equal(answer.limit, ADMISSION_NONE);
}

static void nonsense_is_refused(void **state)
{
    struct guest_load newcomer = load(NAN, 1e-3), fine = load(1e3, 1e-3);
    struct admission answer = {.count = 7};

    (void)state;
    assert_int_equal(admission_solve(&costs, NULL, 0, &newcomer, 4, &answer), -EINVAL);
    assert_int_equal(admission_solve(&costs, NULL, 0, &fine, 0, &answer), -EINVAL);
    assert_int_equal(admission_solve(&costs, NULL, 0, &fine, ADMISSION_MOST + 1, &answer), -EINVAL);
    assert_int_equal(answer.count, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_as_one_by_one),
        cmocka_unit_test(tighter_promises_take_fewer),
        cmocka_unit_test(what_does_not_fit_says_why),
        cmocka_unit_test(what_is_broken_already_is_nobodys_fault),
        cmocka_unit_test(an_empty_worker_takes_them_too),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
