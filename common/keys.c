// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/keys.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const char *keys_backend_root(uint32_t backend_domid, char path[static KEYS_PATH])
{
    snprintf(path, KEYS_PATH, "/local/domain/%u/backend/" KEYS_CLASS, backend_domid);
    return path;
}

const char *keys_backend_dir(uint32_t backend_domid, struct keys_interface interface,
                             char path[static KEYS_PATH])
{
    snprintf(path, KEYS_PATH, "/local/domain/%u/backend/" KEYS_CLASS "/%u/%u", backend_domid,
             interface.domid, interface.handle);
    return path;
}

const char *keys_frontend_dir(struct keys_interface interface, char path[static KEYS_PATH])
{
    snprintf(path, KEYS_PATH, "/local/domain/%u/device/" KEYS_CLASS "/%u", interface.domid,
             interface.handle);
    return path;
}

int keys_path_interface(const char *path, struct keys_interface *ret)
{
    unsigned domid, handle;
    int end = 0;

    if (sscanf(path, "/local/domain/%*u/backend/" KEYS_CLASS "/%6u/%3u%n", &domid, &handle, &end) !=
        2)
        if (sscanf(path, "/local/domain/%6u/device/" KEYS_CLASS "/%3u%n", &domid, &handle, &end) !=
            2)
            return -ENOENT;
    if ((path[end] && path[end] != '/') || domid > KEYS_DOMID_MAX || handle > KEYS_HANDLE_MAX)
        return -ENOENT;
    *ret = (struct keys_interface){domid, handle};
    return 0;
}

int keys_number(const char *text, unsigned long min, unsigned long max, unsigned long *ret)
{
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return -EINVAL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || *end || value < min || value > max)
        return -EINVAL;
    *ret = value;
    return 0;
}

const char *keys_state_name(enum keys_state state)
{
    static const char *const names[] = {"Unknown",   "Initialising", "InitWait", "Initialised",
                                        "Connected", "Closing",      "Closed"};
    return (unsigned)state < sizeof(names) / sizeof(names[0]) ? names[state] : "invalid";
}

static const struct tuning_key {
    const char *name;
    unsigned long min, max;
    size_t offset;
} tuning_keys[KEYS_TUNING_FIELDS] = {
    [KEYS_PACKETS] = {"packets", 1, KEYS_PACKETS_MAX, offsetof(struct keys_tuning, packets)},
    [KEYS_TIMEOUT_US] = {"timeout-us", 1, KEYS_TIMEOUT_US_MAX,
                         offsetof(struct keys_tuning, timeout_us)},
    [KEYS_BYTES] = {"bytes", KEYS_BYTES_MIN, KEYS_BYTES_MAX, offsetof(struct keys_tuning, bytes)},
};

const char *keys_tuning_name(const char *direction, enum keys_tuning_field field,
                             char name[static 40])
{
    snprintf(name, 40, "%s-container-%s", direction, tuning_keys[field].name);
    return name;
}

int keys_tuning_set(struct keys_tuning *tuning, enum keys_tuning_field field, const char *text)
{
    const struct tuning_key *key = &tuning_keys[field];
    unsigned long value;
    int error = keys_number(text, key->min, key->max, &value);

    if (!error)
        *(uint32_t *)((char *)tuning + key->offset) = (uint32_t)value;
    return error;
}

uint32_t keys_tuning_get(const struct keys_tuning *tuning, enum keys_tuning_field field)
{
    return *(const uint32_t *)((const char *)tuning + tuning_keys[field].offset);
}
