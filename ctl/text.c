// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *clean_one(unsigned char c, char piece[static 5])
{
    if (c == '\\')
        snprintf(piece, 5, "\\\\");
    else if (c >= 0x20 && c < 0x7f)
        snprintf(piece, 5, "%c", c);
    else
        snprintf(piece, 5, "\\x%02x", c);
    return piece;
}

const char *text_clean(const char *text, char *ret, size_t size)
{
    char piece[5];
    size_t used = 0, cut = 0; /* cut: where "..." still fits */

    for (; *text; text++) {
        size_t length = strlen(clean_one((unsigned char)*text, piece));
        if (used + length >= size) {
            snprintf(ret + cut, size - cut, "...");
            return ret;
        }
        memcpy(ret + used, piece, length);
        used += length;
        if (used + 3 < size)
            cut = used;
    }
    ret[used] = '\0';
    return ret;
}

const char *text_number(double number, char ret[static TEXT_NUMBER])
{
    static const struct prefix {
        double factor;
        const char *name;
    } prefixes[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}};
    size_t i = 0;

    if (!isfinite(number)) {
        snprintf(ret, TEXT_NUMBER, "%s", isnan(number) ? "-" : number > 0 ? "inf" : "-inf");
        return ret;
    }
    while (i < 3 && fabs(number) < prefixes[i].factor * 0.9995)
        i++;
    double value = number / prefixes[i].factor;
    int digits = fabs(value) >= 99.95 || value == 0 ? 0 : fabs(value) >= 9.995 ? 1 : 2;
    /* Whole numbers below 1000 stay whole. */
    if (i == 3 && value == rint(value))
        digits = 0;
    snprintf(ret, TEXT_NUMBER, "%.*f%s", digits, value, prefixes[i].name);
    return ret;
}
