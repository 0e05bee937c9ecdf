// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/duration.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct unit {
    const char *name;
    double seconds;
} units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"min", 60}, {"h", 3600}};

#define DURATION_MAX 3.6e6

static const struct unit *unit_find(const char *name)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(name, units[i].name) == 0)
            return &units[i];
    return NULL;
}

int duration_parse(const char *text, double *ret_seconds)
{
    char *end;

    /* strtod alone would also take "inf", "nan", hexadecimal and leading blanks. */
    if (!isdigit((unsigned char)text[0]) || strspn(text, "0123456789.") == 0 || text[1] == 'x' ||
        text[1] == 'X')
        return -EINVAL;
    double number = strtod(text, &end);
    while (*end == ' ')
        end++;
    const struct unit *unit = unit_find(end);
    if (!unit && !(*end == '\0' && number == 0))
        return -EINVAL;
    double seconds = unit ? number * unit->seconds : 0;
    if (!isfinite(seconds) || seconds > DURATION_MAX)
        return -EINVAL;
    *ret_seconds = seconds;
    return 0;
}

const char *duration_format(double seconds, char buffer[static DURATION_TEXT])
{
    static const struct unit shown[] = {{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}};
    size_t i = 0;

    if (!isfinite(seconds))
        return strcpy(buffer, isnan(seconds) ? "-" : seconds < 0 ? "-inf" : "inf");
    if (seconds == 0)
        return strcpy(buffer, "0s");
    while (i < 3 && fabs(seconds) < shown[i].seconds * 0.9995)
        i++;
    double value = seconds / shown[i].seconds;
    if (fabs(value) >= 1e12) { /* would not fit the buffer */
        snprintf(buffer, DURATION_TEXT, "%.2es", value);
        return buffer;
    }
    int digits = fabs(value) >= 99.95 ? 0 : fabs(value) >= 9.995 ? 1 : 2;
    snprintf(buffer, DURATION_TEXT, "%.*f%s", digits, value, shown[i].name);
    return buffer;
}
