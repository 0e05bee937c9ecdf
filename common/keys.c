// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/keys.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Moves past `text`, if that is what comes next. */
static bool path_take(const char **at, const char *text)
{
    size_t length = strlen(text);

    if (strncmp(*at, text, length) != 0)
        return false;
    *at += length;
    return true;
}

/* Moves past a number as we write it: 007 would name another folder than 7. */
static bool path_number(const char **at, unsigned long max, uint32_t *ret)
{
    const char *from = *at;
    unsigned long value = 0;

    for (; isdigit((unsigned char)**at) && value <= max; (*at)++)
        value = value * 10 + (unsigned long)(**at - '0');
    if (*at == from || value > max || (*from == '0' && *at - from > 1))
        return false;
    *ret = (uint32_t)value;
    return true;
}

int keys_path_interface(const char *path, struct keys_interface *ret)
{
    struct keys_interface found;
    uint32_t first;
    bool ours = path_take(&path, "/local/domain/") && path_number(&path, KEYS_DOMID_MAX, &first);

    if (ours && path_take(&path, "/backend/" KEYS_CLASS "/"))
        ours = path_number(&path, KEYS_DOMID_MAX, &found.domid) && path_take(&path, "/");
    else if (ours && (ours = path_take(&path, "/device/" KEYS_CLASS "/")))
        found.domid = first;
    if (!ours || !path_number(&path, KEYS_HANDLE_MAX, &found.handle) || (*path && *path != '/'))
        return -ENOENT;
    *ret = found;
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
