// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/database.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/database_private.h"

/* s after which an interface that is there is seen again, in the database. */
#define SEEN_AGAIN 60
_Static_assert(SEEN_AGAIN < DATABASE_SEEN_LATE, "one that is there is never taken for gone");

/* ---- interfaces and promises ---- */

/* It may have been thrown away: what is known of it holds no longer. */
static bool is_gone(const struct known *known, double time)
{
    return time - known->seen >= DATABASE_SEEN_LATE;
}

static struct known *known_find(struct database *database, const struct guest_report *guest,
                                double time)
{
    for (size_t i = 0; i < database->n_known; i++)
        if (!is_gone(&database->known[i], time) &&
            database->known[i].interface.domid == guest->interface.domid &&
            database->known[i].interface.handle == guest->interface.handle &&
            strcmp(database->known[i].name, guest->name) == 0)
            return &database->known[i];
    return NULL;
}

static bool promise_same(const struct promise *a, const struct promise *b)
{
    return a->delay == b->delay && a->percentile == b->percentile && a->scope == b->scope;
}

static double promise_us(const struct promise *promise)
{
    return promise->delay * 1e6;
}

static double promise_percentile(const struct promise *promise)
{
    return promise->percentile > 0 ? promise->percentile : NAN;
}

static int promise_write(struct database *database, sqlite3_int64 id, double time,
                         const struct promise *promise)
{
    return database_run(database, STATEMENT_PROMISE, "didds", time, (int64_t)id,
                        promise_us(promise), promise_percentile(promise),
                        scope_name(promise->scope));
}

static bool column_is(sqlite3_stmt *statement, int column, double value)
{
    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return !isfinite(value);
    return fabs(sqlite3_column_double(statement, column) - value) < 1e-6 * fabs(value);
}

/* Whether the database's last word on it is this promise already, from an earlier run. */
static int promise_check(struct database *database, sqlite3_int64 id, double time,
                         const struct promise *promise)
{
    sqlite3_stmt *statement = database->statements[STATEMENT_PROMISE_LAST];
    int code = database_ask(database, STATEMENT_PROMISE_LAST, "i", (int64_t)id);

    if (code == SQLITE_ROW) {
        const char *scope = (const char *)sqlite3_column_text(statement, 2);
        bool same = column_is(statement, 0, promise_us(promise)) &&
                    column_is(statement, 1, promise_percentile(promise)) && scope &&
                    strcmp(scope, scope_name(promise->scope)) == 0;
        sqlite3_reset(statement);
        if (same)
            return SQLITE_OK;
    } else if (code != SQLITE_DONE) {
        return code;
    }
    return promise_write(database, id, time, promise);
}

static int interface_id(struct database *database, const struct guest_report *guest, double time,
                        sqlite3_int64 *ret)
{
    int code =
        database_ask(database, STATEMENT_INTERFACE, "siid", guest->name,
                     (int64_t)guest->interface.domid, (int64_t)guest->interface.handle, time);

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_INTERNAL : code;
    *ret = sqlite3_column_int64(database->statements[STATEMENT_INTERFACE], 0);
    sqlite3_reset(database->statements[STATEMENT_INTERFACE]);
    return SQLITE_OK;
}

/* Room for one more: that of an interface that has gone, where there is one. NULL: no memory. */
static struct known *known_room(struct database *database, double time)
{
    for (size_t i = 0; i < database->n_known; i++)
        if (is_gone(&database->known[i], time))
            return &database->known[i];
    struct known *more =
        reallocarray(database->known, database->n_known + 1, sizeof(*database->known));
    if (!more)
        return NULL;
    database->known = more;
    return &more[database->n_known++];
}

static int known_add(struct database *database, const struct guest_report *guest, double time,
                     struct known **ret)
{
    struct known fresh = {.interface = guest->interface, .seen = time, .promise = guest->promise};

    memcpy(fresh.name, guest->name, sizeof(fresh.name));
    int code = interface_id(database, guest, time, &fresh.id);
    if (!code)
        code = promise_check(database, fresh.id, time, &guest->promise);
    if (code)
        return code;
    struct known *room = known_room(database, time);
    if (!room)
        return SQLITE_NOMEM;
    *room = fresh;
    *ret = room;
    return SQLITE_OK;
}

static int known_update(struct database *database, const struct guest_report *guest, double time,
                        struct known *known)
{
    int code = SQLITE_OK;

    if (time - known->seen >= SEEN_AGAIN) {
        known->seen = time;
        code = interface_id(database, guest, time, &known->id);
    }
    if (!code && !promise_same(&known->promise, &guest->promise)) {
        known->promise = guest->promise;
        code = promise_write(database, known->id, time, &guest->promise);
    }
    return code;
}

/* ---- one tick ---- */

static uint64_t dropped(const struct lane_report *lane)
{
    return lane->dropped_ring + lane->dropped_size + lane->dropped_port + lane->refused +
           lane->lost;
}

static double us(double seconds)
{
    return seconds * 1e6;
}

static int sample_write(struct database *database, int64_t id, double time,
                        const struct guest_report *guest, enum direction d)
{
    const struct lane_report *lane = &guest->lanes[d];

    return database_run(
        database, STATEMENT_SAMPLE, "disdiiiiiiiiiiiddddiddd", time, id, direction_name(d),
        guest->seconds, (int64_t)lane->packets, (int64_t)lane->bytes, (int64_t)lane->containers,
        (int64_t)lane->closed[CLOSING_COUNT], (int64_t)lane->closed[CLOSING_BYTES],
        (int64_t)lane->closed[CLOSING_TIMEOUT], (int64_t)lane->closed[CLOSING_FLUSH],
        (int64_t)lane->notified, (int64_t)lane->spared, (int64_t)dropped(lane),
        (int64_t)lane->malformed, lane->rate.value, lane->rate.error, lane->dispersion.value,
        lane->packet_bytes.value, (int64_t)lane->in_force.packets, us(lane->in_force.timeout),
        lane->dispersion.error, lane->packet_bytes.error);
}

static int prediction_write(struct database *database, int64_t id, double time,
                            const struct lane_report *lane, enum direction d)
{
    const struct delay_parts *parts = &lane->predicted;

    return database_run(database, STATEMENT_PREDICTION, "disddddddd", time, id, direction_name(d),
                        us(parts->port), us(parts->fill), us(parts->publish), us(parts->ring),
                        us(parts->unload), us(lane->correction), us(parts->total));
}

static int measured_write(struct database *database, int64_t id, double time,
                          const struct lane_report *lane, enum direction d)
{
    const struct delay_parts *parts = &lane->measured;

    return database_run(database, STATEMENT_MEASURED, "disdddddddd", time, id, direction_name(d),
                        us(parts->port), us(parts->fill), us(parts->publish), us(parts->ring),
                        us(parts->unload), us(parts->total), us(lane->p50), us(lane->p99));
}

static int delays_write(struct database *database, int64_t id, double time,
                        const struct guest_report *guest)
{
    int code = SQLITE_OK;

    for (enum direction d = 0; d < DIRECTION_COUNT && !code; d++) {
        const struct lane_report *lane = &guest->lanes[d];
        code = sample_write(database, id, time, guest, d);
        if (!code && isfinite(lane->predicted.total))
            code = prediction_write(database, id, time, lane, d);
        if (!code && isfinite(lane->measured.total))
            code = measured_write(database, id, time, lane, d);
    }
    if (!code && isfinite(guest->predicted))
        code = database_run(database, STATEMENT_PREDICTION, "disddddddd", time, id, "promise", NAN,
                            NAN, NAN, NAN, NAN, NAN, us(guest->predicted));
    if (!code && isfinite(guest->measured))
        code = database_run(database, STATEMENT_MEASURED, "disdddddddd", time, id, "promise", NAN,
                            NAN, NAN, NAN, NAN, us(guest->measured), NAN, NAN);
    return code;
}

/* A size that was never decided is NULL. */
static double packets_or_null(const struct lane_size *size)
{
    return size->packets ? size->packets : NAN;
}

static int decision_write(struct database *database, int64_t id, double time,
                          const struct guest_report *guest)
{
    const struct lane_report *rx = &guest->lanes[DIRECTION_RX], *tx = &guest->lanes[DIRECTION_TX];

    return database_run(
        database, STATEMENT_DECISION, "dissddddddddds", time, id, tuning_state_name(guest->state),
        sizing_reason_name(guest->sizing), packets_or_null(&rx->wanted), us(rx->wanted.timeout),
        packets_or_null(&tx->wanted), us(tx->wanted.timeout), guest->limits.bytes_max,
        rx->rate.value, tx->rate.value, us(guest->expected), us(guest->least), guest->reason);
}

static int verdict_write(struct database *database, int64_t id, double time,
                         const struct guest_report *guest)
{
    return database_run(database, STATEMENT_VERDICT, "dididddi", time, id, guest->window_seconds,
                        (int64_t)guest->window_containers, us(guest->promise.delay),
                        us(guest->window_predicted), us(guest->window_measured),
                        (int64_t)guest->kept);
}

/* How a direction's size is fixed; NULL: it is not. */
static const char *fixed_how(const struct guest_report *guest, enum direction d)
{
    if (!guest->fixed[d])
        return NULL;
    return guest->by_hand[d] ? "hand" : "configuration";
}

/* Everything in one statement: it is asked for together, and only together it has a meaning. */
static int input_write(struct database *database, int64_t id, double time,
                       const struct guest_report *guest)
{
    const struct guest_basis *basis = &guest->basis;
    const struct guest_load *load = &basis->load;
    const struct end_costs *costs = &load->costs;
    const struct costs_errors *errors = &basis->errors;
    const struct lane_size *rx = &basis->size[DIRECTION_RX], *tx = &basis->size[DIRECTION_TX];

    return database_run(
        database, STATEMENT_INPUT, "diidddddddddddddddddssdiidddssididdddddddddddd", time, id,
        (int64_t)guest->worker, load->rate[DIRECTION_RX], load->rate[DIRECTION_TX],
        load->packet_bytes[DIRECTION_RX], load->packet_bytes[DIRECTION_TX],
        load->dispersion[DIRECTION_RX], load->dispersion[DIRECTION_TX], load->forwarded,
        costs->read * 1e9, costs->publish * 1e9, costs->publish_packet * 1e9, costs->unload * 1e9,
        costs->unload_packet * 1e9, costs->wakeup * 1e9, costs->timer_late * 1e9, costs->scv,
        promise_us(&load->promise), promise_percentile(&load->promise),
        scope_name(load->promise.scope), objective_name(basis->objective), basis->utilisation_max,
        (int64_t)load->limits.packets_min, (int64_t)load->limits.packets_max,
        us(load->limits.timeout_min), us(load->limits.timeout_max), load->limits.bytes_max,
        fixed_how(guest, DIRECTION_RX), fixed_how(guest, DIRECTION_TX), (int64_t)rx->packets,
        us(rx->timeout), (int64_t)tx->packets, us(tx->timeout), us(basis->model), us(basis->margin),
        us(guest->expected), us(guest->least), errors->publish * 1e9, errors->publish_packet * 1e9,
        errors->unload * 1e9, errors->unload_packet * 1e9, errors->read * 1e9, errors->wakeup * 1e9,
        errors->publish_whole * 1e9, errors->unload_whole * 1e9);
}

static int guest_write(struct database *database, double time, const struct guest_report *guest)
{
    struct known *known = known_find(database, guest, time);
    int code = known ? known_update(database, guest, time, known)
                     : known_add(database, guest, time, &known);

    if (!code && guest->seconds > 0)
        code = delays_write(database, known->id, time, guest);
    if (!code && guest->basis.known)
        code = input_write(database, known->id, time, guest);
    if (!code && isfinite(guest->cpu))
        code = database_run(database, STATEMENT_DOMAIN, "did", time, known->id, guest->cpu);
    if (!code && guest->changed)
        code = decision_write(database, known->id, time, guest);
    if (!code && guest->kept >= 0)
        code = verdict_write(database, known->id, time, guest);
    return code;
}

static int worker_write(struct database *database, double time, const struct worker_report *worker)
{
    const struct end_costs *costs = &worker->costs;
    const struct costs_errors *errors = &worker->errors;

    return database_run(database, STATEMENT_WORKER, "diiddddddddddddddddddd", time,
                        (int64_t)worker->worker, (int64_t)worker->interfaces, worker->utilisation,
                        worker->forecast.utilisation, worker->forecast.container_rate,
                        costs->read * 1e9, costs->publish * 1e9, costs->publish_packet * 1e9,
                        costs->unload * 1e9, costs->unload_packet * 1e9, costs->wakeup * 1e9,
                        costs->timer_late * 1e9, costs->scv, errors->publish * 1e9,
                        errors->publish_packet * 1e9, errors->unload * 1e9,
                        errors->unload_packet * 1e9, errors->read * 1e9, errors->wakeup * 1e9,
                        errors->publish_whole * 1e9, errors->unload_whole * 1e9);
}

int database_tick(struct database *database, const struct tick_report *report)
{
    int code = database_run(database, STATEMENT_BEGIN, "");

    for (size_t i = 0; i < report->n_guests && !code; i++)
        code = guest_write(database, report->time, &report->guests[i]);
    for (size_t i = 0; i < report->n_workers && !code; i++)
        code = worker_write(database, report->time, &report->workers[i]);
    code = database_end(database, code);
    if (code) /* rolled back: what this tick made known is not; the rest is soon found again */
        database->n_known = 0;
    return code;
}

int database_event(struct database *database, double time, const char *kind, const char *text)
{
    return database_run(database, STATEMENT_EVENT, "dss", time, kind, text);
}
