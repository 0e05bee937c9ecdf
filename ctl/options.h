// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Options of a sub-command: one table from which they are parsed and its usage
 * is printed.
 */
#ifndef XENAGG_CTL_OPTIONS_H
#define XENAGG_CTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/places.h"

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char * */
    OPTION_NUMBER,   /* unsigned long, in [min, max] */
    OPTION_DURATION, /* double, seconds; "250ms" */
    OPTION_SPAN,     /* double, seconds; a duration, also as "10m" or "2d" */
    OPTION_LIST,     /* struct option_list: one or more words; may be given again */
    OPTION_INTERVAL, /* double, seconds above 0; where the value is left out, `min` seconds */
};

struct option_spec {
    const char *name; /* without its dashes */
    enum option_kind kind;
    const char *value; /* what the usage calls its value; NULL for a flag */
    const char *help;
    void *target; /* where it goes; untouched where the option is not given */
    unsigned long min, max;
};

/* Rows that many sub-commands have; `place` is the target. */
#define OPTION_ROW_JSON(place)                                                                     \
    {                                                                                              \
        "json", OPTION_FLAG, NULL, "for programs", place, 0, 0                                     \
    }
#define OPTION_ROW_CONTROL(place)                                                                  \
    {                                                                                              \
        "control", OPTION_TEXT, "PATH", "control socket (" PLACES_CONTROL ")", place, 0, 0         \
    }
#define OPTION_ROW_DATABASE(place)                                                                 \
    {                                                                                              \
        "database", OPTION_TEXT, "FILE", "the daemon's database (" PLACES_DATABASE ")", place, 0,  \
            0                                                                                      \
    }

/* Starts empty; the words are argv's, `words` is freed with options_list_free. */
struct option_list {
    const char **words;
    size_t count;
};
void options_list_free(struct option_list *list);

struct option_set {
    const char *command, *operands, *summary; /* operands as the usage shows them, "VM|DOMID" */
    int operands_min, operands_max;           /* how many; at most OPTIONS_OPERANDS */
    size_t count;
    const struct option_spec *specs;
};
#define OPTIONS_OPERANDS 4

/*
 * Parses argv[1..]; operands go to `operands` (NULL where not given). True: go
 * on. False: *ret_exit is the exit status; usage or a message was printed.
 */
bool options_parse(const struct option_set *set, int argc, char **argv,
                   const char *operands[static OPTIONS_OPERANDS], int *ret_exit);

/*
 * A duration (s), also in minutes or days where nobody would think of metres or
 * write "min": "10m", "2d". 0 or -EINVAL.
 */
int options_span(const char *text, double *ret);

#endif
