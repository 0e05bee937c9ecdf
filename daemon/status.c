// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define US 1e6
#define NS 1e9

/* JSON knows no NaN and no infinity: null. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *text(const char *value)
{
    /* NULL also for what is not UTF-8: names are the toolstack's. */
    json_t *string = value ? json_string(value) : json_null();
    return string ? string : json_string("?");
}

static json_t *count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static void set_us(json_t *object, const char *key, double seconds)
{
    json_object_set_new(object, key, number(seconds * US));
}

static json_t *promise_json(const struct promise *promise)
{
    json_t *object = json_object();

    set_us(object, "delay_us", promise->delay);
    json_object_set_new(object, "percentile",
                        promise->percentile > 0 ? number(promise->percentile) : json_null());
    json_object_set_new(object, "scope", json_string(scope_name(promise->scope)));
    return object;
}

static json_t *parts_json(const struct delay_parts *parts)
{
    json_t *object = json_object();

    set_us(object, "port_us", parts->port);
    set_us(object, "fill_us", parts->fill);
    set_us(object, "publish_us", parts->publish);
    set_us(object, "ring_us", parts->ring);
    set_us(object, "unload_us", parts->unload);
    set_us(object, "total_us", parts->total);
    return object;
}

static json_t *predicted_json(const struct lane_report *lane)
{
    json_t *object = parts_json(&lane->predicted);

    set_us(object, "correction_us", isfinite(lane->predicted.total) ? lane->correction : NAN);
    return object;
}

static json_t *measured_json(const struct lane_report *lane)
{
    json_t *object = parts_json(&lane->measured);

    set_us(object, "p50_us", lane->p50);
    set_us(object, "p99_us", lane->p99);
    return object;
}

static json_t *closed_json(const struct lane_report *lane)
{
    json_t *object = json_object();

    json_object_set_new(object, "count", count(lane->closed[CLOSING_COUNT]));
    json_object_set_new(object, "bytes", count(lane->closed[CLOSING_BYTES]));
    json_object_set_new(object, "timeout", count(lane->closed[CLOSING_TIMEOUT]));
    json_object_set_new(object, "flush", count(lane->closed[CLOSING_FLUSH]));
    return object;
}

static json_t *dropped_json(const struct lane_report *lane)
{
    json_t *object = json_object();

    json_object_set_new(object, "ring", count(lane->dropped_ring));
    json_object_set_new(object, "size", count(lane->dropped_size));
    json_object_set_new(object, "port", count(lane->dropped_port));
    json_object_set_new(object, "refused", count(lane->refused));
    json_object_set_new(object, "lost", count(lane->lost));
    json_object_set_new(object, "malformed", count(lane->malformed));
    return object;
}

/* A size that is not known: nulls. */
static void size_set(json_t *object, const struct lane_size *size)
{
    bool known = size->packets > 0;

    json_object_set_new(object, "packets", known ? count(size->packets) : json_null());
    set_us(object, "timeout_us", known ? size->timeout : NAN);
}

static json_t *lane_json(const struct guest_report *guest, enum direction d)
{
    const struct lane_report *lane = &guest->lanes[d];
    json_t *object = json_object(), *in_force = json_object();

    json_object_set_new(object, "rate", number(lane->rate.value));
    json_object_set_new(object, "rate_error", number(lane->rate.error));
    json_object_set_new(object, "packet_bytes", number(lane->packet_bytes.value));
    json_object_set_new(object, "packet_bytes_error", number(lane->packet_bytes.error));
    json_object_set_new(object, "dispersion", number(lane->dispersion.value));
    json_object_set_new(object, "dispersion_error", number(lane->dispersion.error));
    size_set(object, &lane->wanted);
    json_object_set_new(object, "bytes", number(guest->limits.bytes_max));
    json_object_set_new(object, "fixed",
                        text(!guest->fixed[d]    ? NULL
                             : guest->by_hand[d] ? "hand"
                                                 : "configuration"));
    size_set(in_force, &lane->in_force);
    json_object_set_new(object, "in_force", in_force);
    json_object_set_new(object, "seconds", number(guest->seconds));
    json_object_set_new(object, "packet_count", count(lane->packets));
    json_object_set_new(object, "container_count", count(lane->containers));
    json_object_set_new(object, "packets_per_container",
                        number(lane->containers
                                   ? (double)lane->published_packets / (double)lane->containers
                                   : NAN));
    json_object_set_new(object, "closed", closed_json(lane));
    json_object_set_new(object, "dropped", dropped_json(lane));
    json_object_set_new(object, "notified", count(lane->notified));
    json_object_set_new(object, "spared", count(lane->spared));
    json_object_set_new(object, "predicted", predicted_json(lane));
    json_object_set_new(object, "measured", measured_json(lane));
    return object;
}

static json_t *interface_json(const struct guest_report *guest)
{
    json_t *object = json_object();
    bool served = guest->worker < SEGMENT_WORKERS;
    double share = guest->windows ? (double)guest->windows_kept / (double)guest->windows : NAN;

    json_object_set_new(object, "name", text(guest->name));
    json_object_set_new(object, "domid", count(guest->interface.domid));
    json_object_set_new(object, "handle", count(guest->interface.handle));
    json_object_set_new(object, "worker", served ? count(guest->worker) : json_null());
    json_object_set_new(object, "state", text(tuning_state_name(guest->state)));
    json_object_set_new(object, "sizing", text(sizing_reason_name(guest->sizing)));
    json_object_set_new(object, "reason", text(guest->reason));
    json_object_set_new(object, "promise", promise_json(&guest->promise));
    json_object_set_new(object, "objective", text(objective_name(guest->basis.objective)));
    set_us(object, "predicted_us", guest->predicted);
    set_us(object, "measured_us", guest->measured);
    set_us(object, "expected_us", guest->expected);
    set_us(object, "least_us", guest->least);
    json_object_set_new(object, "kept",
                        guest->last_kept < 0 ? json_null() : json_boolean(guest->last_kept));
    json_object_set_new(object, "windows", count(guest->windows));
    json_object_set_new(object, "windows_kept", count(guest->windows_kept));
    json_object_set_new(object, "kept_share", number(share));
    json_object_set_new(object, "forwarded", number(guest->forwarded));
    json_object_set_new(object, "utilisation", number(guest->utilisation));
    json_object_set_new(object, "domain_cpu", number(guest->cpu));
    json_object_set_new(object, "rx", lane_json(guest, DIRECTION_RX));
    json_object_set_new(object, "tx", lane_json(guest, DIRECTION_TX));
    return object;
}

static json_t *costs_json(const struct end_costs *costs, const struct costs_errors *errors)
{
    json_t *object = json_object();

    json_object_set_new(object, "read_ns", number(costs->read * NS));
    json_object_set_new(object, "publish_ns", number(costs->publish * NS));
    json_object_set_new(object, "publish_packet_ns", number(costs->publish_packet * NS));
    json_object_set_new(object, "unload_ns", number(costs->unload * NS));
    json_object_set_new(object, "unload_packet_ns", number(costs->unload_packet * NS));
    json_object_set_new(object, "wakeup_ns", number(costs->wakeup * NS));
    json_object_set_new(object, "timer_late_ns", number(costs->timer_late * NS));
    json_object_set_new(object, "read_error_ns", number(errors->read * NS));
    json_object_set_new(object, "wakeup_error_ns", number(errors->wakeup * NS));
    json_object_set_new(object, "publish_whole_error_ns", number(errors->publish_whole * NS));
    json_object_set_new(object, "unload_whole_error_ns", number(errors->unload_whole * NS));
    json_object_set_new(object, "publish_error_ns", number(errors->publish * NS));
    json_object_set_new(object, "publish_packet_error_ns", number(errors->publish_packet * NS));
    json_object_set_new(object, "unload_error_ns", number(errors->unload * NS));
    json_object_set_new(object, "unload_packet_error_ns", number(errors->unload_packet * NS));
    json_object_set_new(object, "publish_alike", json_boolean(errors->publish_alike));
    json_object_set_new(object, "unload_alike", json_boolean(errors->unload_alike));
    return object;
}

static json_t *worker_json(const struct worker_report *worker)
{
    json_t *object = json_object();

    json_object_set_new(object, "worker", count(worker->worker));
    json_object_set_new(object, "interfaces", count(worker->interfaces));
    json_object_set_new(object, "utilisation", number(worker->utilisation));
    json_object_set_new(object, "held", count(worker->held));
    json_object_set_new(object, "predicted_utilisation", number(worker->forecast.utilisation));
    json_object_set_new(object, "container_rate", number(worker->forecast.container_rate));
    json_object_set_new(object, "stable", json_boolean(worker->forecast.stable));
    json_object_set_new(object, "costs", costs_json(&worker->costs, &worker->errors));
    return object;
}

static json_t *place_json(const char *path, const char *error)
{
    json_t *object = json_object();

    if (path)
        json_object_set_new(object, "path", text(path));
    json_object_set_new(object, "ok", json_boolean(error == NULL));
    json_object_set_new(object, "error", text(error));
    return object;
}

static json_t *config_json(const struct status_health *health)
{
    json_t *object = json_object();

    json_object_set_new(object, "path", text(health->config_path));
    json_object_set_new(object, "loaded", number(health->config_loaded));
    json_object_set_new(object, "error", text(health->config_error));
    return object;
}

static json_t *ticks_json(const struct ticks *ticks)
{
    json_t *object = json_object();

    json_object_set_new(object, "count", count(ticks->count));
    set_us(object, "last_us", ticks->count ? ticks->last : NAN);
    set_us(object, "mean_us", ticks_mean(ticks));
    set_us(object, "max_us", ticks->count ? ticks->max : NAN);
    set_us(object, "sample_us", ticks_cpu(ticks, TICKS_SAMPLE));
    set_us(object, "control_us", ticks_cpu(ticks, TICKS_CONTROL));
    set_us(object, "rest_us", ticks_cpu(ticks, TICKS_REST));
    return object;
}

static json_t *daemon_json(const struct status_health *health)
{
    json_t *object = json_object();
    json_t *history = place_json(health->history_path, health->history_error);

    json_object_set_new(object, "pid", count((uint64_t)getpid()));
    json_object_set_new(object, "started", number(health->started));
    json_object_set_new(object, "config", config_json(health));
    json_object_set_new(object, "segment", place_json(health->segment_path, health->segment_error));
    json_object_set_new(object, "store", place_json(NULL, health->store_error));
    json_object_set_new(history, "recorded", count(health->history_recorded));
    json_object_set_new(history, "dropped", count(health->history_dropped));
    json_object_set_new(object, "history", history);
    json_object_set_new(object, "ticks", ticks_json(health->ticks));
    return object;
}

static int by_name(const void *a, const void *b)
{
    const struct guest_report *left = *(const struct guest_report *const *)a;
    const struct guest_report *right = *(const struct guest_report *const *)b;
    int order = strcmp(left->name, right->name);

    if (order == 0)
        order = (left->interface.domid > right->interface.domid) -
                (left->interface.domid < right->interface.domid);
    if (order == 0)
        order = (left->interface.handle > right->interface.handle) -
                (left->interface.handle < right->interface.handle);
    return order;
}

static json_t *interfaces_json(const struct tick_report *report, const char *vm)
{
    json_t *list = json_array();
    size_t n = report ? report->n_guests : 0;
    const struct guest_report **sorted = calloc(n + 1, sizeof(*sorted));

    for (size_t i = 0; sorted && i < n; i++)
        sorted[i] = &report->guests[i];
    if (sorted)
        qsort(sorted, n, sizeof(*sorted), by_name);
    for (size_t i = 0; sorted && i < n; i++)
        if (!vm || strcmp(vm, sorted[i]->name) == 0)
            json_array_append_new(list, interface_json(sorted[i]));
    free(sorted);
    return list;
}

json_t *status_version(void)
{
    return json_pack("{s:b, s:s, s:i}", "ok", 1, "version", XENAGG_VERSION, "protocol",
                     STATUS_PROTOCOL);
}

json_t *status_json(const struct status_health *health, const struct tick_report *report,
                    const char *vm)
{
    json_t *object = status_version(), *workers = json_array();

    for (size_t i = 0; report && i < report->n_workers; i++)
        json_array_append_new(workers, worker_json(&report->workers[i]));
    json_object_set_new(object, "time", number(report ? report->time : NAN));
    json_object_set_new(object, "interval", number(health->interval));
    json_object_set_new(object, "daemon", daemon_json(health));
    json_object_set_new(object, "workers", workers);
    json_object_set_new(object, "interfaces", interfaces_json(report, vm));
    return object;
}
