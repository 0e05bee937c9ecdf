// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "model/capacity.h"

static bool all_hold(const struct server *server, double delay)
{
    struct server_lane lanes[2];
    double utilisation;
    bool all = true;

    assert_int_equal(server_dimension(server, delay, lanes, &utilisation), 0);
    for (size_t i = 0; i < server->n; i++)
        all &= lanes[i].attainable;
    return all;
}

/* As many as hold, and with one more they do not. */
static void test_boundary(void **state)
{
    (void)state;
    struct server_load loads[] = {{300e3, 2}, {100e3, 1}};
    struct server server = {.loads = loads, .n = 2, .service = {.mean = 50e-6, .scv = 1}};
    struct server_lane lanes[2];
    double utilisation;
    uint32_t count;

    assert_int_equal(capacity_solve(&server, 600e-6, &count, lanes, &utilisation), 0);
    assert_int_equal(loads[1].count, 1);
    assert_in_range(count, 2, 100);
    assert_true(lanes[0].attainable && lanes[1].attainable && utilisation < 1);
    loads[1].count = count;
    assert_true(all_hold(&server, 600e-6));
    loads[1].count = count + 1;
    assert_false(all_hold(&server, 600e-6));
}

static void test_full(void **state)
{
    (void)state;
    struct server_load load = {100e3, 1};
    struct server server = {.loads = &load, .n = 1, .service = {.mean = 50e-6, .scv = 1}};
    struct server_lane lane;
    double utilisation;
    uint32_t count = 7;

    assert_int_equal(capacity_solve(&server, 40e-6, &count, &lane, &utilisation), 0);
    assert_int_equal(count, 0);
    assert_false(lane.attainable);
    load.rate = 0;
    count = 7;
    assert_int_equal(capacity_solve(&server, 40e-6, &count, &lane, &utilisation), -EINVAL);
    assert_int_equal(count, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_boundary),
                                       cmocka_unit_test(test_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
