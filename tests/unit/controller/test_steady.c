// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "controller/steady.h"

struct pair {
    struct lane_size size[DIRECTION_COUNT];
};

static struct pair pair(uint32_t rx, uint32_t tx)
{
    return (struct pair){{{rx, 1e-3}, {tx, 1e-3}}};
}

static bool room(struct steady *steady, const struct pair *current, const struct pair *wanted,
                 double now, struct pair *ret)
{
    return steady_room(steady, current->size, wanted->size, now, 3, ret->size);
}

static void small_differences_are_left_alone(void **state)
{
    struct steady steady = {0};
    struct pair current = pair(100, 100), wanted = pair(102, 98), ret;
    (void)state;

    for (int i = 0; i < 20; i++)
        assert_false(room(&steady, &current, &wanted, i, &ret));
    assert_true(steady_near(current.size, wanted.size));
    wanted.size[DIRECTION_RX].timeout = 2e-3;
    assert_false(steady_near(current.size, wanted.size));
}

static void larger_sizes_wait_and_the_least_of_them_is_taken(void **state)
{
    static const uint32_t sizes[] = {200, 150, 180, 300};
    struct steady steady = {0};
    struct pair current = pair(100, 100), ret;
    (void)state;

    for (int i = 0; i < 4; i++) {
        struct pair wanted = pair(sizes[i], 100);
        assert_true(room(&steady, &current, &wanted, i, &ret) == (i == 3));
    }
    assert_int_equal(ret.size[DIRECTION_RX].packets, 150);
    assert_int_equal(ret.size[DIRECTION_TX].packets, 100);
    assert_false(steady.pending);
}

static void smaller_sizes_wait_too_and_the_largest_of_them_is_taken(void **state)
{
    static const uint32_t sizes[] = {20, 50, 30, 10};
    struct steady steady = {0};
    struct pair current = pair(100, 100), ret;
    (void)state;

    for (int i = 0; i < 4; i++) {
        struct pair wanted = pair(100, sizes[i]);
        assert_true(room(&steady, &current, &wanted, i, &ret) == (i == 3));
    }
    assert_int_equal(ret.size[DIRECTION_TX].packets, 50);
}

static void to_and_fro_never_moves(void **state)
{
    struct steady steady = {0};
    struct pair current = pair(100, 100), ret;
    (void)state;

    for (int i = 0; i < 50; i++) {
        struct pair wanted = pair(i % 2 ? 200 : 50, 100);
        assert_false(room(&steady, &current, &wanted, i, &ret));
    }
}

static void what_is_near_in_between_starts_the_wait_anew(void **state)
{
    struct steady steady = {0};
    struct pair current = pair(100, 100), larger = pair(200, 200), near = pair(102, 100), ret;
    (void)state;

    assert_false(room(&steady, &current, &larger, 0, &ret));
    assert_false(room(&steady, &current, &larger, 2, &ret));
    assert_false(room(&steady, &current, &near, 2.5, &ret));
    assert_false(room(&steady, &current, &larger, 3.5, &ret));
    assert_false(room(&steady, &current, &larger, 6, &ret));
    assert_true(room(&steady, &current, &larger, 6.5, &ret));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_differences_are_left_alone),
        cmocka_unit_test(larger_sizes_wait_and_the_least_of_them_is_taken),
        cmocka_unit_test(smaller_sizes_wait_too_and_the_largest_of_them_is_taken),
        cmocka_unit_test(to_and_fro_never_moves),
        cmocka_unit_test(what_is_near_in_between_starts_the_wait_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
