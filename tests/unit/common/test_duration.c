// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/duration.h"

static void parses_every_unit(void **state)
{
    static const struct {
        const char *text;
        double seconds;
    } cases[] = {{"300ns", 300e-9}, {"600us", 600e-6}, {"1.5ms", 1.5e-3}, {"2s", 2},
                 {"3min", 180},     {"1h", 3600},      {"0", 0},          {"5 ms", 5e-3}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double seconds = -1;
        assert_int_equal(duration_parse(cases[i].text, &seconds), 0);
        assert_float_equal(seconds, cases[i].seconds, cases[i].seconds * 1e-12);
    }
}

static void refuses_what_is_not_a_duration(void **state)
{
    static const char *const cases[] = {"",       "5",      "us",    "-5us",  "inf",
                                        "nan",    "1e400s", "0x5us", "5 m s", "5usec",
                                        "99999h", " 5us",   "5us ",  "1.2.3s"};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double seconds = 42;
        assert_int_equal(duration_parse(cases[i], &seconds), -EINVAL);
        assert_true(seconds == 42); /* untouched */
    }
}

static void formats_in_the_unit_that_suits(void **state)
{
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0s"},         {1.5e-3, "1.50ms"},   {96.24e-6, "96.2us"},
                 {250e-6, "250us"}, {999.9e-6, "1.00ms"}, {3e-9, "3.00ns"},
                 {120, "120s"}};
    char buffer[DURATION_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(duration_format(cases[i].seconds, buffer), cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_every_unit),
        cmocka_unit_test(refuses_what_is_not_a_duration),
        cmocka_unit_test(formats_in_the_unit_that_suits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
