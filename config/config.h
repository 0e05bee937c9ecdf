// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The daemon's configuration file: what the operator promised each guest, and
 * where things are. INI form; etc/xenaggd.conf shows and explains every key.
 *
 * Nothing is guessed: an unknown section or key, a value outside its limits, a
 * key given twice, all are errors with their line, and all are reported, not
 * only the first.
 */
#ifndef XENAGG_CONFIG_CONFIG_H
#define XENAGG_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/device.h"
#include "plant/dimension.h"

/* Longest path and longest guest name (as xl takes them), with their end. */
#define CONFIG_PATH 256
#define CONFIG_NAME 80

/* [daemon] */
struct config_daemon {
    double interval;           /* s between two ticks */
    char segment[CONFIG_PATH]; /* the backend's measurements */
    char database[CONFIG_PATH];
    char control[CONFIG_PATH]; /* unix socket; a sockaddr_un bounds it further */
    uint32_t backend_domid;
    double history_detail; /* s, how long every tick is kept */
    double history_keep;   /* s, how long minutes, decisions and promises are kept */
    uint64_t history_size; /* bytes that the database may grow to */
};

/* What a guest's sizes are made for, as long as its promise holds. */
enum objective {
    OBJECTIVE_THROUGHPUT, /* least of the worker's time and of notifications: the largest sizes */
    OBJECTIVE_DELAY       /* least delay while the worker's utilisation is below a bound */
};

#define CONFIG_UTILISATION_MAX 0.7 /* where OBJECTIVE_DELAY is given no bound */

/* [default] and each [vm NAME] */
struct config_policy {
    struct promise promise;
    enum objective objective;
    double
        utilisation_max; /* of the worker, for OBJECTIVE_DELAY, 0..1; 0: CONFIG_UTILISATION_MAX */
    struct size_limits limits;
    bool fixed[DIRECTION_COUNT];
    struct lane_size fixed_size[DIRECTION_COUNT];
    bool attach;                /* gets an interface when it starts */
    char bridge[DEVICE_BRIDGE]; /* that the backend puts it on; empty: none */
};

struct config;

/*
 * Called once for each error. `line` counts from 1; 0 where the file as a whole
 * is meant (it can't be read).
 */
typedef void config_complain(void *context, const char *path, unsigned line, const char *what);

/*
 * Reads the file. 0; -EINVAL where anything was complained about; -errno where
 * it could not be read (complained about as well); -ENOMEM. The caller frees
 * with config_free.
 */
int config_load(const char *path, config_complain *complain, void *context, struct config **ret);
/* What holds without any file. NULL: no memory. */
struct config *config_defaults(void);
void config_free(struct config *config); /* NULL is fine */

/* The rest is valid as long as the config is. */
const struct config_daemon *config_daemon(const struct config *config);
/* For changes from the command line. */
struct config_daemon *config_daemon_change(struct config *config);
/* What holds for the guest of that name: its own section's keys, else [default]'s. */
const struct config_policy *config_policy(const struct config *config, const char *name);
/* Whether the file has a section for it. */
bool config_names(const struct config *config, const char *name);
/* Names of all [vm NAME] sections, in the file's order; NULL from `index` = their number on. */
const char *config_vm(const struct config *config, size_t index);

#endif
