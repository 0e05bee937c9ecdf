// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/model.h"

#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

static const struct question {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} questions[] = {
    {"wait", "how long containers wait, and what delay packets see", model_wait},
    {"size", "the largest containers that keep a promised delay", model_size},
    {"capacity", "how many more streams keep it", model_capacity},
    {"curve", "the delay's parts over the size, the rate or the promise, as a plot", model_curve},
};
#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

static void usage(FILE *file)
{
    fprintf(file, "usage: xenaggctl model QUESTION [OPTION...]\n");
    for (size_t i = 0; i < QUESTIONS; i++)
        fprintf(file, "  %-10s %s\n", questions[i].name, questions[i].summary);
    fprintf(file, "'xenaggctl model QUESTION --help' shows its options.\n");
}

int ctl_model(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return CTL_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        usage(stdout);
        return CTL_OK;
    }
    for (size_t i = 0; i < QUESTIONS; i++)
        if (!strcmp(argv[1], questions[i].name))
            return questions[i].run(argc - 1, argv + 1);
    ctl_error("model: no such question: %s; 'xenaggctl model --help' lists them", argv[1]);
    return CTL_USAGE;
}
