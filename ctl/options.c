// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/duration.h"
#include "common/keys.h"
#include "ctl/ctl.h"

static void usage(const struct option_set *set)
{
    printf("usage: xenaggctl %s%s%s%s\n%s\n", set->command, set->count ? " [OPTION...]" : "",
           set->operands ? " " : "", set->operands ? set->operands : "", set->summary);
    for (size_t i = 0; i < set->count; i++) {
        const struct option_spec *spec = &set->specs[i];
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", spec->name, spec->value ? " " : "",
                 spec->value ? spec->value : "");
        printf("  %-24s %s\n", left, spec->help);
    }
}

static const struct option_spec *find(const struct option_set *set, const char *name, size_t length)
{
    for (size_t i = 0; i < set->count; i++)
        if (strlen(set->specs[i].name) == length && !memcmp(set->specs[i].name, name, length))
            return &set->specs[i];
    return NULL;
}

int options_span(const char *text, double *ret)
{
    static const struct {
        char unit;
        double seconds;
    } units[] = {{'m', 60}, {'d', 86400}};
    char hours[32];
    double value;
    size_t length = strlen(text);

    for (size_t i = 0; i < 2; i++) {
        if (length < 2 || length >= sizeof(hours) - 1 || text[length - 1] != units[i].unit ||
            !isdigit((unsigned char)text[length - 2]))
            continue;
        snprintf(hours, sizeof(hours), "%.*sh", (int)length - 1, text);
        if (duration_parse(hours, &value))
            return -EINVAL;
        *ret = value / 3600 * units[i].seconds;
        return 0;
    }
    return duration_parse(text, ret);
}

static bool set_duration(const struct option_spec *spec, const char *text)
{
    double seconds;
    bool span = spec->kind == OPTION_SPAN;

    if ((span ? options_span(text, &seconds) : duration_parse(text, &seconds)) ||
        (spec->kind == OPTION_INTERVAL && seconds <= 0)) {
        ctl_error("--%s: '%s' is not a duration; write a number and a unit, as in %s", spec->name,
                  text, span ? "90s, 10m or 2d" : "250ms or 10s");
        return false;
    }
    *(double *)spec->target = seconds;
    return true;
}

static bool set_number(const struct option_spec *spec, const char *text)
{
    if (keys_number(text, spec->min, spec->max, spec->target) == 0)
        return true;
    ctl_error("--%s: '%s' is not a number from %lu to %lu", spec->name, text, spec->min, spec->max);
    return false;
}

void options_list_free(struct option_list *list)
{
    free(list->words);
    *list = (struct option_list){0};
}

static bool list_add(struct option_list *list, const char *word)
{
    const char **words = reallocarray(list->words, list->count + 1, sizeof(*words));

    if (!words) {
        ctl_error("no memory");
        return false;
    }
    list->words = words;
    words[list->count++] = word;
    return true;
}

static bool set_value(const struct option_spec *spec, const char *text)
{
    switch (spec->kind) {
    case OPTION_FLAG:
        *(bool *)spec->target = true;
        return true;
    case OPTION_TEXT:
        *(const char **)spec->target = text;
        return true;
    case OPTION_NUMBER:
        return set_number(spec, text);
    case OPTION_LIST:
        return list_add(spec->target, text);
    case OPTION_DURATION:
    case OPTION_SPAN:
    case OPTION_INTERVAL:
        return set_duration(spec, text);
    }
    return false;
}

/* The value of an option may be left out: then the next word must not be taken for it. */
static bool interval_follows(const char *next)
{
    double seconds;
    return next && duration_parse(next, &seconds) == 0;
}

/* Words up to the next option. How many were taken, 0 after a message. */
static int take_list(const struct option_spec *spec, char **words)
{
    int count = 0;

    while (words[count] && words[count][0] != '-')
        if (!set_value(spec, words[count++]))
            return 0;
    return count;
}

/* One "--name", "--name=value" or "--name value". Words used, or 0 after a message. */
/* `rest` follows it and ends in NULL, as argv does. */
static int take(const struct option_set *set, const char *word, char **rest)
{
    const char *next = rest[0], *name = word + 2, *equals = strchr(name, '=');
    const struct option_spec *spec =
        find(set, name, equals ? (size_t)(equals - name) : strlen(name));

    if (!spec || (equals && spec->kind == OPTION_FLAG)) {
        ctl_error("%s: no such option: %s; 'xenaggctl %s --help' lists them", set->command, word,
                  set->command);
        return 0;
    }
    if (spec->kind == OPTION_FLAG)
        return set_value(spec, NULL) ? 1 : 0;
    if (equals)
        return set_value(spec, equals + 1) ? 1 : 0;
    if (spec->kind == OPTION_INTERVAL && !interval_follows(next)) {
        *(double *)spec->target = (double)spec->min;
        return 1;
    }
    if (!next || (spec->kind == OPTION_LIST && next[0] == '-')) {
        ctl_error("%s: --%s needs a value: %s", set->command, spec->name, spec->value);
        return 0;
    }
    if (spec->kind == OPTION_LIST) {
        int count = take_list(spec, rest);
        return count ? count + 1 : 0;
    }
    return set_value(spec, next) ? 2 : 0;
}

static bool operands_fit(const struct option_set *set, int count)
{
    if (count >= set->operands_min)
        return true;
    ctl_error("%s: missing %s; 'xenaggctl %s --help' shows how to use it", set->command,
              set->operands, set->command);
    return false;
}

bool options_parse(const struct option_set *set, int argc, char **argv,
                   const char *operands[static OPTIONS_OPERANDS], int *ret_exit)
{
    int count = 0, used = 1;
    bool only_operands = false;

    memset(operands, 0, OPTIONS_OPERANDS * sizeof(operands[0]));
    for (int i = 1; i < argc; i += used) {
        const char *word = argv[i];
        used = 1;
        if (!only_operands && (!strcmp(word, "--help") || !strcmp(word, "-h"))) {
            usage(set);
            *ret_exit = CTL_OK;
            return false;
        }
        if (!only_operands && !strcmp(word, "--")) {
            only_operands = true;
        } else if (!only_operands && !strncmp(word, "--", 2)) {
            used = take(set, word, argv + i + 1);
        } else if ((!only_operands && word[0] == '-' && word[1]) || count == set->operands_max) {
            ctl_error("%s: what is '%s'? 'xenaggctl %s --help' shows how to use it", set->command,
                      word, set->command);
            used = 0;
        } else {
            operands[count++] = word;
        }
        if (!used) {
            *ret_exit = CTL_USAGE;
            return false;
        }
    }
    if (!operands_fit(set, count)) {
        *ret_exit = CTL_USAGE;
        return false;
    }
    return true;
}
