// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/argument.h"

#include <errno.h>
#include <stdio.h>

#include "common/keys.h"

int argument_number(const struct argument_number *option, const char *text)
{
    unsigned long value;

    if (keys_number(text, option->min, option->max, &value) < 0) {
        fprintf(stderr, "%s: --%s: \"%s\" is not a number from %lu to %lu\n",
                program_invocation_short_name, option->name, text, option->min, option->max);
        return -EINVAL;
    }
    *option->ret = (uint32_t)value;
    return 0;
}
