// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers on a program's command line. */
#ifndef XENAGG_COMMON_ARGUMENT_H
#define XENAGG_COMMON_ARGUMENT_H

#include <stdint.h>

struct argument_number {
    const char *name; /* of the option, without its dashes */
    unsigned long min, max;
    uint32_t *ret;
};

/* 0 or -EINVAL: what is wrong has been said on standard error. */
int argument_number(const struct argument_number *option, const char *text);

#endif
