// SPDX-License-Identifier: GPL-2.0-or-later
/* Round trips measured by stamps that a peer echoes, or makes up. */
#include "tests/unit/common/testing.h"

#include <string.h>

#include "datapath/echo.h"

#define SECOND 1000000000ull

/* Two ends whose clocks have nothing in common. */
struct ends {
    struct echo here, there;
    uint64_t offset; /* their clock less ours */
};

/* A container goes there, published and taken at these times of our clock. */
static void goes_there(struct ends *ends, uint64_t published_ns, uint64_t taken_ns)
{
    struct container_header header = {0};

    echo_give(&ends->here, &header, published_ns);
    echo_take(&ends->there, &header, taken_ns + ends->offset);
}

static void comes_back(struct ends *ends, uint64_t published_ns, uint64_t taken_ns)
{
    struct container_header header = {0};

    echo_give(&ends->there, &header, published_ns + ends->offset);
    echo_take(&ends->here, &header, taken_ns);
}

static void nothing_is_known_at_first(void **state)
{
    struct echo echo = {0};
    struct container_header header = {0};
    (void)state;

    echo_give(&echo, &header, 5 * SECOND);
    assert_int_equal(header.stamp, 5 * SECOND);
    assert_int_equal(header.echo_stamp, 0);
    assert_int_equal(echo_one_way(&echo), 0);
}

/* 30 us there, held for 1 ms, 50 us back: whatever the clocks say. */
static void a_round_trip_leaves_the_hold_time_out(void **state)
{
    static const uint64_t offsets[] = {0, 12345678901ull, 1ull << 63, 0ull - 77 * SECOND};
    (void)state;

    for (size_t i = 0; i < COUNT_OF(offsets); i++) {
        struct ends ends = {.offset = offsets[i]};
        uint64_t t = 100 * SECOND;
        goes_there(&ends, t, t + 30000);
        comes_back(&ends, t + 1030000, t + 1080000);
        assert_int_equal(ends.here.count, 1);
        assert_int_equal(ends.here.sum_ns, 80000);
        assert_int_equal(ends.here.max_ns, 80000);
        assert_int_equal(echo_one_way(&ends.here), 40000);
    }
}

static void each_stamp_counts_once(void **state)
{
    struct ends ends = {0};
    uint64_t t = 100 * SECOND;
    (void)state;

    goes_there(&ends, t, t + 10000);
    for (int i = 0; i < 10; i++) /* the same stamp comes back with each */
        comes_back(&ends, t + 20000 + (uint64_t)i * 1000, t + 30000 + (uint64_t)i * 1000);
    assert_int_equal(ends.here.count, 1);
    goes_there(&ends, t + 50000, t + 60000);
    comes_back(&ends, t + 70000, t + 80000);
    assert_int_equal(ends.here.count, 2);
}

static void the_mean_follows(void **state)
{
    struct ends ends = {0};
    uint64_t t = 100 * SECOND;
    (void)state;

    for (int i = 0; i < 500; i++, t += 1000000) {
        goes_there(&ends, t, t + 10000);
        comes_back(&ends, t + 10000, t + 20000);
    }
    assert_in_range(echo_one_way(&ends.here), 9900, 10100);
    for (int i = 0; i < 500; i++, t += 1000000) {
        goes_there(&ends, t, t + 40000);
        comes_back(&ends, t + 40000, t + 80000);
    }
    assert_in_range(echo_one_way(&ends.here), 39000, 41000);
    assert_int_equal(ends.here.max_ns, 80000);
}

static void a_hold_of_seconds_is_not_echoed(void **state)
{
    struct ends ends = {0};
    struct container_header header = {0};
    uint64_t t = 100 * SECOND;
    (void)state;

    goes_there(&ends, t, t + 10000);
    echo_give(&ends.there, &header, t + 10000 + UINT32_MAX);
    assert_int_equal(header.echo_stamp, 0);
    assert_int_equal(header.echo_hold_ns, 0);
}

/* What a peer makes up is dropped, or stays within what a round trip can be. */
static void made_up_stamps_stay_in_bounds(void **state)
{
    struct echo echo = {0};
    uint64_t seed = 1, now = 100 * SECOND;
    (void)state;

    for (int i = 0; i < 200000; i++, now += noise_between(&seed, 0, 100000)) {
        struct container_header header;
        noise_fill(&seed, &header, sizeof(header));
        if (i % 2)
            header.echo_stamp = now - (int64_t)noise_next(&seed) % (int64_t)(5 * SECOND);
        echo_take(&echo, &header, now);
        assert_true(echo.last_returned <= now);
        assert_true(echo.max_ns <= 2 * SECOND);
        assert_true(echo_one_way(&echo) <= SECOND);
        assert_true(echo.sum_ns <= echo.count * 2 * SECOND);
    }
    assert_true(echo.count > 0);
}

static void a_stamp_of_the_future_is_dropped(void **state)
{
    struct echo echo = {0};
    struct container_header header = {.stamp = 1, .echo_stamp = 100 * SECOND + 1};
    (void)state;

    echo_take(&echo, &header, 100 * SECOND);
    assert_int_equal(echo.count, 0);
    assert_int_equal(echo.last_returned, 0); /* later ones still count */
    header.echo_stamp = UINT64_MAX;
    echo_take(&echo, &header, 100 * SECOND);
    header.echo_stamp = 100 * SECOND - 500;
    header.echo_hold_ns = 501; /* held for longer than it was away */
    echo_take(&echo, &header, 100 * SECOND);
    assert_int_equal(echo.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_at_first),
        cmocka_unit_test(a_round_trip_leaves_the_hold_time_out),
        cmocka_unit_test(each_stamp_counts_once),
        cmocka_unit_test(the_mean_follows),
        cmocka_unit_test(a_hold_of_seconds_is_not_echoed),
        cmocka_unit_test(made_up_stamps_stay_in_bounds),
        cmocka_unit_test(a_stamp_of_the_future_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
