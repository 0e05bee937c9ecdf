// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggctl check-config. What is an error, tests/unit/daemon/test_config.c checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "program.h"

static struct lab lab;

static int make(void **state)
{
    (void)state;
    lab_make(&lab, "x.conf");
    return 0;
}

static int clean(void **state)
{
    (void)state;
    lab_clean(&lab);
    return 0;
}

static void config_write(const char *text)
{
    FILE *file = fopen(lab.path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const char good[] = "[default]\ndelay = 500us\n[vm web]\ndelay = 100us\npercentile = 99\n"
                           "scope = one-way\nobjective = delay\nutilisation = 0.6\n"
                           "[vm db]\ndelay = none\n";
static const char bad[] = "[default]\ndelay = 500\n[vm web]\n\nnonesuch = 1\n";

static void test_good(void **state)
{
    (void)state;
    struct said said;

    config_write(good);
    program_run(lab.folder, &said, PROGRAM_WORDS("check-config", lab.path));
    assert_int_equal(said.status, CTL_OK);
    assert_non_null(strstr(said.out, "(all others)  500us mean, forwarding"));
    assert_non_null(strstr(said.out, "web           100us p99, one-way"));
    assert_non_null(strstr(said.out, "db            none"));
    assert_non_null(strstr(said.out, "x.conf: no errors\n"));
}

static void test_good_json(void **state)
{
    (void)state;
    config_write(good);
    json_t *json = program_json(lab.folder, PROGRAM_WORDS("check-config", "--json", lab.path));
    assert_int_equal(json_array_size(json_object_get(json, "errors")), 0);
    const json_t *web = json_array_get(json_object_get(json, "policies"), 1);
    assert_string_equal(json_string_value(json_object_get(web, "vm")), "web");
    assert_float_equal(json_number_value(json_object_get(web, "promise_s")), 1e-4, 1e-12);
    assert_float_equal(json_number_value(json_object_get(web, "percentile")), 99, 0);
    assert_string_equal(json_string_value(json_object_get(web, "objective")), "delay");
    assert_true(json_number_value(json_object_get(web, "utilisation_max")) == 0.6);
    json_decref(json);
}

static void test_bad(void **state)
{
    (void)state;
    struct said said;

    config_write(bad);
    program_run(lab.folder, &said, PROGRAM_WORDS("check-config", lab.path));
    assert_int_equal(said.status, CTL_USAGE);
    assert_non_null(strstr(said.out, "x.conf:2: delay: "));
    assert_non_null(strstr(said.out, "x.conf:5: unknown key 'nonesuch'"));
    assert_null(strstr(said.out, "no errors"));
}

static void test_bad_json(void **state)
{
    (void)state;
    struct said said;

    config_write(bad);
    program_run(lab.folder, &said, PROGRAM_WORDS("check-config", lab.path, "--json"));
    assert_int_equal(said.status, CTL_USAGE);
    json_t *json = json_loads(said.out, 0, NULL);
    const json_t *errors = json_object_get(json, "errors");
    assert_int_equal(json_array_size(errors), 2);
    const json_t *second = json_array_get(errors, 1);
    assert_int_equal(json_integer_value(json_object_get(second, "line")), 5);
    assert_string_equal(json_string_value(json_object_get(second, "file")), lab.path);
    json_decref(json);
}

static void test_missing(void **state)
{
    (void)state;
    struct said said;

    program_run(lab.folder, &said, PROGRAM_WORDS("check-config", "/nonesuch/x.conf"));
    assert_int_equal(said.status, CTL_USAGE);
    assert_non_null(strstr(said.out, "/nonesuch/x.conf: No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),    cmocka_unit_test(test_good_json),
        cmocka_unit_test(test_bad),     cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_missing),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
