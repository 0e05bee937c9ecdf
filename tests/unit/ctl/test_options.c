// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl/ctl.h"
#include "ctl/options.h"

#define WORDS 8

static struct {
    bool flag;
    const char *text;
    unsigned long number;
    double duration, interval, span;
    struct option_list list;
} given;

static const struct option_spec specs[] = {
    {"flag", OPTION_FLAG, NULL, "a flag", &given.flag, 0, 0},
    {"text", OPTION_TEXT, "TEXT", "a text", &given.text, 0, 0},
    {"number", OPTION_NUMBER, "N", "a number", &given.number, 2, 9},
    {"duration", OPTION_DURATION, "D", "a duration", &given.duration, 0, 0},
    {"interval", OPTION_INTERVAL, "[D]", "a duration, or one second", &given.interval, 1, 0},
    {"list", OPTION_LIST, "W", "words", &given.list, 0, 0},
    {"span", OPTION_SPAN, "D", "a long duration", &given.span, 0, 0},
};
static const struct option_set set = {.command = "try",
                                      .operands = "A [B]",
                                      .summary = "Tries.",
                                      .operands_min = 1,
                                      .operands_max = 2,
                                      .count = sizeof(specs) / sizeof(specs[0]),
                                      .specs = specs};

static const char *operands[OPTIONS_OPERANDS];

/* -1: go on; else the exit status. */
static int parse(const char *const words[WORDS])
{
    int count = 0, status = -1;

    given.flag = false;
    given.text = NULL;
    given.number = 0;
    given.duration = given.interval = -1;
    while (count < WORDS && words[count])
        count++;
    return options_parse(&set, count, (char **)words, operands, &status) ? -1 : status;
}

static void test_all_kinds(void **state)
{
    (void)state;
    assert_int_equal(parse((const char *[WORDS]){"try", "--flag", "one", "--text", "--x",
                                                 "--number=7", "--duration=2ms"}),
                     -1);
    assert_true(given.flag);
    assert_string_equal(given.text, "--x");
    assert_int_equal(given.number, 7);
    assert_true(given.duration == 2e-3);
    assert_true(given.interval == -1);
    assert_string_equal(operands[0], "one");
    assert_null(operands[1]);
}

static void test_interval(void **state)
{
    (void)state;
    assert_int_equal(parse((const char *[WORDS]){"try", "--interval", "vm"}), -1);
    assert_true(given.interval == 1);
    assert_string_equal(operands[0], "vm");
    assert_int_equal(parse((const char *[WORDS]){"try", "vm", "--interval", "500ms"}), -1);
    assert_true(given.interval == 0.5);
    assert_int_equal(parse((const char *[WORDS]){"try", "vm", "--interval"}), -1);
    assert_true(given.interval == 1);
    assert_int_equal(parse((const char *[WORDS]){"try", "vm", "--interval=0s"}), CTL_USAGE);
}

static void test_span(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        double seconds;
    } good[] = {{"--span=10m", 600},   {"--span=2d", 172800},  {"--span=1.5d", 129600},
                {"--span=10min", 600}, {"--span=250ms", 0.25}, {"--span=90s", 90}};
    static const char *const bad[] = {"--span=m",  "--span=10",  "--span=-1m",
                                      "--span=1w", "--span=1dd", "--span=9999999999d"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(parse((const char *[WORDS]){"try", "a", good[i].word}), -1);
        assert_float_equal(given.span, good[i].seconds, 1e-9);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(parse((const char *[WORDS]){"try", "a", bad[i]}), CTL_USAGE);
}

static void test_list(void **state)
{
    (void)state;
    assert_int_equal(
        parse((const char *[WORDS]){"try", "a", "--list", "b", "c", "--flag", "--list=d"}), -1);
    assert_true(given.flag);
    assert_string_equal(operands[0], "a");
    assert_int_equal(given.list.count, 3);
    assert_string_equal(given.list.words[1], "c");
    assert_string_equal(given.list.words[2], "d");
    options_list_free(&given.list);
    assert_int_equal(parse((const char *[WORDS]){"try", "a", "--list"}), CTL_USAGE);
    assert_int_equal(parse((const char *[WORDS]){"try", "a", "--list", "--flag"}), CTL_USAGE);
}

static void test_operands(void **state)
{
    (void)state;
    assert_int_equal(parse((const char *[WORDS]){"try", "--", "--flag", "-b"}), -1);
    assert_false(given.flag);
    assert_string_equal(operands[0], "--flag");
    assert_string_equal(operands[1], "-b");
    assert_int_equal(parse((const char *[WORDS]){"try"}), CTL_USAGE);
    assert_int_equal(parse((const char *[WORDS]){"try", "a", "b", "c"}), CTL_USAGE);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const char *const cases[][WORDS] = {
        {"try", "a", "--nonesuch"},  {"try", "a", "-f"},          {"try", "a", "--flag=1"},
        {"try", "a", "--text"},      {"try", "a", "--number=1"},  {"try", "a", "--number=10"},
        {"try", "a", "--number=3x"}, {"try", "a", "--number="},   {"try", "a", "--duration=5"},
        {"try", "a", "--dur=5s"},    {"try", "a", "--duration=x"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(parse(cases[i]), CTL_USAGE);
}

static void test_help(void **state)
{
    (void)state;
    assert_int_equal(parse((const char *[WORDS]){"try", "--help"}), CTL_OK);
    assert_int_equal(parse((const char *[WORDS]){"try", "a", "-h"}), CTL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kinds), cmocka_unit_test(test_interval),
        cmocka_unit_test(test_span),      cmocka_unit_test(test_operands),
        cmocka_unit_test(test_list),      cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
