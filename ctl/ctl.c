// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>

#include "ctl/text.h"

void ctl_error(const char *format, ...)
{
    char message[1024], clean[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    fprintf(stderr, "xenaggctl: %s\n", text_clean(message, clean, sizeof(clean)));
}
