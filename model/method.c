// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/method.h"

#include <errno.h>
#include <string.h>

static const char *const method_names[METHOD_COUNT] = {
    [METHOD_FAST] = "fast", [METHOD_PUBLISHED] = "published",
    [METHOD_QBD] = "qbd",   [METHOD_EXACT] = "exact",
    [METHOD_SIM] = "sim",
};

const char *method_name(enum method method)
{
    return (unsigned)method < METHOD_COUNT ? method_names[method] : NULL;
}

int method_from_name(const char *name, enum method *ret)
{
    for (int i = 0; i < METHOD_COUNT; i++)
        if (strcmp(name, method_names[i]) == 0) {
            *ret = (enum method)i;
            return 0;
        }
    return -EINVAL;
}
