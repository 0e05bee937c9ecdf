// SPDX-License-Identifier: GPL-2.0-or-later
/* What a guest may say of itself, and what is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/report.h"

#define SECOND 1000000000ull

/* A guest that has done a little of everything. */
static struct guest_report modest(uint64_t times)
{
    struct guest_report report = {0};

    report.pack.reads = 100 * times;
    report.pack.packets = 100 * times;
    report.pack.read_ns = 200000 * times;
    report.pack.port_wait_ns = 5000000 * times;
    report.pack.publish.n = 10 * times;
    report.pack.publish.sum_t = 50000 * times;
    report.unload.packets = 80 * times;
    report.unload.refused = 3 * times;
    report.unload.place_ns = 400000 * times;
    report.unload.unload.n = 10 * times;
    report.unload.unload.sum_t = 60000 * times;
    report.sleep.wake_n = 5 * times;
    report.sleep.wake_ns = 250000 * times;
    report.sleep.late_n = 4 * times;
    report.sleep.late_ns = 100000 * times;
    return report;
}

static void what_grows_is_believed(void **state)
{
    struct guest_report none = {0}, once = modest(1), twice = modest(2);

    (void)state;
    assert_true(report_fits(&none, &none));
    assert_true(report_fits(&once, &none));
    assert_true(report_fits(&once, &once));
    assert_true(report_fits(&twice, &once));
    /* Neither the epoch nor the sizes in force are counters. */
    once.epoch = 8;
    once.tuning.packets = 99;
    twice.epoch = 2;
    twice.tuning.packets = 1;
    assert_true(report_fits(&twice, &once));
}

/* Every counter, one after the other, goes back by one. */
static void what_shrinks_is_not(void **state)
{
    const struct guest_report before = modest(2);
    size_t words = offsetof(struct guest_report, tuning) / sizeof(uint64_t), refused = 0;

    (void)state;
    for (size_t i = 1; i < words; i++) {
        struct guest_report now = before;
        uint64_t *word = (uint64_t *)&now + i;
        if (*word == 0)
            continue;
        (*word)--;
        assert_false(report_fits(&now, &before));
        refused++;
    }
    assert_int_equal(refused, 15);
}

/* Time that no packet or wake-up took: more than ten seconds each, or without any. */
static void impossible_times_are_not(void **state)
{
    const struct guest_report before = modest(1);
    static const struct {
        size_t time, count;
    } pairs[] = {
        {offsetof(struct guest_report, pack.read_ns), offsetof(struct guest_report, pack.reads)},
        {offsetof(struct guest_report, pack.port_wait_ns),
         offsetof(struct guest_report, pack.packets)},
        {offsetof(struct guest_report, pack.publish.sum_t),
         offsetof(struct guest_report, pack.publish.n)},
        {offsetof(struct guest_report, unload.unload.sum_t),
         offsetof(struct guest_report, unload.unload.n)},
        {offsetof(struct guest_report, unload.place_ns),
         offsetof(struct guest_report, unload.packets)},
        {offsetof(struct guest_report, unload.place_ns),
         offsetof(struct guest_report, unload.refused)},
        {offsetof(struct guest_report, sleep.late_ns), offsetof(struct guest_report, sleep.late_n)},
        {offsetof(struct guest_report, sleep.wake_ns), offsetof(struct guest_report, sleep.wake_n)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct guest_report now = before;
        uint64_t *time = (uint64_t *)((char *)&now + pairs[i].time);
        uint64_t *count = (uint64_t *)((char *)&now + pairs[i].count);
        uint64_t time_before = *time, count_before = *count;
        (*time)++;
        assert_false(report_fits(&now, &before)); /* in which nothing happened */
        *count = count_before + 2;
        assert_true(report_fits(&now, &before));
        *time = time_before + 2 * REPORT_LONGEST_NS;
        assert_true(report_fits(&now, &before));
        (*time)++;
        assert_false(report_fits(&now, &before));
        /* So many that their longest time does not fit a number. */
        *count = UINT64_MAX;
        assert_false(report_fits(&now, &before));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_grows_is_believed),
        cmocka_unit_test(what_shrinks_is_not),
        cmocka_unit_test(impossible_times_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
