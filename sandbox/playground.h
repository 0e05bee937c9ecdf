// SPDX-License-Identifier: GPL-2.0-or-later
/* A world to look at and to try things in: up until Ctrl-C. */
#ifndef XENAGG_SANDBOX_PLAYGROUND_H
#define XENAGG_SANDBOX_PLAYGROUND_H

struct playground_options {
    const char *folder, *database; /* as struct world_options has them */
    const char *config;            /* file for the daemon; NULL: a small one */
    double rate;                   /* packets/s through each guest */
};

/* Exit status. */
int playground_run(const struct playground_options *options);

#endif
