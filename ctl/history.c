// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenaggctl history: how the promises went, what was predicted, measured and
 * decided, out of the daemon's database (docs/history.md). It is opened
 * read-only; the daemon may be writing to it, or be gone.
 *
 * Each part of the answer is a query with the columns it fills: `kinds` has a
 * letter for each of them, see value_write().
 */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/database.h"
#include "ctl/options.h"
#include "ctl/places.h"
#include "ctl/print.h"
#include "ctl/promise.h"

#define MICRO 1e-6

/* The course is shown in about as many steps, and decisions to people at most. */
#define COURSE_STEPS 15
#define DECISIONS_SHOWN 30

struct part {
    const char *key, *title, *empty;
    const char *sql; /* :since, :vm (NULL: all), :step, :limit */
    const char *kinds;
    const struct writer_column *columns;
    size_t count;
};

static const struct writer_column summary_columns[] = {
    {"vm", "VM"},
    {"domid", NULL},
    {"handle", "IF"},
    {NULL, "PROMISE"},
    {"promise_s", NULL},
    {"percentile", NULL},
    {"scope", NULL},
    {"windows", "WINDOWS"},
    {"kept_share", "KEPT"},
    {"worst", "WORST"},
    {"predicted_s", "PREDICTED"},
    {"measured_s", "MEASURED"},
    {"error_share", "ERROR"},
    {"dropped", "DROPPED"},
};

/* The promise is the last one of the span; several columns are made of its three values. */
static const char summary_sql[] =
    "SELECT i.name, i.domid, i.handle, r.delay_us, r.percentile, r.scope,"
    "  (SELECT count(*) FROM verdict v WHERE v.interface = i.id AND v.time > :since),"
    "  (SELECT avg(kept) FROM verdict v WHERE v.interface = i.id AND v.time > :since),"
    "  (SELECT max(measured_us / promise_us) FROM verdict v"
    "    WHERE v.interface = i.id AND v.time > :since),"
    "  coalesce(a.predicted, (SELECT avg(predicted_us) FROM verdict v"
    "    WHERE v.interface = i.id AND v.time > :since)),"
    "  coalesce(a.measured, (SELECT avg(measured_us) FROM verdict v"
    "    WHERE v.interface = i.id AND v.time > :since)), a.error,"
    "  (SELECT sum(dropped) FROM (SELECT dropped FROM sample"
    "    WHERE interface = i.id AND time > :since"
    "    UNION ALL SELECT dropped FROM minute WHERE interface = i.id AND time >= :since"
    "     AND time + 60 <= (SELECT coalesce(min(time), :until) FROM sample)))"
    " FROM interface i"
    " LEFT JOIN promise r ON r.interface = i.id"
    "  AND r.time = (SELECT max(time) FROM promise WHERE interface = i.id)"
    " LEFT JOIN (SELECT p.interface, avg(p.total_us) AS predicted, avg(m.total_us) AS measured,"
    "    avg(abs(p.total_us - m.total_us) / m.total_us) AS error"
    "   FROM prediction p JOIN measured m USING(time, interface, direction)"
    "   WHERE p.direction = 'promise' AND p.time > :since AND m.total_us > 0"
    "    AND p.total_us IS NOT NULL GROUP BY p.interface) a ON a.interface = i.id"
    " WHERE i.last_seen > :since AND (:vm IS NULL OR i.name = :vm)"
    " ORDER BY i.name, i.domid, i.handle";

static const struct writer_column course_columns[] = {
    {"time", "TIME"},
    {"vm", "VM"},
    {"domid", NULL},
    {"handle", "IF"},
    {"rx_rate", "RX RATE"},
    {"tx_rate", "TX RATE"},
    {"rx_packets", "RX SIZE"},
    {"tx_packets", "TX SIZE"},
    {"predicted_s", "PREDICTED"},
    {"measured_s", "MEASURED"},
    {"windows", "WINDOWS"},
    {"kept_share", "KEPT"},
};

/*
 * Ticks as far back as they are kept, minutes before; there, only the windows
 * say how the promise went. Steps are counted back from the last entry, so that
 * the last one is whole.
 */
static const char course_sql[] =
    "WITH tick(time, interface, rx_rate, tx_rate, rx_packets, tx_packets, predicted, measured) AS ("
    "  SELECT s.time, s.interface, s.rate, t.rate, s.size_packets, t.size_packets,"
    "   p.total_us, m.total_us FROM sample s"
    "  LEFT JOIN sample t"
    "   ON t.time = s.time AND t.interface = s.interface AND t.direction = 'tx'"
    "  LEFT JOIN prediction p"
    "   ON p.time = s.time AND p.interface = s.interface AND p.direction = 'promise'"
    "  LEFT JOIN measured m"
    "   ON m.time = s.time AND m.interface = s.interface AND m.direction = 'promise'"
    "  WHERE s.direction = 'rx' AND s.time > :since"
    "  UNION ALL"
    "  SELECT s.time + 60, s.interface, s.rate, t.rate, s.size_packets, t.size_packets, NULL, NULL"
    "  FROM minute s LEFT JOIN minute t"
    "   ON t.time = s.time AND t.interface = s.interface AND t.direction = 'tx'"
    "  WHERE s.direction = 'rx' AND s.time >= :since"
    "   AND s.time + 60 <= (SELECT coalesce(min(time), :until) FROM sample)),"
    " course AS (SELECT CAST((:until - time) / :step AS INTEGER) AS step, interface,"
    "  avg(rx_rate) AS rx_rate, avg(tx_rate) AS tx_rate, avg(rx_packets) AS rx_packets,"
    "  avg(tx_packets) AS tx_packets, avg(predicted) AS predicted, avg(measured) AS measured"
    "  FROM tick GROUP BY 1, 2),"
    " windows AS (SELECT CAST((:until - time) / :step AS INTEGER) AS step, interface,"
    "  count(*) AS windows, avg(kept) AS kept, avg(predicted_us) AS predicted,"
    "  avg(measured_us) AS measured FROM verdict WHERE time > :since GROUP BY 1, 2)"
    "SELECT :until - c.step * :step, i.name, i.domid, i.handle, c.rx_rate, c.tx_rate,"
    " c.rx_packets, c.tx_packets, coalesce(c.predicted, w.predicted),"
    " coalesce(c.measured, w.measured), w.windows, w.kept"
    " FROM course c JOIN interface i ON i.id = c.interface"
    " LEFT JOIN windows w ON w.step = c.step AND w.interface = c.interface"
    " WHERE :vm IS NULL OR i.name = :vm"
    " ORDER BY c.step DESC, i.name, i.domid, i.handle";

static const struct writer_column decision_columns[] = {
    {"time", "TIME"},
    {"vm", "VM"},
    {"domid", NULL},
    {"handle", "IF"},
    {"state", "STATE"},
    {"sizing", NULL},
    {NULL, "RX SIZE"},
    {"old_rx_packets", NULL},
    {"rx_packets", NULL},
    {"rx_timeout_s", "TIMEOUT"},
    {NULL, "TX SIZE"},
    {"old_tx_packets", NULL},
    {"tx_packets", NULL},
    {"tx_timeout_s", "TIMEOUT"},
    {"rx_rate", NULL},
    {"tx_rate", NULL},
    {"expected_s", "EXPECTED"},
    {"reason", "WHY"},
};

#define CHANGE(old, new)                                                                           \
    "CASE WHEN " old " IS NULL OR " old " = " new " THEN " new " ELSE " old                        \
                                                               " || ' -> ' || " new " END"

static const char decision_sql[] =
    "SELECT * FROM (SELECT time, name, domid, handle, state, sizing,"
    "  " CHANGE(
        "old_rx",
        "rx_packets") ", old_rx, rx_packets, nullif(rx_timeout_us, 0),"
                      "  " CHANGE(
                          "old_tx",
                          "tx_packets") ", old_tx, tx_packets, nullif(tx_timeout_us, 0),"
                                        "  rx_rate, tx_rate, expected_us, reason FROM changes"
                                        " WHERE time > :since AND (:vm IS NULL OR name = :vm)"
                                        " ORDER BY time DESC, name LIMIT :limit) ORDER BY time, "
                                        "name, domid, handle";

static const struct writer_column event_columns[] = {
    {"time", "TIME"}, {"kind", "EVENT"}, {"text", "WHAT HAPPENED"}};

static const char event_sql[] = "SELECT time, kind, text FROM event WHERE time > :since"
                                " ORDER BY time, id";

/* Order of the parts below. */
enum { PART_SUMMARY, PART_COURSE, PART_DECISIONS, PART_EVENTS, PARTS };

static const struct part parts[PARTS] = {
    [PART_SUMMARY] = {"summary", "Promises", "No VM had an interface of xenagg.", summary_sql,
                      "tccpcsnuusc", summary_columns, COUNT(summary_columns)},
    [PART_COURSE] = {"course", "Course", "Nothing was measured.", course_sql, "Ttccrrnnuucs",
                     course_columns, COUNT(course_columns)},
    [PART_DECISIONS] = {"decisions", "Decisions", "Nothing was decided.", decision_sql,
                        "Ttcctttccutccurrut", decision_columns, COUNT(decision_columns)},
    [PART_EVENTS] = {"events", "Events", NULL, event_sql, "Ttt", event_columns,
                     COUNT(event_columns)},
};

struct history_request {
    const char *vm, *database;
    double since, step; /* s; step 0: by the span */
    bool all, json;
};

/* What the queries are asked about. */
struct span {
    double since, until, step; /* s since the epoch; s */
    const char *vm;
    int limit;
};

static const char *column_text(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

static void count_write(struct writer *writer, sqlite3_stmt *statement, int column)
{
    sqlite3_int64 count = sqlite3_column_int64(statement, column);

    if (sqlite3_column_type(statement, column) == SQLITE_NULL || count < 0)
        writer_none(writer);
    else
        writer_count(writer, (uint64_t)count);
}

/* Three columns (delay, percentile, scope) that are four values. */
static void promise_write(struct writer *writer, sqlite3_stmt *statement, int column)
{
    double delay = MICRO * database_number(statement, column);
    double percentile = database_number(statement, column + 1);
    const char *scope = column_text(statement, column + 2);
    char text[PROMISE_TEXT];

    writer_text(writer, promise_text(delay, percentile, scope ? scope : "?", text));
    writer_duration(writer, delay);
    writer_number(writer, percentile);
    writer_text(writer, scope);
}

/* Returns how many columns of the query it took. */
static int value_write(struct writer *writer, sqlite3_stmt *statement, int column, char kind)
{
    double number = database_number(statement, column);

    switch (kind) {
    case 'T': /* seconds since the epoch */
        writer_time(writer, number);
        break;
    case 't': /* text */
        writer_text(writer, column_text(statement, column));
        break;
    case 'c': /* count */
        count_write(writer, statement, column);
        break;
    case 'r': /* per second */
        writer_rate(writer, number);
        break;
    case 'u': /* microseconds */
        writer_duration(writer, MICRO * number);
        break;
    case 's': /* share of 1 */
        writer_share(writer, number);
        break;
    case 'n': /* number */
        writer_number(writer, number);
        break;
    case 'p': /* promise */
        promise_write(writer, statement, column);
        return 3;
    }
    return 1;
}

static void row_write(struct writer *writer, sqlite3_stmt *statement, const char *kinds)
{
    int column = 0;

    writer_row(writer);
    for (; *kinds; kinds++)
        column += value_write(writer, statement, column, *kinds);
}

static void bind_number(sqlite3_stmt *statement, const char *name, double value)
{
    int index = sqlite3_bind_parameter_index(statement, name);

    if (index)
        sqlite3_bind_double(statement, index, value);
}

static void span_bind(sqlite3_stmt *statement, const struct span *span)
{
    int vm = sqlite3_bind_parameter_index(statement, ":vm");

    bind_number(statement, ":since", span->since);
    bind_number(statement, ":until", span->until);
    bind_number(statement, ":step", span->step);
    int limit = sqlite3_bind_parameter_index(statement, ":limit");
    if (limit)
        sqlite3_bind_int(statement, limit, span->limit);
    if (vm && span->vm)
        sqlite3_bind_text(statement, vm, span->vm, -1, SQLITE_STATIC);
}

/* Number of rows, or -1: the database says why. */
static int part_write(struct writer *writer, sqlite3 *db, const struct part *part,
                      const struct span *span)
{
    sqlite3_stmt *statement;
    int rows = 0, code = sqlite3_prepare_v2(db, part->sql, -1, &statement, NULL);

    if (code)
        return -1;
    span_bind(statement, span);
    writer_table(writer, part->key, part->title, part->empty, part->columns, part->count);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        row_write(writer, statement, part->kinds);
        rows++;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? rows : -1;
}

/* The first value of a query, NAN where it has none. */
static double number_ask(sqlite3 *db, const char *sql, const struct span *span)
{
    sqlite3_stmt *statement;
    double value = NAN;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL))
        return NAN;
    if (span)
        span_bind(statement, span);
    if (sqlite3_step(statement) == SQLITE_ROW)
        value = database_number(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

/* How long the course is: the span, or less where the history begins in it. */
static double course_seconds(sqlite3 *db, const struct span *span)
{
    double first = number_ask(db,
                              "SELECT min(time) FROM ("
                              "SELECT min(time) AS time FROM sample WHERE time > :since"
                              " UNION ALL SELECT min(time) FROM minute WHERE time >= :since)",
                              span);
    return isnan(first) ? span->until - span->since : span->until - first;
}

/* A round number of seconds that makes about COURSE_STEPS steps. */
static double step_choose(double seconds)
{
    static const double round[] = {1,   2,   5,    10,   15,   30,    60,    120,
                                   300, 600, 1800, 3600, 7200, 21600, 86400, 604800};

    for (size_t i = 0; i + 1 < COUNT(round); i++)
        if (seconds / round[i] <= COURSE_STEPS)
            return round[i];
    return round[COUNT(round) - 1];
}

static int parts_write(struct writer *writer, sqlite3 *db, const struct span *span)
{
    for (int i = 0; i < PARTS; i++) {
        int rows = part_write(writer, db, &parts[i], span);
        if (rows < 0)
            return -1;
        if (i == PART_DECISIONS && rows == span->limit)
            writer_note(writer, "Only the last %d decisions are shown; --all shows all.", rows);
    }
    return 0;
}

static int history_print(sqlite3 *db, const struct history_request *request)
{
    /* Counted back from the last entry: the history of a daemon that is gone can be read, too. */
    double until = number_ask(db,
                              "SELECT max(time) FROM (SELECT max(time) AS time FROM sample"
                              " UNION ALL SELECT max(time) FROM event)",
                              NULL);
    struct span span = {.since = until - request->since,
                        .until = until,
                        .vm = request->vm,
                        .limit = request->all || request->json ? -1 : DECISIONS_SHOWN};

    if (isnan(until)) {
        ctl_error("%s: nothing is recorded yet", request->database);
        return CTL_FAILED;
    }
    if (span.vm &&
        !(number_ask(db, "SELECT count(*) FROM interface WHERE name = :vm", &span) > 0)) {
        ctl_error("%s: knows no VM called '%s'", request->database, span.vm);
        return CTL_FAILED;
    }
    span.step = request->step > 0 ? request->step : step_choose(course_seconds(db, &span));
    struct writer *writer = print_start(request->json, false);
    if (parts_write(writer, db, &span)) {
        ctl_error("%s: %s", request->database, sqlite3_errmsg(db));
        writer_free(writer);
        return CTL_FAILED;
    }
    return print_end(writer);
}

static int history_show(const struct history_request *request)
{
    sqlite3 *db = database_read(request->database, 1);
    int status = db ? history_print(db, request) : CTL_FAILED;

    sqlite3_close(db);
    return status;
}

int ctl_history(int argc, char **argv)
{
    struct history_request request = {.database = PLACES_DATABASE, .since = 600};
    const struct option_spec specs[] = {
        {"vm", OPTION_TEXT, "NAME", "only this VM (all)", &request.vm, 0, 0},
        {"since", OPTION_SPAN, "DURATION", "so long before the last entry (10m)", &request.since, 0,
         0},
        {"step", OPTION_SPAN, "DURATION", "length of a line of the course (by the span)",
         &request.step, 0, 0},
        {"all", OPTION_FLAG, NULL, "all decisions, not only the last ones", &request.all, 0, 0},
        OPTION_ROW_DATABASE(&request.database),
        OPTION_ROW_JSON(&request.json),
    };
    const struct option_set set = {
        .command = "history",
        .summary = "Shows what xenaggd predicted, measured and decided, and why.",
        .count = COUNT(specs),
        .specs = specs};
    const char *operands[OPTIONS_OPERANDS];
    int status;

    if (!options_parse(&set, argc, argv, operands, &status))
        return status;
    return history_show(&request);
}
