// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/guests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define NAME_TOKEN "name"

struct guests {
    uint32_t backend_domid;
    char root[KEYS_PATH];
    struct guest *list;
    size_t n, room;
    bool scan;      /* the folders have to be listed */
    bool connected; /* for the first time after a new connection */
    bool waiting;   /* for an empty store to be filled again */
    bool full_said;
};

int guests_create(uint32_t backend_domid, struct guests **ret)
{
    struct guests *guests = calloc(1, sizeof(*guests));

    if (!guests)
        return -ENOMEM;
    guests->backend_domid = backend_domid;
    keys_backend_root(backend_domid, guests->root);
    *ret = guests;
    return 0;
}

void guests_destroy(struct guests *guests)
{
    if (!guests)
        return;
    free(guests->list);
    free(guests);
}

const char *guests_root(const struct guests *guests)
{
    return guests->root;
}

size_t guests_count(const struct guests *guests)
{
    return guests->n;
}

struct guest *guests_at(struct guests *guests, size_t index)
{
    return &guests->list[index];
}

static bool interface_before(struct keys_interface a, struct keys_interface b)
{
    return a.domid < b.domid || (a.domid == b.domid && a.handle < b.handle);
}

/* Where the interface is, or would be. */
static size_t position_of(const struct guests *guests, struct keys_interface interface)
{
    size_t low = 0, high = guests->n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (interface_before(guests->list[middle].interface, interface))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct guest *guest_find(struct guests *guests, struct keys_interface interface)
{
    size_t at = position_of(guests, interface);
    bool there = at < guests->n && !interface_before(interface, guests->list[at].interface);

    return there ? &guests->list[at] : NULL;
}

/* ---- what happened ---- */

/* A restarted store has forgotten what was fixed by hand; this program has not. */
static void fixed_save(struct guest *guest)
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        guest->fix_due[d] |= guest->by_hand[d].packets > 0;
}

void guests_connected(struct guests *guests)
{
    guests->scan = guests->connected = true;
    for (size_t i = 0; i < guests->n; i++) {
        guests->list[i].stale = true;
        guests->list[i].echoes = 0;
        fixed_save(&guests->list[i]);
    }
}

/* "/local/domain/7/name": the names of domain 7's interfaces are old. */
static bool event_name(struct guests *guests, const char *path)
{
    unsigned domid;
    int end = 0;

    if (sscanf(path, "/local/domain/%u/name%n", &domid, &end) != 1 || !end || path[end])
        return false;
    for (size_t i = 0; i < guests->n; i++)
        if (guests->list[i].interface.domid == domid)
            guests->list[i].stale = true;
    return true;
}

static bool is_tuning_key(const char *path)
{
    const char *key = strrchr(path, '/');

    return strstr(key, "-container-") || strcmp(key, "/tuning-state") == 0;
}

void guests_event(struct guests *guests, const char *path)
{
    struct keys_interface interface;
    struct guest *guest = NULL;

    if (event_name(guests, path))
        return;
    if (keys_path_interface(path, &interface) == 0)
        guest = guest_find(guests, interface);
    if (guest && guest->echoes && is_tuning_key(path))
        guest->echoes--; /* ours: what it says is known */
    else if (guest)
        guest->stale = true;
    /* The folder itself was made or removed, or one that was not known. */
    char dir[KEYS_PATH];
    if (!guest || guests->waiting ||
        strcmp(path, keys_backend_dir(guests->backend_domid, interface, dir)) == 0)
        guests->scan = true;
}

bool guests_pending(const struct guests *guests)
{
    for (size_t i = 0; i < guests->n; i++)
        if (guests->list[i].stale)
            return true;
    return guests->scan;
}

/* ---- listing ---- */

static int guest_add(struct guests *guests, struct store *store, struct keys_interface interface)
{
    char path[KEYS_PATH];

    if (guests->n == guests->room) {
        size_t room = guests->room ? 2 * guests->room : 8;
        struct guest *list = reallocarray(guests->list, room, sizeof(*list));
        if (!list)
            return -ENOMEM;
        guests->list = list;
        guests->room = room;
    }
    size_t at = position_of(guests, interface);
    memmove(&guests->list[at + 1], &guests->list[at], (guests->n - at) * sizeof(*guests->list));
    guests->n++;
    guests->list[at] = (struct guest){.interface = interface, .stale = true};
    snprintf(path, sizeof(path), "/local/domain/%u/name", interface.domid);
    store_watch(store, path, NAME_TOKEN); /* a second one for the same domain is refused: fine */
    return 0;
}

/* What a scan has found so far. */
struct found {
    struct keys_interface *list;
    size_t n, room;
};

static int found_add(struct found *found, struct keys_interface interface)
{
    if (found->n == found->room) {
        size_t room = found->room ? 2 * found->room : 16;
        void *list = reallocarray(found->list, room, sizeof(*found->list));
        if (!list)
            return -ENOMEM;
        found->list = list;
        found->room = room;
    }
    found->list[found->n++] = interface;
    return 0;
}

/* The handles below one domain's folder. Names that are no numbers are nobody's. */
static int handles_list(const struct guests *guests, struct store *store, unsigned long domid,
                        struct found *found)
{
    char path[KEYS_PATH + 32];
    unsigned long handle;
    unsigned count = 0;
    int error = 0;

    snprintf(path, sizeof(path), "%s/%lu", guests->root, domid);
    char **names = store_list(store, path, &count);
    if (!names)
        return errno == ENOENT ? 0 : -errno;
    for (unsigned i = 0; i < count && !error; i++)
        if (keys_number(names[i], 0, KEYS_HANDLE_MAX, &handle) == 0 && found->n < GUESTS_MAX)
            error = found_add(found, (struct keys_interface){(uint32_t)domid, (uint32_t)handle});
    free(names);
    return error;
}

/* All interfaces. -ENOENT: not even the root is there. */
static int interfaces_list(const struct guests *guests, struct store *store, struct found *found)
{
    unsigned long domid;
    unsigned count = 0;
    int error = 0;

    errno = 0;
    char **names = store_list(store, guests->root, &count);
    if (!names)
        return errno ? -errno : -EIO;
    for (unsigned i = 0; i < count && !error; i++)
        if (keys_number(names[i], 0, KEYS_DOMID_MAX, &domid) == 0)
            error = handles_list(guests, store, domid, found);
    free(names);
    return error;
}

static bool found_has(const struct found *found, struct keys_interface interface)
{
    for (size_t i = 0; i < found->n; i++)
        if (found->list[i].domid == interface.domid && found->list[i].handle == interface.handle)
            return true;
    return false;
}

static void names_unwatch(struct guests *guests, struct store *store, uint32_t domid)
{
    char path[KEYS_PATH];

    for (size_t i = 0; i < guests->n; i++)
        if (guests->list[i].interface.domid == domid)
            return;
    snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
    store_unwatch(store, path, NAME_TOKEN);
}

static void guests_forget(struct guests *guests, struct store *store, const struct found *found)
{
    for (size_t i = 0; i < guests->n;) {
        struct guest gone = guests->list[i];
        if (found_has(found, gone.interface)) {
            i++;
            continue;
        }
        guests->n--;
        memmove(&guests->list[i], &guests->list[i + 1], (guests->n - i) * sizeof(*guests->list));
        names_unwatch(guests, store, gone.interface.domid);
        log_guest(LOG_INFO, "guests", gone.interface.domid, gone.interface.handle, "%s: gone",
                  gone.name);
    }
}

static int scan_apply(struct guests *guests, struct store *store, const struct found *found)
{
    int error = 0;

    guests_forget(guests, store, found);
    for (size_t i = 0; i < found->n && !error; i++)
        if (!guest_find(guests, found->list[i]))
            error = guest_add(guests, store, found->list[i]);
    if (found->n >= GUESTS_MAX && !guests->full_said)
        log_line(LOG_ERR, "guests", "more than %u guest interfaces: the rest is left alone",
                 GUESTS_MAX);
    guests->full_said = found->n >= GUESTS_MAX;
    return error;
}

static void names_watch(struct guests *guests, struct store *store)
{
    char path[KEYS_PATH];

    for (size_t i = 0; i < guests->n; i++) {
        snprintf(path, sizeof(path), "/local/domain/%u/name", guests->list[i].interface.domid);
        store_watch(store, path, NAME_TOKEN);
    }
}

static int guests_scan(struct guests *guests, struct store *store)
{
    struct found found = {0};
    int error = interfaces_list(guests, store, &found);
    bool emptied = error == -ENOENT && (guests->connected || guests->waiting) && guests->n > 0;

    if (error == -ENOENT)
        error = 0;
    if (emptied && !guests->waiting)
        log_line(LOG_WARNING, "guests",
                 "the store is empty: %zu interfaces that were known are waited for", guests->n);
    if (!error && !emptied)
        error = scan_apply(guests, store, &found);
    free(found.list);
    if (error)
        return error;
    if (guests->connected)
        names_watch(guests, store);
    guests->waiting = emptied;
    guests->scan = guests->connected = false;
    return 0;
}

/* ---- reading one ---- */

static void name_read(struct guest *guest, struct store *store)
{
    char dir[KEYS_PATH], name[CONFIG_NAME];

    snprintf(dir, sizeof(dir), "/local/domain/%u", guest->interface.domid);
    bool named = store_read(store, dir, "name", name, sizeof(name)) > 0;
    if (!named && *guest->name) /* an emptied store: it still is who it was */
        return;
    if (!named)
        snprintf(name, sizeof(name), "domain-%u", guest->interface.domid);
    for (char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    if (strcmp(name, guest->name) == 0)
        return;
    log_guest(LOG_INFO, "guests", guest->interface.domid, guest->interface.handle, "%s%s%s",
              guest->name, *guest->name ? " is now called " : "found: ", name);
    memcpy(guest->name, name, sizeof(name));
}

static void tuning_read(struct guest *guest, struct store *store, const char *dir)
{
    static const char *const directions[] = {"rx", "tx"};
    char key[40], value[32];

    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        for (enum keys_tuning_field f = 0; f < KEYS_TUNING_FIELDS; f++) {
            int length = store_read(store, dir, keys_tuning_name(directions[d], f, key), value,
                                    sizeof(value));
            guest->stored_valid[d][f] =
                length >= 0 && keys_tuning_set(&guest->stored[d], f, value) == 0;
        }
    if (store_read(store, dir, "tuning-state", guest->stored_state, sizeof(guest->stored_state)) <
        0)
        guest->stored_state[0] = '\0';
}

/* ---- sizes fixed by hand ---- */

const char *guests_fixed_key(enum direction direction)
{
    return direction == DIRECTION_RX ? "rx-fixed" : "tx-fixed";
}

void guests_fixed_text(const struct lane_size *size, char ret[static GUESTS_FIXED])
{
    *ret = '\0';
    if (size->packets > 0)
        snprintf(ret, GUESTS_FIXED, "%u %.0f", size->packets, size->timeout * 1e6);
}

/* "PACKETS TIMEOUT_US" */
static int fixed_parse(const char *text, struct lane_size *ret)
{
    char packets_text[GUESTS_FIXED];
    unsigned long packets, timeout_us;
    const char *blank = strchr(text, ' ');

    if (!blank || (size_t)(blank - text) >= sizeof(packets_text))
        return -EINVAL;
    snprintf(packets_text, sizeof(packets_text), "%.*s", (int)(blank - text), text);
    if (keys_number(packets_text, 1, KEYS_PACKETS_MAX, &packets) ||
        keys_number(blank + 1, 1, KEYS_TIMEOUT_US_MAX, &timeout_us))
        return -EINVAL;
    *ret = (struct lane_size){(uint32_t)packets, (double)timeout_us * 1e-6};
    return 0;
}

int guests_fix(struct guests *guests, struct keys_interface interface, enum direction d,
               const struct lane_size *size)
{
    struct guest *guest = guest_find(guests, interface);

    if (!guest)
        return -ENOENT;
    guest->by_hand[d] = *size;
    guest->fix_due[d] = true;
    return 0;
}

static void fixed_read(struct guest *guest, struct store *store, const char *dir)
{
    char text[GUESTS_FIXED];

    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        if (guest->fix_due[d])
            continue;
        int length = store_read(store, dir, guests_fixed_key(d), text, sizeof(text));
        if (length == -ENOENT)
            *text = '\0';
        else if (length < 0)
            continue;
        if (strcmp(text, guest->fixed_text[d]) == 0)
            continue;
        memcpy(guest->fixed_text[d], text, sizeof(text));
        if (*text && fixed_parse(text, &guest->by_hand[d]))
            log_guest(LOG_WARNING, "guests", guest->interface.domid, guest->interface.handle,
                      "%s: '%s' is not a size ('PACKETS TIMEOUT_US'); ignored", guests_fixed_key(d),
                      text);
        else if (!*text)
            guest->by_hand[d] = (struct lane_size){0};
    }
}

int guests_refresh(struct guests *guests, struct store *store, unsigned most)
{
    char dir[KEYS_PATH];

    if (guests->scan) {
        int error = guests_scan(guests, store);
        if (error)
            return error;
    }
    for (size_t i = 0; i < guests->n && most; i++) {
        struct guest *guest = &guests->list[i];
        if (!guest->stale)
            continue;
        guest->stale = false;
        name_read(guest, store);
        keys_backend_dir(guests->backend_domid, guest->interface, dir);
        tuning_read(guest, store, dir);
        fixed_read(guest, store, dir);
        most--;
    }
    return 0;
}
