// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/text.h"

static void test_clean(void **state)
{
    (void)state;
    char text[64];

    assert_string_equal(text_clean("web-1 ok", text, sizeof(text)), "web-1 ok");
    assert_string_equal(text_clean("a\033[2Jb\n", text, sizeof(text)), "a\\x1b[2Jb\\x0a");
    /* C1 control, which some terminals obey, alone and as UTF-8; a right-to-left override. */
    assert_string_equal(text_clean("\x9b"
                                   "31m\xc2\x9b",
                                   text, sizeof(text)),
                        "\\x9b31m\\xc2\\x9b");
    assert_string_equal(text_clean("\xe2\x80\xae", text, sizeof(text)), "\\xe2\\x80\\xae");
    assert_string_equal(text_clean("back\\x1b", text, sizeof(text)), "back\\\\x1b");
    assert_string_equal(text_clean("", text, sizeof(text)), "");
}

static void test_clean_cuts(void **state)
{
    (void)state;
    char text[8];

    assert_string_equal(text_clean("1234567", text, sizeof(text)), "1234567");
    assert_string_equal(text_clean("12345678", text, sizeof(text)), "1234...");
    /* An escape is kept whole or left out. */
    assert_string_equal(text_clean("12\001"
                                   "45678",
                                   text, sizeof(text)),
                        "12...");
}

static void test_number(void **state)
{
    (void)state;
    static const struct {
        double number;
        const char *text;
    } cases[] = {{0, "0"},       {7, "7"},          {0.25, "0.25"},     {12.34, "12.3"},
                 {1024, "1024"}, {1023.5, "1024"},  {123456, "123456"}, {-2.5, "-2.50"},
                 {NAN, "-"},     {INFINITY, "inf"}, {1e300, "1e+300"}};
    char text[TEXT_NUMBER];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(text_number(cases[i].number, text), cases[i].text);
}

static void test_prefixed(void **state)
{
    (void)state;
    static const struct {
        double number;
        const char *text;
    } cases[] = {{0, "0"},         {7, "7"},          {0.25, "0.25"},   {12.34, "12.3"},
                 {999, "999"},     {999.6, "1.00k"},  {1000, "1.00k"},  {41234, "41.2k"},
                 {123456, "123k"}, {3.07e6, "3.07M"}, {2.5e9, "2.50G"}, {5e12, "5000G"},
                 {NAN, "-"},       {INFINITY, "inf"}};
    char text[TEXT_NUMBER];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(text_prefixed(cases[i].number, text), cases[i].text);
}

static void test_span(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0s"},
                 {59.9, "59s"},
                 {60, "1min"},
                 {65, "1min 5s"},
                 {3600 * 3, "3h"},
                 {3600 * 3 + 720, "3h 12min"},
                 {86400 * 5, "5d"},
                 {86400 * 5 + 59, "5d"},
                 {86400 * 400 + 7200, "400d 2h"},
                 {-1, "-"},
                 {NAN, "-"}};
    char text[TEXT_NUMBER];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(text_span(cases[i].seconds, text), cases[i].text);
}

static void test_time(void **state)
{
    (void)state;
    char text[32];

    setenv("TZ", "UTC", 1);
    assert_string_equal(text_time(1700000000.9, text, sizeof(text)), "2023-11-14 22:13:20");
    assert_string_equal(text_time(NAN, text, sizeof(text)), "-");
    assert_string_equal(text_time(1e300, text, sizeof(text)), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),  cmocka_unit_test(test_clean_cuts),
        cmocka_unit_test(test_number), cmocka_unit_test(test_prefixed),
        cmocka_unit_test(test_span),   cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
