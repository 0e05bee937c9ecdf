// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggd's command line. What it says goes before the configuration file. */
#ifndef XENAGG_DAEMON_OPTIONS_H
#define XENAGG_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

struct options {
    const char *config; /* path */
    /* NULL, or negative: the file's. */
    const char *segment, *database, *control;
    long backend_domid;
    double interval;
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_BAD };

/* Prints help, version, or what is wrong. `ret` borrows from argv. */
enum options_result options_parse(int argc, char **argv, struct options *ret);
/* Puts what was given into a configuration that was just read. */
void options_apply(const struct options *options, struct config_daemon *config);

#endif
