// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A key of the configuration file: what its value may be, and where it goes.
 * The tables of keys are config.c's.
 */
#ifndef XENAGG_CONFIG_KEY_H
#define XENAGG_CONFIG_KEY_H

#include <stddef.h>

enum config_kind {
    KIND_DURATION,   /* double, s */
    KIND_DELAY,      /* a duration or "none", which is INFINITY */
    KIND_SCOPE,      /* enum scope: forwarding | one-way */
    KIND_PERCENTILE, /* double: mean, which is 0, or min..max */
    KIND_OBJECTIVE,  /* enum objective: throughput | delay */
    KIND_SHARE,      /* double, of 1 */
    KIND_COUNT,      /* uint32_t */
    KIND_BYTES,      /* double */
    KIND_MIB,        /* uint64_t bytes, written in MiB */
    KIND_PATH,       /* char[], absolute, at most max characters */
    KIND_SWITCH,     /* bool: yes | no */
    KIND_BRIDGE      /* char[DEVICE_BRIDGE], an interface's name */
};

/* A row of a table of keys. */
struct config_key {
    const char *name;
    enum config_kind kind;
    size_t offset; /* of the value in the struct that the table is for */
    double min, max;
};

/* What is wrong with a value, for the operator. */
struct config_complaint {
    char text[192];
};

/*
 * Takes a value from its text into the struct at `base`. 0; -1 where it is none
 * that the key may have, with the complaint, and the struct as it was.
 */
int config_key_set(const struct config_key *key, void *base, const char *value,
                   struct config_complaint *ret_why);
/* Copies the key's value from one struct to another; not for paths. */
void config_key_copy(const struct config_key *key, void *to, const void *from);
/* The row with that name; -1: none. */
int config_key_find(const struct config_key *keys, size_t n, const char *name);

#endif
