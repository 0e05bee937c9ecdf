// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/handshake.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define REFERENCES_TEXT 4096

static int references_write(struct store *store, const char *dir, const char *key,
                            const uint32_t *references, uint32_t count)
{
    char text[REFERENCES_TEXT];
    size_t length = 0;

    for (uint32_t i = 0; i < count && length < sizeof(text); i++)
        length +=
            (size_t)snprintf(text + length, sizeof(text) - length, i ? " %u" : "%u", references[i]);
    return length < sizeof(text) ? store_write(store, dir, key, text) : -E2BIG;
}

uint32_t handshake_directory_pages(uint32_t order)
{
    uint32_t bytes = 2 * (uint32_t)sizeof(uint32_t) << order;

    return order <= HANDSHAKE_ORDER_TEXT ? 0 : (bytes + HV_PAGE - 1) / HV_PAGE;
}

/* Reference `i` of both rings' in the directory. */
static uint32_t *directory_place(const struct hv_pages *directory, uint32_t i)
{
    const uint32_t in_page = HV_PAGE / sizeof(uint32_t);

    return (uint32_t *)hv_pages_addresses(directory)[i / in_page] + i % in_page;
}

void handshake_directory_fill(struct handshake_offer *offer, const struct hv_pages *directory)
{
    uint32_t pages = 1u << offer->order;

    for (uint32_t i = 0; i < pages; i++) {
        *directory_place(directory, i) = offer->rx[i];
        *directory_place(directory, pages + i) = offer->tx[i];
    }
    memcpy(offer->directory, hv_pages_references(directory),
           hv_pages_count(directory) * sizeof(uint32_t));
}

void handshake_directory_take(struct handshake_offer *offer, const struct hv_pages *directory)
{
    uint32_t pages = 1u << offer->order;

    for (uint32_t i = 0; i < pages; i++) {
        offer->rx[i] = *(volatile uint32_t *)directory_place(directory, i);
        offer->tx[i] = *(volatile uint32_t *)directory_place(directory, pages + i);
    }
}

struct offer_place {
    const char *dir;
    const struct handshake_offer *offer;
};

static int offer_write(struct store *store, void *context)
{
    const struct offer_place *place = context;
    const struct handshake_offer *offer = place->offer;
    const char *dir = place->dir;
    uint32_t pages = 1u << offer->order, directory = handshake_directory_pages(offer->order);
    int error;

    if (directory)
        error = references_write(store, dir, "ring-directory-refs", offer->directory, directory);
    else
        error = references_write(store, dir, "rx-ring-refs", offer->rx, pages);
    if (!error && !directory)
        error = references_write(store, dir, "tx-ring-refs", offer->tx, pages);
    if (!error)
        error = store_writef(store, dir, "ring-page-order", "%u", offer->order);
    if (!error)
        error = store_writef(store, dir, "control-ref", "%u", offer->control_reference);
    if (!error)
        error = store_writef(store, dir, "event-channel", "%u", offer->channel_port);
    return error ? error : store_write_state(store, dir, KEYS_STATE_INITIALISED);
}

int handshake_write(struct store *store, const char *frontend_dir,
                    const struct handshake_offer *offer)
{
    struct offer_place place = {.dir = frontend_dir, .offer = offer};

    return store_transact(store, offer_write, &place);
}

/* Exactly `count` numbers, one blank between two. */
static int references_parse(const char *text, uint32_t count, uint32_t *ret)
{
    for (uint32_t i = 0; i < count; i++) {
        char *end;
        if (!isdigit((unsigned char)*text))
            return -EINVAL;
        errno = 0;
        unsigned long value = strtoul(text, &end, 10);
        if (errno || value > UINT32_MAX || *end != (i + 1 < count ? ' ' : '\0'))
            return -EINVAL;
        ret[i] = (uint32_t)value;
        text = end + 1;
    }
    return 0;
}

static int references_read(struct store *store, const char *dir, const char *key, uint32_t count,
                           uint32_t *ret)
{
    char text[REFERENCES_TEXT];
    int length = store_read(store, dir, key, text, sizeof(text));

    return length < 0 ? length : references_parse(text, count, ret);
}

static int number_read(struct store *store, const char *dir, const char *key, unsigned long min,
                       unsigned long max, uint32_t *ret)
{
    unsigned long value;
    int error = store_read_number(store, dir, key, min, max, &value);

    if (!error)
        *ret = (uint32_t)value;
    return error;
}

int handshake_read(struct store *store, const char *frontend_dir, struct handshake_offer *ret,
                   const char **ret_key)
{
    const char *key = "ring-page-order";
    int error = number_read(store, frontend_dir, key, RING_ORDER_MIN, RING_ORDER_MAX, &ret->order);

    if (!error)
        error = number_read(store, frontend_dir, key = "control-ref", 0, UINT32_MAX,
                            &ret->control_reference);
    if (!error)
        error = number_read(store, frontend_dir, key = "event-channel", 0, UINT32_MAX,
                            &ret->channel_port);
    uint32_t directory = error ? 0 : handshake_directory_pages(ret->order);
    if (directory)
        error = references_read(store, frontend_dir, key = "ring-directory-refs", directory,
                                ret->directory);
    if (!error && !directory)
        error =
            references_read(store, frontend_dir, key = "rx-ring-refs", 1u << ret->order, ret->rx);
    if (!error && !directory)
        error =
            references_read(store, frontend_dir, key = "tx-ring-refs", 1u << ret->order, ret->tx);
    *ret_key = key;
    return error == -E2BIG ? -EINVAL : error;
}

static void malformed_say(struct keys_interface interface, const char *dir, const char *name,
                          const char *text, char said[static 16])
{
    if (strncmp(said, text, 15) == 0 && said[0])
        return;
    snprintf(said, 16, "%.15s", text);
    log_guest(LOG_WARNING, "store", interface.domid, interface.handle,
              "%s/%s: \"%.15s\" is not a value for it; the last good one stays", dir, name, text);
}

void handshake_tuning(struct store *store, const char *backend_dir, const char *direction,
                      struct keys_interface interface, struct keys_tuning *tuning,
                      struct handshake_said *said)
{
    char name[40], text[32];

    for (int field = 0; field < KEYS_TUNING_FIELDS; field++) {
        keys_tuning_name(direction, (enum keys_tuning_field)field, name);
        int length = store_read(store, backend_dir, name, text, sizeof(text));
        if (length == -E2BIG) {
            malformed_say(interface, backend_dir, name, "(too long)", said->text[field]);
        } else if (length >= 0 &&
                   keys_tuning_set(tuning, (enum keys_tuning_field)field, text) < 0) {
            malformed_say(interface, backend_dir, name, length ? text : "(empty)",
                          said->text[field]);
        } else if (length >= 0) {
            said->text[field][0] = '\0';
        }
    }
}
