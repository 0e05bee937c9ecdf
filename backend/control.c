// SPDX-License-Identifier: GPL-2.0-or-later
#include "backend/control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/interface.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/session.h"

/* How long frontends may take to follow a clean stop. */
#define STOP_TICKS 200
#define STOP_TICK_US 10000
#define PROBE_US 100000

struct control_worker {
    struct control *control;
    uint32_t index;
    struct worker *worker;
    struct event *failures;
};

struct control {
    struct control_options options;
    struct interface_home home;
    char root[KEYS_PATH];
    struct session *session;
    struct control_worker workers[CONTROL_WORKERS_MAX];
    struct interface *interfaces[SEGMENT_INTERFACES]; /* by slot */
    uint32_t generations;
    bool due[SEGMENT_INTERFACES]; /* to be stepped */
    struct event *step, *tick, *probe, *stop_tick;
    int stop_ticks;
    bool full_said;
};

/* --- interfaces ---------------------------------------------------------- */

/* Its slot, or SEGMENT_INTERFACES. */
static uint32_t interface_find(struct control *control, struct keys_interface id)
{
    for (uint32_t i = 0; i < SEGMENT_INTERFACES; i++)
        if (control->interfaces[i] && interface_id(control->interfaces[i]).domid == id.domid &&
            interface_id(control->interfaces[i]).handle == id.handle)
            return i;
    return SEGMENT_INTERFACES;
}

/* After all events that wait: many keys change at once. */
static void step_soon(struct control *control)
{
    struct timeval now = {0};

    if (!event_pending(control->step, EV_TIMEOUT, NULL))
        event_add(control->step, &now);
}

static void interface_add(struct control *control, struct keys_interface id)
{
    uint32_t slot = 0;

    while (slot < SEGMENT_INTERFACES && control->interfaces[slot])
        slot++;
    if (slot == SEGMENT_INTERFACES) {
        if (!control->full_said)
            log_line(LOG_ERR, "control", "more than %u guest interfaces: the rest is left alone",
                     SEGMENT_INTERFACES);
        control->full_said = true;
        return;
    }
    uint32_t index = slot % control->options.workers;
    control->generations += 2; /* each connection within it adds one of its own */
    if (interface_new(&control->home, id, slot, control->generations << 8, index,
                      control->workers[index].worker, &control->interfaces[slot]) < 0) {
        log_guest(LOG_ERR, "control", id.domid, id.handle, "no memory for the interface");
        return;
    }
    interface_watch(control->interfaces[slot], session_store(control->session));
    control->due[slot] = true;
    step_soon(control);
}

static void interface_remove(struct control *control, uint32_t slot)
{
    struct interface *interface = control->interfaces[slot];

    log_guest(LOG_INFO, "control", interface_id(interface).domid, interface_id(interface).handle,
              "removed");
    interface_unwatch(interface, session_store(control->session));
    interface_free(interface);
    control->interfaces[slot] = NULL;
    control->full_said = false;
}

/* Steps the interfaces that something happened to. */
static void on_step(evutil_socket_t fd, short what, void *context)
{
    struct control *control = context;

    (void)fd, (void)what;
    for (uint32_t i = 0; i < SEGMENT_INTERFACES; i++) {
        struct store *store = session_store(control->session);
        if (!control->due[i] || !store || control->stop_tick)
            continue;
        control->due[i] = false;
        if (control->interfaces[i] && !interface_step(control->interfaces[i], store))
            interface_remove(control, i);
    }
}

static void step_all(struct control *control)
{
    for (uint32_t i = 0; i < SEGMENT_INTERFACES; i++)
        control->due[i] = control->interfaces[i] != NULL;
    step_soon(control);
}

/* --- discovery ----------------------------------------------------------- */

static void handles_scan(struct control *control, struct store *store, const char *domid_name)
{
    char path[KEYS_PATH + 32];
    unsigned long domid, handle;
    unsigned count = 0;

    if (keys_number(domid_name, 0, KEYS_DOMID_MAX, &domid) < 0)
        return;
    snprintf(path, sizeof(path), "%s/%lu", control->root, domid);
    char **names = store_list(store, path, &count);
    for (unsigned i = 0; i < count && names; i++) {
        if (keys_number(names[i], 0, KEYS_HANDLE_MAX, &handle) < 0)
            continue;
        struct keys_interface id = {(uint32_t)domid, (uint32_t)handle};
        if (interface_find(control, id) == SEGMENT_INTERFACES)
            interface_add(control, id);
    }
    free(names);
}

static void guests_scan(struct control *control)
{
    struct store *store = session_store(control->session);
    unsigned count = 0;
    char **names = store ? store_list(store, control->root, &count) : NULL;

    for (unsigned i = 0; i < count && names; i++)
        handles_scan(control, store, names[i]);
    free(names);
}

/* A path of one interface concerns that one; anything else may concern them all. */
static void on_watch(void *context, const char *path, const char *token)
{
    struct control *control = context;
    struct keys_interface id;
    uint32_t slot = SEGMENT_INTERFACES;

    (void)token;
    if (keys_path_interface(path, &id) == 0)
        slot = interface_find(control, id);
    if (slot < SEGMENT_INTERFACES) {
        control->due[slot] = true;
        step_soon(control);
    } else {
        guests_scan(control);
        step_all(control);
    }
}

static void on_connect(void *context)
{
    struct control *control = context;

    for (uint32_t i = 0; i < SEGMENT_INTERFACES; i++)
        if (control->interfaces[i])
            interface_watch(control->interfaces[i], session_store(control->session));
    guests_scan(control);
    step_all(control);
}

/* --- events -------------------------------------------------------------- */

static void on_failure(evutil_socket_t fd, short what, void *context)
{
    struct control_worker *worker = context;

    (void)fd, (void)what;
    worker_failures_accept(worker->worker);
    step_all(worker->control);
}

/* Each second: figures, and another try for what could not connect. */
static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct control *control = context;

    (void)fd, (void)what;
    for (uint32_t i = 0; i < SEGMENT_INTERFACES; i++) {
        if (!control->interfaces[i])
            continue;
        interface_tick(control->interfaces[i]);
        control->due[i] |= interface_waits(control->interfaces[i]);
    }
    step_soon(control);
}

/* --- the workers' figures ------------------------------------------------ */

static void on_worker_export(void *context, const struct segment_sleep *sleep, uint64_t held)
{
    struct control_worker *worker = context;
    struct segment_worker shown = {
        .in_use = 1, .updated_ns = clock_ns(), .sleep = *sleep, .held = held};

    segment_write_worker(worker->control->home.segment, worker->index, &shown);
}

static void on_probe(evutil_socket_t fd, short what, void *context)
{
    struct control *control = context;

    (void)fd, (void)what;
    for (unsigned i = 0; i < control->options.workers; i++)
        worker_probe(control->workers[i].worker);
}

static int worker_new(struct control *control, uint32_t index)
{
    struct control_worker *worker = &control->workers[index];
    struct worker_options options = {.export = on_worker_export,
                                     .export_context = worker,
                                     .realtime = (int)control->options.realtime};

    worker->control = control;
    worker->index = index;
    int error = worker_start(&options, &worker->worker);
    if (error)
        return error;
    worker->failures = event_new(control->options.base, worker_failures_fd(worker->worker),
                                 EV_READ | EV_PERSIST, on_failure, worker);
    return worker->failures && event_add(worker->failures, NULL) == 0 ? 0 : -ENOMEM;
}

/* --- starting and stopping ----------------------------------------------- */

static int control_begin(struct control *control)
{
    const struct control_options *options = &control->options;
    struct timeval second = {.tv_sec = 1}, probe = {.tv_usec = PROBE_US};
    int error = segment_create(options->segment, options->domid, &control->home.segment);

    if (error) {
        log_line(LOG_ERR, "control", "%s: %s", options->segment, strerror(-error));
        return error;
    }
    error = hv_open(options->hypervisor, options->domid, &control->home.hv);
    if (error) {
        log_line(LOG_ERR, "control", "hypervisor %s: %s", options->hypervisor, strerror(-error));
        return error;
    }
    for (uint32_t i = 0; !error && i < options->workers; i++)
        error = worker_new(control, i);
    control->step = evtimer_new(options->base, on_step, control);
    control->tick = event_new(options->base, -1, EV_PERSIST, on_tick, control);
    control->probe = event_new(options->base, -1, EV_PERSIST, on_probe, control);
    if (!error && (!control->step || !control->tick || !control->probe ||
                   event_add(control->tick, &second) < 0 || event_add(control->probe, &probe) < 0))
        error = -ENOMEM;
    if (error)
        log_line(LOG_ERR, "control", "workers: %s", strerror(-error));
    return error;
}

int control_new(const struct control_options *options, struct control **ret)
{
    struct control *control = calloc(1, sizeof(*control));

    if (!control)
        return -ENOMEM;
    control->options = *options;
    control->home.domid = options->domid;
    keys_backend_root(options->domid, control->root);
    struct session_options session = {
        .base = options->base,
        .subsystem = "store",
        .watches = {{control->root, "backend"},
                    {"@releaseDomain", "release"},
                    {"/local/domain", "domain"}},
        .on_connect = on_connect,
        .on_watch = on_watch,
        .context = control,
    };
    int error = control_begin(control);
    if (!error)
        error = session_new(&session, &control->session);
    if (error) {
        control_free(control);
        return error;
    }
    *ret = control;
    return 0;
}

static bool all_closed(struct control *control)
{
    struct store *store = session_store(control->session);

    for (uint32_t i = 0; i < SEGMENT_INTERFACES; i++)
        if (control->interfaces[i] && !interface_closed(control->interfaces[i], store))
            return false;
    return true;
}

static void on_stop_tick(evutil_socket_t fd, short what, void *context)
{
    struct control *control = context;

    (void)fd, (void)what;
    if (!all_closed(control) && ++control->stop_ticks < STOP_TICKS)
        return;
    for (uint32_t i = 0; i < SEGMENT_INTERFACES; i++)
        if (control->interfaces[i])
            interface_leave(control->interfaces[i], session_store(control->session));
    event_base_loopbreak(control->options.base);
}

void control_stop(struct control *control)
{
    struct timeval tick = {.tv_usec = STOP_TICK_US};

    if (control->stop_tick)
        return;
    for (uint32_t i = 0; i < SEGMENT_INTERFACES; i++)
        if (control->interfaces[i])
            interface_close(control->interfaces[i], session_store(control->session));
    control->stop_tick = event_new(control->options.base, -1, EV_PERSIST, on_stop_tick, control);
    if (!control->stop_tick || event_add(control->stop_tick, &tick) < 0)
        event_base_loopbreak(control->options.base);
}

void control_free(struct control *control)
{
    for (uint32_t i = 0; i < SEGMENT_INTERFACES; i++)
        if (control->interfaces[i])
            interface_free(control->interfaces[i]);
    session_free(control->session);
    for (uint32_t i = 0; i < CONTROL_WORKERS_MAX; i++) {
        if (control->workers[i].failures)
            event_free(control->workers[i].failures);
        worker_stop(control->workers[i].worker);
    }
    if (control->step)
        event_free(control->step);
    if (control->probe)
        event_free(control->probe);
    if (control->tick)
        event_free(control->tick);
    if (control->stop_tick)
        event_free(control->stop_tick);
    hv_close(control->home.hv);
    segment_close(control->home.segment);
    free(control);
}
