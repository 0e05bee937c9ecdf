// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
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

static void takes_every_way_to_write_a_number(void **state)
{
    static const struct {
        const char *text;
        double seconds;
    } cases[] = {{"0.0", 0},      {"0us", 0},       {"1.us", 1e-6},   {"1e3us", 1e-3},
                 {"0.5h", 1800},  {"1000h", 3.6e6}, {"0001ms", 1e-3}, {"0 ", 0},
                 {"60min", 3600}, {"1e-3s", 1e-3}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double seconds = -1;
        assert_int_equal(duration_parse(cases[i].text, &seconds), 0);
        assert_float_equal(seconds, cases[i].seconds, cases[i].seconds * 1e-12);
    }
}

static void refuses_what_is_nearly_one(void **state)
{
    static const char *const cases[] = {"0x",      "00x5us", ".5us", "1,5ms",      "5\tms",
                                        "5ms\n",   "5Ms",    "5m",   "5e",         "5 5ms",
                                        "1000.1h", "0d",     "nan5", "5\xc2\xb5s", "1e308h"};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double seconds = 42;
        if (duration_parse(cases[i], &seconds) != -EINVAL)
            fail_msg("'%s' was taken for %g s", cases[i], seconds);
        assert_true(seconds == 42);
    }
}

static void formats_the_extremes_whole(void **state)
{
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{INFINITY, "inf"},     {-INFINITY, "-inf"},  {NAN, "-"},
                 {-1.5e-3, "-1.50ms"},  {9.994e-3, "9.99ms"}, {9.996e-3, "10.0ms"},
                 {99.94e-6, "99.9us"},  {99.96e-6, "100us"},  {999.4e-9, "999ns"},
                 {999.96e-9, "1.00us"}, {1e-12, "0.00ns"},    {3.6e6, "3600000s"},
                 {1e300, "1.00e+300s"}};
    char buffer[DURATION_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(duration_format(cases[i].seconds, buffer), cases[i].text);
}

/* What is shown can be read back, and is what was meant to three digits. */
static void shows_what_it_reads(void **state)
{
    char buffer[DURATION_TEXT];
    (void)state;
    for (double seconds = 1e-9; seconds < 3e6; seconds *= 1.0137) {
        double back = -1;
        assert_int_equal(duration_parse(duration_format(seconds, buffer), &back), 0);
        if (fabs(back / seconds - 1) > 5.1e-3)
            fail_msg("%g s shows as %s", seconds, buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_every_unit),
        cmocka_unit_test(refuses_what_is_not_a_duration),
        cmocka_unit_test(formats_in_the_unit_that_suits),
        cmocka_unit_test(takes_every_way_to_write_a_number),
        cmocka_unit_test(refuses_what_is_nearly_one),
        cmocka_unit_test(formats_the_extremes_whole),
        cmocka_unit_test(shows_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
