// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/argument.h"

static void takes_what_is_in_range(void **state)
{
    uint32_t value = 42;
    const struct argument_number option = {.name = "domid", .min = 1, .max = 32751, .ret = &value};
    (void)state;

    assert_int_equal(argument_number(&option, "1"), 0);
    assert_int_equal(value, 1);
    assert_int_equal(argument_number(&option, "32751"), 0);
    assert_int_equal(value, 32751);
}

/* The message names the option, the value and what would do. */
static void says_what_is_wrong(void **state)
{
    uint32_t value = 42;
    const struct argument_number option = {.name = "domid", .min = 1, .max = 32751, .ret = &value};
    char text[256] = "";
    int pipes[2], before = dup(2);
    (void)state;

    assert_int_equal(pipe(pipes), 0);
    dup2(pipes[1], 2);
    int error = argument_number(&option, "0");
    int error_text = argument_number(&option, "five");
    dup2(before, 2);
    close(before);
    close(pipes[1]);
    assert_true(read(pipes[0], text, sizeof(text) - 1) > 0);
    close(pipes[0]);
    assert_int_equal(error, -EINVAL);
    assert_int_equal(error_text, -EINVAL);
    assert_int_equal(value, 42);
    assert_string_equal(
        text, "test-common-argument: --domid: \"0\" is not a number from 1 to 32751\n"
              "test-common-argument: --domid: \"five\" is not a number from 1 to 32751\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_is_in_range),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
