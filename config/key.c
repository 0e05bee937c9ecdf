// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/key.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/device.h"
#include "common/duration.h"
#include "common/keys.h"
#include "config/config.h"

static int refuse(struct config_complaint *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int refuse(struct config_complaint *why, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why->text, sizeof(why->text), format, arguments);
    va_end(arguments);
    return -1;
}

static int parse_seconds(const struct config_key *key, const char *value, double *ret,
                         struct config_complaint *why)
{
    char least[DURATION_TEXT], most[DURATION_TEXT];
    double seconds;

    if (duration_parse(value, &seconds))
        return refuse(why, "%s: '%.60s' is not a duration (a number and ns, us, ms, s, min or h)",
                      key->name, value);
    /* Nobody's 10s should fail by the last bit of 10000000 * 1e-6. */
    if (seconds < key->min * (1 - 1e-9) || seconds > key->max * (1 + 1e-9))
        return refuse(why, "%s: '%.60s' is outside %s to %s", key->name, value,
                      duration_format(key->min, least), duration_format(key->max, most));
    *ret = seconds;
    return 0;
}

static int parse_scope(const char *value, enum scope *ret, struct config_complaint *why)
{
    if (strcmp(value, "forwarding") == 0)
        *ret = SCOPE_FORWARDING;
    else if (strcmp(value, "one-way") == 0)
        *ret = SCOPE_ONE_WAY;
    else
        return refuse(why, "scope: '%.60s' is neither 'forwarding' nor 'one-way'", value);
    return 0;
}

static int parse_objective(const char *value, enum objective *ret, struct config_complaint *why)
{
    if (strcmp(value, "throughput") == 0)
        *ret = OBJECTIVE_THROUGHPUT;
    else if (strcmp(value, "delay") == 0)
        *ret = OBJECTIVE_DELAY;
    else
        return refuse(why, "objective: '%.60s' is neither 'throughput' nor 'delay'", value);
    return 0;
}

/* Digits and a point only: what strtod knows beyond that nobody means here. */
static bool is_decimal(const char *value)
{
    return isdigit((unsigned char)value[0]) && value[strspn(value, "0123456789.")] == '\0';
}

static int parse_share(const struct config_key *key, const char *value, double *ret,
                       struct config_complaint *why)
{
    char *end;
    double share = is_decimal(value) ? strtod(value, &end) : NAN;

    if (!(share >= key->min && share <= key->max) || *end)
        return refuse(why, "%s: '%.60s' is not a share from %g to %g", key->name, value, key->min,
                      key->max);
    *ret = share;
    return 0;
}

static int parse_percentile(const struct config_key *key, const char *value, double *ret,
                            struct config_complaint *why)
{
    char *end;

    if (strcmp(value, "mean") == 0) {
        *ret = 0;
        return 0;
    }
    double percentile = isdigit((unsigned char)value[0]) ? strtod(value, &end) : NAN;
    if (!(percentile >= key->min && percentile <= key->max) || *end || strpbrk(value, "xXeE"))
        return refuse(why, "percentile: '%.60s' is neither 'mean' nor a number from 50 to 99.9",
                      value);
    *ret = percentile;
    return 0;
}

static int parse_path(const struct config_key *key, const char *value, char *ret,
                      struct config_complaint *why)
{
    if (value[0] != '/')
        return refuse(why, "%s: '%.60s' is not an absolute path", key->name, value);
    if (strlen(value) > (size_t)key->max)
        return refuse(why, "%s: the path is longer than %.0f bytes", key->name, key->max);
    memcpy(ret, value, strlen(value) + 1);
    return 0;
}

static int parse_switch(const struct config_key *key, const char *value, bool *ret,
                        struct config_complaint *why)
{
    bool yes = strcmp(value, "yes") == 0;

    if (!yes && strcmp(value, "no") != 0)
        return refuse(why, "%s: '%.60s' is neither 'yes' nor 'no'", key->name, value);
    *ret = yes;
    return 0;
}

static int parse_bridge(const struct config_key *key, const char *value, char *ret,
                        struct config_complaint *why)
{
    if (!device_bridge_valid(value))
        return refuse(why, "%s: '%.60s' is not an interface's name (at most %.0f characters)",
                      key->name, value, key->max);
    memcpy(ret, value, strlen(value) + 1);
    return 0;
}

static int parse_count(const struct config_key *key, const char *value, void *ret,
                       struct config_complaint *why)
{
    unsigned long number;

    if (keys_number(value, (unsigned long)key->min, (unsigned long)key->max, &number))
        return refuse(why, "%s: '%.60s' is not a whole number from %.0f to %.0f", key->name, value,
                      key->min, key->max);
    if (key->kind == KIND_MIB)
        *(uint64_t *)ret = (uint64_t)number << 20;
    else if (key->kind == KIND_BYTES)
        *(double *)ret = (double)number;
    else
        *(uint32_t *)ret = (uint32_t)number;
    return 0;
}

int config_key_set(const struct config_key *key, void *base, const char *value,
                   struct config_complaint *why)
{
    void *place = (char *)base + key->offset;

    switch (key->kind) {
    case KIND_DELAY:
        if (strcmp(value, "none") == 0) {
            *(double *)place = INFINITY;
            return 0;
        }
        return parse_seconds(key, value, place, why);
    case KIND_DURATION:
        return parse_seconds(key, value, place, why);
    case KIND_SCOPE:
        return parse_scope(value, place, why);
    case KIND_PERCENTILE:
        return parse_percentile(key, value, place, why);
    case KIND_OBJECTIVE:
        return parse_objective(value, place, why);
    case KIND_SHARE:
        return parse_share(key, value, place, why);
    case KIND_PATH:
        return parse_path(key, value, place, why);
    case KIND_SWITCH:
        return parse_switch(key, value, place, why);
    case KIND_BRIDGE:
        return parse_bridge(key, value, place, why);
    case KIND_COUNT:
    case KIND_BYTES:
    case KIND_MIB:
        return parse_count(key, value, place, why);
    }
    return refuse(why, "%s: a kind of value that nobody knows", key->name);
}

void config_key_copy(const struct config_key *key, void *to, const void *from)
{
    static const size_t sizes[] = {[KIND_DURATION] = sizeof(double),
                                   [KIND_DELAY] = sizeof(double),
                                   [KIND_SCOPE] = sizeof(enum scope),
                                   [KIND_PERCENTILE] = sizeof(double),
                                   [KIND_COUNT] = sizeof(uint32_t),
                                   [KIND_BYTES] = sizeof(double),
                                   [KIND_OBJECTIVE] = sizeof(enum objective),
                                   [KIND_SHARE] = sizeof(double),
                                   [KIND_SWITCH] = sizeof(bool),
                                   [KIND_BRIDGE] = DEVICE_BRIDGE};

    memcpy((char *)to + key->offset, (const char *)from + key->offset, sizes[key->kind]);
}

int config_key_find(const struct config_key *keys, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].name, name) == 0)
            return (int)i;
    return -1;
}
