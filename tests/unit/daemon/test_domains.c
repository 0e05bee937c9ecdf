// SPDX-License-Identifier: GPL-2.0-or-later
/* CPU time of domains, with a library in the place of libxenctrl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "daemon/domains.h"

static void a_share_of_a_cpu_is_known_from_the_second_time_on(void **state)
{
    struct domains *domains;

    (void)state;
    assert_int_equal(domains_open(FAKE_XENCTRL, &domains), 0);
    assert_true(isnan(domains_cpu(domains, 4)));
    assert_int_equal(domains_take(domains, 10), 0);
    assert_true(isnan(domains_cpu(domains, 4)));
    assert_int_equal(domains_take(domains, 12), 0);
    assert_float_equal(domains_cpu(domains, 4), 4e-3 / 2, 1e-9);
    assert_float_equal(domains_cpu(domains, 0), 0, 1e-9);
    domains_close(domains);
}

static void all_domains_are_listed_in_pieces(void **state)
{
    struct domains *domains;

    (void)state;
    assert_int_equal(domains_open(FAKE_XENCTRL, &domains), 0);
    domains_take(domains, 10);
    domains_take(domains, 11);
    assert_float_equal(domains_cpu(domains, 510), 510e-3, 1e-9);
    assert_float_equal(domains_cpu(domains, 512), 512e-3, 1e-9);
    assert_float_equal(domains_cpu(domains, 598), 598e-3, 1e-9);
    assert_true(isnan(domains_cpu(domains, 511)));
    assert_true(isnan(domains_cpu(domains, 600)));
    domains_close(domains);
}

static void a_refusal_leaves_nothing_known(void **state)
{
    struct domains *domains;

    (void)state;
    assert_int_equal(domains_open(FAKE_XENCTRL, &domains), 0);
    domains_take(domains, 10);
    setenv("FAKE_XENCTRL_REFUSES", "1", 1);
    assert_int_equal(domains_take(domains, 11), -EACCES);
    unsetenv("FAKE_XENCTRL_REFUSES");
    assert_true(isnan(domains_cpu(domains, 4)));
    domains_take(domains, 12);
    assert_true(isnan(domains_cpu(domains, 4)));
    domains_take(domains, 13);
    assert_float_equal(domains_cpu(domains, 4), 4e-3, 1e-9);
    domains_close(domains);
}

static void without_library_or_xen_it_does_not_open(void **state)
{
    struct domains *domains = NULL;

    (void)state;
    assert_int_equal(domains_open("libxenctrl.so.0.0", &domains), -ENOSYS);
    assert_int_equal(domains_open("libm.so.6", &domains), -ENOSYS);
    setenv("FAKE_XENCTRL_MISSING", "1", 1);
    assert_int_equal(domains_open(FAKE_XENCTRL, &domains), -ENODEV);
    unsetenv("FAKE_XENCTRL_MISSING");
    assert_null(domains);
    domains_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_of_a_cpu_is_known_from_the_second_time_on),
        cmocka_unit_test(all_domains_are_listed_in_pieces),
        cmocka_unit_test(a_refusal_leaves_nothing_known),
        cmocka_unit_test(without_library_or_xen_it_does_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
