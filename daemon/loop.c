// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <libgen.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "controller/controller.h"
#include "controller/sample.h"
#include "daemon/by_hand.h"
#include "daemon/control.h"
#include "daemon/domains.h"
#include "daemon/history.h"
#include "daemon/keeper.h"
#include "daemon/notify.h"
#include "daemon/status.h"
#include "daemon/ticks.h"

struct loop {
    struct options options;
    struct config *config;
    double config_loaded, started; /* s since the epoch */
    char config_error[512];        /* of the last reload; empty: none */
    struct event_base *base;
    struct event *tick, *watchdog, *term, *interrupt, *hangup;
    struct keeper *keeper;
    struct domains *domains;     /* NULL: the hypervisor is not asked */
    struct keeper_guests guests; /* of this tick */
    struct sampler *sampler;
    struct controller *controller;
    struct history *history;
    struct control *control;
    char store_error[64];                /* empty: it answers */
    char segment_error[128];             /* empty: measurements are coming in */
    struct keeper_guests by_hand_guests; /* of the last request */
    char refusal[BY_HAND_REFUSAL];
    struct tick_report report;
    bool reported;
    struct controller_guest *inputs;
    size_t inputs_room;
    struct ticks ticks;
};

static double epoch_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static const struct config_daemon *settings(const struct loop *loop)
{
    return config_daemon(loop->config);
}

/* ---- configuration ---- */

static void on_complaint(void *context, const char *path, unsigned line, const char *what)
{
    struct loop *loop = context;
    char text[384];

    if (line)
        snprintf(text, sizeof(text), "%s:%u: %s", path, line, what);
    else
        snprintf(text, sizeof(text), "%s: %s", path, what);
    log_line(LOG_ERR, "config", "%s", text);
    if (!loop->config_error[0])
        snprintf(loop->config_error, sizeof(loop->config_error), "%s", text);
}

static int config_read(struct loop *loop, struct config **ret)
{
    loop->config_error[0] = '\0';
    int error = config_load(loop->options.config, on_complaint, loop, ret);
    if (!error)
        options_apply(&loop->options, config_daemon_change(*ret));
    return error;
}

static struct history_options history_options(const struct loop *loop)
{
    const struct config_daemon *daemon = settings(loop);

    return (struct history_options){.path = daemon->database,
                                    .interval = daemon->interval,
                                    .detail = daemon->history_detail,
                                    .keep = daemon->history_keep,
                                    .size = daemon->history_size};
}

/* What a running daemon can't change: said, so that nobody waits for it. */
static void restart_needed(const char *what, bool differs)
{
    if (differs)
        log_line(LOG_WARNING, "config", "%s changed: takes effect when xenaggd is restarted", what);
}

static void config_replace(struct loop *loop, struct config *fresh)
{
    const struct config_daemon *now = config_daemon(fresh), *before = settings(loop);
    bool interval = now->interval != before->interval;

    restart_needed("segment", strcmp(now->segment, before->segment) != 0);
    restart_needed("database", strcmp(now->database, before->database) != 0);
    restart_needed("control", strcmp(now->control, before->control) != 0);
    restart_needed("backend-domid", now->backend_domid != before->backend_domid);
    struct config_daemon *change = config_daemon_change(fresh);
    memcpy(change->segment, before->segment, sizeof(change->segment));
    memcpy(change->database, before->database, sizeof(change->database));
    memcpy(change->control, before->control, sizeof(change->control));
    change->backend_domid = before->backend_domid;
    config_free(loop->config);
    loop->config = fresh;
    loop->config_loaded = epoch_now();
    struct history_options history = history_options(loop);
    history_retain(loop->history, &history);
    if (keeper_configure(loop->keeper, fresh))
        log_line(LOG_ERR, "config", "no memory: who is attached stays as it was");
    struct timeval period = {.tv_sec = (time_t)now->interval,
                             .tv_usec = (suseconds_t)(fmod(now->interval, 1) * 1e6)};
    if (interval)
        event_add(loop->tick, &period);
}

static void on_hangup(evutil_socket_t signal, short what, void *context)
{
    struct loop *loop = context;
    struct config *fresh;

    (void)signal, (void)what;
    notify_reloading();
    int error = config_read(loop, &fresh);
    if (error) {
        if (!loop->config_error[0])
            snprintf(loop->config_error, sizeof(loop->config_error), "%s", strerror(-error));
        log_line(LOG_ERR, "config", "reload refused: what was in force stays");
        history_event(loop->history, epoch_now(), "reload", "refused: %s", loop->config_error);
    } else {
        config_replace(loop, fresh);
        log_line(LOG_NOTICE, "config", "%s read anew", loop->options.config);
        history_event(loop->history, epoch_now(), "reload", "%s", loop->options.config);
    }
    notify_ready();
}

/* ---- the store ---- */

/* Said once, when it changes; the session itself says when it connects. */
static void store_note(struct loop *loop)
{
    static const char hangs[] = "xenstored does not answer";
    struct keeper_state state;
    char text[sizeof(loop->store_error)] = "";

    keeper_look(loop->keeper, &state);
    if (state.silent > KEEPER_HANGS_SECONDS)
        snprintf(text, sizeof(text), "%s", hangs);
    else if (!state.connected)
        snprintf(text, sizeof(text), "not connected");
    if (strcmp(text, loop->store_error) == 0)
        return;
    if (strcmp(text, hangs) == 0)
        log_line(LOG_WARNING, "store", "%s; the last sizes stay until it does", hangs);
    else if (strcmp(loop->store_error, hangs) == 0)
        log_line(LOG_NOTICE, "store", "xenstored answers again");
    memcpy(loop->store_error, text, sizeof(text));
    history_event(loop->history, epoch_now(), "store", "%s", *text ? text : "connected");
}

/* ---- the tick ---- */

static void segment_note(struct loop *loop, int error)
{
    char text[sizeof(loop->segment_error)] = "";

    if (error == -ENOENT)
        snprintf(text, sizeof(text), "the backend is not there");
    else if (error == -EPROTO)
        snprintf(text, sizeof(text), "not measurements of this version");
    else if (error)
        snprintf(text, sizeof(text), "%s", strerror(-error));
    if (strcmp(text, loop->segment_error) == 0)
        return;
    memcpy(loop->segment_error, text, sizeof(text));
    if (error)
        log_line(LOG_WARNING, "sample", "%s: %s; waiting for it", settings(loop)->segment, text);
    else
        log_line(LOG_NOTICE, "sample", "%s: measurements are there", settings(loop)->segment);
    history_event(loop->history, epoch_now(), "segment", "%s", error ? text : "there");
}

static int inputs_fill(struct loop *loop)
{
    struct keeper_guests *guests = &loop->guests;
    int error = keeper_guests(loop->keeper, guests);

    if (!error && guests->n > loop->inputs_room) {
        void *more = reallocarray(loop->inputs, guests->n, sizeof(*loop->inputs));
        if (!more)
            return -ENOMEM;
        loop->inputs = more;
        loop->inputs_room = guests->n;
    }
    for (size_t i = 0; i < guests->n && !error; i++) {
        const struct keeper_guest *guest = &guests->list[i];
        loop->inputs[i] =
            (struct controller_guest){.interface = guest->interface, .name = guest->name};
        memcpy(loop->inputs[i].by_hand, guest->by_hand, sizeof(guest->by_hand));
    }
    return error;
}

/* The controller knows only that they are fixed. */
static void by_hand_report(struct loop *loop)
{
    for (size_t i = 0; i < loop->report.n_guests; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            loop->report.guests[i].by_hand[d] = loop->inputs[i].by_hand[d].packets > 0;
}

/* What the hypervisor says of the guests, where it is asked. */
static void cpu_report(struct loop *loop, double now)
{
    if (loop->domains)
        domains_take(loop->domains, now);
    for (size_t i = 0; i < loop->report.n_guests; i++) {
        struct guest_report *guest = &loop->report.guests[i];
        guest->cpu = loop->domains ? domains_cpu(loop->domains, guest->interface.domid) : NAN;
    }
}

static void decisions_log(const struct loop *loop)
{
    for (size_t i = 0; i < loop->report.n_guests; i++) {
        const struct guest_report *guest = &loop->report.guests[i];
        const struct lane_size *rx = &guest->lanes[DIRECTION_RX].wanted;
        const struct lane_size *tx = &guest->lanes[DIRECTION_TX].wanted;
        if (guest->changed)
            log_guest(guest->state == TUNING_UNATTAINABLE ? LOG_NOTICE : LOG_INFO, "decision",
                      guest->interface.domid, guest->interface.handle,
                      "%s: rx %u packets, %.0f us; tx %u packets, %.0f us; %s: %s", guest->name,
                      rx->packets, rx->timeout * 1e6, tx->packets, tx->timeout * 1e6,
                      tuning_state_name(guest->state), guest->reason);
    }
}

static void status_note(const struct loop *loop)
{
    size_t unattainable = 0;

    for (size_t i = 0; i < loop->report.n_guests; i++)
        unattainable += loop->report.guests[i].state == TUNING_UNATTAINABLE;
    notify_status("%zu interfaces%s%s; %zu promises that can't be kept", loop->report.n_guests,
                  loop->segment_error[0] ? "; " : "", loop->segment_error, unattainable);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct loop *loop = context;
    struct sample sample;
    uint64_t now = clock_ns();

    (void)fd, (void)what;
    ticks_begin(&loop->ticks);
    store_note(loop);
    int error = sampler_take(loop->sampler, now, &sample);
    segment_note(loop, error);
    ticks_lap(&loop->ticks, TICKS_SAMPLE);
    struct controller_input input = {
        .now = (double)now * 1e-9,
        .time = epoch_now(),
        .interval = settings(loop)->interval,
        .config = loop->config,
        .sample = error ? NULL : &sample,
    };
    error = inputs_fill(loop);
    input.guests = loop->inputs;
    input.n_guests = loop->guests.n;
    if (!error)
        error = controller_tick(loop->controller, &input, &loop->report);
    if (error) {
        log_line(LOG_ERR, "tick", "%s: nothing was decided", strerror(-error));
        loop->reported = false;
        return;
    }
    ticks_lap(&loop->ticks, TICKS_CONTROL);
    loop->reported = true;
    by_hand_report(loop);
    cpu_report(loop, input.now);
    if (keeper_want(loop->keeper, &loop->report))
        log_line(LOG_ERR, "tick", "no memory: nothing is written to the store");
    decisions_log(loop);
    history_tick(loop->history, &loop->report);
    status_note(loop);
    ticks_lap(&loop->ticks, TICKS_REST);
    ticks_end(&loop->ticks);
}

/* ---- the control socket ---- */

static json_t *status_answer(struct loop *loop, const json_t *arguments, const char **ret_error)
{
    const json_t *vm = json_object_get(arguments, "vm");
    struct history_state history;

    if (vm && !json_is_string(vm)) {
        *ret_error = "\"vm\" is not a name";
        return NULL;
    }
    history_look(loop->history, &history);
    struct status_health health = {
        .started = loop->started,
        .interval = settings(loop)->interval,
        .config_path = loop->options.config,
        .config_error = loop->config_error[0] ? loop->config_error : NULL,
        .config_loaded = loop->config_loaded,
        .segment_path = settings(loop)->segment,
        .segment_error = loop->segment_error[0] ? loop->segment_error : NULL,
        .store_error = loop->store_error[0] ? loop->store_error : NULL,
        .history_path = settings(loop)->database,
        .history_error = history.error[0] ? history.error : NULL,
        .history_recorded = history.recorded,
        .history_dropped = history.dropped,
        .ticks = &loop->ticks,
    };
    json_t *answer =
        status_json(&health, loop->reported ? &loop->report : NULL, json_string_value(vm));
    if (!answer)
        *ret_error = "no memory";
    return answer;
}

static void by_hand_note(struct loop *loop, const json_t *sizes)
{
    const json_t *size;
    size_t i;

    json_array_foreach(sizes, i, size)
    {
        char text[160] = "free";
        json_int_t packets = json_integer_value(json_object_get(size, "packets"));
        if (packets > 0)
            snprintf(text, sizeof(text), "%lld packets, %.0f us", packets,
                     json_number_value(json_object_get(size, "timeout_us")));
        const char *name = json_string_value(json_object_get(size, "name"));
        const char *direction = json_string_value(json_object_get(size, "direction"));
        log_line(LOG_NOTICE, "by-hand", "%s, %s: %s", name, direction, text);
        history_event(loop->history, epoch_now(), "by-hand", "%s, %s: %s", name, direction, text);
    }
}

static json_t *by_hand_answer(struct loop *loop, const json_t *arguments, bool set,
                              const char **ret_error)
{
    struct by_hand by_hand = {
        .keeper = loop->keeper,
        .config = loop->config,
        .guests = &loop->by_hand_guests,
        .report = loop->reported ? &loop->report : NULL,
        .store_error = loop->store_error[0] ? loop->store_error : NULL,
        .interval = settings(loop)->interval,
    };

    *ret_error = loop->refusal;
    if (keeper_guests(loop->keeper, &loop->by_hand_guests)) {
        *ret_error = "no memory";
        return NULL;
    }
    json_t *answer = set ? by_hand_set(&by_hand, arguments, loop->refusal)
                         : by_hand_unset(&by_hand, arguments, loop->refusal);
    by_hand_note(loop, json_object_get(answer, "sizes"));
    return answer;
}

static json_t *on_request(void *context, const char *request, const json_t *arguments,
                          const char **ret_error)
{
    if (strcmp(request, "status") == 0)
        return status_answer(context, arguments, ret_error);
    if (strcmp(request, "set") == 0 || strcmp(request, "unset") == 0)
        return by_hand_answer(context, arguments, strcmp(request, "set") == 0, ret_error);
    if (strcmp(request, "version") == 0)
        return status_version();
    *ret_error = "unknown request (there are status, set, unset, version)";
    return NULL;
}

/* ---- starting and stopping ---- */

static void on_stop(evutil_socket_t signal, short what, void *context)
{
    struct loop *loop = context;

    (void)what;
    log_line(LOG_NOTICE, "loop", "%s: stopping; the sizes stay as they are",
             strsignal((int)signal));
    notify_stopping();
    event_base_loopbreak(loop->base);
}

static void on_watchdog(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;
    notify_watchdog();
}

/* The folder of a file of ours, where only the last part is missing. */
static void folder_make(const char *path, mode_t mode)
{
    char copy[CONFIG_PATH];

    snprintf(copy, sizeof(copy), "%s", path);
    if (mkdir(dirname(copy), mode) < 0 && errno != EEXIST)
        log_line(LOG_DEBUG, "loop", "%s: %s", path, strerror(errno));
}

static int events_create(struct loop *loop)
{
    double interval = settings(loop)->interval;
    struct timeval period = {.tv_sec = (time_t)interval,
                             .tv_usec = (suseconds_t)(fmod(interval, 1) * 1e6)};
    uint64_t watchdog_us = notify_watchdog_us();

    loop->tick = event_new(loop->base, -1, EV_PERSIST, on_tick, loop);
    loop->term = evsignal_new(loop->base, SIGTERM, on_stop, loop);
    loop->interrupt = evsignal_new(loop->base, SIGINT, on_stop, loop);
    loop->hangup = evsignal_new(loop->base, SIGHUP, on_hangup, loop);
    if (!loop->tick || !loop->term || !loop->interrupt || !loop->hangup ||
        event_add(loop->tick, &period) || event_add(loop->term, NULL) ||
        event_add(loop->interrupt, NULL) || event_add(loop->hangup, NULL))
        return -ENOMEM;
    if (watchdog_us) {
        struct timeval often = {.tv_sec = (time_t)(watchdog_us / 3 / 1000000),
                                .tv_usec = (suseconds_t)(watchdog_us / 3 % 1000000)};
        loop->watchdog = event_new(loop->base, -1, EV_PERSIST, on_watchdog, loop);
        if (!loop->watchdog || event_add(loop->watchdog, &often))
            return -ENOMEM;
    }
    return 0;
}

static int history_begin(struct loop *loop)
{
    struct history_options options = history_options(loop);

    folder_make(options.path, 0700);
    int error = history_start(&options, &loop->history);
    if (!error)
        history_event(loop->history, loop->started, "start", "xenaggd " XENAGG_VERSION ", %s",
                      loop->options.config);
    return error;
}

static int control_begin(struct loop *loop)
{
    const char *path = settings(loop)->control;

    folder_make(path, 0755);
    int error = control_listen(loop->base, path, on_request, loop, &loop->control);
    if (error)
        log_line(LOG_ERR, "control", "%s: %s", path, strerror(-error));
    return error;
}

static int loop_begin(struct loop *loop)
{
    loop->base = event_base_new();
    if (!loop->base)
        return -ENOMEM;
    /* First, so that a second daemon on the same socket leaves everything else alone. */
    int error = control_begin(loop);
    if (!error)
        error = history_begin(loop);
    if (!error)
        error = sampler_create(settings(loop)->segment, &loop->sampler);
    if (!error)
        error = controller_create(&loop->controller);
    if (!error)
        error = events_create(loop);
    if (!error)
        error = keeper_start(settings(loop)->backend_domid, &loop->keeper);
    if (!error)
        error = keeper_configure(loop->keeper, loop->config);
    if (!error)
        domains_open(domains_library, &loop->domains);
    return error;
}

int loop_create(const struct options *options, struct loop **ret)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (!loop)
        return -ENOMEM;
    loop->options = *options;
    loop->started = loop->config_loaded = epoch_now();
    int error = config_read(loop, &loop->config);
    if (error) {
        free(loop);
        return -EINVAL;
    }
    error = loop_begin(loop);
    if (error) {
        log_line(LOG_ERR, "loop", "not started: %s", strerror(-error));
        loop_destroy(loop);
        return error;
    }
    *ret = loop;
    return 0;
}

void loop_run(struct loop *loop)
{
    notify_ready();
    event_base_dispatch(loop->base);
    history_event(loop->history, epoch_now(), "stop", "stopped");
}

static void event_drop(struct event *event)
{
    if (event)
        event_free(event);
}

void loop_destroy(struct loop *loop)
{
    if (!loop)
        return;
    control_close(loop->control);
    keeper_stop(loop->keeper);
    domains_close(loop->domains);
    event_drop(loop->tick);
    event_drop(loop->watchdog);
    event_drop(loop->term);
    event_drop(loop->interrupt);
    event_drop(loop->hangup);
    if (loop->base)
        event_base_free(loop->base);
    history_stop(loop->history);
    free(loop->guests.list);
    free(loop->by_hand_guests.list);
    sampler_destroy(loop->sampler);
    controller_destroy(loop->controller);
    config_free(loop->config);
    free(loop->inputs);
    free(loop);
}
