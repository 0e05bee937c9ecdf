// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sandbox/record.h"
#include "sandbox/timeline.h"

#define GUEST PLAN_TIGHT

static struct record_tick plain_tick(void)
{
    return (struct record_tick){.seconds = 1,
                                .phase = 1,
                                .settled = true,
                                .offered = 1000,
                                .rx_packets = 8,
                                .containers = 100,
                                .predicted_us = 110,
                                .backend_us = 100,
                                .generator_us = 100,
                                .promise_us = 150,
                                .least_us = 80,
                                .percentile = NAN};
}

/* A tick whose packets all took so long, to the guest and from it. */
static void add(struct record *record, struct record_tick tick, unsigned to_us, unsigned from_us)
{
    static struct record_delays delays;

    memset(&delays, 0, sizeof(delays));
    histogram_add(&delays.to_guest, to_us * 1000ull, 10);
    histogram_add(&delays.from_guest, from_us * 1000ull, 10);
    assert_int_equal(record_add(record, GUEST, &tick, &delays), 0);
}

static struct record_score score_of(const struct record *record)
{
    struct record_score score;

    record_score(record, GUEST, &score);
    return score;
}

static void judges_by_windows_of_enough_containers(void **state)
{
    struct record *record = record_create();
    struct record_tick tick = plain_tick();

    (void)state;
    tick.containers = 20;
    add(record, tick, 100, 100);
    add(record, tick, 100, 100);
    assert_int_equal(score_of(record).windows, 0);
    add(record, tick, 100, 100);
    assert_int_equal(score_of(record).windows, 1);
    assert_int_equal(score_of(record).kept, 1);
    /* The mean over a window counts, not each tick. */
    add(record, tick, 400, 100);
    add(record, tick, 10, 100);
    add(record, tick, 10, 100);
    assert_int_equal(score_of(record).windows, 2);
    assert_int_equal(score_of(record).kept, 2);
    record_free(record);
}

static void counts_the_worse_direction(void **state)
{
    struct record *record = record_create();

    (void)state;
    add(record, plain_tick(), 100, 100);
    add(record, plain_tick(), 100, 151);
    add(record, plain_tick(), 160, 100);
    assert_int_equal(score_of(record).windows, 3);
    assert_int_equal(score_of(record).kept, 1);
    assert_true(fabs(score_of(record).worst_ratio - 160.0 / 150) < 1e-9);
    record_free(record);
}

static void a_window_ends_where_the_promise_changes(void **state)
{
    struct record *record = record_create();
    struct record_tick tick = plain_tick();

    (void)state;
    tick.containers = 49;
    add(record, tick, 1000, 100);
    tick.promise_us = 200;
    add(record, tick, 100, 100);
    assert_int_equal(score_of(record).windows, 0);
    add(record, tick, 100, 100);
    assert_int_equal(score_of(record).windows, 1);
    assert_int_equal(score_of(record).kept, 1);
    tick.promise_us = NAN;
    tick.containers = 500;
    add(record, tick, 100, 100);
    assert_int_equal(score_of(record).windows, 1);
    record_free(record);
}

static void keeps_apart_what_is_not_settled(void **state)
{
    struct record *record = record_create();
    struct record_tick tick = plain_tick();
    struct record_phase phase;

    (void)state;
    add(record, tick, 100, 100);
    tick.settled = false;
    tick.predicted_us = 10000;
    add(record, tick, 1000, 100);
    assert_int_equal(score_of(record).windows, 2);
    assert_int_equal(score_of(record).kept, 1);
    assert_int_equal(score_of(record).settled_windows, 1);
    assert_int_equal(score_of(record).settled_kept, 1);
    record_phase(record, GUEST, 1, &phase);
    assert_int_equal(phase.ticks, 1);
    assert_true(fabs(phase.error - 0.1) < 1e-9);
    record_phase(record, GUEST, 2, &phase);
    assert_int_equal(phase.ticks, 0);
    record_free(record);
}

static void errors_of_ticks_do_not_cancel(void **state)
{
    struct record *record = record_create();
    struct record_tick tick = plain_tick();
    struct record_phase phase;

    (void)state;
    tick.predicted_us = 80;
    add(record, tick, 100, 100);
    tick.predicted_us = 120;
    tick.rx_packets = 3;
    add(record, tick, 100, 100);
    record_phase(record, GUEST, 1, &phase);
    assert_int_equal(phase.ticks, 2);
    assert_true(fabs(phase.error) < 1e-9);
    assert_true(fabs(phase.absolute_error - 0.2) < 1e-9);
    assert_int_equal(phase.smallest, 3);
    assert_int_equal(phase.largest, 8);
    assert_int_equal(record_retunings(record, GUEST), 1);
    record_free(record);
}

static void takes_percentiles(void **state)
{
    static struct histogram delays;

    (void)state;
    memset(&delays, 0, sizeof(delays));
    assert_true(isnan(record_value_us(&delays, NAN)));
    histogram_add(&delays, 100000, 98);
    histogram_add(&delays, 900000, 2);
    assert_true(fabs(record_value_us(&delays, NAN) - 116) < 1e-9);
    assert_true(record_value_us(&delays, 50) < 110);
    assert_true(record_value_us(&delays, 99.5) > 800);
}

static void the_plan_covers_the_whole_demo(void **state)
{
    double shares = 0;

    (void)state;
    for (unsigned i = 0; i < PLAN_PHASES; i++) {
        assert_int_equal(plan_phase_at(shares + 1e-6), i);
        shares += plan_phases[i].share;
        assert_int_equal(plan_phase_at(shares - 1e-6), i);
    }
    assert_true(fabs(shares - 1) < 1e-9);
    assert_int_equal(plan_phase_at(2), PLAN_PHASES - 1);
}

static void a_timeline_answers_for_any_span(void **state)
{
    struct timeline *timeline;
    struct histogram sum;
    const uint64_t bin = TIMELINE_BIN_NS, start = 1000 * bin;

    (void)state;
    assert_int_equal(timeline_create(2, &timeline), 0);
    for (uint64_t i = 0; i < 10; i++)
        timeline_add(timeline, start + i * bin + 5, 1000 * (i + 1));
    timeline_sum(timeline, start, start + 10 * bin, &sum);
    assert_int_equal(histogram_count(&sum), 10);
    timeline_sum(timeline, start + 2 * bin, start + 4 * bin, &sum);
    assert_int_equal(histogram_count(&sum), 2);
    assert_int_equal(sum.sum_ns, 3000 + 4000);
    /* What is older than its capacity is forgotten, and does not come back. */
    timeline_add(timeline, start + 50 * bin, 1);
    timeline_add(timeline, start + 28 * bin, 1);
    for (uint64_t i = 51; i < 100; i++)
        timeline_add(timeline, start + i * bin, 1);
    timeline_add(timeline, start, 1);
    timeline_sum(timeline, start, start + 10 * bin, &sum);
    assert_int_equal(histogram_count(&sum), 0);
    timeline_free(timeline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_by_windows_of_enough_containers),
        cmocka_unit_test(counts_the_worse_direction),
        cmocka_unit_test(a_window_ends_where_the_promise_changes),
        cmocka_unit_test(keeps_apart_what_is_not_settled),
        cmocka_unit_test(errors_of_ticks_do_not_cancel),
        cmocka_unit_test(takes_percentiles),
        cmocka_unit_test(the_plan_covers_the_whole_demo),
        cmocka_unit_test(a_timeline_answers_for_any_span),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
