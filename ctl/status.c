// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggctl status: what the daemon sees and decides now, once or again and again. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/duration.h"
#include "ctl/ask.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/places.h"
#include "ctl/print.h"
#include "ctl/promise.h"
#include "ctl/text.h"

#define MICRO 1e-6
#define NANO 1e-9

static const struct writer_column daemon_columns[] = {
    {"version", "XENAGGD"},
    {"pid", "PROCESS"},
    {NULL, "UP"},
    {"up_s", NULL},
    {"interval_s", "TICK"},
    {"tick_mean_s", "TAKES"},
    {"tick_max_s", "AT MOST"},
    {"config", NULL},
    {"segment", NULL},
    {"history", NULL},
    {"time", NULL},
};

static const struct writer_column worker_columns[] = {
    {"worker", "WORKER"},
    {"interfaces", "INTERFACES"},
    {"utilisation", "USED"},
    {"predicted_utilisation", "PREDICTED"},
    {"container_rate", "CONTAINERS"},
    {"stable", "STABLE"},
    {"held", NULL},
};

static const struct writer_column cost_columns[] = {
    {"worker", "WORKER"},
    {"read_s", "READ"},
    {"read_error_s", "+-"},
    {"publish_s", "PUBLISH"},
    {"publish_error_s", "+-"},
    {"publish_packet_s", "A PACKET"},
    {"publish_packet_error_s", "+-"},
    {"publish_whole_error_s", NULL},
    {"publish_alike", NULL},
    {"unload_s", "UNLOAD"},
    {"unload_error_s", "+-"},
    {"unload_packet_s", "A PACKET"},
    {"unload_packet_error_s", "+-"},
    {"unload_whole_error_s", NULL},
    {"unload_alike", NULL},
    {"wakeup_s", "WAKE-UP"},
    {"wakeup_error_s", "+-"},
};

static const struct writer_column interface_columns[] = {
    {"vm", "VM"},
    {"domid", NULL},
    {"handle", "IF"},
    {"worker", NULL},
    {"state", "STATE"},
    {"sizing", NULL},
    {NULL, "PROMISE"},
    {"promise_s", NULL},
    {"percentile", NULL},
    {"scope", NULL},
    {"objective", NULL},
    {"predicted_s", "PREDICTED"},
    {"measured_s", "MEASURED"},
    {"expected_s", NULL},
    {"least_s", "LEAST"},
    {"kept", "KEPT"},
    {"kept_share", "SHARE"},
    {"windows", "WINDOWS"},
    {"utilisation", "USED"},
    {"domain_cpu", "CPU"},
    {"forwarded", NULL},
    {"reason", NULL},
};

static const struct writer_column direction_columns[] = {
    {"vm", "VM"},
    {"domid", NULL},
    {"handle", "IF"},
    {"direction", "DIR"},
    {"rate", "RATE"},
    {"rate_error", NULL},
    {"packets", "SIZE"},
    {"timeout_s", "TIMEOUT"},
    {"fixed", "FIXED"},
    {"packets_per_container", "FILLED"},
    {"predicted_s", "PREDICTED"},
    {"measured_s", "MEASURED"},
    {"p99_s", "P99"},
    {"dropped", "DROPPED"},
    {"packet_count", NULL},
    {"container_count", NULL},
};

static void text_write(struct writer *writer, const json_t *object, const char *path)
{
    const char *text = client_text(object, path);
    writer_text(writer, *text ? text : NULL);
}

static void count_write(struct writer *writer, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (json_is_integer(value) && json_integer_value(value) >= 0)
        writer_count(writer, (uint64_t)json_integer_value(value));
    else
        writer_none(writer);
}

static void trouble_note(struct writer *writer, const char *what, const json_t *object)
{
    const char *error = client_text(object, "error");

    if (*error)
        writer_note(writer, "trouble with the %s: %s", what, error);
}

static void daemon_write(struct writer *writer, const json_t *answer)
{
    const json_t *daemon = json_object_get(answer, "daemon");
    const json_t *ticks = json_object_get(daemon, "ticks");
    double up = (double)time(NULL) - client_number(daemon, "started");
    char text[TEXT_NUMBER];

    writer_line(writer, "daemon", daemon_columns, COUNT(daemon_columns));
    writer_row(writer);
    text_write(writer, answer, "version");
    count_write(writer, daemon, "pid");
    writer_text(writer, text_span(up, text));
    writer_duration(writer, up);
    writer_duration(writer, client_number(answer, "interval"));
    writer_duration(writer, MICRO * client_number(ticks, "mean_us"));
    writer_duration(writer, MICRO * client_number(ticks, "max_us"));
    text_write(writer, daemon, "config.path");
    text_write(writer, daemon, "segment.path");
    text_write(writer, daemon, "history.path");
    writer_time(writer, client_number(answer, "time"));
}

static void daemon_notes(struct writer *writer, const json_t *answer)
{
    const json_t *daemon = json_object_get(answer, "daemon");
    double dropped = client_number(daemon, "history.dropped");

    trouble_note(writer, "configuration file (the one read before stays in force)",
                 json_object_get(daemon, "config"));
    trouble_note(writer, "measurements", json_object_get(daemon, "segment"));
    trouble_note(writer, "xenstore", json_object_get(daemon, "store"));
    trouble_note(writer, "history", json_object_get(daemon, "history"));
    if (dropped > 0)
        writer_note(writer, "%.0f ticks are missing in the history", dropped);
}

static void flag_write(struct writer *writer, const json_t *value)
{
    if (json_is_boolean(value))
        writer_flag(writer, json_is_true(value), "yes", "no");
    else
        writer_none(writer);
}

static void workers_write(struct writer *writer, const json_t *workers)
{
    const json_t *worker;
    size_t i;

    writer_table(writer, "workers", NULL, "No worker of a backend is measured.", worker_columns,
                 COUNT(worker_columns));
    json_array_foreach(workers, i, worker)
    {
        const json_t *stable = json_object_get(worker, "stable");
        writer_row(writer);
        count_write(writer, worker, "worker");
        count_write(writer, worker, "interfaces");
        writer_share(writer, client_number(worker, "utilisation"));
        writer_share(writer, client_number(worker, "predicted_utilisation"));
        writer_rate(writer, client_number(worker, "container_rate"));
        flag_write(writer, stable);
        writer_mood(writer, json_is_false(stable) ? WRITER_BAD : WRITER_PLAIN);
        count_write(writer, worker, "held");
    }
}

/* What the daemon says of one cost in ns. */
static void cost_write(struct writer *writer, const json_t *costs, const char *name)
{
    char key[40];

    snprintf(key, sizeof(key), "%s_ns", name);
    writer_duration(writer, NANO * client_number(costs, key));
}

static void costs_write(struct writer *writer, const json_t *workers)
{
    const json_t *worker;
    size_t i;

    writer_table(writer, "costs", NULL, NULL, cost_columns, COUNT(cost_columns));
    json_array_foreach(workers, i, worker)
    {
        const json_t *costs = json_object_get(worker, "costs");
        writer_row(writer);
        count_write(writer, worker, "worker");
        cost_write(writer, costs, "read");
        cost_write(writer, costs, "read_error");
        cost_write(writer, costs, "publish");
        cost_write(writer, costs, "publish_error");
        cost_write(writer, costs, "publish_packet");
        cost_write(writer, costs, "publish_packet_error");
        cost_write(writer, costs, "publish_whole_error");
        flag_write(writer, json_object_get(costs, "publish_alike"));
        cost_write(writer, costs, "unload");
        cost_write(writer, costs, "unload_error");
        cost_write(writer, costs, "unload_packet");
        cost_write(writer, costs, "unload_packet_error");
        cost_write(writer, costs, "unload_whole_error");
        flag_write(writer, json_object_get(costs, "unload_alike"));
        cost_write(writer, costs, "wakeup");
        cost_write(writer, costs, "wakeup_error");
    }
}

/* Where sizes never vary, the fit does not say which part of a cost is fixed. */
static void alike_note(struct writer *writer, const json_t *workers)
{
    const json_t *worker;
    size_t i;

    json_array_foreach(workers, i, worker)
    {
        const json_t *costs = json_object_get(worker, "costs");
        bool publish = json_is_true(json_object_get(costs, "publish_alike"));
        bool unload = json_is_true(json_object_get(costs, "unload_alike"));
        if (publish || unload)
            writer_note(writer,
                        "worker %.0f: containers, if there were any, were all of about one size; "
                        "which part of the time for %s one is fixed, and which is its packets', is "
                        "a guess",
                        client_number(worker, "worker"),
                        !publish  ? "unloading"
                        : !unload ? "publishing"
                                  : "publishing or unloading");
    }
}

static void state_write(struct writer *writer, const char *state)
{
    enum writer_mood mood = WRITER_PLAIN;

    if (!strcmp(state, "unattainable"))
        mood = WRITER_BAD;
    else if (!strcmp(state, "stale"))
        mood = WRITER_DIM;
    writer_text(writer, *state ? state : NULL);
    writer_mood(writer, mood);
}

static void promise_write(struct writer *writer, const json_t *promise)
{
    double delay = MICRO * client_number(promise, "delay_us");
    double percentile = client_number(promise, "percentile");
    const char *scope = client_text(promise, "scope");
    char text[PROMISE_TEXT];

    writer_text(writer, promise_text(delay, percentile, *scope ? scope : "?", text));
    writer_duration(writer, delay);
    writer_number(writer, percentile);
    text_write(writer, promise, "scope");
}

static void kept_write(struct writer *writer, const json_t *interface)
{
    const json_t *kept = json_object_get(interface, "kept");

    if (json_is_boolean(kept)) {
        writer_flag(writer, json_is_true(kept), "yes", "no");
        writer_mood(writer, json_is_true(kept) ? WRITER_GOOD : WRITER_BAD);
    } else {
        writer_none(writer);
    }
    writer_share(writer, client_number(interface, "kept_share"));
    count_write(writer, interface, "windows");
}

static void interface_write(struct writer *writer, const json_t *interface)
{
    writer_row(writer);
    text_write(writer, interface, "name");
    count_write(writer, interface, "domid");
    count_write(writer, interface, "handle");
    count_write(writer, interface, "worker");
    state_write(writer, client_text(interface, "state"));
    text_write(writer, interface, "sizing");
    promise_write(writer, json_object_get(interface, "promise"));
    text_write(writer, interface, "objective");
    writer_duration(writer, MICRO * client_number(interface, "predicted_us"));
    writer_duration(writer, MICRO * client_number(interface, "measured_us"));
    writer_duration(writer, MICRO * client_number(interface, "expected_us"));
    writer_duration(writer, MICRO * client_number(interface, "least_us"));
    kept_write(writer, interface);
    writer_share(writer, client_number(interface, "utilisation"));
    writer_share(writer, client_number(interface, "domain_cpu"));
    writer_number(writer, client_number(interface, "forwarded"));
    text_write(writer, interface, "reason");
}

/* Packets lost for whatever reason, since `seconds`; NAN where nothing is known. */
static double dropped_sum(const json_t *lane)
{
    static const char *const reasons[] = {"ring", "size", "port", "refused", "lost"};
    const json_t *dropped = json_object_get(lane, "dropped");
    double sum = 0;

    for (size_t i = 0; i < COUNT(reasons); i++)
        sum += client_number(dropped, reasons[i]);
    return sum;
}

static void direction_write(struct writer *writer, const json_t *interface, const char *direction)
{
    const json_t *lane = json_object_get(interface, direction);
    double dropped = dropped_sum(lane);

    writer_row(writer);
    text_write(writer, interface, "name");
    count_write(writer, interface, "domid");
    count_write(writer, interface, "handle");
    writer_text(writer, direction);
    writer_rate(writer, client_number(lane, "rate"));
    writer_rate(writer, client_number(lane, "rate_error"));
    count_write(writer, lane, "packets");
    writer_duration(writer, MICRO * client_number(lane, "timeout_us"));
    text_write(writer, lane, "fixed");
    writer_number(writer, client_number(lane, "packets_per_container"));
    writer_duration(writer, MICRO * client_number(lane, "predicted.total_us"));
    writer_duration(writer, MICRO * client_number(lane, "measured.total_us"));
    writer_duration(writer, MICRO * client_number(lane, "measured.p99_us"));
    writer_number(writer, dropped);
    writer_mood(writer, dropped > 0 ? WRITER_BAD : WRITER_PLAIN);
    count_write(writer, lane, "packet_count");
    count_write(writer, lane, "container_count");
}

static void interfaces_write(struct writer *writer, const json_t *interfaces)
{
    const json_t *interface;
    size_t i;

    writer_table(writer, "interfaces", NULL,
                 "No VM has an interface of xenagg; 'xenaggctl attach' gives it one.",
                 interface_columns, COUNT(interface_columns));
    json_array_foreach(interfaces, i, interface) interface_write(writer, interface);
    writer_table(writer, "directions", NULL, NULL, direction_columns, COUNT(direction_columns));
    json_array_foreach(interfaces, i, interface)
    {
        direction_write(writer, interface, "rx");
        direction_write(writer, interface, "tx");
    }
}

/* People see the sentences below the tables, where they have room. */
static void reasons_note(struct writer *writer, const json_t *interfaces)
{
    const json_t *interface;
    size_t i;

    json_array_foreach(interfaces, i, interface)
    {
        const char *reason = client_text(interface, "reason");
        if (*reason)
            writer_note(writer, "%s: %s", client_text(interface, "name"), reason);
    }
}

struct status_request {
    const char *vm, *control;
    double interval; /* s; below 0: once */
    unsigned long times;
    bool json;
};

static json_t *status_ask(const struct status_request *request)
{
    json_t *question = json_pack("{s:s}", "request", "status");

    if (request->vm && json_object_set_new(question, "vm", json_string(request->vm))) {
        ctl_error("'%s' is no name of a VM: not UTF-8", request->vm);
        json_decref(question);
        return NULL;
    }
    return ask_daemon(request->control, question);
}

static int status_once(const struct status_request *request, struct writer *writer)
{
    json_t *answer = status_ask(request);

    if (!answer)
        return CTL_FAILED;
    const json_t *interfaces = json_object_get(answer, "interfaces");
    if (request->vm && json_array_size(interfaces) == 0) {
        ctl_error("xenaggd knows no VM called '%s'; 'xenaggctl status' shows all", request->vm);
        json_decref(answer);
        return CTL_FAILED;
    }
    daemon_write(writer, answer);
    workers_write(writer, json_object_get(answer, "workers"));
    costs_write(writer, json_object_get(answer, "workers"));
    interfaces_write(writer, interfaces);
    daemon_notes(writer, answer);
    alike_note(writer, json_object_get(answer, "workers"));
    if (!request->json)
        reasons_note(writer, interfaces);
    json_decref(answer);
    return CTL_OK;
}

static void screen_clear(void)
{
    if (isatty(STDOUT_FILENO))
        fputs("\033[H\033[2J", stdout);
}

static void sleep_for(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)(1e9 * (seconds - floor(seconds)))};
    nanosleep(&time, NULL);
}

/* A daemon that is away (a restart) does not end the watching. */
static int status_watch(const struct status_request *request)
{
    int status = CTL_OK;

    for (unsigned long i = 0; !request->times || i < request->times; i++) {
        struct writer *writer = print_start(request->json, true);
        if (i)
            sleep_for(request->interval);
        status = status_once(request, writer);
        if (status) {
            writer_free(writer);
            continue;
        }
        if (!request->json)
            screen_clear();
        status = print_end(writer);
        if (status)
            return status;
    }
    return status;
}

static int status_print(const struct status_request *request)
{
    struct writer *writer = print_start(request->json, false);
    int status = status_once(request, writer);

    if (!status)
        return print_end(writer);
    writer_free(writer);
    return status;
}

int ctl_status(int argc, char **argv)
{
    struct status_request request = {.control = PLACES_CONTROL, .interval = -1};
    const struct option_spec specs[] = {
        {"watch", OPTION_INTERVAL, "[INTERVAL]", "again every INTERVAL (1s), until Ctrl-C",
         &request.interval, 1, 0},
        {"times", OPTION_NUMBER, "N", "with --watch: as often, then end", &request.times, 1,
         1000000000},
        OPTION_ROW_CONTROL(&request.control),
        {"json", OPTION_FLAG, NULL, "for programs; with --watch one line each time", &request.json,
         0, 0},
    };
    const struct option_set set = {
        .command = "status",
        .operands = "[VM]",
        .summary = "Shows what each VM is promised and gets: rates, sizes, delays.",
        .operands_max = 1,
        .count = COUNT(specs),
        .specs = specs};
    const char *operands[OPTIONS_OPERANDS];
    int status;

    if (!options_parse(&set, argc, argv, operands, &status))
        return status;
    request.vm = operands[0];
    return request.interval > 0 ? status_watch(&request) : status_print(&request);
}
