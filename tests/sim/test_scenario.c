// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading scenarios, what they say at a time, and judging. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/judge.h"
#include "tests/sim/scenario.h"

static struct scenario scenario;
static char why[300];

static int parse(const char *text)
{
    char copy[2000];

    snprintf(copy, sizeof(copy), "%s", text);
    return scenario_parse("s", copy, &scenario, why, sizeof(why));
}

static void whole_scenarios_are_read(void **state)
{
    (void)state;
    assert_int_equal(parse("title A b # not this\nkind moving\nseed 7\nlength 50s\n"
                           "guests web 2 rx=20k tx=1k\nguests r 1 rx=5 tx=5 forwards=1\n"
                           "promise web delay=1ms scope=one-way percentile=99\n"
                           "at 10s load web rx=40k tx=2k\nat 20s ramp web rx=20k tx=1k over=10s\n"
                           "at 30s slow worker 3 over=4s\n"
                           "assert kept web >= 99% from 10s to 20s\nassert says all \"a b\"\n"),
                     0);
    assert_string_equal(scenario.title, "A b");
    assert_int_equal(scenario.n_guests, 3);
    assert_int_equal(scenario_group_of(&scenario, 2), 1);
    double rates[DIRECTION_COUNT];
    scenario_rates(&scenario, 1, 9, rates);
    assert_float_equal(rates[DIRECTION_RX], 20e3, 1e-6);
    scenario_rates(&scenario, 1, 12, rates);
    assert_float_equal(rates[DIRECTION_RX], 40e3, 1e-6);
    scenario_rates(&scenario, 1, 25, rates);
    assert_float_equal(rates[DIRECTION_RX], 30e3, 1e-6);
    assert_float_equal(scenario_slowness(&scenario, SCENARIO_ALL, 32), 2, 1e-9);
    assert_float_equal(scenario_slowness(&scenario, 0, 32), 1, 1e-9);
    assert_string_equal(scenario.claims[1].text, "a b");
    struct config *config = scenario_config(&scenario, 0);
    assert_non_null(config);
    assert_float_equal(config_policy(config, "web1")->promise.percentile, 99, 1e-9);
    config_free(config);
}

static void what_is_not_understood_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"title x\nguests web 1 rx=1\nfoo 3\n", "s:3: 'foo'"},
        {"title x\nguests web 1 rx=abc\n", "s:2: a number is missing"},
        {"title x\nguests web 1 rx=1 colour=2\n", "s:2: 'colour=2'"},
        {"title x\nguests web 1\npromise web delay=1\n", "s:3: the daemon's configuration"},
        {"title x\nguests web 1\npromise wib delay=1ms\n", "s:3: no guests are called 'wib'"},
        {"title x\nguests web 1\nat 5s load web rx=1\nat 4s restart\n", "s:4: events come"},
        {"title x\nguests web 1\nat 5s explode\n", "s:3: no event"},
        {"title x\nguests web 1\nassert kept web > 1\n", "s:3: nothing that can be asserted"},
        {"title x\nguests web 1\nassert state web good\n", "s:3: no state"},
        {"title x\nguests web 1\nassert says web \"open\n", "s:3: a text in quotes"},
        {"title x\nguests web 1\nat 5s ramp web rx=1 tx=1\n", "s:3: how long is missing"},
        {"title x\nlength 10\nguests web 1\n", "s:2: '10' is no duration"},
        {"title x\nguests web 1\n", "a title, guests and something to assert"},
        {"title x\nguests web 300\n", "s:2: '300' is no number"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(bad[i].text), -EINVAL);
        if (!strstr(why, bad[i].says))
            print_error("'%s' lacks '%s'\n", why, bad[i].says);
        assert_non_null(strstr(why, bad[i].says));
    }
}

/* `containers` of 10 packets, of which every second one has delays of `a`, the others of `b`. */
static struct judge containers_of(int containers, const struct promise *promise, double a, double b)
{
    struct judge judge = {0};

    for (int c = 0; c < containers; c++) {
        for (int p = 0; p < 10; p++)
            judge_packet(&judge, JUDGE_RX, promise, c % 2 ? a : b);
        judge_container(&judge, JUDGE_RX);
    }
    return judge;
}

static void sampling_errors_are_allowed_for(void **state)
{
    struct promise mean = {.delay = 1e-3, .scope = SCOPE_ONE_WAY};
    struct judge_verdict verdict;
    (void)state;

    struct judge few = containers_of(50, &mean, 1e-3, 1e-3);
    assert_false(judge_full(&few, false));
    /* 100 containers of 0.5 and 1.6 ms: a mean of 1.05 +- 0.055 */
    struct judge judge = containers_of(100, &mean, 0.5e-3, 1.6e-3);
    assert_true(judge_full(&judge, false));
    assert_true(judge_verdict(&judge, &mean, false, &verdict));
    assert_float_equal(verdict.measured, 1.05e-3, 1e-9);
    assert_float_equal(verdict.error, 0.0553e-3, 0.0002e-3);
    assert_true(verdict.kept);
    judge = containers_of(1000, &mean, 0.5e-3, 1.6e-3);
    assert_true(judge_verdict(&judge, &mean, false, &verdict));
    assert_false(verdict.kept);
}

static void percentiles_are_judged_by_their_share(void **state)
{
    struct promise p90 = {.delay = 1e-3, .percentile = 90, .scope = SCOPE_ONE_WAY};
    struct judge_verdict verdict;
    (void)state;

    struct judge judge = containers_of(200, &p90, 0.5e-3, 2e-3);
    assert_true(judge_verdict(&judge, &p90, false, &verdict));
    assert_float_equal(verdict.measured, 0.5, 1e-9);
    assert_false(verdict.kept);
    judge = containers_of(200, &p90, 0.5e-3, 0.9e-3);
    assert_true(judge_verdict(&judge, &p90, false, &verdict));
    assert_true(verdict.kept);
    assert_false(judge_verdict(&judge, &p90, true, &verdict)); /* nothing was forwarded */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_scenarios_are_read),
        cmocka_unit_test(what_is_not_understood_is_refused_with_its_line),
        cmocka_unit_test(sampling_errors_are_allowed_for),
        cmocka_unit_test(percentiles_are_judged_by_their_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
