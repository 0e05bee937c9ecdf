// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The demo: a world of three guests, changing traffic, promises of which one is
 * tight, one can't be kept and one is easy; what the daemon made of them, and
 * whether the loop did its job.
 */
#ifndef XENAGG_SANDBOX_DEMO_H
#define XENAGG_SANDBOX_DEMO_H

#include <stdio.h>

struct demo_options {
    double seconds;       /* at least DEMO_SECONDS_MIN */
    const char *folder;   /* kept, with logs and database; NULL: only the database is kept */
    const char *database; /* NULL: a new folder below /tmp, or the folder above */
    const char *json;     /* file for the summary; NULL: none */
    FILE *output;
};

#define DEMO_SECONDS 60.0
#define DEMO_SECONDS_MIN 25.0

/* Exit status: 0, the loop did its job; 1, it did not, or could not be run; 130, interrupted. */
int demo_run(const struct demo_options *options);

#endif
