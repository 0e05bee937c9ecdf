// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/mac.h"

static void test_parse(void **state)
{
    (void)state;
    static const uint8_t expected[6] = {0x00, 0x16, 0x3e, 0x0a, 0x0b, 0xff};
    uint8_t mac[6];
    char text[MAC_TEXT];

    assert_int_equal(mac_parse("00:16:3E:0a:0B:fF", mac), 0);
    assert_memory_equal(mac, expected, 6);
    assert_string_equal(mac_format(mac, text), "00:16:3e:0a:0b:ff");
}

static void test_refuses(void **state)
{
    (void)state;
    static const uint8_t before[6] = {2, 2, 2, 2, 2, 2};
    static const char *const bad[] = {"",
                                      "00:16:3e:01:02",
                                      "00:16:3e:01:02:03:04",
                                      "00:16:3e:01:02:03 ",
                                      "00:16:3e:01:02:0g",
                                      "01:16:3e:01:02:03",
                                      "ff:ff:ff:ff:ff:ff",
                                      "00:00:00:00:00:00",
                                      "00-16-3e-01-02-03",
                                      "00:16:3e:1:002:03",
                                      " 0:16:3e:01:02:03",
                                      "0x:16:3e:01:02:03"};
    uint8_t mac[6];

    memcpy(mac, before, 6);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(mac_parse(bad[i], mac), -EINVAL);
    assert_memory_equal(mac, before, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
