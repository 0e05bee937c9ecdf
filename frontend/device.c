// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The states, as this end writes them:
 *
 *                 backend InitWait: offer             backend Connected
 *   Initialising ------------------> Initialised ---------------------> Connected
 *        ^                                |                                 |
 *        |      backend is gone, restarts, closes                           |
 *        +--- Closed <----------------- Closing <---------------------------+
 */
#include "frontend/device.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/epoch.h"
#include "common/log.h"
#include "common/mac.h"
#include "common/session.h"
#include "datapath/handshake.h"
#include "datapath/worker.h"

/* How long the backend may take to follow a clean stop. */
#define STOP_TICKS 200
#define WATCH_TOKEN "frontend"
#define STOP_TICK_US 10000
#define PROBE_US 100000
#define MTU_DEFAULT 1500ul
#define MTU_MIN 68ul
#define MTU_MAX 9000ul

struct device {
    struct device_options options;
    char dir[KEYS_PATH], backend_dir[KEYS_PATH];
    uint32_t backend_domid;
    struct session *session;
    struct hv *hv;
    struct worker *worker;
    struct event *failures, *tick, *probe, *stop_tick;
    int stop_ticks;
    struct port *port;
    tuning_word tuning_word;
    struct keys_tuning tuning; /* last good, of tx */
    struct handshake_said said;
    struct hv_channel *channel; /* from here on: from the offer on */
    uint32_t order;             /* of each ring, in pages */
    struct hv_pages *control, *rx, *tx, *directory;
    struct link *link; /* connected */
    bool backend_watched, trouble_said;
};

static void device_step(struct device *device);

static void trouble_say(struct device *device, const char *what, int error)
{
    if (!device->trouble_said)
        log_guest(LOG_ERR, "device", device->options.id.domid, device->options.id.handle, "%s: %s",
                  what, strerror(-error));
    device->trouble_said = true;
}

/* --- what is shared ------------------------------------------------------ */

static void shared_release(struct device *device)
{
    hv_pages_release(device->rx);
    hv_pages_release(device->tx);
    hv_pages_release(device->control);
    hv_pages_release(device->directory);
    hv_channel_release(device->channel);
    device->rx = device->tx = device->control = device->directory = NULL;
    device->channel = NULL;
}

/* What was asked for, as far as the backend maps it. */
static uint32_t order_choose(const struct device *device, struct store *store)
{
    unsigned long most = HANDSHAKE_ORDER_TEXT;

    store_read_number(store, device->backend_dir, "max-ring-page-order", RING_ORDER_MIN, 31, &most);
    return device->options.ring_order < most ? device->options.ring_order : (uint32_t)most;
}

static int shared_make(struct device *device)
{
    uint32_t peer = device->backend_domid, pages = 1u << device->order;
    uint32_t directory = handshake_directory_pages(device->order);
    int error = hv_channel_offer(device->hv, peer, &device->channel);

    if (error)
        return error;
    struct hv_farewell farewell = {
        .channel = device->channel,
        .own_offset = offsetof(struct control_page, frontend_here),
        .peer_offset = offsetof(struct control_page, backend_here),
    };
    error = hv_share(device->hv, peer, 1, &farewell, &device->control);
    if (!error)
        error = hv_share(device->hv, peer, pages, NULL, &device->rx);
    if (!error)
        error = hv_share(device->hv, peer, pages, NULL, &device->tx);
    if (!error && directory)
        error = hv_share(device->hv, peer, directory, NULL, &device->directory);
    if (!error) {
        struct control_page *page = hv_pages_addresses(device->control)[0];
        page->magic = CONTROL_MAGIC;
    }
    return error;
}

static int offer_write(struct device *device, struct store *store)
{
    struct handshake_offer offer = {
        .control_reference = hv_pages_references(device->control)[0],
        .channel_port = hv_channel_port(device->channel),
        .order = device->order,
    };
    size_t size = sizeof(uint32_t) << offer.order;

    memcpy(offer.rx, hv_pages_references(device->rx), size);
    memcpy(offer.tx, hv_pages_references(device->tx), size);
    if (device->directory)
        handshake_directory_fill(&offer, device->directory);
    return handshake_write(store, device->dir, &offer);
}

/* --- the link ------------------------------------------------------------ */

/* What the backend can't see: into the control page, for it to check. */
static void report_write(void *context, struct link *link, const struct segment_sleep *sleep)
{
    struct device *device = context;
    struct control_page *page = hv_pages_addresses(device->control)[0];
    struct keys_tuning tuning = tuning_load(&device->tuning_word);
    struct guest_report report = {
        .pack = link->packer.stats,
        .unload = link->unloader.stats,
        .sleep = *sleep,
        .tuning = {.packets = tuning.packets,
                   .timeout_us = tuning.timeout_us,
                   .bytes = tuning.bytes},
    };

    epoch_write(&page->report, &report, sizeof(report));
}

static int link_begin(struct device *device)
{
    struct link_options options = {
        .end = LINK_FRONTEND,
        .port = device->port,
        .channel = device->channel,
        .control = device->control,
        .rx = device->rx,
        .tx = device->tx,
        .tuning = &device->tuning_word,
        .export = report_write,
        .export_context = device,
    };
    int error = link_new(&options, &device->link);

    if (error)
        return error;
    error = worker_add(device->worker, device->link);
    if (error) {
        link_free(device->link);
        device->link = NULL;
    }
    return error;
}

static void device_disconnect(struct device *device)
{
    if (device->link) {
        worker_remove(device->worker, device->link);
        uint32_t lost = packer_held(&device->link->packer);
        link_free(device->link);
        device->link = NULL;
        log_guest(LOG_INFO, "device", device->options.id.domid, device->options.id.handle,
                  "disconnected; %u packets that the backend did not take are dropped", lost);
    }
    shared_release(device);
}

/* --- the port ------------------------------------------------------------ */

/* The address that the interface was attached with: 1; 0: none was; -errno, which was said. */
static int mac_read(struct device *device, struct store *store, uint8_t ret[static 6])
{
    char text[32];
    int length = store_read(store, device->dir, "mac", text, sizeof(text));

    if (length != -E2BIG && length < 0)
        return 0;
    if (length >= 0 && mac_parse(text, ret) == 0)
        return 1;
    trouble_say(device, "key mac", -EINVAL);
    return -EINVAL;
}

/* It stays while the interface is detached, and may have another address when it is attached again.
 */
static bool port_ensure(struct device *device, struct store *store)
{
    uint8_t mac[6];
    unsigned long mtu = MTU_DEFAULT;
    int known = mac_read(device, store, mac), error = 0;

    if (known < 0)
        return false;
    store_read_number(store, device->backend_dir, "mtu", MTU_MIN, MTU_MAX, &mtu);
    struct port_options options = {
        .name = device->options.interface, .mac = known ? mac : NULL, .mtu = (unsigned)mtu};
    if (!device->port)
        error = port_open_tap(&options, &device->port);
    else if (known)
        error = port_mac_set(device->port, mac);
    if (error)
        trouble_say(device, device->options.interface, error);
    return !error;
}

/* --- steps --------------------------------------------------------------- */

static void state_write(struct device *device, struct store *store, enum keys_state state)
{
    if (store_read_state(store, device->dir) != state)
        store_write_state(store, device->dir, state);
}

/* Where the backend's folder is: only our own domain's toolstack can have written it. */
static bool backend_find(struct device *device, struct store *store)
{
    unsigned long domid;
    char expected[KEYS_PATH], path[KEYS_PATH];

    if (device->backend_watched)
        return true;
    if (store_read_number(store, device->dir, "backend-id", 0, KEYS_DOMID_MAX, &domid) < 0 ||
        store_read(store, device->dir, "backend", path, sizeof(path)) < 0)
        return false;
    keys_backend_dir((uint32_t)domid, device->options.id, expected);
    if (strcmp(path, expected) != 0) {
        trouble_say(device, "key backend is not this interface's folder", -EINVAL);
        return false;
    }
    device->backend_domid = (uint32_t)domid;
    memcpy(device->backend_dir, expected, sizeof(expected));
    device->backend_watched = store_watch(store, device->backend_dir, "backend") == 0;
    return device->backend_watched;
}

static void offer_make(struct device *device, struct store *store)
{
    if (!port_ensure(device, store))
        return;
    int error = 0;
    if (!device->channel) {
        device->order = order_choose(device, store);
        error = shared_make(device);
    }
    if (!error)
        error = offer_write(device, store);
    if (error) {
        trouble_say(device, "what is to be shared", error);
        shared_release(device);
    }
}

static void device_connected(struct device *device, struct store *store)
{
    int error = link_begin(device);

    if (error) {
        trouble_say(device, "link", error);
        device_disconnect(device);
        state_write(device, store, KEYS_STATE_CLOSED);
        return;
    }
    device->trouble_said = false;
    state_write(device, store, KEYS_STATE_CONNECTED);
    log_guest(LOG_INFO, "device", device->options.id.domid, device->options.id.handle,
              "connected as %s", device->options.interface);
}

static void step_connected(struct device *device, struct store *store, enum keys_state backend)
{
    const char *text;
    bool failed = link_failure(device->link, &text) != LINK_FINE;

    if (failed)
        log_guest(LOG_WARNING, "device", device->options.id.domid, device->options.id.handle, "%s",
                  text);
    /* InitWait: a new backend that never knew us. */
    if (failed || backend == KEYS_STATE_INIT_WAIT || backend == KEYS_STATE_CLOSED) {
        device_disconnect(device);
        state_write(device, store, KEYS_STATE_INITIALISING);
    } else if (backend == KEYS_STATE_CLOSING) {
        state_write(device, store, KEYS_STATE_CLOSING);
        device_disconnect(device);
        state_write(device, store, KEYS_STATE_CLOSED);
    } else {
        state_write(device, store, KEYS_STATE_CONNECTED);
    }
}

static void step_waiting(struct device *device, struct store *store, enum keys_state backend)
{
    enum keys_state own = store_read_state(store, device->dir);

    if (backend == KEYS_STATE_CONNECTED && own == KEYS_STATE_INITIALISED && device->channel)
        device_connected(device, store);
    else if (backend == KEYS_STATE_INIT_WAIT && (own != KEYS_STATE_INITIALISED || !device->channel))
        offer_make(device, store);
    else if (backend == KEYS_STATE_CONNECTED || backend == KEYS_STATE_INITIALISING)
        state_write(device, store, KEYS_STATE_INITIALISING);
}

/*
 * A domain that was restored has another number, so its folders are elsewhere,
 * and all that it shared is dead. The kernel cannot even close a channel of
 * before (drivers/xen/evtchn.c, BUG in evtchn_unbind_from_user): it is left
 * alone. Detached before it was saved, a domain has none.
 */
static void domain_follow(struct device *device, struct store *store)
{
    struct keys_interface before = device->options.id;
    uint32_t domid;

    if (!device->options.follow || store_own_domid(store, &domid) < 0 || domid == before.domid)
        return;
    log_guest(device->channel ? LOG_ERR : LOG_NOTICE, "device", before.domid, before.handle,
              "this domain was restored, as %u%s", domid,
              device->channel ? ", while it was connected: detach before you save" : "");
    device->channel = NULL;
    device_disconnect(device);
    store_unwatch(store, device->dir, WATCH_TOKEN);
    if (device->backend_watched)
        store_unwatch(store, device->backend_dir, "backend");
    device->backend_watched = device->trouble_said = false;
    device->options.id.domid = domid;
    keys_frontend_dir(device->options.id, device->dir);
    store_watch(store, device->dir, WATCH_TOKEN);
}

static void device_step(struct device *device)
{
    struct store *store = session_store(device->session);

    if (!store || device->stop_tick)
        return;
    domain_follow(device, store);
    if (!store_exists(store, device->dir) || !backend_find(device, store))
        return;
    handshake_tuning(store, device->backend_dir, "tx", device->options.id, &device->tuning,
                     &device->said);
    tuning_store(&device->tuning_word, &device->tuning);
    /* A backend's folder that is gone, as in a restarted store, says nothing. */
    enum keys_state backend = store_read_state(store, device->backend_dir);
    if (backend == KEYS_STATE_UNKNOWN)
        return;
    if (device->link)
        step_connected(device, store, backend);
    if (!device->link)
        step_waiting(device, store, backend);
}

/* --- events -------------------------------------------------------------- */

static void on_watch(void *context, const char *path, const char *token)
{
    (void)path, (void)token;
    device_step(context);
}

static void on_connect(void *context)
{
    struct device *device = context;

    device->backend_watched = false;
    device_step(device);
}

static void on_failure(evutil_socket_t fd, short what, void *context)
{
    struct device *device = context;

    (void)fd, (void)what;
    worker_failures_accept(device->worker);
    device_step(device);
}

/* What could not be done is tried again. */
static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct device *device = context;

    (void)fd, (void)what;
    if (!device->link)
        device_step(device);
}

static void on_probe(evutil_socket_t fd, short what, void *context)
{
    struct device *device = context;

    (void)fd, (void)what;
    worker_probe(device->worker);
}

/* --- starting and stopping ----------------------------------------------- */

static int device_begin(struct device *device)
{
    struct device_options *options = &device->options;
    struct worker_options worker = {.realtime = (int)options->realtime};
    struct timeval second = {.tv_sec = 1}, probe = {.tv_usec = PROBE_US};
    int error = hv_open(options->hypervisor, options->id.domid, &device->hv);

    if (error) {
        trouble_say(device, options->hypervisor, error);
        return error;
    }
    error = worker_start(&worker, &device->worker);
    if (error) {
        trouble_say(device, "worker", error);
        return error;
    }
    device->failures = event_new(options->base, worker_failures_fd(device->worker),
                                 EV_READ | EV_PERSIST, on_failure, device);
    device->tick = event_new(options->base, -1, EV_PERSIST, on_tick, device);
    device->probe = event_new(options->base, -1, EV_PERSIST, on_probe, device);
    if (!device->failures || !device->tick || !device->probe ||
        event_add(device->failures, NULL) < 0 || event_add(device->tick, &second) < 0 ||
        event_add(device->probe, &probe) < 0)
        return -ENOMEM;
    return 0;
}

int device_new(const struct device_options *options, struct device **ret)
{
    struct device *device = calloc(1, sizeof(*device));

    if (!device)
        return -ENOMEM;
    device->options = *options;
    device->tuning = KEYS_TUNING_DEFAULT;
    tuning_store(&device->tuning_word, &device->tuning);
    keys_frontend_dir(options->id, device->dir);
    struct session_options session = {
        .base = options->base,
        .subsystem = "store",
        .watches = {{device->dir, WATCH_TOKEN}},
        .on_connect = on_connect,
        .on_watch = on_watch,
        .context = device,
    };
    int error = device_begin(device);
    if (!error)
        error = session_new(&session, &device->session);
    if (error) {
        device_free(device);
        return error;
    }
    *ret = device;
    return 0;
}

static void on_stop_tick(evutil_socket_t fd, short what, void *context)
{
    struct device *device = context;
    struct store *store = session_store(device->session);

    (void)fd, (void)what;
    if (store && device->link && link_failure(device->link, NULL) == LINK_FINE &&
        store_read_state(store, device->backend_dir) == KEYS_STATE_CONNECTED &&
        ++device->stop_ticks < STOP_TICKS)
        return;
    device_disconnect(device);
    if (store)
        state_write(device, store, KEYS_STATE_CLOSED);
    event_base_loopbreak(device->options.base);
}

void device_stop(struct device *device)
{
    struct timeval tick = {.tv_usec = STOP_TICK_US};
    struct store *store = session_store(device->session);

    if (device->stop_tick)
        return;
    /* The worker lets go and takes up again: what was open is now published. */
    if (device->link) {
        worker_remove(device->worker, device->link);
        if (worker_add(device->worker, device->link) < 0)
            device_disconnect(device);
    }
    if (store && device->link)
        state_write(device, store, KEYS_STATE_CLOSING);
    device->stop_tick = event_new(device->options.base, -1, EV_PERSIST, on_stop_tick, device);
    if (!device->stop_tick || event_add(device->stop_tick, &tick) < 0)
        event_base_loopbreak(device->options.base);
}

void device_free(struct device *device)
{
    device_disconnect(device);
    session_free(device->session);
    if (device->failures)
        event_free(device->failures);
    if (device->tick)
        event_free(device->tick);
    if (device->probe)
        event_free(device->probe);
    if (device->stop_tick)
        event_free(device->stop_tick);
    worker_stop(device->worker);
    port_close(device->port);
    hv_close(device->hv);
    free(device);
}
