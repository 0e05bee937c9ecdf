// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

static const struct command {
    const char *name, *summary, *usage;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"status", "what each VM is promised and gets", "status [VM] [OPTION...]", ctl_status},
    {"history", "what was predicted, measured and decided", "history [OPTION...]", ctl_history},
    {"explain", "why a VM's containers have their size", "explain VM [OPTION...]", ctl_explain},
    {"capacity", "how many more VMs fit", "capacity [VM] [OPTION...]", ctl_capacity},
    {"set", "fix a VM's sizes by hand", "set VM [rx|tx] SIZE [OPTION...]", ctl_set},
    {"unset", "leave them to the daemon again", "unset VM [rx|tx] [OPTION...]", ctl_unset},
    {"attach", "give a VM an interface, as a toolstack does", "attach VM|DOMID [OPTION...]",
     ctl_attach},
    {"detach", "take it away again, in order", "detach VM|DOMID [OPTION...]", ctl_detach},
    {"check-config", "check a configuration file of xenaggd", "check-config [FILE] [OPTION...]",
     ctl_check_config},
    {"model", "ask the queueing model; no daemon needed", "model QUESTION [OPTION...]", ctl_model},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *file)
{
    fprintf(file, "usage: xenaggctl COMMAND [OPTION...]\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(file, "  %-32s %s\n", commands[i].usage, commands[i].summary);
    fprintf(file, "'xenaggctl COMMAND --help' shows its options; xenaggctl(8) explains them.\n");
}

static bool asks(const char *word, const char *one, const char *other)
{
    return !strcmp(word, one) || !strcmp(word, other);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return CTL_USAGE;
    }
    if (asks(argv[1], "--help", "-h") || asks(argv[1], "help", "help")) {
        usage(stdout);
        return CTL_OK;
    }
    if (asks(argv[1], "--version", "-V")) {
        printf("xenaggctl %s\n", XENAGG_VERSION);
        return CTL_OK;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    ctl_error("no such command: %s; 'xenaggctl --help' lists them", argv[1]);
    return CTL_USAGE;
}
