// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The states, as this end writes them:
 *
 *                      offer complete
 *   (any) --> InitWait ----------------> Connected --+
 *     ^          ^                           |       | frontend closes, restarts,
 *     |          | online = 1                |       | breaks the format or is gone
 *     |          +---------- Closed <--------+-------+
 *     |                        |     Closing (ours when the toolstack or
 *     +-- backend starts       |     a clean stop asks for it)
 *                              +--> ended: online = 0, or the domain is gone
 */
#include "backend/interface.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define MTU_DEFAULT 1500ul
#define MTU_MIN 68ul
#define MTU_MAX 9000ul

struct interface {
    struct interface_home home;
    struct keys_interface id;
    char dir[KEYS_PATH], frontend_dir[KEYS_PATH];
    struct worker *worker;
    struct port *port;
    tuning_word tuning_word;
    struct keys_tuning tuning; /* last good */
    struct handshake_said said;
    struct hv_channel *channel; /* from here on: while connected */
    struct hv_pages *control, *rx, *tx;
    struct link *link;
    struct report report;
    bool started; /* what an earlier backend left has been put right */
    bool offline; /* `online` said 0 when last seen */
    bool missing_said, offer_said;
    int port_error; /* last one said; 0: none */
};

int interface_new(const struct interface_home *home, struct keys_interface id, uint32_t slot,
                  uint32_t generation, uint32_t worker_index, struct worker *worker,
                  struct interface **ret)
{
    struct interface *interface = calloc(1, sizeof(*interface));

    if (!interface)
        return -ENOMEM;
    interface->home = *home;
    interface->id = id;
    interface->worker = worker;
    interface->tuning = KEYS_TUNING_DEFAULT;
    tuning_store(&interface->tuning_word, &interface->tuning);
    keys_backend_dir(home->domid, id, interface->dir);
    keys_frontend_dir(id, interface->frontend_dir);
    interface->report.segment = home->segment;
    interface->report.slot = slot;
    interface->report.tuning = &interface->tuning_word;
    interface->report.shown = (struct segment_interface){
        .domid = id.domid, .handle = id.handle, .worker = worker_index, .generation = generation};
    *ret = interface;
    return 0;
}

struct keys_interface interface_id(const struct interface *interface)
{
    return interface->id;
}

uint32_t interface_slot(const struct interface *interface)
{
    return interface->report.slot;
}

bool interface_waits(const struct interface *interface)
{
    return !interface->link;
}

void interface_watch(const struct interface *interface, struct store *store)
{
    if (store)
        store_watch(store, interface->frontend_dir, INTERFACE_TOKEN);
}

void interface_unwatch(const struct interface *interface, struct store *store)
{
    if (store)
        store_unwatch(store, interface->frontend_dir, INTERFACE_TOKEN);
}

/* --- connecting and disconnecting ---------------------------------------- */

static void shared_release(struct interface *interface)
{
    hv_pages_release(interface->rx);
    hv_pages_release(interface->tx);
    hv_pages_release(interface->control);
    hv_channel_release(interface->channel);
    interface->rx = interface->tx = interface->control = NULL;
    interface->channel = NULL;
    interface->report.page = NULL;
}

static void interface_disconnect(struct interface *interface)
{
    if (interface->link) {
        worker_remove(interface->worker, interface->link);
        uint32_t lost = packer_held(&interface->link->packer);
        report_clear(&interface->report);
        link_free(interface->link);
        interface->link = NULL;
        log_guest(LOG_INFO, "interface", interface->id.domid, interface->id.handle,
                  "disconnected; %u packets that it did not take are dropped", lost);
    }
    shared_release(interface);
}

/* Completes an offer whose references are too many for the store. */
static int directory_take(struct interface *interface, struct handshake_offer *offer)
{
    uint32_t count = handshake_directory_pages(offer->order);
    struct hv_pages *directory;

    if (!count)
        return 0;
    int error =
        hv_map(interface->home.hv, interface->id.domid, offer->directory, count, NULL, &directory);
    if (error)
        return error;
    handshake_directory_take(offer, directory);
    hv_pages_release(directory);
    return 0;
}

static int shared_map(struct interface *interface, struct handshake_offer *offer)
{
    struct hv *hv = interface->home.hv;
    uint32_t peer = interface->id.domid;
    int error = directory_take(interface, offer);

    if (!error)
        error = hv_channel_bind(hv, peer, offer->channel_port, &interface->channel);
    if (error)
        return error;
    struct hv_farewell farewell = {
        .channel = interface->channel,
        .own_offset = offsetof(struct control_page, backend_here),
        .peer_offset = offsetof(struct control_page, frontend_here),
    };
    error = hv_map(hv, peer, &offer->control_reference, 1, &farewell, &interface->control);
    if (!error)
        error = hv_map(hv, peer, offer->rx, 1u << offer->order, NULL, &interface->rx);
    if (!error)
        error = hv_map(hv, peer, offer->tx, 1u << offer->order, NULL, &interface->tx);
    return error;
}

/* A new life of the slot: counters begin at zero, so readers must not subtract the old. */
static void report_begin(struct interface *interface)
{
    struct report *report = &interface->report;

    report->page = hv_pages_addresses(interface->control)[0];
    memset(&report->guest, 0, sizeof(report->guest));
    report->guest_place_ns = report->guest_port_ns = 0;
    report->distrusted = false;
    report->shown.generation++;
}

static int link_begin(struct interface *interface)
{
    struct link_options options = {
        .end = LINK_BACKEND,
        .port = interface->port,
        .channel = interface->channel,
        .control = interface->control,
        .rx = interface->rx,
        .tx = interface->tx,
        .tuning = &interface->tuning_word,
        .keep_delays = true,
        .export = report_export,
        .export_context = &interface->report,
    };
    const struct control_page *page = hv_pages_addresses(interface->control)[0];
    int error = page->magic == CONTROL_MAGIC ? link_new(&options, &interface->link) : -EPROTO;

    if (error)
        return error;
    report_begin(interface);
    error = worker_add(interface->worker, interface->link);
    if (error) {
        link_free(interface->link);
        interface->link = NULL;
    }
    return error;
}

static void offer_refuse(struct interface *interface, const char *what, const char *why)
{
    if (!interface->offer_said)
        log_guest(LOG_WARNING, "interface", interface->id.domid, interface->id.handle,
                  "can't connect: %s: %s", what, why);
    interface->offer_said = true;
}

/* True: connected. */
static bool interface_connect(struct interface *interface, struct store *store)
{
    struct handshake_offer offer;
    const char *key;
    int error = handshake_read(store, interface->frontend_dir, &offer, &key);

    if (error) {
        offer_refuse(interface, key, error == -EINVAL ? "malformed" : strerror(-error));
        return false;
    }
    error = shared_map(interface, &offer);
    if (!error)
        error = link_begin(interface);
    if (error) {
        offer_refuse(interface, "what the guest shares", strerror(-error));
        shared_release(interface);
        return false;
    }
    interface->offer_said = false;
    log_guest(LOG_INFO, "interface", interface->id.domid, interface->id.handle,
              "connected, %u pages in each ring", 1u << offer.order);
    return true;
}

/* --- the port ------------------------------------------------------------ */

static void port_say(struct interface *interface, const char *what, int error)
{
    if (interface->port_error != error)
        log_guest(LOG_ERR, "port", interface->id.domid, interface->id.handle, "%s: %s", what,
                  strerror(-error));
    interface->port_error = error;
}

static bool port_ensure(struct interface *interface, struct store *store)
{
    char name[16], bridge[16];
    unsigned long mtu = MTU_DEFAULT;

    if (interface->port)
        return true;
    snprintf(name, sizeof(name), "vif%u.%u", interface->id.domid, interface->id.handle);
    int length = store_read(store, interface->dir, "bridge", bridge, sizeof(bridge));
    if (length == -E2BIG) {
        port_say(interface, "key bridge: no interface has a name that long", -EINVAL);
        return false;
    }
    if (store_read_number(store, interface->dir, "mtu", MTU_MIN, MTU_MAX, &mtu) == -EINVAL)
        port_say(interface, "key mtu: not a number from 68 to 9000; 1500 is taken", -EINVAL);
    struct port_options options = {
        .name = name, .mtu = (unsigned)mtu, .bridge = length > 0 ? bridge : NULL};
    int error = port_open_tap(&options, &interface->port);
    if (error)
        port_say(interface, name, error);
    return !error;
}

void interface_tick(struct interface *interface)
{
    if (interface->port)
        atomic_store_explicit(&interface->report.port_dropped, port_dropped(interface->port),
                              memory_order_relaxed);
}

/* --- steps --------------------------------------------------------------- */

static void state_write(struct interface *interface, struct store *store, enum keys_state state)
{
    if (store_read_state(store, interface->dir) != state)
        store_write_state(store, interface->dir, state);
}

/* A removed device must not come back half: its folder is asked for in the same transaction. */
static int features_put(struct store *store, void *context)
{
    const struct interface *interface = context;

    if (!store_exists(store, interface->dir))
        return -ENOENT;
    return store_writef(store, interface->dir, "max-ring-page-order", "%u", RING_ORDER_MAX);
}

static void features_write(struct interface *interface, struct store *store)
{
    store_transact(store, features_put, interface);
}

/* The frontend went away in whatever way: back to where a new one can come. */
static void interface_lose(struct interface *interface, struct store *store)
{
    interface_disconnect(interface);
    state_write(interface, store, KEYS_STATE_CLOSED);
    if (!interface->offline)
        state_write(interface, store, KEYS_STATE_INIT_WAIT);
}

/* /local/domain/<domid> */
static bool domain_exists(struct store *store, uint32_t domid)
{
    char path[KEYS_PATH];

    snprintf(path, sizeof(path), "/local/domain/%u", domid);
    return store_exists(store, path);
}

/* A store in which not even our own domain is was restarted, and says nothing of others. */
static bool guest_gone(const struct interface *interface, struct store *store)
{
    return !domain_exists(store, interface->id.domid) &&
           domain_exists(store, interface->home.domid);
}

/*
 * The guest was destroyed while its folder here stays, for no toolstack knows
 * this class: it would keep the dead domain's memory, and with it the domain.
 */
static void interface_bury(struct interface *interface, struct store *store)
{
    char guest_dir[KEYS_PATH];
    unsigned count = 0;

    interface_disconnect(interface);
    store_remove(store, interface->dir);
    snprintf(guest_dir, sizeof(guest_dir), "%s", interface->dir);
    *strrchr(guest_dir, '/') = '\0';
    char **others = store_list(store, guest_dir, &count);
    if (others && count == 0)
        store_remove(store, guest_dir);
    free(others);
    log_guest(LOG_INFO, "interface", interface->id.domid, interface->id.handle,
              "its domain is gone");
}

/*
 * The folder is gone: that ends the interface only if its domain is gone too, or
 * it was taken offline before. A restarted store is empty as well.
 */
static bool folder_missing(struct interface *interface, struct store *store)
{
    if (interface->offline || !interface->link || guest_gone(interface, store))
        return false;
    if (!interface->missing_said)
        log_guest(LOG_WARNING, "interface", interface->id.domid, interface->id.handle,
                  "%s is gone from the store; the data path goes on", interface->dir);
    interface->missing_said = true;
    return true;
}

static bool state_leaves(enum keys_state frontend)
{
    return frontend == KEYS_STATE_CLOSING || frontend == KEYS_STATE_CLOSED;
}

/* True: the link has failed. That a frontend is gone after it said so is no news. */
static bool failure_take(struct interface *interface, enum keys_state frontend)
{
    const char *text;
    enum link_failure failure = link_failure(interface->link, &text);

    if (failure == LINK_PEER_GONE && state_leaves(frontend))
        return true;
    if (failure == LINK_FINE)
        return false;
    log_guest(LOG_WARNING, "interface", interface->id.domid, interface->id.handle, "%s", text);
    return true;
}

static void step_connected(struct interface *interface, struct store *store, enum keys_state state,
                           enum keys_state frontend)
{
    /* Initialising with a living peer is a folder made anew: both ends say Connected again. */
    if (failure_take(interface, frontend) || state_leaves(frontend))
        interface_lose(interface, store);
    else if (state != KEYS_STATE_CLOSING)
        state_write(interface, store, KEYS_STATE_CONNECTED);
}

static void step_waiting(struct interface *interface, struct store *store, enum keys_state frontend)
{
    if (interface->offline) {
        state_write(interface, store, KEYS_STATE_CLOSED);
        return;
    }
    if (!port_ensure(interface, store))
        return;
    if (!interface->started) {
        /* What an earlier backend left connected is not: through Closed, so that all see it. */
        if (store_read_state(store, interface->dir) == KEYS_STATE_CONNECTED)
            state_write(interface, store, KEYS_STATE_CLOSED);
        features_write(interface, store);
        interface->started = true;
    }
    state_write(interface, store, KEYS_STATE_INIT_WAIT);
    if (frontend == KEYS_STATE_INITIALISED && interface_connect(interface, store))
        state_write(interface, store, KEYS_STATE_CONNECTED);
    if (frontend == KEYS_STATE_INITIALISING)
        interface->offer_said = false;
}

static void online_read(struct interface *interface, struct store *store)
{
    unsigned long online = 1;

    store_read_number(store, interface->dir, "online", 0, 1, &online);
    interface->offline = online == 0;
}

static void tuning_read(struct interface *interface, struct store *store)
{
    handshake_tuning(store, interface->dir, "rx", interface->id, &interface->tuning,
                     &interface->said);
    tuning_store(&interface->tuning_word, &interface->tuning);
}

bool interface_step(struct interface *interface, struct store *store)
{
    if (!store_exists(store, interface->dir))
        return folder_missing(interface, store);
    interface->missing_said = false;
    if (guest_gone(interface, store)) {
        interface_bury(interface, store);
        return false;
    }
    online_read(interface, store);
    tuning_read(interface, store);
    enum keys_state frontend = store_read_state(store, interface->frontend_dir);
    if (interface->link)
        step_connected(interface, store, store_read_state(store, interface->dir), frontend);
    if (!interface->link)
        step_waiting(interface, store, frontend);
    return !(interface->offline && !interface->link &&
             !store_exists(store, interface->frontend_dir));
}

void interface_close(struct interface *interface, struct store *store)
{
    if (!interface->link)
        return;
    /* The worker lets go and takes up again: what was open is now published. */
    worker_remove(interface->worker, interface->link);
    if (worker_add(interface->worker, interface->link) < 0)
        interface_disconnect(interface);
    if (store)
        state_write(interface, store, KEYS_STATE_CLOSING);
}

bool interface_closed(struct interface *interface, struct store *store)
{
    if (!interface->link || !store)
        return true;
    enum keys_state frontend = store_read_state(store, interface->frontend_dir);
    return failure_take(interface, frontend) || state_leaves(frontend) ||
           frontend == KEYS_STATE_UNKNOWN;
}

void interface_leave(struct interface *interface, struct store *store)
{
    interface_disconnect(interface);
    if (store && store_exists(store, interface->dir))
        state_write(interface, store, KEYS_STATE_CLOSED);
}

void interface_free(struct interface *interface)
{
    interface_disconnect(interface);
    port_close(interface->port);
    free(interface);
}
