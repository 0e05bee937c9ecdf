// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "model/method.h"
#include "model/server.h"
#include "tests/unit/model/near.h"

static const struct service exponential = {.mean = 20e-6, .scv = 1};

/* The delay of one lane as it would be with another size. */
static double delay_with(const struct server *server, const struct server_lane *lanes, size_t lane,
                         uint32_t size)
{
    struct server_lane other[4];
    double utilisation;

    for (size_t i = 0; i < server->n; i++)
        other[i] = lanes[i];
    for (size_t i = 0; i < server->n; i++)
        if (server->loads[i].rate == server->loads[lane].rate) {
            other[i].size = size;
            other[i].timeout = server_timeout(server->loads[i].rate, size);
        }
    assert_int_equal(server_forecast(server, other, &utilisation), 0);
    return other[lane].delay;
}

/* Every lane keeps the delay, and one packet more would not. */
static void assert_largest(const struct server *server, double delay)
{
    struct server_lane lanes[4];
    double utilisation;

    assert_int_equal(server_dimension(server, delay, lanes, &utilisation), 0);
    assert_true(utilisation < 1);
    for (size_t i = 0; i < server->n; i++) {
        assert_true(lanes[i].attainable);
        assert_true(lanes[i].delay <= delay * (1 + 1e-9));
        assert_near(delay_with(server, lanes, i, lanes[i].size), lanes[i].delay, 1e-9);
        assert_true(delay_with(server, lanes, i, lanes[i].size + 1) > delay);
    }
}

static void test_one(void **state)
{
    (void)state;
    struct server_load load = {800e3, 1};
    struct server server = {.loads = &load, .n = 1, .service = exponential};
    assert_largest(&server, 300e-6);
    server.percentile = 99;
    assert_largest(&server, 500e-6);
}

static void test_joint(void **state)
{
    (void)state;
    struct server_load loads[] = {{800e3, 1}, {100e3, 4}, {30e3, 1}, {100e3, 2}};
    struct server server = {.loads = loads, .n = 4, .service = exponential};
    struct server_lane lanes[4];
    double utilisation;
    server.service.per_packet = 50e-9;
    assert_largest(&server, 500e-6);
    assert_int_equal(server_dimension(&server, 500e-6, lanes, &utilisation), 0);
    assert_int_equal(lanes[1].size, lanes[3].size);
    assert_true(lanes[0].size > lanes[1].size && lanes[1].size > lanes[2].size);
}

/* The forecast is the interpolated wait's. */
static void test_forecast(void **state)
{
    (void)state;
    struct server_load loads[] = {{400e3, 2}, {50e3, 3}};
    struct server server = {.loads = loads, .n = 2, .service = exponential, .percentile = 99};
    struct server_lane lanes[] = {{.size = 100, .timeout = 1e-3}, {.size = 20, .timeout = 1e-3}};
    struct stream streams[] = {{400e3, 100, 1e-3, 2, exponential},
                               {50e3, 20, 1e-3, 3, exponential}};
    struct stream_delay delays[2];
    struct answer answer = {.streams = delays};
    struct query query = {.streams = streams, .n_streams = 2};
    double utilisation;
    assert_int_equal(server_forecast(&server, lanes, &utilisation), 0);
    assert_int_equal(method_solve(METHOD_FAST, &query, NULL, &answer, NULL), 0);
    assert_near(utilisation, answer.utilisation, 1e-12);
    for (int i = 0; i < 2; i++) {
        assert_near(lanes[i].delay, delays[i].delay_p99, 1e-9);
        assert_near(lanes[i].fill + lanes[i].wait + lanes[i].service, delays[i].delay_mean, 1e-12);
    }
}

/* There and back: both services, and what feedback.h says of the waits. */
static void test_returns(void **state)
{
    (void)state;
    struct server_load loads[] = {{800e3, 1}, {100e3, 4}};
    struct server server = {.loads = loads, .n = 2, .service = exponential, .returns = true};
    struct server_lane lanes[] = {{.size = 1, .timeout = 1}, {.size = 1, .timeout = 1}};
    double utilisation, rho = 0.6;
    assert_largest(&server, 900e-6);
    server.percentile = 99;
    assert_largest(&server, 2e-3);
    server.percentile = 0;
    server.service.mean = rho / 2 / 1.2e6; /* single packets: closed form */
    double first = rho * (1 + rho / 2) / ((1 - rho) * (1 + rho / 2)) * server.service.mean;
    assert_int_equal(server_forecast(&server, lanes, &utilisation), 0);
    assert_near(utilisation, rho, 1e-12);
    assert_near(lanes[0].wait, first + rho * (first + server.service.mean), 1e-9);
    assert_near(lanes[1].service, 2 * server.service.mean, 1e-12);
}

static void test_unattainable(void **state)
{
    (void)state;
    struct server_load load = {800e3, 1};
    struct server server = {.loads = &load, .n = 1, .service = exponential};
    struct server_lane lane;
    double utilisation;
    assert_int_equal(server_dimension(&server, 21e-6, &lane, &utilisation), 0);
    assert_false(lane.attainable);
    assert_true(utilisation < 1);
    for (uint32_t size = 17; size < 200; size++)
        assert_true(delay_with(&server, &lane, 0, size) >= lane.delay);
}

static void test_unstable(void **state)
{
    (void)state;
    struct server_load load = {800e3, 1};
    struct server server = {.loads = &load, .n = 1, .service = {.mean = 1, .scv = 1}};
    struct server_lane lane;
    double utilisation;
    assert_int_equal(server_dimension(&server, 1e-3, &lane, &utilisation), 0);
    assert_false(lane.attainable);
    assert_int_equal(lane.size, STREAM_SIZE_MAX);
    assert_true(utilisation > 1 && isinf(lane.delay));
}

static void test_range(void **state)
{
    (void)state;
    struct server_load load = {0, 1};
    struct server server = {.loads = &load, .n = 1, .service = exponential};
    struct server_lane lane = {.size = 1, .timeout = 1};
    double utilisation = 7;
    assert_int_equal(server_dimension(&server, 1e-3, &lane, &utilisation), -EINVAL);
    load.rate = 1;
    assert_int_equal(server_dimension(&server, 0, &lane, &utilisation), -EINVAL);
    server.percentile = 49;
    assert_int_equal(server_dimension(&server, 1e-3, &lane, &utilisation), -EINVAL);
    server.percentile = 0;
    lane.size = 0;
    assert_int_equal(server_forecast(&server, &lane, &utilisation), -EINVAL);
    assert_true(utilisation == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),      cmocka_unit_test(test_joint),
        cmocka_unit_test(test_forecast), cmocka_unit_test(test_unattainable),
        cmocka_unit_test(test_unstable), cmocka_unit_test(test_range),
        cmocka_unit_test(test_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
