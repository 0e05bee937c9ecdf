// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/database.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "daemon/schema.h"

#define BUSY_MS 2000
/* Detail is thrown away in pieces of so many seconds. */
#define TRIM_PIECE "900"
#define LIMITS_PAGES_SLACK 1.25

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    RUN,
    INTERFACE,
    PROMISE_LAST,
    PROMISE,
    DECISION,
    VERDICT,
    SAMPLE,
    PREDICTION,
    MEASURED,
    WORKER,
    INPUT,
    DOMAIN,
    EVENT,
    MINUTES_DONE,
    MINUTE,
    USED,
    STATEMENTS
};

static const char *const statements[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [RUN] = "INSERT INTO run(started, version, interval)"
            " VALUES(?, '" XENAGG_VERSION "', ?)",
    [INTERFACE] = "INSERT INTO interface(name, domid, handle, first_seen, last_seen)"
                  " VALUES(?1, ?2, ?3, ?4, ?4)"
                  " ON CONFLICT(name, domid, handle) DO UPDATE SET last_seen = ?4 RETURNING id",
    [PROMISE_LAST] = "SELECT delay_us, percentile, scope FROM promise WHERE interface = ?"
                     " ORDER BY time DESC LIMIT 1",
    [PROMISE] = "INSERT OR REPLACE INTO promise VALUES(?, ?, ?, ?, ?)",
    [DECISION] = "INSERT OR REPLACE INTO decision VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [VERDICT] = "INSERT OR REPLACE INTO verdict VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
    [SAMPLE] = "INSERT OR REPLACE INTO sample VALUES"
               "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [PREDICTION] = "INSERT OR REPLACE INTO prediction VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [MEASURED] = "INSERT OR REPLACE INTO measured VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [WORKER] = "INSERT OR REPLACE INTO worker VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
               "?, ?, ?, ?, ?, ?, ?)",
    [INPUT] = "INSERT OR REPLACE INTO input VALUES"
              "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
              " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [DOMAIN] = "INSERT OR REPLACE INTO domain VALUES(?, ?, ?)",
    [EVENT] = "INSERT INTO event(time, kind, text) VALUES(?, ?, ?)",
    [MINUTES_DONE] = "SELECT coalesce((SELECT max(time) + 60 FROM minute),"
                     " (SELECT cast(min(time) / 60 AS INTEGER) * 60.0 FROM sample))",
    [MINUTE] = "INSERT OR REPLACE INTO minute"
               " SELECT cast(s.time / 60 AS INTEGER) * 60.0 AS m, s.interface, s.direction,"
               "  sum(s.seconds), sum(s.packets), sum(s.containers), sum(s.dropped),"
               "  sum(s.packets) / sum(s.seconds), min(s.rate), max(s.rate), avg(s.size_packets),"
               "  avg(s.size_timeout_us), avg(p.total_us), avg(d.total_us), max(d.p99_us),"
               "  max(d.total_us), avg(c.cpu)"
               " FROM sample s"
               " LEFT JOIN prediction p USING(time, interface, direction)"
               " LEFT JOIN measured d USING(time, interface, direction)"
               " LEFT JOIN domain c USING(time, interface)"
               " WHERE s.time >= ?1 AND s.time < ?2 GROUP BY m, s.interface, s.direction",
    [USED] = "SELECT (SELECT page_count FROM pragma_page_count)"
             " - (SELECT freelist_count FROM pragma_freelist_count),"
             " (SELECT page_size FROM pragma_page_size)",
};

/* An interface of this run, so that most ticks need not ask the database. */
struct known {
    struct keys_interface interface;
    char name[CONFIG_NAME];
    sqlite3_int64 id;
    double seen;
    struct promise promise;
};

struct database {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    struct known *known;
    size_t n_known;
    uint64_t max_pages_of; /* the size that max_page_count was set for */
    char error[160];
};

/* ---- statements ---- */

/*
 * Binds in the order of `types`: i (int64_t), d (double: NULL where not finite),
 * s (text; NULL is NULL).
 */
static void bind(sqlite3_stmt *statement, const char *types, va_list values)
{
    for (int i = 0; types[i]; i++) {
        if (types[i] == 'i') {
            sqlite3_bind_int64(statement, i + 1, va_arg(values, int64_t));
        } else if (types[i] == 'd') {
            double value = va_arg(values, double);
            if (isfinite(value))
                sqlite3_bind_double(statement, i + 1, value);
            else
                sqlite3_bind_null(statement, i + 1);
        } else {
            sqlite3_bind_text(statement, i + 1, va_arg(values, const char *), -1, SQLITE_TRANSIENT);
        }
    }
}

static int failed(struct database *database, int code)
{
    snprintf(database->error, sizeof(database->error), "%s", sqlite3_errmsg(database->db));
    return code;
}

/* Runs a statement; where it returns rows, only the first is looked at, while it is open. */
static int start(struct database *database, enum statement which, const char *types, va_list values)
{
    sqlite3_stmt *statement = database->statements[which];

    sqlite3_reset(statement);
    bind(statement, types, values);
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        failed(database, code);
    return code;
}

static int run(struct database *database, enum statement which, const char *types, ...)
{
    va_list values;

    va_start(values, types);
    int code = start(database, which, types, values);
    va_end(values);
    sqlite3_reset(database->statements[which]);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* SQLITE_ROW: read columns of the statement, then reset it. */
static int ask(struct database *database, enum statement which, const char *types, ...)
{
    va_list values;

    va_start(values, types);
    int code = start(database, which, types, values);
    va_end(values);
    if (code != SQLITE_ROW)
        sqlite3_reset(database->statements[which]);
    return code;
}

static int transaction_end(struct database *database, int code)
{
    if (!code)
        code = run(database, COMMIT, "");
    if (code && !sqlite3_get_autocommit(database->db)) {
        char error[sizeof(database->error)];
        memcpy(error, database->error, sizeof(error));
        run(database, ROLLBACK, "");
        memcpy(database->error, error, sizeof(error));
    }
    return code;
}

const char *database_error(const struct database *database)
{
    return database->error;
}

/* ---- opening ---- */

static int prepare_all(struct database *database)
{
    for (int i = 0; i < STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(database->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &database->statements[i], NULL);
        if (code)
            return code;
    }
    return SQLITE_OK;
}

static int configure(sqlite3 *db)
{
    static const char settings[] = "PRAGMA journal_mode = WAL;"
                                   "PRAGMA synchronous = NORMAL;"
                                   "PRAGMA journal_size_limit = 16777216;"
                                   "PRAGMA cache_size = -1024;";

    sqlite3_busy_timeout(db, BUSY_MS);
    sqlite3_extended_result_codes(db, 0);
    /* What somebody may have put into the file is data, never code. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    return sqlite3_exec(db, settings, NULL, NULL, NULL);
}

static int open_once(const char *path, struct database *database)
{
    int code =
        sqlite3_open_v2(path, &database->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (!code) /* looks before it changes anything */
        code = schema_prepare(database->db);
    if (!code)
        code = configure(database->db);
    if (!code)
        code = prepare_all(database);
    return code;
}

static void why_not(const struct database *database, const char *path, int code, char *why,
                    size_t size)
{
    if (code == SQLITE_MISMATCH)
        snprintf(why, size, "%s: a database of something else, or of a newer version", path);
    else if (code == SQLITE_NOTADB)
        snprintf(why, size, "%s: not a database; move it away", path);
    else
        snprintf(why, size, "%s: %s", path,
                 database->db ? sqlite3_errmsg(database->db) : sqlite3_errstr(code));
}

static void database_reset(struct database *database)
{
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(database->statements[i]);
    sqlite3_close_v2(database->db);
    free(database->known);
    memset(database, 0, sizeof(*database));
}

/* Damaged, but ours: kept for whoever wants to look at it. */
static int move_aside(const char *path)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    char from[CONFIG_PATH + 16], to[CONFIG_PATH + 48];
    long now = (long)time(NULL);

    for (size_t i = 0; i < 3; i++) {
        snprintf(from, sizeof(from), "%s%s", path, parts[i]);
        snprintf(to, sizeof(to), "%s.damaged-%ld%s", path, now, parts[i]);
        if (rename(from, to) < 0 && (i == 0 || errno != ENOENT))
            return -errno;
    }
    log_line(LOG_ERR, "history", "%s is damaged: moved to %s.damaged-%ld, a new one is begun", path,
             path, now);
    return 0;
}

int database_open(const char *path, double interval, struct database **ret, char *ret_why,
                  size_t why_size)
{
    struct database *database = calloc(1, sizeof(*database));

    if (!database) {
        snprintf(ret_why, why_size, "no memory");
        return SQLITE_NOMEM;
    }
    int code = open_once(path, database);
    if (code == SQLITE_CORRUPT) {
        why_not(database, path, code, ret_why, why_size);
        database_reset(database);
        if (move_aside(path) == 0)
            code = open_once(path, database);
    }
    if (!code)
        code = run(database, RUN, "dd", (double)time(NULL), interval);
    if (code) {
        why_not(database, path, code, ret_why, why_size);
        database_close(database);
        return code;
    }
    *ret = database;
    return SQLITE_OK;
}

void database_close(struct database *database)
{
    if (!database)
        return;
    database_reset(database);
    free(database);
}

/* ---- interfaces and promises ---- */

static struct known *known_find(struct database *database, const struct guest_report *guest)
{
    for (size_t i = 0; i < database->n_known; i++)
        if (database->known[i].interface.domid == guest->interface.domid &&
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
    return run(database, PROMISE, "didds", time, (int64_t)id, promise_us(promise),
               promise_percentile(promise), scope_name(promise->scope));
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
    sqlite3_stmt *statement = database->statements[PROMISE_LAST];
    int code = ask(database, PROMISE_LAST, "i", (int64_t)id);

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
    int code = ask(database, INTERFACE, "siid", guest->name, (int64_t)guest->interface.domid,
                   (int64_t)guest->interface.handle, time);

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_INTERNAL : code;
    *ret = sqlite3_column_int64(database->statements[INTERFACE], 0);
    sqlite3_reset(database->statements[INTERFACE]);
    return SQLITE_OK;
}

static int known_add(struct database *database, const struct guest_report *guest, double time,
                     struct known **ret)
{
    struct known fresh = {.interface = guest->interface, .seen = time, .promise = guest->promise};
    struct known *more =
        reallocarray(database->known, database->n_known + 1, sizeof(*database->known));

    if (!more)
        return SQLITE_NOMEM;
    database->known = more;
    memcpy(fresh.name, guest->name, sizeof(fresh.name));
    int code = interface_id(database, guest, time, &fresh.id);
    if (!code)
        code = promise_check(database, fresh.id, time, &guest->promise);
    if (code)
        return code;
    database->known[database->n_known] = fresh;
    *ret = &database->known[database->n_known++];
    return SQLITE_OK;
}

static int known_update(struct database *database, const struct guest_report *guest, double time,
                        struct known *known)
{
    int code = SQLITE_OK;

    if (time - known->seen >= 60) {
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

    return run(database, SAMPLE, "disdiiiiiiiiiiiddddiddd", time, id, direction_name(d),
               guest->seconds, (int64_t)lane->packets, (int64_t)lane->bytes,
               (int64_t)lane->containers, (int64_t)lane->closed[CLOSING_COUNT],
               (int64_t)lane->closed[CLOSING_BYTES], (int64_t)lane->closed[CLOSING_TIMEOUT],
               (int64_t)lane->closed[CLOSING_FLUSH], (int64_t)lane->notified, (int64_t)lane->spared,
               (int64_t)dropped(lane), (int64_t)lane->malformed, lane->rate.value, lane->rate.error,
               lane->dispersion.value, lane->packet_bytes.value, (int64_t)lane->in_force.packets,
               us(lane->in_force.timeout), lane->dispersion.error, lane->packet_bytes.error);
}

static int prediction_write(struct database *database, int64_t id, double time,
                            const struct lane_report *lane, enum direction d)
{
    const struct delay_parts *parts = &lane->predicted;

    return run(database, PREDICTION, "disddddddd", time, id, direction_name(d), us(parts->port),
               us(parts->fill), us(parts->publish), us(parts->ring), us(parts->unload),
               us(lane->correction), us(parts->total));
}

static int measured_write(struct database *database, int64_t id, double time,
                          const struct lane_report *lane, enum direction d)
{
    const struct delay_parts *parts = &lane->measured;

    return run(database, MEASURED, "disdddddddd", time, id, direction_name(d), us(parts->port),
               us(parts->fill), us(parts->publish), us(parts->ring), us(parts->unload),
               us(parts->total), us(lane->p50), us(lane->p99));
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
        code = run(database, PREDICTION, "disddddddd", time, id, "promise", NAN, NAN, NAN, NAN, NAN,
                   NAN, us(guest->predicted));
    if (!code && isfinite(guest->measured))
        code = run(database, MEASURED, "disdddddddd", time, id, "promise", NAN, NAN, NAN, NAN, NAN,
                   us(guest->measured), NAN, NAN);
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

    return run(database, DECISION, "dissddddddddds", time, id, tuning_state_name(guest->state),
               sizing_reason_name(guest->sizing), packets_or_null(&rx->wanted),
               us(rx->wanted.timeout), packets_or_null(&tx->wanted), us(tx->wanted.timeout),
               guest->limits.bytes_max, rx->rate.value, tx->rate.value, us(guest->expected),
               us(guest->least), guest->reason);
}

static int verdict_write(struct database *database, int64_t id, double time,
                         const struct guest_report *guest)
{
    return run(database, VERDICT, "dididddi", time, id, guest->window_seconds,
               (int64_t)guest->window_containers, us(guest->promise.delay),
               us(guest->window_predicted), us(guest->window_measured), (int64_t)guest->kept);
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

    return run(
        database, INPUT, "diidddddddddddddddddssdiidddssididdddddddddddd", time, id,
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
    struct known *known = known_find(database, guest);
    int code = known ? known_update(database, guest, time, known)
                     : known_add(database, guest, time, &known);

    if (!code && guest->seconds > 0)
        code = delays_write(database, known->id, time, guest);
    if (!code && guest->basis.known)
        code = input_write(database, known->id, time, guest);
    if (!code && isfinite(guest->cpu))
        code = run(database, DOMAIN, "did", time, known->id, guest->cpu);
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

    return run(database, WORKER, "diiddddddddddddddddddd", time, (int64_t)worker->worker,
               (int64_t)worker->interfaces, worker->utilisation, worker->forecast.utilisation,
               worker->forecast.container_rate, costs->read * 1e9, costs->publish * 1e9,
               costs->publish_packet * 1e9, costs->unload * 1e9, costs->unload_packet * 1e9,
               costs->wakeup * 1e9, costs->timer_late * 1e9, costs->scv, errors->publish * 1e9,
               errors->publish_packet * 1e9, errors->unload * 1e9, errors->unload_packet * 1e9,
               errors->read * 1e9, errors->wakeup * 1e9, errors->publish_whole * 1e9,
               errors->unload_whole * 1e9);
}

int database_tick(struct database *database, const struct tick_report *report)
{
    size_t n_known = database->n_known;
    int code = run(database, BEGIN, "");

    for (size_t i = 0; i < report->n_guests && !code; i++)
        code = guest_write(database, report->time, &report->guests[i]);
    for (size_t i = 0; i < report->n_workers && !code; i++)
        code = worker_write(database, report->time, &report->workers[i]);
    code = transaction_end(database, code);
    if (code) /* rolled back: what this tick made known is not */
        database->n_known = n_known;
    return code;
}

int database_event(struct database *database, double time, const char *kind, const char *text)
{
    return run(database, EVENT, "dss", time, kind, text);
}

/* ---- throwing away ---- */

static int minutes_condense(struct database *database, double now)
{
    int code = ask(database, MINUTES_DONE, "");
    bool any = code == SQLITE_ROW &&
               sqlite3_column_type(database->statements[MINUTES_DONE], 0) != SQLITE_NULL;
    double from = any ? sqlite3_column_double(database->statements[MINUTES_DONE], 0) : 0;
    double until = floor(now / 60) * 60;

    sqlite3_reset(database->statements[MINUTES_DONE]);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_OK : code;
    return any && from < until ? run(database, MINUTE, "dd", from, until) : SQLITE_OK;
}

static int used_bytes(struct database *database, double *ret_bytes, double *ret_page)
{
    sqlite3_stmt *statement = database->statements[USED];
    int code = ask(database, USED, "");

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_INTERNAL : code;
    *ret_page = sqlite3_column_double(statement, 1);
    *ret_bytes = sqlite3_column_double(statement, 0) * *ret_page;
    sqlite3_reset(statement);
    return SQLITE_OK;
}

static int execute(struct database *database, const char *sql)
{
    int code = sqlite3_exec(database->db, sql, NULL, NULL, NULL);

    return code ? failed(database, code) : SQLITE_OK;
}

/* Each tick's rows before `before`, at most a piece at once. */
static int detail_delete(struct database *database, double before)
{
    static const char *const tables[] = {"prediction", "measured", "worker",
                                         "input",      "domain",   "sample"};
    char sql[256];
    int code = SQLITE_OK;

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && !code; i++) {
        snprintf(sql, sizeof(sql),
                 "DELETE FROM %s WHERE time < min(%.3f, (SELECT min(time) + " TRIM_PIECE
                 " FROM %s))",
                 tables[i], before, tables[i]);
        code = execute(database, sql);
    }
    return code;
}

static int rest_delete(struct database *database, double before)
{
    char sql[768];

    snprintf(sql, sizeof(sql),
             "DELETE FROM minute WHERE time < %.3f;"
             "DELETE FROM verdict WHERE time < %.3f;"
             "DELETE FROM event WHERE time < %.3f;"
             "DELETE FROM decision WHERE time < %.3f AND time <"
             " (SELECT max(time) FROM decision d WHERE d.interface = decision.interface);"
             "DELETE FROM promise WHERE time < %.3f AND time <"
             " (SELECT max(time) FROM promise p WHERE p.interface = promise.interface);",
             before, before, before, before, before);
    return execute(database, sql);
}

/* A last resort behind the trimming, so that a mistake there can't fill the disk. */
static void pages_limit(struct database *database, uint64_t size, double page)
{
    char sql[96];

    if (database->max_pages_of == size || !(page > 0))
        return;
    snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %.0f",
             LIMITS_PAGES_SLACK * (double)size / page);
    if (execute(database, sql) == SQLITE_OK)
        database->max_pages_of = size;
}

static int size_trim(struct database *database, const struct database_limits *limits)
{
    double used = 0, page = 0;
    int code = used_bytes(database, &used, &page);

    if (code)
        return code;
    pages_limit(database, limits->size, page);
    /* The oldest piece of detail, whatever its age. */
    if (used > 0.95 * (double)limits->size)
        code = detail_delete(database, 1e15);
    return code;
}

int database_trim(struct database *database, const struct database_limits *limits, double now)
{
    int code = run(database, BEGIN, "");

    if (!code)
        code = minutes_condense(database, now);
    if (!code)
        code = detail_delete(database, now - limits->detail);
    if (!code)
        code = rest_delete(database, now - limits->keep);
    if (!code)
        code = size_trim(database, limits);
    return transaction_end(database, code);
}
