// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/schema.h"

#include <stdio.h>

/*
 * What version 1 had. Later versions add to it, step by step, so that a new
 * database and an old one brought up to date are the same.
 *
 * Rows of every tick lie in the order of time (WITHOUT ROWID): what is asked for
 * and what is thrown away is a span of time.
 */
static const char tables[] =
    "CREATE TABLE run("
    " id INTEGER PRIMARY KEY, started REAL NOT NULL, version TEXT NOT NULL, interval REAL);"
    "CREATE TABLE interface("
    " id INTEGER PRIMARY KEY, name TEXT NOT NULL, domid INTEGER NOT NULL, handle INTEGER NOT NULL,"
    " first_seen REAL NOT NULL, last_seen REAL NOT NULL, UNIQUE(name, domid, handle));"
    "CREATE TABLE promise("
    " time REAL, interface INTEGER REFERENCES interface, delay_us REAL, percentile REAL,"
    " scope TEXT NOT NULL, PRIMARY KEY(time, interface)) WITHOUT ROWID;"
    "CREATE TABLE decision("
    " time REAL, interface INTEGER REFERENCES interface, state TEXT NOT NULL,"
    " sizing TEXT NOT NULL, rx_packets INTEGER, rx_timeout_us REAL, tx_packets INTEGER,"
    " tx_timeout_us REAL, bytes INTEGER, rx_rate REAL, tx_rate REAL, expected_us REAL,"
    " least_us REAL, reason TEXT NOT NULL, PRIMARY KEY(time, interface)) WITHOUT ROWID;"
    "CREATE TABLE verdict("
    " time REAL, interface INTEGER REFERENCES interface, seconds REAL, containers INTEGER,"
    " promise_us REAL, predicted_us REAL, measured_us REAL, kept INTEGER NOT NULL,"
    " PRIMARY KEY(time, interface)) WITHOUT ROWID;"
    "CREATE TABLE sample("
    " time REAL, interface INTEGER REFERENCES interface, direction TEXT,"
    " seconds REAL, packets INTEGER, bytes INTEGER, containers INTEGER, closed_count INTEGER,"
    " closed_bytes INTEGER, closed_timeout INTEGER, closed_flush INTEGER, notified INTEGER,"
    " spared INTEGER, dropped INTEGER, malformed INTEGER, rate REAL, rate_error REAL,"
    " dispersion REAL, packet_bytes REAL, size_packets INTEGER, size_timeout_us REAL,"
    " PRIMARY KEY(time, interface, direction)) WITHOUT ROWID;"
    "CREATE TABLE prediction("
    " time REAL, interface INTEGER REFERENCES interface, direction TEXT, port_us REAL,"
    " fill_us REAL, publish_us REAL, ring_us REAL, unload_us REAL, correction_us REAL,"
    " total_us REAL, PRIMARY KEY(time, interface, direction)) WITHOUT ROWID;"
    "CREATE TABLE measured("
    " time REAL, interface INTEGER REFERENCES interface, direction TEXT, port_us REAL,"
    " fill_us REAL, publish_us REAL, ring_us REAL, unload_us REAL, total_us REAL, p50_us REAL,"
    " p99_us REAL, PRIMARY KEY(time, interface, direction)) WITHOUT ROWID;"
    "CREATE TABLE worker("
    " time REAL, worker INTEGER, interfaces INTEGER, utilisation REAL, predicted_utilisation REAL,"
    " container_rate REAL, read_ns REAL, publish_ns REAL, publish_packet_ns REAL, unload_ns REAL,"
    " unload_packet_ns REAL, wakeup_ns REAL, timer_late_ns REAL,"
    " PRIMARY KEY(time, worker)) WITHOUT ROWID;"
    "CREATE TABLE minute("
    " time REAL, interface INTEGER REFERENCES interface, direction TEXT, seconds REAL,"
    " packets INTEGER, containers INTEGER, dropped INTEGER, rate REAL, rate_min REAL,"
    " rate_max REAL, size_packets REAL, size_timeout_us REAL, predicted_us REAL, measured_us REAL,"
    " p99_us REAL, measured_max_us REAL,"
    " PRIMARY KEY(time, interface, direction)) WITHOUT ROWID;"
    "CREATE TABLE event("
    " id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);";

static const char views[] =
    "CREATE VIEW timeline AS SELECT s.time, i.name, i.domid, i.handle,"
    "  s.rate AS rx_rate, t.rate AS tx_rate,"
    "  s.size_packets AS rx_packets, s.size_timeout_us AS rx_timeout_us,"
    "  t.size_packets AS tx_packets, t.size_timeout_us AS tx_timeout_us,"
    "  p.total_us AS predicted_us, m.total_us AS measured_us"
    " FROM sample s JOIN interface i ON i.id = s.interface"
    " LEFT JOIN sample t ON t.time = s.time AND t.interface = s.interface AND t.direction = 'tx'"
    " LEFT JOIN prediction p"
    "  ON p.time = s.time AND p.interface = s.interface AND p.direction = 'promise'"
    " LEFT JOIN measured m"
    "  ON m.time = s.time AND m.interface = s.interface AND m.direction = 'promise'"
    " WHERE s.direction = 'rx';"

    "CREATE VIEW now AS SELECT t.*, r.delay_us AS promise_us, d.state, d.reason"
    " FROM timeline t JOIN interface i"
    "  ON i.name = t.name AND i.domid = t.domid AND i.handle = t.handle"
    " LEFT JOIN promise r ON r.interface = i.id"
    "  AND r.time = (SELECT max(time) FROM promise WHERE interface = i.id)"
    " LEFT JOIN decision d ON d.interface = i.id"
    "  AND d.time = (SELECT max(time) FROM decision WHERE interface = i.id)"
    " WHERE t.time = (SELECT max(time) FROM sample);"

    "CREATE VIEW accuracy AS SELECT p.time, i.name, i.domid, i.handle, p.direction,"
    "  p.total_us AS predicted_us, m.total_us AS measured_us,"
    "  p.total_us - m.total_us AS error_us,"
    "  100.0 * (p.total_us - m.total_us) / m.total_us AS error_percent"
    " FROM prediction p JOIN measured m USING(time, interface, direction)"
    " JOIN interface i ON i.id = p.interface"
    " WHERE p.total_us IS NOT NULL AND m.total_us > 0;"

    "CREATE VIEW accuracy_summary AS SELECT name, domid, handle, direction, count(*) AS ticks,"
    "  avg(error_percent) AS error_percent, avg(abs(error_percent)) AS absolute_percent"
    " FROM accuracy GROUP BY name, domid, handle, direction;"

    "CREATE VIEW kept AS SELECT i.name, i.domid, i.handle, count(*) AS windows,"
    "  avg(v.kept) AS share, max(v.measured_us / v.promise_us) AS worst,"
    "  min(v.time) AS since, max(v.time) AS until"
    " FROM verdict v JOIN interface i ON i.id = v.interface GROUP BY v.interface;"

    "CREATE VIEW kept_hourly AS SELECT"
    "  strftime('%Y-%m-%d %H:00', v.time, 'unixepoch', 'localtime') AS hour, i.name, i.domid,"
    "  i.handle, count(*) AS windows, avg(v.kept) AS share,"
    "  max(v.measured_us / v.promise_us) AS worst"
    " FROM verdict v JOIN interface i ON i.id = v.interface GROUP BY hour, v.interface;"

    "CREATE VIEW changes AS SELECT d.time,"
    "  datetime(d.time, 'unixepoch', 'localtime') AS at, i.name, i.domid, i.handle, d.state,"
    "  lag(d.rx_packets) OVER w AS old_rx, d.rx_packets, d.rx_timeout_us,"
    "  lag(d.tx_packets) OVER w AS old_tx, d.tx_packets, d.tx_timeout_us,"
    "  d.rx_rate, d.tx_rate, d.expected_us, d.sizing, d.reason"
    " FROM decision d JOIN interface i ON i.id = d.interface"
    " WINDOW w AS (PARTITION BY d.interface ORDER BY d.time);"

    "CREATE VIEW broken AS SELECT i.name, i.domid, i.handle, r.delay_us AS promise_us, d.least_us,"
    "  d.least_us - r.delay_us AS missing_us,"
    "  datetime(d.time, 'unixepoch', 'localtime') AS since, d.reason"
    " FROM decision d JOIN interface i ON i.id = d.interface"
    " LEFT JOIN promise r ON r.interface = i.id"
    "  AND r.time = (SELECT max(time) FROM promise WHERE interface = i.id)"
    " WHERE d.state = 'unattainable'"
    "  AND d.time = (SELECT max(time) FROM decision WHERE interface = i.id);"

    "CREATE VIEW busy AS SELECT"
    "  strftime('%Y-%m-%d %H:%M', time, 'unixepoch', 'localtime') AS minute, worker,"
    "  avg(utilisation) AS utilisation, max(utilisation) AS utilisation_max,"
    "  avg(predicted_utilisation) AS predicted_utilisation"
    " FROM worker GROUP BY minute, worker;";

/* To version 2: what the model was given, so that it can be asked again. */
static const char model_inputs[] =
    "CREATE TABLE input("
    " time REAL, interface INTEGER REFERENCES interface, worker INTEGER,"
    " rx_rate REAL, tx_rate REAL, rx_bytes REAL, tx_bytes REAL, rx_dispersion REAL,"
    " tx_dispersion REAL, forwarded REAL, read_ns REAL, publish_ns REAL, publish_packet_ns REAL,"
    " unload_ns REAL, unload_packet_ns REAL, wakeup_ns REAL, timer_late_ns REAL, scv REAL,"
    " delay_us REAL, percentile REAL, scope TEXT, objective TEXT, utilisation_max REAL,"
    " min_packets INTEGER, max_packets INTEGER, min_timeout_us REAL, max_timeout_us REAL,"
    " max_bytes REAL, rx_fixed TEXT, tx_fixed TEXT, rx_packets INTEGER, rx_timeout_us REAL,"
    " tx_packets INTEGER, tx_timeout_us REAL, model_us REAL, margin_us REAL, expected_us REAL,"
    " least_us REAL, publish_error_ns REAL, publish_packet_error_ns REAL, unload_error_ns REAL,"
    " unload_packet_error_ns REAL, PRIMARY KEY(time, interface)) WITHOUT ROWID;"
    "ALTER TABLE worker ADD COLUMN scv REAL;"
    "ALTER TABLE worker ADD COLUMN publish_error_ns REAL;"
    "ALTER TABLE worker ADD COLUMN publish_packet_error_ns REAL;"
    "ALTER TABLE worker ADD COLUMN unload_error_ns REAL;"
    "ALTER TABLE worker ADD COLUMN unload_packet_error_ns REAL;";

/* To version 3: what the guests' domains took of the CPUs, as the hypervisor says. */
static const char domain_cpu[] =
    "CREATE TABLE domain("
    " time REAL, interface INTEGER REFERENCES interface, cpu REAL NOT NULL,"
    " PRIMARY KEY(time, interface)) WITHOUT ROWID;"
    "ALTER TABLE minute ADD COLUMN domain_cpu REAL;";

/* To version 4: standard errors of all that is estimated. */
static const char estimate_errors[] = "ALTER TABLE worker ADD COLUMN read_error_ns REAL;"
                                      "ALTER TABLE worker ADD COLUMN wakeup_error_ns REAL;"
                                      "ALTER TABLE worker ADD COLUMN publish_whole_error_ns REAL;"
                                      "ALTER TABLE worker ADD COLUMN unload_whole_error_ns REAL;"
                                      "ALTER TABLE input ADD COLUMN read_error_ns REAL;"
                                      "ALTER TABLE input ADD COLUMN wakeup_error_ns REAL;"
                                      "ALTER TABLE input ADD COLUMN publish_whole_error_ns REAL;"
                                      "ALTER TABLE input ADD COLUMN unload_whole_error_ns REAL;"
                                      "ALTER TABLE sample ADD COLUMN dispersion_error REAL;"
                                      "ALTER TABLE sample ADD COLUMN packet_bytes_error REAL;";

static const char indices[] = "CREATE INDEX promise_interface ON promise(interface, time);"
                              "CREATE INDEX decision_interface ON decision(interface, time);"
                              "CREATE INDEX verdict_interface ON verdict(interface, time);"
                              "CREATE INDEX event_time ON event(time);";

static int number(sqlite3 *db, const char *sql, int *ret)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    if (code)
        return code;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret = sqlite3_column_int(statement, 0);
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code;
}

/* All of it or nothing. */
static int execute(sqlite3 *db, const char *const *steps, size_t n)
{
    int code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

    for (size_t i = 0; i < n && !code; i++)
        code = sqlite3_exec(db, steps[i], NULL, NULL, NULL);
    if (!code)
        code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    if (code && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

#define STEPS(steps) (sizeof(steps) / sizeof((steps)[0]))

static int schema_create(sqlite3 *db)
{
    char marks[128];
    const char *const steps[] = {tables,     views,           indices, model_inputs,
                                 domain_cpu, estimate_errors, marks};

    snprintf(marks, sizeof(marks), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             SCHEMA_APPLICATION, SCHEMA_VERSION);
    return execute(db, steps, STEPS(steps));
}

static int schema_update(sqlite3 *db, int version)
{
    static const char *const steps[] = {model_inputs, domain_cpu, estimate_errors,
                                        "PRAGMA user_version = 4"};
    size_t done = (size_t)version - 1;

    return execute(db, steps + done, STEPS(steps) - done);
}

int schema_prepare(sqlite3 *db)
{
    int application = 0, version = 0, objects = 0;
    int code = number(db, "PRAGMA application_id", &application);

    if (!code)
        code = number(db, "PRAGMA user_version", &version);
    if (!code)
        code = number(db, "SELECT count(*) FROM sqlite_schema", &objects);
    if (code)
        return code;
    if (application == 0 && version == 0 && objects == 0)
        return schema_create(db);
    if (application != SCHEMA_APPLICATION || version < 1 || version > SCHEMA_VERSION)
        return SQLITE_MISMATCH;
    return version < SCHEMA_VERSION ? schema_update(db, version) : SQLITE_OK;
}
