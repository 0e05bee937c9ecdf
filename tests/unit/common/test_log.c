// SPDX-License-Identifier: GPL-2.0-or-later
/* What arrives on standard error when a line is logged. */
#include "tests/unit/common/testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

struct capture {
    int stderr_copy, fd;
    char path[32];
    char text[8192];
};

static int capture_begin(void **state)
{
    struct capture *capture = calloc(1, sizeof(*capture));

    if (!capture)
        return -1;
    strcpy(capture->path, "/tmp/xenagg-log-XXXXXX");
    capture->fd = mkstemp(capture->path);
    fflush(stderr);
    capture->stderr_copy = dup(2);
    unsetenv("JOURNAL_STREAM");
    unsetenv("XENAGG_DEBUG");
    *state = capture;
    return capture->fd >= 0 && capture->stderr_copy >= 0 && dup2(capture->fd, 2) == 2 ? 0 : -1;
}

/* Gives standard error back, so that a failed assertion shows, and returns what was logged. */
static const char *capture_text(struct capture *capture)
{
    fflush(stderr);
    dup2(capture->stderr_copy, 2);
    ssize_t length = pread(capture->fd, capture->text, sizeof(capture->text) - 1, 0);
    capture->text[length > 0 ? length : 0] = '\0';
    return capture->text;
}

static int capture_end(void **state)
{
    struct capture *capture = *state;

    dup2(capture->stderr_copy, 2);
    close(capture->stderr_copy);
    close(capture->fd);
    unlink(capture->path);
    free(capture);
    unsetenv("JOURNAL_STREAM");
    unsetenv("XENAGG_DEBUG");
    return 0;
}

static void names_program_subsystem_and_guest(void **state)
{
    log_line(LOG_INFO, "config", "%d keys", 3);
    log_guest(LOG_INFO, "link", 5, 0, "connected");
    assert_string_equal(capture_text(*state), "test-common-log: config: 3 keys\n"
                                              "test-common-log: link: guest 5.0: connected\n");
}

static void says_what_is_an_error(void **state)
{
    log_line(LOG_ERR, "a", "1");
    log_line(LOG_CRIT, "a", "2");
    log_line(LOG_WARNING, "a", "3");
    log_line(LOG_NOTICE, "a", "4");
    assert_string_equal(capture_text(*state), "test-common-log: a: error: 1\n"
                                              "test-common-log: a: error: 2\n"
                                              "test-common-log: a: warning: 3\n"
                                              "test-common-log: a: 4\n");
}

static void debug_lines_are_asked_for(void **state)
{
    log_line(LOG_DEBUG, "a", "unseen");
    log_guest(LOG_DEBUG, "a", 1, 2, "unseen");
    setenv("XENAGG_DEBUG", "1", 1);
    log_line(LOG_DEBUG, "a", "seen");
    assert_string_equal(capture_text(*state), "test-common-log: a: seen\n");
}

/* What a guest wrote to xenstore must not look like a line of ours, or move the cursor. */
static void one_call_is_one_line(void **state)
{
    log_guest(LOG_WARNING, "store", 5, 0, "bad value '%s'",
              "1\nxenaggd: config: all promises kept\r\x1b[2J\x7f");
    log_line(LOG_INFO, "store", "bad value '%s'", "a\tb\x01");
    const char *text = capture_text(*state);
    assert_string_equal(text, "test-common-log: store: guest 5.0: warning: bad value "
                              "'1?xenaggd: config: all promises kept??[2J?'\n"
                              "test-common-log: store: bad value 'a?b?'\n");
}

static void names_in_any_script_stay_readable(void **state)
{
    log_line(LOG_INFO, "config", "guest '%s'", "B\xc3\xbcro");
    assert_string_equal(capture_text(*state), "test-common-log: config: guest 'B\xc3\xbcro'\n");
}

static void long_lines_are_cut(void **state)
{
    char text[3000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_line(LOG_INFO, "a", "%s", text);
    const char *logged = capture_text(*state);
    assert_true(strlen(logged) > 1000 && strlen(logged) < 1100);
    assert_int_equal(logged[strlen(logged) - 1], '\n');
}

/* The variable is inherited by whoever a service starts; only who writes to the journal uses it. */
static void another_programs_journal_is_not_ours(void **state)
{
    setenv("JOURNAL_STREAM", "1:2", 1);
    log_line(LOG_INFO, "a", "here");
    setenv("JOURNAL_STREAM", "nonsense", 1);
    log_line(LOG_INFO, "a", "and here");
    assert_string_equal(capture_text(*state), "test-common-log: a: here\n"
                                              "test-common-log: a: and here\n");
}

int main(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, capture_begin, capture_end)
    const struct CMUnitTest tests[] = {
        LOG_TEST(names_program_subsystem_and_guest),
        LOG_TEST(says_what_is_an_error),
        LOG_TEST(debug_lines_are_asked_for),
        LOG_TEST(one_call_is_one_line),
        LOG_TEST(names_in_any_script_stay_readable),
        LOG_TEST(long_lines_are_cut),
        LOG_TEST(another_programs_journal_is_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
