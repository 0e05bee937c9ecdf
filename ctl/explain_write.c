// SPDX-License-Identifier: GPL-2.0-or-later
/* What `xenaggctl explain` says, part by part. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/duration.h"
#include "ctl/ctl.h"
#include "ctl/database.h"
#include "ctl/explain.h"
#include "ctl/promise.h"

#define US 1e-6
#define NS 1e-9
/* What is asked again may differ by the rounding of the database, and no more. */
#define AGREES 1e-6
#define DECISIONS 5
/* Later than any time that is recorded. */
#define LAST_TIME 1e15

static const char *const direction_names[] = {"rx", "tx"};

static const struct record_guest *guest_of(const struct explain *explain)
{
    return &explain->record.guests[explain->guest];
}

static const struct guest_load *load_of(const struct explain *explain)
{
    return &explain->record.loads[explain->guest];
}

/*
 * A number that the database has: ?1 is the tick, ?2 the interface, ?3 the direction, or without
 * one the worker. NAN: it has none.
 */
static double ask(sqlite3 *db, const struct explain *explain, const char *sql,
                  const char *direction)
{
    sqlite3_stmt *statement;
    double value = NAN;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL))
        return NAN;
    sqlite3_bind_double(statement, 1, explain->record.time);
    sqlite3_bind_int64(statement, 2, guest_of(explain)->interface);
    if (direction)
        sqlite3_bind_text(statement, 3, direction, -1, SQLITE_STATIC);
    else
        sqlite3_bind_int64(statement, 3, explain->record.worker);
    if (sqlite3_step(statement) == SQLITE_ROW)
        value = database_number(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

/* ---- what it is about ---- */

static void write_size(struct writer *writer, const struct lane_size *size)
{
    writer_count(writer, size->packets);
    writer_duration(writer, size->timeout);
}

static void write_promise(struct writer *writer, const struct guest_load *load)
{
    const struct promise *promise = &load->promise;
    const char *scope = promise->scope == SCOPE_FORWARDING ? "forwarding" : "one-way";
    char text[PROMISE_TEXT];

    writer_text(writer, promise_text(promise->delay, promise->percentile, scope, text));
    writer_duration(writer, isfinite(promise->delay) ? promise->delay : NAN);
    writer_number(writer, promise->percentile > 0 ? promise->percentile : NAN);
    writer_text(writer, scope);
}

static void write_head(struct writer *writer, sqlite3 *db, const struct explain *explain)
{
    static const struct writer_column columns[] = {
        {"vm", "VM"},
        {"domid", NULL},
        {"handle", "interface"},
        {"time", "at"},
        {"worker", "worker"},
        {"utilisation", "worker used"},
        {NULL, "promise"},
        {"promise_s", NULL},
        {"percentile", NULL},
        {"scope", NULL},
        {"objective", "objective"},
        {"rx_packets", "rx size"},
        {"rx_timeout_s", "rx timeout"},
        {"tx_packets", "tx size"},
        {"tx_timeout_s", "tx timeout"},
        {"model_s", "delay by the model"},
        {"correction_s", "learnt correction"},
        {"expected_s", "delay expected"},
        {"margin_s", "kept in hand"},
        {"measured_s", "measured last"},
        {"least_s", "least of any size"},
    };
    const struct record_guest *guest = guest_of(explain);
    const struct explain_size *chosen = &explain->alternatives[EXPLAIN_CHOSEN];

    writer_record(writer, NULL, NULL, columns, COUNT(columns));
    writer_row(writer);
    writer_text(writer, guest->name);
    writer_count(writer, guest->domid);
    writer_count(writer, guest->handle);
    writer_time(writer, explain->record.time);
    writer_count(writer, explain->record.worker);
    writer_share(writer, explain->record.utilisation);
    write_promise(writer, load_of(explain));
    writer_text(writer, guest->objective);
    write_size(writer, &chosen->size[DIRECTION_RX]);
    write_size(writer, &chosen->size[DIRECTION_TX]);
    writer_duration(writer, chosen->forecast.promised);
    writer_duration(writer, guest->expected - guest->model);
    writer_duration(writer, chosen->delay);
    writer_duration(writer, guest->margin);
    writer_duration(writer, US * ask(db, explain,
                                     "SELECT total_us FROM measured WHERE time = ?1"
                                     " AND interface = ?2 AND direction = ?3",
                                     "promise"));
    writer_duration(writer, guest->least);
}

/* ---- what the model was given ---- */

static double ask_sample(sqlite3 *db, const struct explain *explain, const char *column,
                         enum direction d)
{
    char sql[128];

    snprintf(sql, sizeof(sql),
             "SELECT %s FROM sample WHERE time = ?1 AND interface = ?2 AND direction = ?3", column);
    return ask(db, explain, sql, direction_names[d]);
}

static void write_loads(struct writer *writer, sqlite3 *db, const struct explain *explain)
{
    static const struct writer_column columns[] = {
        {"direction", "DIR"},         {"rate", "RATE"},           {"rate_error", "+-"},
        {"dispersion", "DISPERSION"}, {"dispersion_error", "+-"}, {"packet_bytes", "BYTES"},
        {"packet_bytes_error", "+-"}, {"forwarded", "FORWARDED"}, {"fixed", "FIXED BY"},
    };
    const struct guest_load *load = load_of(explain);

    writer_table(writer, "loads", "What the model was given: load", NULL, columns, COUNT(columns));
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        const char *fixed = guest_of(explain)->fixed[d];
        writer_row(writer);
        writer_text(writer, direction_names[d]);
        writer_rate(writer, load->rate[d]);
        writer_rate(writer, ask_sample(db, explain, "rate_error", d));
        writer_number(writer, load->dispersion[d]);
        writer_number(writer, ask_sample(db, explain, "dispersion_error", d));
        writer_number(writer, load->packet_bytes[d]);
        writer_number(writer, ask_sample(db, explain, "packet_bytes_error", d));
        writer_number(writer, d == DIRECTION_TX ? load->forwarded : NAN);
        writer_text(writer, *fixed ? fixed : NULL);
    }
}

/* Of the worker, or of the guest. s; NAN: not known, or not to be told from the other part. */
static double ask_error(sqlite3 *db, const struct explain *explain, bool worker, const char *cost)
{
    char sql[128];

    snprintf(sql, sizeof(sql), "SELECT %s_error_ns FROM %s WHERE time = ?1 AND %s", cost,
             worker ? "worker" : "input", worker ? "worker = ?3" : "interface = ?2");
    return NS * ask(db, explain, sql, NULL);
}

static void write_costs_of(struct writer *writer, sqlite3 *db, const struct explain *explain,
                           bool worker)
{
    const struct end_costs *costs = worker ? &explain->record.costs : &load_of(explain)->costs;
    const struct {
        const char *name;
        double value;
    } parts[] = {
        {"read", costs->read},
        {"publish", costs->publish},
        {"publish_packet", costs->publish_packet},
        {"unload", costs->unload},
        {"unload_packet", costs->unload_packet},
        {"wakeup", costs->wakeup},
    };

    writer_row(writer);
    writer_text(writer, worker ? "worker" : "guest");
    for (size_t i = 0; i < COUNT(parts); i++) {
        writer_duration(writer, parts[i].value);
        writer_duration(writer, ask_error(db, explain, worker, parts[i].name));
    }
    writer_number(writer, costs->scv);
    /* The daemon records no errors where containers were all alike. */
    bool told = isfinite(ask_error(db, explain, worker, "publish")) &&
                isfinite(ask_error(db, explain, worker, "unload"));
    writer_text(writer, told ? "measured" : "guessed, sizes are alike");
}

static void write_costs(struct writer *writer, sqlite3 *db, const struct explain *explain)
{
    static const struct writer_column columns[] = {
        {"end", "END"},
        {"read_s", "READ"},
        {"read_error_s", "+-"},
        {"publish_s", "PUBLISH"},
        {"publish_error_s", "+-"},
        {"publish_packet_s", "A PACKET"},
        {"publish_packet_error_s", "+-"},
        {"unload_s", "UNLOAD"},
        {"unload_error_s", "+-"},
        {"unload_packet_s", "A PACKET"},
        {"unload_packet_error_s", "+-"},
        {"wakeup_s", "WAKE-UP"},
        {"wakeup_error_s", "+-"},
        {"scv", "SCV"},
        {"fixed_part", "FIXED PART"},
    };

    writer_table(writer, "costs", "... and costs", NULL, columns, COUNT(columns));
    write_costs_of(writer, db, explain, true);
    write_costs_of(writer, db, explain, false);
}

/* ---- what it made of that ---- */

static void write_parts(struct writer *writer, const struct explain *explain)
{
    static const struct writer_column columns[] = {
        {"direction", "DIR"},          {"fill_s", "FILLING"},    {"wait_s", "WAITING"},
        {"service_s", "SERVICE"},      {"wakeup_s", "WAKE-UPS"}, {"mean_s", "MEAN DELAY"},
        {"promised_s", "AS PROMISED"},
    };
    const struct guest_forecast *forecast = &explain->alternatives[EXPLAIN_CHOSEN].forecast;

    writer_table(writer, "parts", "What the delay is made of, by the model", NULL, columns,
                 COUNT(columns));
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        const struct delay_parts *parts = &forecast->mean[d];
        if (!(load_of(explain)->rate[d] > 0) && !explain_is_silent(explain))
            continue;
        writer_row(writer);
        writer_text(writer, direction_names[d]);
        writer_duration(writer, parts->fill);
        writer_duration(writer, fmax(0, parts->port + parts->ring - explain->wakeups[d]));
        writer_duration(writer, parts->publish + parts->unload);
        writer_duration(writer, explain->wakeups[d]);
        writer_duration(writer, parts->total);
        writer_duration(writer, forecast->lane_promised[d]);
    }
}

static void write_alternative(struct writer *writer, const struct explain *explain,
                              const struct explain_size *at)
{
    char text[32];

    if (at->factor == 1)
        snprintf(text, sizeof(text), "as chosen");
    else if (isinf(at->factor))
        snprintf(text, sizeof(text), "the ceiling");
    else
        snprintf(text, sizeof(text), "%g times", at->factor);
    writer_row(writer);
    writer_text(writer, text);
    writer_number(writer, isfinite(at->factor) ? at->factor : NAN);
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        write_size(writer, &at->size[d]);
    writer_duration(writer, at->delay);
    writer_mood(writer, at->factor == 1 ? WRITER_PLAIN : WRITER_DIM);
    if (isfinite(load_of(explain)->promise.delay))
        writer_flag(writer, at->kept, "yes", "no");
    else
        writer_none(writer);
    writer_mood(writer, at->kept ? WRITER_GOOD : WRITER_BAD);
    writer_share(writer, at->worker.utilisation);
    writer_rate(writer, at->worker.container_rate);
}

static const struct writer_column size_columns[] = {
    {NULL, "SIZE"},
    {"factor", NULL},
    {"rx_packets", "RX"},
    {"rx_timeout_s", "TIMEOUT"},
    {"tx_packets", "TX"},
    {"tx_timeout_s", "TIMEOUT"},
    {"delay_s", "DELAY"},
    {"kept", "KEEPS"},
    {"worker_utilisation", "WORKER USED"},
    {"container_rate", "CONTAINERS"},
};

static bool is_same(const struct explain_size *a, const struct explain_size *b)
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (a->size[d].packets != b->size[d].packets || a->size[d].timeout != b->size[d].timeout)
            return false;
    return true;
}

/* Half of one packet is one packet. */
static bool is_repeated(const struct explain *explain, int i)
{
    const struct explain_size *all = explain->alternatives;

    return i != EXPLAIN_CHOSEN &&
           (is_same(&all[i], &all[EXPLAIN_CHOSEN]) || (i > 0 && is_same(&all[i], &all[i - 1])));
}

static void write_alternatives(struct writer *writer, const struct explain *explain)
{
    writer_table(writer, "alternatives", "What other sizes would make of it",
                 "Nothing: the VM is silent.", size_columns, COUNT(size_columns));
    for (int i = 0; i < EXPLAIN_ALTERNATIVES && !explain_is_silent(explain); i++)
        if (!is_repeated(explain, i))
            write_alternative(writer, explain, &explain->alternatives[i]);
}

/* ---- what was decided ---- */

static void write_decision(struct writer *writer, sqlite3_stmt *statement)
{
    writer_row(writer);
    writer_time(writer, database_number(statement, 0));
    writer_text(writer, (const char *)sqlite3_column_text(statement, 1));
    writer_text(writer, (const char *)sqlite3_column_text(statement, 2));
    for (int pair = 3; pair < 7; pair += 2) {
        double packets = database_number(statement, pair); /* NULL: no size yet */
        writer_number(writer, packets);
        writer_duration(writer, isnan(packets) ? NAN : US * database_number(statement, pair + 1));
    }
    writer_duration(writer, US * database_number(statement, 7));
    writer_text(writer, (const char *)sqlite3_column_text(statement, 8));
}

static void write_decisions(struct writer *writer, sqlite3 *db, const struct explain *explain)
{
    static const struct writer_column columns[] = {
        {"time", "TIME"},
        {"state", "STATE"},
        {"sizing", NULL},
        {"rx_packets", "RX"},
        {"rx_timeout_s", "TIMEOUT"},
        {"tx_packets", "TX"},
        {"tx_timeout_s", "TIMEOUT"},
        {"expected_s", "EXPECTED"},
        {"reason", "WHY"},
    };
    static const char sql[] =
        "SELECT * FROM (SELECT time, state, sizing, rx_packets, rx_timeout_us, tx_packets,"
        " tx_timeout_us, expected_us, reason FROM decision WHERE interface = ?1 AND time <= ?2"
        " ORDER BY time DESC LIMIT ?3) ORDER BY time";
    sqlite3_stmt *statement;

    writer_table(writer, "decisions", "How it came to be", "No decision is recorded.", columns,
                 COUNT(columns));
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL))
        return;
    sqlite3_bind_int64(statement, 1, guest_of(explain)->interface);
    sqlite3_bind_double(statement, 2, fmin(explain->at, LAST_TIME));
    sqlite3_bind_int(statement, 3, DECISIONS);
    while (sqlite3_step(statement) == SQLITE_ROW)
        write_decision(writer, statement);
    sqlite3_finalize(statement);
}

/* ---- in words ---- */

/* What was decided since: nothing, for want of measurements. */
static void note_stale(struct writer *writer, sqlite3 *db, const struct explain *explain)
{
    static const char sql[] = "SELECT time, state, reason FROM decision WHERE interface = ?1"
                              " AND time <= ?2 ORDER BY time DESC LIMIT 1";
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL))
        return;
    sqlite3_bind_int64(statement, 1, guest_of(explain)->interface);
    sqlite3_bind_double(statement, 2, fmin(explain->at, LAST_TIME));
    if (sqlite3_step(statement) == SQLITE_ROW &&
        database_number(statement, 0) > explain->record.time &&
        strcmp((const char *)sqlite3_column_text(statement, 1), "stale") == 0)
        writer_note(writer, "All this was so at the last tick with measurements. Since then: %s.",
                    (const char *)sqlite3_column_text(statement, 2));
    sqlite3_finalize(statement);
}

static void note_fixed(struct writer *writer, const struct explain *explain)
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        const char *fixed = guest_of(explain)->fixed[d];
        if (!strcmp(fixed, "hand"))
            writer_note(writer,
                        "The %s size was fixed by hand ('xenaggctl unset' frees it): it is not "
                        "made for the promise.",
                        direction_names[d]);
        else if (*fixed)
            writer_note(writer,
                        "The %s size is fixed by the configuration: it is not made for the "
                        "promise.",
                        direction_names[d]);
    }
}

/* Sizes for the least delay: what keeps them from being smaller. */
static void note_haste(struct writer *writer, const struct explain *explain)
{
    const struct explain_size *chosen = &explain->alternatives[EXPLAIN_CHOSEN];
    const struct explain_size *smaller = chosen - 1;
    double most = guest_of(explain)->utilisation_max;
    char delay[DURATION_TEXT];

    if (!(most > 0))
        most = CONFIG_UTILISATION_MAX;
    if (smaller->size[explain_lead(explain)].packets >= chosen->size[explain_lead(explain)].packets)
        writer_note(writer, "The objective is the delay, and there is no smaller size.");
    else
        writer_note(writer,
                    "The objective is the least delay while the worker is used for no more than "
                    "%.0f%% of its time; smaller by a quarter, it would make %s and use %.1f%%.",
                    100 * most, duration_format(smaller->delay, delay),
                    100 * smaller->worker.utilisation);
}

static void note_bound(struct writer *writer, const struct explain *explain)
{
    const struct explain_size *chosen = &explain->alternatives[EXPLAIN_CHOSEN];
    const struct explain_size *larger = chosen + 1;
    const struct guest_load *load = load_of(explain);
    enum direction lead = explain_lead(explain);
    char promise[DURATION_TEXT], delay[DURATION_TEXT], margin[DURATION_TEXT];

    if (!isfinite(load->promise.delay) || load->fixed[lead])
        return;
    duration_format(load->promise.delay, promise);
    duration_format(larger->delay, delay);
    uint32_t more = larger->size[lead].packets;
    if (!chosen->kept)
        writer_note(writer, "The promise of %s is not kept by it; no size gives less than %s.",
                    promise, duration_format(guest_of(explain)->least, margin));
    else if (more <= chosen->size[lead].packets)
        writer_note(writer, "It is the largest size allowed (max-packets, max-bytes).");
    else if (larger->delay > load->promise.delay)
        writer_note(writer, "With %u packets it would be %s of the %s promised.", more, delay,
                    promise);
    else if (isfinite(guest_of(explain)->margin) &&
             larger->delay > load->promise.delay - guest_of(explain)->margin)
        writer_note(
            writer,
            "With %u packets it would be %s of the %s promised, of which %s are kept in hand "
            "for what varies.",
            more, delay, promise, duration_format(guest_of(explain)->margin, margin));
    else
        writer_note(writer,
                    "There is room: with %u packets it would be %s of the %s promised. Sizes grow "
                    "when that has held for a while.",
                    more, delay, promise);
}

/* Two programs of different versions may have different models. */
static void note_doubt(struct writer *writer, const struct explain *explain)
{
    double model = guest_of(explain)->model;
    double again = explain->alternatives[EXPLAIN_CHOSEN].forecast.promised;

    if (isfinite(model) && fabs(again - model) > AGREES * model)
        writer_note(writer,
                    "The daemon recorded %.1fus where the model, asked again, says %.1fus: is it "
                    "of another version?",
                    model * 1e6, again * 1e6);
}

/* Programs draw their own pictures. */
static void write_curve(struct writer *writer, const struct explain *explain)
{
    static const struct writer_column columns[] = {
        {"rx_packets", NULL},   {"rx_timeout_s", NULL}, {"tx_packets", NULL},
        {"tx_timeout_s", NULL}, {"delay_s", NULL},      {"worker_utilisation", NULL},
    };

    writer_table(writer, "curve", NULL, NULL, columns, COUNT(columns));
    for (size_t i = 0; i < explain->n_curve; i++) {
        const struct explain_size *at = &explain->curve[i];
        writer_row(writer);
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            write_size(writer, &at->size[d]);
        writer_duration(writer, at->delay);
        writer_share(writer, at->worker.utilisation);
    }
}

void explain_write(struct writer *writer, sqlite3 *db, const struct explain *explain,
                   bool for_programs)
{
    write_head(writer, db, explain);
    write_loads(writer, db, explain);
    write_costs(writer, db, explain);
    write_parts(writer, explain);
    write_alternatives(writer, explain);
    write_decisions(writer, db, explain);
    if (for_programs)
        write_curve(writer, explain);
    note_stale(writer, db, explain);
    note_fixed(writer, explain);
    if (strcmp(guest_of(explain)->objective, "delay") == 0)
        note_haste(writer, explain);
    else
        note_bound(writer, explain);
    note_doubt(writer, explain);
}
