// SPDX-License-Identifier: GPL-2.0-or-later
/* What is refused of the control socket's `set` and `unset`, and why it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/by_hand.h"

struct bench {
    struct config *config;
    struct keeper_guest guest;
    struct keeper_guests guests;
    struct by_hand by_hand;
    char refusal[BY_HAND_REFUSAL];
};

static struct bench bench;

static int set_up(void **state)
{
    (void)state;
    bench =
        (struct bench){.config = config_defaults(), .guest = {.interface = {5, 1}, .name = "web"}};
    bench.guests = (struct keeper_guests){.list = &bench.guest, .n = 1, .room = 1};
    bench.by_hand =
        (struct by_hand){.config = bench.config, .guests = &bench.guests, .interval = 1};
    return bench.config ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    config_free(bench.config);
    return 0;
}

/* Why not; the store is never asked, so nothing may come of any of these. */
static const char *refused(bool set, const char *arguments)
{
    json_t *json = json_loads(arguments, 0, NULL);

    assert_non_null(json);
    bench.refusal[0] = '\0';
    json_t *answer = set ? by_hand_set(&bench.by_hand, json, bench.refusal)
                         : by_hand_unset(&bench.by_hand, json, bench.refusal);
    json_decref(json);
    assert_null(answer);
    return bench.refusal;
}

static void what_is_not_understood_is_named(void **state)
{
    static const struct {
        const char *arguments, *why;
    } bad[] = {
        {"{}", "\"vm\""},
        {"{\"vm\": 5, \"packets\": 5}", "\"vm\""},
        {"{\"vm\": \"web\"}", "\"packets\""},
        {"{\"vm\": \"web\", \"packets\": \"5\"}", "\"packets\""},
        {"{\"vm\": \"web\", \"packets\": 5.5}", "\"packets\""},
        {"{\"vm\": \"web\", \"packets\": 5, \"timeout_us\": \"9\"}", "\"timeout_us\""},
        {"{\"vm\": \"web\", \"packets\": 5, \"direction\": \"up\"}", "\"direction\""},
        {"{\"vm\": \"web\", \"packets\": 5, \"direction\": 1}", "\"direction\""},
        {"{\"vm\": \"web\", \"packets\": 5, \"handle\": \"1\"}", "\"handle\""},
        {"{\"vm\": \"web\", \"packets\": 5, \"handle\": -1}", "\"handle\""},
        {"{\"vm\": \"web\", \"packets\": 5, \"handle\": 256}", "\"handle\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(strstr(refused(true, bad[i].arguments), bad[i].why));
    assert_non_null(strstr(refused(false, "{\"vm\": null}"), "\"vm\""));
}

static void who_is_not_there_is_named(void **state)
{
    (void)state;
    assert_string_equal(refused(true, "{\"vm\": \"db\", \"packets\": 5}"), "no VM is called 'db'");
    assert_string_equal(refused(true, "{\"vm\": \"web\", \"packets\": 5, \"handle\": 0}"),
                        "web has no interface 0");
    assert_string_equal(refused(false, "{\"vm\": \"we\"}"), "no VM is called 'we'");
}

/* The limits of the configuration's defaults: 1 to 1024 packets, 10 us to 10 ms. */
static void what_is_not_allowed_says_what_is(void **state)
{
    static const char *const packets[] = {"0", "-1", "1025", "4294967297", "9223372036854775807"};
    static const char *const timeouts[] = {"9.9", "10001", "-5", "0", "1e300"};
    char arguments[128];

    (void)state;
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
        snprintf(arguments, sizeof(arguments), "{\"vm\": \"web\", \"packets\": %s}", packets[i]);
        assert_non_null(strstr(refused(true, arguments), "1 to 1024 (min-packets, max-packets)"));
    }
    for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
        snprintf(arguments, sizeof(arguments),
                 "{\"vm\": \"web\", \"packets\": 5, \"timeout_us\": %s}", timeouts[i]);
        assert_non_null(
            strstr(refused(true, arguments), "10.0us to 10.0ms (min-timeout, max-timeout)"));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_understood_is_named),
        TEST(who_is_not_there_is_named),
        TEST(what_is_not_allowed_says_what_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
