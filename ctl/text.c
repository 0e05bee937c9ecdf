// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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

/* Digits after the point that make three significant ones. */
static int digits_of(double number)
{
    return fabs(number) >= 99.95 || number == 0 ? 0 : fabs(number) >= 9.995 ? 1 : 2;
}

static const char *not_finite(double number, char ret[static TEXT_NUMBER])
{
    snprintf(ret, TEXT_NUMBER, "%s", isnan(number) ? "-" : number > 0 ? "inf" : "-inf");
    return ret;
}

const char *text_number(double number, char ret[static TEXT_NUMBER])
{
    if (!isfinite(number))
        return not_finite(number, ret);
    if (fabs(number) >= 1e15)
        snprintf(ret, TEXT_NUMBER, "%.3g", number);
    else
        snprintf(ret, TEXT_NUMBER, "%.*f", number == rint(number) ? 0 : digits_of(number), number);
    return ret;
}

const char *text_prefixed(double number, char ret[static TEXT_NUMBER])
{
    static const struct prefix {
        double factor;
        const char *name;
    } prefixes[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};

    if (!isfinite(number))
        return not_finite(number, ret);
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        double value = number / prefixes[i].factor;
        if (fabs(value) >= 0.9995) {
            snprintf(ret, TEXT_NUMBER, "%.*f%s", digits_of(value), value, prefixes[i].name);
            return ret;
        }
    }
    return text_number(number, ret);
}

const char *text_span(double seconds, char ret[static TEXT_NUMBER])
{
    static const struct unit {
        double seconds;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    size_t i = 0;

    if (!isfinite(seconds) || seconds < 0) {
        snprintf(ret, TEXT_NUMBER, "-");
        return ret;
    }
    seconds = floor(seconds);
    while (i < 3 && seconds < units[i].seconds)
        i++;
    double whole = floor(seconds / units[i].seconds);
    double rest = i < 3 ? floor((seconds - whole * units[i].seconds) / units[i + 1].seconds) : 0;
    if (rest > 0)
        snprintf(ret, TEXT_NUMBER, "%.0f%s %.0f%s", whole, units[i].name, rest, units[i + 1].name);
    else
        snprintf(ret, TEXT_NUMBER, "%.0f%s", whole, units[i].name);
    return ret;
}

const char *text_time(double epoch, char *ret, size_t size)
{
    time_t seconds = (time_t)epoch;
    struct tm local;

    if (!isfinite(epoch) || fabs(epoch) > 1e12 || !localtime_r(&seconds, &local) ||
        !strftime(ret, size, "%Y-%m-%d %H:%M:%S", &local))
        snprintf(ret, size, "-");
    return ret;
}
