// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/record.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/database.h"

#define US 1e-6
#define NS 1e-9

void record_free(struct record *record)
{
    free(record->guests);
    free(record->loads);
    free(record->sizes);
    *record = (struct record){0};
}

double record_correct(const struct record_guest *guest, double model)
{
    double more = guest->expected - guest->model;

    if (!isfinite(more) || !isfinite(model))
        return model;
    /* As controller/estimate.h: what is missing is added as it is, what is too much taken off as a
       share. */
    return more > 0 ? model + more : model * (1 + more / guest->model);
}

/* Columns of a row, one after the other. */
struct cursor {
    sqlite3_stmt *statement;
    int column;
};

static double next(struct cursor *cursor, double unit)
{
    return unit * database_number(cursor->statement, cursor->column++);
}

static uint32_t next_count(struct cursor *cursor)
{
    return (uint32_t)sqlite3_column_int64(cursor->statement, cursor->column++);
}

static void next_text(struct cursor *cursor, char *ret, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(cursor->statement, cursor->column++);

    snprintf(ret, size, "%s", text ? text : "");
}

static const char costs_columns[] = "read_ns, publish_ns, publish_packet_ns, unload_ns,"
                                    " unload_packet_ns, wakeup_ns, timer_late_ns, scv";

static void next_costs(struct cursor *cursor, struct end_costs *ret)
{
    ret->read = next(cursor, NS);
    ret->publish = next(cursor, NS);
    ret->publish_packet = next(cursor, NS);
    ret->unload = next(cursor, NS);
    ret->unload_packet = next(cursor, NS);
    ret->wakeup = next(cursor, NS);
    ret->timer_late = next(cursor, NS);
    ret->scv = next(cursor, 1);
}

static void next_promise(struct cursor *cursor, struct promise *ret)
{
    char scope[RECORD_WORD];
    double delay = next(cursor, US), percentile = next(cursor, 1);

    next_text(cursor, scope, sizeof(scope));
    *ret = (struct promise){
        .delay = isnan(delay) ? INFINITY : delay,
        .percentile = isnan(percentile) ? 0 : percentile,
        .scope = strcmp(scope, "forwarding") == 0 ? SCOPE_FORWARDING : SCOPE_ONE_WAY,
    };
}

static void next_limits(struct cursor *cursor, struct size_limits *ret)
{
    ret->packets_min = next_count(cursor);
    ret->packets_max = next_count(cursor);
    ret->timeout_min = next(cursor, US);
    ret->timeout_max = next(cursor, US);
    ret->bytes_max = next(cursor, 1);
}

static void next_pair(struct cursor *cursor, double ret[DIRECTION_COUNT])
{
    ret[DIRECTION_RX] = next(cursor, 1);
    ret[DIRECTION_TX] = next(cursor, 1);
}

static const char guest_columns[] =
    "i.name, i.id, i.domid, i.handle, rx_rate, tx_rate, rx_bytes, tx_bytes, rx_dispersion,"
    " tx_dispersion, forwarded, %s, delay_us, percentile, scope, objective, utilisation_max,"
    " min_packets, max_packets, min_timeout_us, max_timeout_us, max_bytes, rx_fixed, tx_fixed,"
    " rx_packets, rx_timeout_us, tx_packets, tx_timeout_us, model_us, margin_us, expected_us,"
    " least_us";

static void next_guest(struct cursor *cursor, struct record_guest *guest, struct guest_load *load,
                       struct lane_size size[DIRECTION_COUNT])
{
    next_text(cursor, guest->name, sizeof(guest->name));
    guest->interface = (int64_t)next(cursor, 1);
    guest->domid = next_count(cursor);
    guest->handle = next_count(cursor);
    next_pair(cursor, load->rate);
    next_pair(cursor, load->packet_bytes);
    next_pair(cursor, load->dispersion);
    load->forwarded = next(cursor, 1);
    next_costs(cursor, &load->costs);
    next_promise(cursor, &load->promise);
    next_text(cursor, guest->objective, sizeof(guest->objective));
    guest->utilisation_max = next(cursor, 1);
    next_limits(cursor, &load->limits);
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        next_text(cursor, guest->fixed[d], sizeof(guest->fixed[d]));
        load->fixed[d] = guest->fixed[d][0] != '\0';
    }
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        size[d].packets = next_count(cursor);
        size[d].timeout = next(cursor, US);
        load->fixed_size[d] = size[d];
    }
    guest->model = next(cursor, US);
    guest->margin = next(cursor, US);
    guest->expected = next(cursor, US);
    guest->least = next(cursor, US);
}

static int room_make(struct record *record)
{
    size_t n = record->n + 1;
    void *guests = reallocarray(record->guests, n, sizeof(*record->guests));
    void *loads = reallocarray(record->loads, n, sizeof(*record->loads));
    void *sizes = reallocarray(record->sizes, n, sizeof(*record->sizes));

    /* Each one that was moved is the record's from now on, whatever became of the others. */
    if (guests)
        record->guests = guests;
    if (loads)
        record->loads = loads;
    if (sizes)
        record->sizes = sizes;
    return guests && loads && sizes ? 0 : -ENOMEM;
}

static int guests_read(sqlite3_stmt *statement, struct record *record)
{
    int code, error = 0;

    while (!error && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct cursor cursor = {.statement = statement};
        error = room_make(record);
        if (error)
            return error;
        size_t i = record->n++;
        record->guests[i] = (struct record_guest){0};
        record->loads[i] = (struct guest_load){0};
        next_guest(&cursor, &record->guests[i], &record->loads[i], record->sizes[i]);
    }
    return code == SQLITE_DONE ? 0 : -EIO;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql, double time, uint32_t worker)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL))
        return NULL;
    sqlite3_bind_double(statement, 1, time);
    sqlite3_bind_int64(statement, 2, worker);
    return statement;
}

static int worker_read(sqlite3 *db, struct record *record)
{
    char sql[512];

    snprintf(sql, sizeof(sql), "SELECT utilisation, %s FROM worker WHERE time = ? AND worker = ?",
             costs_columns);
    sqlite3_stmt *statement = prepare(db, sql, record->time, record->worker);
    if (!statement)
        return -EIO;
    struct cursor cursor = {.statement = statement};
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        record->utilisation = next(&cursor, 1);
        next_costs(&cursor, &record->costs);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : code == SQLITE_DONE ? -ENOENT : -EIO;
}

int record_read_worker(sqlite3 *db, uint32_t worker, double time, struct record *ret)
{
    char columns[1024], sql[1536];
    struct record record = {.time = time, .worker = worker};
    int error = worker_read(db, &record);

    if (error)
        return error;
    snprintf(columns, sizeof(columns), guest_columns, costs_columns);
    snprintf(sql, sizeof(sql),
             "SELECT %s FROM input JOIN interface i ON i.id = interface"
             " WHERE time = ? AND worker = ? ORDER BY i.domid, i.handle",
             columns);
    sqlite3_stmt *statement = prepare(db, sql, time, worker);
    error = statement ? guests_read(statement, &record) : -EIO;
    sqlite3_finalize(statement);
    if (error)
        record_free(&record);
    else
        *ret = record;
    return error;
}

static int place_find(sqlite3 *db, const char *vm, int handle, double at, double *ret_time,
                      uint32_t *ret_worker, int64_t *ret_interface)
{
    static const char sql[] = "SELECT input.time, worker, i.id FROM input"
                              " JOIN interface i ON i.id = interface"
                              " WHERE i.name = ?1 AND (?2 < 0 OR i.handle = ?2) AND time <= ?3"
                              " ORDER BY time DESC, i.handle LIMIT 1";
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL))
        return -EIO;
    sqlite3_bind_text(statement, 1, vm, -1, SQLITE_STATIC);
    sqlite3_bind_int(statement, 2, handle);
    sqlite3_bind_double(statement, 3, at);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret_time = sqlite3_column_double(statement, 0);
        *ret_worker = (uint32_t)sqlite3_column_int64(statement, 1);
        *ret_interface = sqlite3_column_int64(statement, 2);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : code == SQLITE_DONE ? -ENOENT : -EIO;
}

int record_read(sqlite3 *db, const char *vm, int handle, double at, struct record *ret,
                size_t *ret_guest)
{
    double time;
    uint32_t worker;
    int64_t interface;
    int error = place_find(db, vm, handle, at, &time, &worker, &interface);

    if (!error)
        error = record_read_worker(db, worker, time, ret);
    if (error)
        return error;
    for (size_t i = 0; i < ret->n; i++)
        if (ret->guests[i].interface == interface)
            *ret_guest = i;
    return 0;
}
