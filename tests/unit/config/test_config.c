// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

struct heard {
    unsigned n;
    unsigned lines[32];
    char text[4096];
};

static void hear(void *context, const char *path, unsigned line, const char *what)
{
    struct heard *heard = context;
    (void)path;
    if (heard->n < 32)
        heard->lines[heard->n] = line;
    heard->n++;
    size_t used = strlen(heard->text);
    snprintf(heard->text + used, sizeof(heard->text) - used, "%u: %s\n", line, what);
}

static int load_bytes(const void *bytes, size_t size, struct heard *heard, struct config **ret)
{
    char path[] = "/tmp/xenagg-config-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
    memset(heard, 0, sizeof(*heard));
    int error = config_load(path, hear, heard, ret);
    unlink(path);
    return error;
}

static int load(const char *text, struct heard *heard, struct config **ret)
{
    return load_bytes(text, strlen(text), heard, ret);
}

static void reads_every_key(void **state)
{
    struct heard heard;
    struct config *config = NULL;
    (void)state;

    int error = load("[daemon]\n"
                     "interval = 500ms\nsegment = /a\ndatabase=/b\ncontrol: /c\n"
                     "backend-domid = 3\nhistory-detail = 2h\nhistory-keep = 48h\n"
                     "history-size = 64\n"
                     "[default]\n"
                     "delay = 1ms ; a remark\nutilisation = 0.8\nattach = yes\n"
                     "[vm web.1]\n"
                     "  scope = one-way\n\tpercentile = 99.9\nobjective = delay\n"
                     "min-packets = 2\nmax-packets = 200\nmin-timeout = 20us\nmax-timeout = 4s\n"
                     "bridge = xenbr0\nmax-bytes = 9216\nrx-packets = 8\nrx-timeout = 50us\n"
                     "[vm none]\ndelay = none\nattach = no\n",
                     &heard, &config);
    assert_string_equal(heard.text, "");
    assert_int_equal(error, 0);

    const struct config_daemon *daemon = config_daemon(config);
    assert_float_equal(daemon->interval, 0.5, 1e-12);
    assert_string_equal(daemon->segment, "/a");
    assert_string_equal(daemon->database, "/b");
    assert_string_equal(daemon->control, "/c");
    assert_int_equal(daemon->backend_domid, 3);
    assert_float_equal(daemon->history_detail, 7200, 1e-9);
    assert_float_equal(daemon->history_keep, 48 * 3600, 1e-9);
    assert_int_equal(daemon->history_size, 64 << 20);

    const struct config_policy *web = config_policy(config, "web.1");
    assert_float_equal(web->promise.delay, 1e-3, 1e-12); /* from [default] */
    assert_int_equal(web->promise.scope, SCOPE_ONE_WAY);
    assert_float_equal(web->promise.percentile, 99.9, 1e-12);
    assert_int_equal(web->objective, OBJECTIVE_DELAY);
    assert_true(web->utilisation_max == 0.8); /* from [default] */
    assert_int_equal(config_policy(config, "none")->objective, OBJECTIVE_THROUGHPUT);
    assert_int_equal(web->limits.packets_min, 2);
    assert_int_equal(web->limits.packets_max, 200);
    assert_float_equal(web->limits.timeout_min, 20e-6, 1e-12);
    assert_float_equal(web->limits.timeout_max, 4, 1e-12);
    assert_float_equal(web->limits.bytes_max, 9216, 0.5);
    assert_true(web->fixed[DIRECTION_RX]);
    assert_int_equal(web->fixed_size[DIRECTION_RX].packets, 8);
    assert_float_equal(web->fixed_size[DIRECTION_RX].timeout, 50e-6, 1e-12);
    assert_false(web->fixed[DIRECTION_TX]);
    assert_true(web->attach); /* from [default] */
    assert_string_equal(web->bridge, "xenbr0");
    assert_false(config_policy(config, "none")->attach);
    assert_string_equal(config_policy(config, "none")->bridge, "");

    assert_true(isinf(config_policy(config, "none")->promise.delay));
    assert_false(config_names(config, "other"));
    assert_float_equal(config_policy(config, "other")->promise.delay, 1e-3, 1e-12);
    assert_string_equal(config_vm(config, 1), "none");
    assert_null(config_vm(config, 2));
    config_free(config);
}

static void names_every_error_with_its_line(void **state)
{
    static const unsigned expected[] = {1, 3, 4, 5, 6, 8, 10, 11, 12, 13, 15, 16, 17};
    struct heard heard;
    struct config *config = NULL;
    (void)state;

    int error = load("early = 1\n"           /* 1: before any section */
                     "[daemon]\n"            /* */
                     "interval = 1\n"        /* 3: no unit */
                     "intervall = 1s\n"      /* 4: unknown */
                     "segment = run\n"       /* 5: not absolute */
                     "what is this\n"        /* 6: nothing at all */
                     "[default]\n"           /* */
                     "delay = -5us\n"        /* 8 */
                     "percentile = 99\n"     /* */
                     "percentile = 98\n"     /* 10: twice */
                     "percentile = 100\n"    /* 11: twice */
                     "[daemon]\n"            /* 12: twice */
                     "[deamon]\n"            /* 13: unknown */
                     "[vm a]\n"              /* */
                     "scope = both\n"        /* 15 */
                     "max-packets = 65536\n" /* 16 */
                     "[vm a]\n"              /* 17: twice */
                     "delay = 0\n",          /* in a section that is not one: not looked at */
                     &heard, &config);
    assert_int_equal(error, -EINVAL);
    assert_null(config);
    if (heard.n != sizeof(expected) / sizeof(expected[0]))
        fail_msg("heard:\n%s", heard.text);
    for (size_t i = 0; i < heard.n; i++)
        assert_int_equal(heard.lines[i], expected[i]);
}

static void names_what_no_single_line_shows(void **state)
{
    struct heard heard;
    struct config *config = NULL;
    (void)state;

    int error = load("[daemon]\n"
                     "history-detail = 48h\nhistory-keep = 24h\n" /* 2 */
                     "[default]\n"
                     "max-packets = 10\n"
                     "[vm a]\n"
                     "min-packets = 20\n" /* 7: above [default]'s */
                     "tx-packets = 20\n"  /* 8: no timeout beside it */
                     "[vm b]\n"
                     "min-timeout = 2ms\nmax-timeout = 1ms\n", /* 11 */
                     &heard, &config);
    assert_int_equal(error, -EINVAL);
    assert_int_equal(heard.n, 4);
    unsigned sum = heard.lines[0] + heard.lines[1] + heard.lines[2] + heard.lines[3];
    assert_int_equal(sum, 2 + 7 + 8 + 11);
}

static void refuses_bad_values(void **state)
{
    static const char *const cases[] = {
        "[default]\ndelay = 11s\n",
        "[default]\ndelay = inf\n",
        "[default]\ndelay =\n",
        "[default]\npercentile = 49.9\n",
        "[default]\npercentile = 0x5a\n",
        "[default]\npercentile = 99%\n",
        "[default]\npercentile = nan\n",
        "[default]\nobjective = fun\n",
        "[default]\nutilisation = 0\n",
        "[default]\nutilisation = 1\n",
        "[default]\nutilisation = 80%\n",
        "[default]\nutilisation = .8\n",
        "[default]\nutilisation = 0.8.1\n",
        "[default]\nutilisation = nan\n",
        "[default]\nmax-packets = 0\n",
        "[default]\nmax-packets = 12.5\n",
        "[default]\nmax-bytes = 9215\n",
        "[default]\nrx-packets = 5\n",
        "[daemon]\nbackend-domid = 32752\n",
        "[daemon]\ninterval = 0\n",
        "[daemon]\ncontrol = "
        "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaa"
        "aaaaaaaaaaaaaaaaaaa\n",
        "[vm ]\n",
        "[vm a/b]\n",
        "[vma]\n",
        "[vm",
    };
    struct heard heard;
    struct config *config = NULL;
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(load(cases[i], &heard, &config), -EINVAL);
        assert_true(heard.n >= 1);
        assert_true(heard.lines[0] >= 1);
    }
}

static void refuses_what_is_not_text(void **state)
{
    static const char nul[] = "[daemon]\n\0interval = 1s\n";
    char longest[400];
    struct heard heard;
    struct config *config = NULL;
    (void)state;

    assert_int_equal(load_bytes(nul, sizeof(nul) - 1, &heard, &config), -EINVAL);
    assert_int_equal(heard.lines[0], 2);
    memset(longest, '#', sizeof(longest));
    memcpy(longest + 350, "\nbad", 4);
    assert_int_equal(load_bytes(longest, 354, &heard, &config), -EINVAL);
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.lines[0], 1);
    assert_int_equal(heard.lines[1], 2);
}

static void longest_line_is_whole(void **state)
{
    char line[191];
    struct heard heard;
    struct config *config = NULL;
    (void)state;

    memset(line, '#', sizeof(line));
    assert_int_equal(load_bytes(line, 190, &heard, &config), 0);
    config_free(config);
    assert_int_equal(load_bytes(line, 191, &heard, &config), -EINVAL);
}

static void says_why_a_file_can_not_be_read(void **state)
{
    struct heard heard = {0};
    struct config *config = NULL;
    (void)state;

    assert_int_equal(config_load("/nowhere/at/all", hear, &heard, &config), -ENOENT);
    assert_int_equal(heard.n, 1);
    assert_int_equal(heard.lines[0], 0);
    assert_int_equal(config_load("/tmp", hear, &heard, &config), -EISDIR);
}

static void empty_file_is_the_built_in_one(void **state)
{
    struct heard heard;
    struct config *config = NULL;
    (void)state;

    assert_int_equal(load("\xef\xbb\xbf# nothing\n\n", &heard, &config), 0);
    struct config *built_in = config_defaults();
    assert_memory_equal(config_daemon(config), config_daemon(built_in),
                        sizeof(struct config_daemon));
    assert_float_equal(config_policy(config, "x")->promise.delay,
                       config_policy(built_in, "x")->promise.delay, 0);
    config_free(built_in);
    config_free(config);
}

/* The file that is shipped, and the same with every key in it taken literally. */
static void shipped_file_holds_the_built_in_values(void **state)
{
    FILE *shipped = fopen(XENAGG_CONF, "r");
    char text[8192] = "", line[256];
    struct heard heard = {0};
    struct config *config = NULL;
    (void)state;

    assert_non_null(shipped);
    while (fgets(line, sizeof(line), shipped)) {
        bool key = line[0] == '#' && line[1] != ' ' && strchr(line, '=');
        strncat(text, line + (key ? 1 : 0), sizeof(text) - strlen(text) - 1);
    }
    fclose(shipped);
    assert_int_equal(config_load(XENAGG_CONF, hear, &heard, &config), 0);
    config_free(config);
    /* The guest's section stays commented out; its keys would stand twice. */
    char *guest = strstr(text, "#[vm");
    assert_non_null(guest);
    *guest = '\0';
    assert_int_equal(load(text, &heard, &config), 0);
    struct config *built_in = config_defaults();
    assert_memory_equal(config_daemon(config), config_daemon(built_in),
                        sizeof(struct config_daemon));
    const struct config_policy *read = config_policy(config, "x");
    const struct config_policy *built = config_policy(built_in, "x");
    assert_int_equal(read->objective, built->objective);
    assert_true(read->utilisation_max == built->utilisation_max);
    assert_int_equal(read->limits.packets_min, built->limits.packets_min);
    assert_int_equal(read->limits.packets_max, built->limits.packets_max);
    assert_float_equal(read->limits.timeout_min, built->limits.timeout_min, 1e-12);
    assert_float_equal(read->limits.timeout_max, built->limits.timeout_max, 1e-12);
    assert_float_equal(read->limits.bytes_max, built->limits.bytes_max, 0.5);
    assert_float_equal(read->promise.delay, built->promise.delay, 1e-15);
    assert_int_equal(read->promise.scope, built->promise.scope);
    assert_true(read->fixed[DIRECTION_RX] && read->fixed[DIRECTION_TX]);
    config_free(built_in);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_key),
        cmocka_unit_test(names_every_error_with_its_line),
        cmocka_unit_test(names_what_no_single_line_shows),
        cmocka_unit_test(refuses_bad_values),
        cmocka_unit_test(refuses_what_is_not_text),
        cmocka_unit_test(longest_line_is_whole),
        cmocka_unit_test(says_why_a_file_can_not_be_read),
        cmocka_unit_test(empty_file_is_the_built_in_one),
        cmocka_unit_test(shipped_file_holds_the_built_in_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
