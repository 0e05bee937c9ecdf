// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a world is made of, for the files that make it up: world.c (the host and
 * its programs) and world_guests.c.
 */
#ifndef XENAGG_SANDBOX_WORLD_PRIVATE_H
#define XENAGG_SANDBOX_WORLD_PRIVATE_H

#include "sandbox/world.h"

/* The data path's threads share a few noisy cores with everything else here. */
#define WORLD_REALTIME "2" /* above the sender of the traffic that it carries */

struct world {
    char folder[WORLD_FOLDER];
    char database[WORLD_PATH];
    bool keep;
    unsigned workers;
    bool ordinary;
    int signals;
    bool interrupted;
    struct namespace *dom0;
    struct store *store;
    struct process *xenstored, *backend, *daemon;
    struct world_guest *guests[WORLD_GUESTS];
    unsigned n;
};

/* Logs what failed and why; returns `error` (-errno). */
int world_complain(const char *what, int error);
/*
 * Starts the program that arguments[0] names (which is replaced by where it was
 * found), its output in the log of that name.
 */
int world_start_program(struct world *world, const char **arguments, struct namespace *space,
                        const char *log, struct process **ret);
/* SIGTERM and a clean end, or SIGKILL; *process is NULL afterwards, and may be before. */
int world_stop_program(struct world *world, struct process **process, const char *log, bool kill);
/* Frees the guest; its program must have been stopped. */
void world_forget_guest(struct world *world, struct world_guest *guest);

#endif
