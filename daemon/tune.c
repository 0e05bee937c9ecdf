// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/tune.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TRIES 4

static uint32_t clamp(double value, unsigned long low, unsigned long high)
{
    return value <= (double)low    ? (uint32_t)low
           : value >= (double)high ? (uint32_t)high
                                   : (uint32_t)value;
}

void tune_wanted(const struct guest_report *report, struct tune_wanted *ret)
{
    ret->state = report->state;
    ret->sizes = true;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        const struct lane_size *size = &report->lanes[d].wanted;
        if (size->packets == 0)
            ret->sizes = false;
        ret->tuning[d] = (struct keys_tuning){
            .packets = clamp(size->packets, 1, KEYS_PACKETS_MAX),
            .timeout_us = clamp(round(size->timeout * 1e6), 1, KEYS_TIMEOUT_US_MAX),
            .bytes = clamp(report->limits.bytes_max, KEYS_BYTES_MIN, KEYS_BYTES_MAX),
        };
    }
}

static bool field_differs(const struct guest *guest, const struct tune_wanted *wanted,
                          enum direction d, enum keys_tuning_field field)
{
    return wanted->sizes &&
           (!guest->stored_valid[d][field] || keys_tuning_get(&guest->stored[d], field) !=
                                                  keys_tuning_get(&wanted->tuning[d], field));
}

static bool state_differs(const struct guest *guest, const struct tune_wanted *wanted)
{
    return strcmp(guest->stored_state, tuning_state_name(wanted->state)) != 0;
}

static bool differs(const struct guest *guest, const struct tune_wanted *wanted)
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        for (enum keys_tuning_field field = 0; field < KEYS_TUNING_FIELDS; field++)
            if (field_differs(guest, wanted, d, field))
                return true;
    return state_differs(guest, wanted);
}

/* The number of keys written, or -errno. */
static int write_fields(struct store *store, const char *dir, const struct guest *guest,
                        const struct tune_wanted *wanted)
{
    char key[40];
    int error = 0, written = 0;

    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        for (enum keys_tuning_field field = 0; field < KEYS_TUNING_FIELDS && !error; field++)
            if (field_differs(guest, wanted, d, field)) {
                error = store_writef(store, dir, keys_tuning_name(direction_name(d), field, key),
                                     "%u", keys_tuning_get(&wanted->tuning[d], field));
                written++;
            }
    if (!error && state_differs(guest, wanted)) {
        error = store_write(store, dir, "tuning-state", tuning_state_name(wanted->state));
        written++;
    }
    return error ? error : written;
}

/*
 * A removed device must not come back half: its folder is asked for in the same
 * transaction. The number of keys written, or -errno.
 */
static int write_once(struct store *store, const char *dir, const struct guest *guest,
                      const struct tune_wanted *wanted)
{
    int written = store_begin(store);

    if (written < 0)
        return written;
    written = store_exists(store, dir) ? write_fields(store, dir, guest, wanted) : -ENOENT;
    if (written < 0) {
        store_abort(store);
        return written;
    }
    int error = store_commit(store);
    return error ? error : written;
}

static void remember(struct guest *guest, const struct tune_wanted *wanted)
{
    if (wanted->sizes) {
        memcpy(guest->stored, wanted->tuning, sizeof(guest->stored));
        memset(guest->stored_valid, true, sizeof(guest->stored_valid));
    }
    snprintf(guest->stored_state, sizeof(guest->stored_state), "%s",
             tuning_state_name(wanted->state));
}

int tune_apply(struct store *store, uint32_t backend_domid, struct guest *guest,
               const struct tune_wanted *wanted)
{
    char dir[KEYS_PATH];
    int written = -EAGAIN;

    if (!differs(guest, wanted))
        return 0;
    keys_backend_dir(backend_domid, guest->interface, dir);
    for (int i = 0; i < TRIES && written == -EAGAIN; i++)
        written = write_once(store, dir, guest, wanted);
    if (written == -ENOENT)
        return 0; /* the watch will say so */
    if (written < 0)
        return written;
    remember(guest, wanted);
    guest->echoes += (unsigned)written;
    return 1;
}

/* ---- sizes fixed by hand ---- */

struct fixing {
    const char *dir;
    const struct guest *guest;
};

static int fixed_put(struct store *store, void *context)
{
    const struct fixing *fixing = context;
    char text[GUESTS_FIXED], path[KEYS_PATH + 16];
    int error = store_exists(store, fixing->dir) ? 0 : -ENOENT;

    for (enum direction d = 0; d < DIRECTION_COUNT && !error; d++) {
        if (!fixing->guest->fix_due[d])
            continue;
        guests_fixed_text(&fixing->guest->by_hand[d], text);
        snprintf(path, sizeof(path), "%s/%s", fixing->dir, guests_fixed_key(d));
        error = *text ? store_write(store, fixing->dir, guests_fixed_key(d), text)
                      : store_remove(store, path);
    }
    return error;
}

int tune_fixed(struct store *store, uint32_t backend_domid, struct guest *guest)
{
    char dir[KEYS_PATH];
    struct fixing fixing = {.dir = dir, .guest = guest};

    if (!guest->fix_due[DIRECTION_RX] && !guest->fix_due[DIRECTION_TX])
        return 0;
    keys_backend_dir(backend_domid, guest->interface, dir);
    int error = store_transact(store, fixed_put, &fixing);
    if (error)
        return error == -ENOENT ? 0 : error;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (guest->fix_due[d]) {
            guest->fix_due[d] = false;
            guests_fixed_text(&guest->by_hand[d], guest->fixed_text[d]);
        }
    return 1;
}
