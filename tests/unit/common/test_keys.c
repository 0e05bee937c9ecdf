// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/keys.h"

static void names_the_folders(void **state)
{
    const struct keys_interface interface = {5, 0}, last = {KEYS_DOMID_MAX, KEYS_HANDLE_MAX};
    const struct keys_interface longest = {UINT32_MAX, UINT32_MAX};
    char path[KEYS_PATH];
    (void)state;

    assert_string_equal(keys_backend_root(0, path), "/local/domain/0/backend/vagg");
    assert_string_equal(keys_backend_dir(0, interface, path), "/local/domain/0/backend/vagg/5/0");
    assert_string_equal(keys_backend_dir(3, last, path), "/local/domain/3/backend/vagg/32751/255");
    assert_string_equal(keys_frontend_dir(interface, path), "/local/domain/5/device/vagg/0");
    assert_true(strlen(keys_backend_dir(UINT32_MAX, longest, path)) < KEYS_PATH - 40);
}

static void finds_the_interface_of_a_path(void **state)
{
    static const struct {
        const char *path;
        uint32_t domid, handle;
    } good[] = {{"/local/domain/0/backend/vagg/5/0", 5, 0},
                {"/local/domain/12/backend/vagg/32751/255/state", 32751, 255},
                {"/local/domain/7/device/vagg/3", 7, 3},
                {"/local/domain/7/device/vagg/3/ring-ref", 7, 3}};
    static const char *const bad[] = {"",
                                      "/",
                                      "@releaseDomain",
                                      "/local/domain/0/backend/vagg",
                                      "/local/domain/0/backend/vagg/5",
                                      "/local/domain/0/backend/vagg/5/",
                                      "/local/domain/0/backend/vif/5/0",
                                      "/local/domain/0/backend/vagg/5/0x",
                                      "/local/domain/0/backend/vagg/5/256",
                                      "/local/domain/0/backend/vagg/5/1000",
                                      "/local/domain/0/backend/vagg/32752/0",
                                      "/local/domain/0/backend/vagg/99999999999/0",
                                      "/local/domain/0/backend/vagg/-5/0",
                                      "/local/domain/0/backend/vagg/+5/0",
                                      "/local/domain/0/backend/vagg/ 5/0",
                                      "/local/domain/0/backend/vagg/05/0",
                                      "/local/domain/0/backend/vagg/5/00",
                                      "/local/domain//device/vagg/3",
                                      "/local/domain/7/device/vagg",
                                      "/local/domain/7/device/vagg/x",
                                      "x/local/domain/7/device/vagg/3"};
    (void)state;

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct keys_interface found = {0};
        assert_int_equal(keys_path_interface(good[i].path, &found), 0);
        assert_int_equal(found.domid, good[i].domid);
        assert_int_equal(found.handle, good[i].handle);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct keys_interface found = {77, 88};
        if (keys_path_interface(bad[i], &found) != -ENOENT)
            fail_msg("'%s' is %u.%u", bad[i], found.domid, found.handle);
        assert_int_equal(found.domid, 77);
    }
}

static void takes_numbers_in_range(void **state)
{
    static const struct {
        const char *text;
        unsigned long min, max, value;
    } cases[] = {{"0", 0, 0, 0},
                 {"1", 1, 65535, 1},
                 {"65535", 1, 65535, 65535},
                 {"007", 0, 10, 7},
                 {"4294967295", 0, UINT32_MAX, UINT32_MAX},
                 {"18446744073709551615", 0, ULONG_MAX, ULONG_MAX}};
    (void)state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned long value = 42;
        assert_int_equal(keys_number(cases[i].text, cases[i].min, cases[i].max, &value), 0);
        assert_true(value == cases[i].value);
    }
}

static void refuses_everything_else(void **state)
{
    static const char *const cases[] = {"",
                                        " 1",
                                        "1 ",
                                        "1\n",
                                        "+1",
                                        "-1",
                                        "0x10",
                                        "1.0",
                                        "1e3",
                                        "one",
                                        "1,2",
                                        "70000",
                                        "18446744073709551616",
                                        "99999999999999999999999999999999999999",
                                        "\xd9\xa1",
                                        "1\xff"};
    unsigned long value = 42;
    (void)state;

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(keys_number(cases[i], 0, 65535, &value), -EINVAL);
    assert_int_equal(keys_number("4", 5, 6, &value), -EINVAL);
    assert_int_equal(keys_number("7", 5, 6, &value), -EINVAL);
    assert_int_equal(value, 42);
}

static void names_the_states(void **state)
{
    (void)state;
    assert_string_equal(keys_state_name(KEYS_STATE_UNKNOWN), "Unknown");
    assert_string_equal(keys_state_name(KEYS_STATE_CONNECTED), "Connected");
    assert_string_equal(keys_state_name(KEYS_STATE_CLOSED), "Closed");
    assert_string_equal(keys_state_name((enum keys_state)7), "invalid");
    assert_string_equal(keys_state_name((enum keys_state) - 1), "invalid");
    /* As io/xenbus.h numbers them. */
    assert_int_equal(KEYS_STATE_CONNECTED, 4);
    assert_int_equal(KEYS_STATE_CLOSED, 6);
}

static void names_the_sizes(void **state)
{
    char name[40];
    (void)state;

    assert_string_equal(keys_tuning_name("rx", KEYS_PACKETS, name), "rx-container-packets");
    assert_string_equal(keys_tuning_name("tx", KEYS_TIMEOUT_US, name), "tx-container-timeout-us");
    assert_string_equal(keys_tuning_name("tx", KEYS_BYTES, name), "tx-container-bytes");
}

static void sets_sizes_within_their_limits(void **state)
{
    static const unsigned long limits[KEYS_TUNING_FIELDS][2] = {
        {1, KEYS_PACKETS_MAX}, {1, KEYS_TIMEOUT_US_MAX}, {KEYS_BYTES_MIN, KEYS_BYTES_MAX}};
    struct keys_tuning tuning = KEYS_TUNING_DEFAULT;
    char text[32];
    (void)state;

    for (enum keys_tuning_field field = 0; field < KEYS_TUNING_FIELDS; field++)
        for (int end = 0; end < 2; end++) {
            struct keys_tuning before = tuning;
            snprintf(text, sizeof(text), "%lu", limits[field][end] + (end ? 1ul : -1ul));
            assert_int_equal(keys_tuning_set(&tuning, field, text), -EINVAL);
            assert_memory_equal(&before, &tuning, sizeof(tuning));
            snprintf(text, sizeof(text), "%lu", limits[field][end]);
            assert_int_equal(keys_tuning_set(&tuning, field, text), 0);
            assert_int_equal(keys_tuning_get(&tuning, field), limits[field][end]);
        }
    assert_int_equal(tuning.packets, KEYS_PACKETS_MAX);
    assert_int_equal(tuning.timeout_us, KEYS_TIMEOUT_US_MAX);
    assert_int_equal(tuning.bytes, KEYS_BYTES_MAX);
}

static void default_sizes_are_within_their_limits(void **state)
{
    struct keys_tuning tuning = KEYS_TUNING_DEFAULT, again = {0};
    char text[32];
    (void)state;

    for (enum keys_tuning_field field = 0; field < KEYS_TUNING_FIELDS; field++) {
        snprintf(text, sizeof(text), "%u", keys_tuning_get(&tuning, field));
        assert_int_equal(keys_tuning_set(&again, field, text), 0);
    }
    assert_memory_equal(&tuning, &again, sizeof(tuning));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_folders),
        cmocka_unit_test(finds_the_interface_of_a_path),
        cmocka_unit_test(takes_numbers_in_range),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(names_the_states),
        cmocka_unit_test(names_the_sizes),
        cmocka_unit_test(sets_sizes_within_their_limits),
        cmocka_unit_test(default_sizes_are_within_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
