// SPDX-License-Identifier: GPL-2.0-or-later
/* A folder of its own for each test, this process as domain 0 in it, and no descriptor left over.
 */
#ifndef XENAGG_TESTS_UNIT_COMMON_HV_FIXTURE_H
#define XENAGG_TESTS_UNIT_COMMON_HV_FIXTURE_H

#include "common/hv.h"

struct hv_fixture {
    char dir[32];
    char spec[48]; /* "local:DIR" */
    struct hv *hv;
    unsigned descriptors; /* open before */
};

int hv_fixture_setup(void **state);
int hv_fixture_teardown(void **state);
/* Descriptors of this process that are open. */
unsigned descriptors_count(void);

#endif
