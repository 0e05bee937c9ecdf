// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/moment.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/options.h"

static int before_parse(const char *text, double now, double *ret)
{
    double seconds;
    int error = options_span(text, &seconds);

    if (!error)
        *ret = now - seconds;
    return error;
}

static int local_parse(const char *text, double now, double *ret)
{
    static const char *const formats[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%H:%M:%S",
                                          "%H:%M"};
    time_t today = (time_t)now;

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct tm local;
        if (!localtime_r(&today, &local))
            return -EINVAL;
        local.tm_sec = 0;
        local.tm_isdst = -1;
        const char *end = strptime(text, formats[i], &local);
        if (end && !*end) {
            *ret = (double)mktime(&local);
            return 0;
        }
    }
    return -EINVAL;
}

int moment_parse(const char *text, double now, double *ret)
{
    char *end;

    if (text[0] == '-')
        return before_parse(text + 1, now, ret);
    if (strpbrk(text, ":- "))
        return local_parse(text, now, ret);
    double seconds = isdigit((unsigned char)text[0]) ? strtod(text, &end) : NAN;
    if (!isfinite(seconds) || *end)
        return -EINVAL;
    *ret = seconds;
    return 0;
}
