// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenagg's part of xenstore: where its folders are, what its keys are called,
 * what their values may be. docs/xenstore.md is the same for people.
 */
#ifndef XENAGG_COMMON_KEYS_H
#define XENAGG_COMMON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Device class, in both domains' folders. */
#define KEYS_CLASS "vagg"

/* Longest path of ours, with its end. */
#define KEYS_PATH 160

/* DOMID_FIRST_RESERVED: a guest's domid is below. */
#define KEYS_DOMID_MAX 0x7feful
#define KEYS_HANDLE_MAX 255ul

/* One guest interface, as xenstore names it. */
struct keys_interface {
    uint32_t domid, handle;
};

/* ".../backend/vagg" of the backend's domain. Returns `path`. */
const char *keys_backend_root(uint32_t backend_domid, char path[static KEYS_PATH]);
/* ".../backend/vagg/<domid>/<handle>" */
const char *keys_backend_dir(uint32_t backend_domid, struct keys_interface interface,
                             char path[static KEYS_PATH]);
/* "/local/domain/<domid>/device/vagg/<handle>" */
const char *keys_frontend_dir(struct keys_interface interface, char path[static KEYS_PATH]);

/*
 * The interface that a path below either end's folder belongs to. 0; -ENOENT:
 * the path is above a single interface, or none of ours.
 */
int keys_path_interface(const char *path, struct keys_interface *ret);

/* A decimal number in [min, max], nothing else around it. 0 or -EINVAL. */
int keys_number(const char *text, unsigned long min, unsigned long max, unsigned long *ret);

/* States of the XenbusState protocol, as io/xenbus.h numbers them. */
enum keys_state {
    KEYS_STATE_UNKNOWN,
    KEYS_STATE_INITIALISING,
    KEYS_STATE_INIT_WAIT,
    KEYS_STATE_INITIALISED,
    KEYS_STATE_CONNECTED,
    KEYS_STATE_CLOSING,
    KEYS_STATE_CLOSED,
};
const char *keys_state_name(enum keys_state state);

/* Container size of one direction; the keys are "<rx|tx>-container-packets" and so on. */
struct keys_tuning {
    uint32_t packets;    /* 1..KEYS_PACKETS_MAX */
    uint32_t timeout_us; /* 1..KEYS_TIMEOUT_US_MAX */
    uint32_t bytes;      /* KEYS_BYTES_MIN..KEYS_BYTES_MAX */
};
#define KEYS_PACKETS_MAX 65535ul
#define KEYS_TIMEOUT_US_MAX 4000000ul
#define KEYS_BYTES_MIN 9216ul /* one frame of the largest size, with its headers */
#define KEYS_BYTES_MAX 131072ul

/* In force where xenstore says nothing: small, so that nobody waits long. */
#define KEYS_TUNING_DEFAULT ((struct keys_tuning){.packets = 16, .timeout_us = 100, .bytes = 65536})

enum keys_tuning_field { KEYS_PACKETS, KEYS_TIMEOUT_US, KEYS_BYTES, KEYS_TUNING_FIELDS };
/* "rx-container-packets" ...; `direction` is "rx" or "tx". Returns `name`. */
const char *keys_tuning_name(const char *direction, enum keys_tuning_field field,
                             char name[static 40]);
/* Sets one field from its text. 0 or -EINVAL (out of range or not a number; tuning untouched). */
int keys_tuning_set(struct keys_tuning *tuning, enum keys_tuning_field field, const char *text);
uint32_t keys_tuning_get(const struct keys_tuning *tuning, enum keys_tuning_field field);

#endif
