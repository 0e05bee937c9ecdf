// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A whole host on one machine, without Xen: the real xenstored, the backend in
 * a network namespace of its own ("dom0"), guests, each a namespace with a
 * frontend, and the daemon; all in one private folder.
 *
 * Nothing is left behind: children die with us, namespaces with the last that
 * holds them, and world_free removes the folder. SIGINT, SIGTERM and SIGHUP are
 * blocked from world_create on and end every wait with -EINTR, so that the way
 * out is always world_free.
 *
 * Functions log what went wrong and return 0 or -errno. -ETIMEDOUT: what was
 * waited for did not happen; -ECHILD: a program ended that should not have.
 * Use from the main thread only.
 */
#ifndef XENAGG_SANDBOX_WORLD_H
#define XENAGG_SANDBOX_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/keys.h"
#include "common/store.h"
#include "sandbox/namespace.h"
#include "sandbox/process.h"

#define WORLD_GUESTS 16u
#define WORLD_PATH 192
#define WORLD_FOLDER 80 /* sockets lie below it, whose paths are short */

/* How long things may take on a busy machine before they count as failed. */
#define WORLD_PATIENCE 20.0

/* What a world uses, beside what it makes: NULL or 0 for the usual. */
struct world_options {
    const char *folder;   /* made where it is missing, and kept; NULL: a private one, removed */
    const char *database; /* the daemon's history; NULL: in the folder */
    unsigned workers;     /* the backend's threads; 0: its default */
    bool ordinary;        /* the data path's threads without real-time priority */
};

struct world;

/* One guest with one interface, xagg0. */
struct world_guest {
    struct keys_interface interface;
    char name[32];
    uint8_t mac[6], vif_mac[6]; /* its own end's, and the backend's */
    char vif[16];               /* the backend's interface */
    struct namespace *space;
    struct process *frontend; /* NULL while it is shut down */
    unsigned mtu;
};
#define WORLD_GUEST_INTERFACE "xagg0"

/* A store that answers and an empty dom0. */
int world_create(const struct world_options *options, struct world **ret);
/* Stops everything in order, and removes what was made. NULL is fine. */
void world_free(struct world *world);

const char *world_folder(const struct world *world);
/* "<folder>/name". Returns `path`. */
const char *world_path(const struct world *world, const char *name, char path[static WORLD_PATH]);
const char *world_database(const struct world *world, char path[static WORLD_PATH]);
const char *world_segment(const struct world *world, char path[static WORLD_PATH]);
const char *world_control(const struct world *world, char path[static WORLD_PATH]);
const char *world_config(const struct world *world, char path[static WORLD_PATH]);
struct store *world_store(struct world *world);
struct namespace *world_dom0(struct world *world);

/*
 * Kills or stops xenstored and starts an empty one in its place, with the
 * domains in it but no interfaces: world_attach. Our connection is made anew.
 */
int world_restart_store(struct world *world, bool kill);
/* Stops xenstored where it is, or lets it go on. Whoever asks it meanwhile waits. */
int world_hang_store(struct world *world, bool hang);

int world_start_backend(struct world *world);
/* SIGTERM and a clean end, or SIGKILL. */
int world_stop_backend(struct world *world, bool kill);

/*
 * A guest that is there but not running: its namespace, its folders. `mtu` 0:
 * not said. domid and name are the caller's. Valid until it is destroyed.
 */
int world_create_guest(struct world *world, uint32_t domid, const char *name, unsigned mtu,
                       struct world_guest **ret);
/* Writes the folders of its interface where they are not there (any more). */
int world_attach(struct world *world, const struct world_guest *guest);
int world_boot(struct world *world, struct world_guest *guest);
/* Until both ends say Connected, and the backend that runs now carries its packets. */
int world_await_connected(struct world *world, struct world_guest *guest);
/*
 * Addresses and routes: 10.77.N.1 in dom0 and 10.77.N.2 in the guest (N: domid
 * modulo 256), which forwards 198.18.N.0/24 back; neighbours are known. Again
 * after an interface was made anew.
 */
int world_set_up_network(struct world *world, struct world_guest *guest);
uint32_t world_near_address(const struct world_guest *guest);
uint32_t world_far_address(const struct world_guest *guest);
/* Boots, waits, sets up the network. */
int world_bring_up(struct world *world, struct world_guest *guest);
/* Ends the frontend with SIGTERM, or SIGKILL; its folders stay. */
int world_halt(struct world *world, struct world_guest *guest, bool kill);
/* An orderly end: the toolstack closes the interface, then removes it all. Frees the guest. */
int world_shut_down(struct world *world, struct world_guest *guest);
/* At once and without a word: SIGKILL, folders removed. Frees the guest. */
void world_destroy(struct world *world, struct world_guest *guest);
unsigned world_guests(const struct world *world);
struct world_guest *world_guest(struct world *world, unsigned index);

/* Starts the daemon with the file at world_config, a tick each `interval` ("1s"). */
int world_start_daemon(struct world *world, const char *interval);
int world_stop_daemon(struct world *world, bool kill);

/* The programs, NULL where they don't run. */
struct process *world_backend(struct world *world);
struct process *world_daemon(struct world *world);

/* Whether all that was started still runs; logs what ended and the end of its log. 0, -ECHILD. */
int world_check(struct world *world);
/* Whether one of the signals that end us has come. */
bool world_interrupted(struct world *world);

/*
 * Waits until condition(context) holds, asked every few milliseconds: 0;
 * -ETIMEDOUT (logged, with `what`); -EINTR; -ECHILD.
 */
typedef bool world_condition(void *context);
int world_await(struct world *world, const char *what, world_condition *condition, void *context,
                double seconds);
/* Sleeps, as long as nothing is wrong: 0, -EINTR, -ECHILD. */
int world_pause(struct world *world, double seconds);

#endif
