// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/summary.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/programs.h"
#include "sandbox/screen.h"

void summary_fault(struct summary *summary, const char *format, ...)
{
    va_list arguments;

    if (summary->n_faults == SUMMARY_FAULTS)
        return;
    va_start(arguments, format);
    vsnprintf(summary->faults[summary->n_faults++], sizeof(summary->faults[0]), format, arguments);
    va_end(arguments);
}

/* --- judging ------------------------------------------------------------- */

static void judge_packets(struct summary *summary, unsigned i)
{
    const struct summary_guest *guest = &summary->guests[i];
    const char *name = plan_members[i].name;

    for (unsigned place = 0; place < TRAFFIC_PLACES; place++) {
        const struct traffic_arrivals *arrivals = &guest->counts.at[place];
        if (arrivals->damaged)
            summary_fault(summary, "%s: %lu packets damaged", name,
                          (unsigned long)arrivals->damaged);
        if (arrivals->reordered)
            summary_fault(summary, "%s: %lu packets out of order within their flow", name,
                          (unsigned long)arrivals->reordered);
    }
    if (guest->losses.out.uncounted || guest->losses.back.uncounted)
        summary_fault(summary, "%s: packets lost and not counted, %lu to the guest, %lu from it",
                      name, (unsigned long)guest->losses.out.uncounted,
                      (unsigned long)guest->losses.back.uncounted);
    if (guest->losses.out.arrived == 0 || guest->losses.back.arrived == 0)
        summary_fault(summary, "%s: no packet came through", name);
}

void summary_judge(struct summary *summary)
{
    struct record_score score;

    for (unsigned i = 0; i < PLAN_GUESTS; i++)
        judge_packets(summary, i);
    if (record_retunings(summary->record, PLAN_TIGHT) == 0 ||
        record_retunings(summary->record, PLAN_RELAXED) == 0)
        summary_fault(summary, "no retuning: the sizes never changed");
    if (strcmp(summary->guests[PLAN_IMPOSSIBLE].state, "unattainable") != 0)
        summary_fault(summary, "the promise that can't be kept is not reported: state '%s'",
                      summary->guests[PLAN_IMPOSSIBLE].state);
    for (unsigned i = 0; i < PLAN_GUESTS; i++) {
        record_score(summary->record, i, &score);
        if (score.windows == 0)
            summary_fault(summary, "%s: its promise was never put to the test",
                          plan_members[i].name);
    }
}

/* --- for people ---------------------------------------------------------- */

static double share(unsigned part, unsigned whole)
{
    return whole ? 100.0 * part / whole : NAN;
}

static void print_promises(const struct summary *summary, FILE *file)
{
    fprintf(file,
            "\nPromises, judged by the generator over windows of at least %u containers\n"
            " %-11s %9s %-11s %15s %27s %6s  %s\n",
            RECORD_WINDOW_CONTAINERS, "guest", "promise", "", "windows kept",
            "3 s after changes left out", "worst", "state");
    for (unsigned i = 0; i < PLAN_GUESTS; i++) {
        struct record_score score;
        char promise[24], all[32], settled[32], a[24], b[24];
        record_score(summary->record, i, &score);
        unsigned n = record_ticks(summary->record, i);
        double promise_us = n ? record_tick(summary->record, i, n - 1)->promise_us : NAN;
        snprintf(all, sizeof(all), "%u/%u %s %%", score.kept, score.windows,
                 screen_number(share(score.kept, score.windows), a));
        snprintf(settled, sizeof(settled), "%u/%u %s %%", score.settled_kept, score.settled_windows,
                 screen_number(share(score.settled_kept, score.settled_windows), b));
        fprintf(file, " %-11s %6s us %-11s %15s %27s %5.2fx  %s\n", plan_members[i].name,
                screen_number(promise_us, promise), summary->guests[i].scope, all, settled,
                score.worst_ratio, summary->guests[i].state);
    }
    if (!isnan(summary->guests[PLAN_TIGHT].promise_ratio))
        fprintf(file, " The tight promise was at most %.2f times the least delay at its load.\n",
                summary->guests[PLAN_TIGHT].promise_ratio);
}

static void print_phase(const struct summary *summary, unsigned guest, unsigned phase, FILE *file)
{
    struct record_phase p;
    char offered[24], predicted[24], backend[24], generator[24];

    record_phase(summary->record, guest, phase, &p);
    if (p.ticks == 0)
        return;
    fprintf(file, " %-11s %-11s %8s  %5u..%-5u %9s %9s %9s %+7.1f %% %7.1f %%\n",
            plan_members[guest].name, plan_phases[phase].name, screen_number(p.offered, offered),
            p.smallest, p.largest, screen_number(p.predicted_us, predicted),
            screen_number(p.backend_us, backend), screen_number(p.generator_us, generator),
            100 * p.error, 100 * p.absolute_error);
}

static void print_predictions(const struct summary *summary, FILE *file)
{
    fprintf(file,
            "\nPrediction (made a tick before) against what the generator measured, means in "
            "microseconds, 3 s after each change left out\n"
            " %-11s %-11s %8s  %12s %9s %9s %9s %9s %9s\n",
            "guest", "phase", "packets/s", "size", "predicted", "backend", "generator", "off by",
            "per tick");
    for (unsigned i = 0; i < PLAN_GUESTS; i++)
        for (unsigned phase = 0; phase < PLAN_PHASES; phase++)
            print_phase(summary, i, phase, file);
}

static void print_way(const char *name, const char *way, const struct losses_way *losses,
                      const struct traffic_arrivals *arrivals, FILE *file)
{
    fprintf(file, " %-11s %-4s %9lu %9lu %7lu %7lu %7lu %7lu %7lu %10lu %8lu %10lu\n", name, way,
            (unsigned long)losses->sent, (unsigned long)losses->arrived,
            (unsigned long)losses->lost, (unsigned long)losses->queue, (unsigned long)losses->ring,
            (unsigned long)(losses->refused + losses->size), (unsigned long)losses->unseen,
            (unsigned long)losses->uncounted, (unsigned long)arrivals->damaged,
            (unsigned long)arrivals->reordered);
}

static void print_packets(const struct summary *summary, FILE *file)
{
    uint64_t all = 0;

    fprintf(file, "\nPackets\n %-11s %-4s %9s %9s %7s %7s %7s %7s %7s %10s %8s %10s\n", "guest",
            "way", "sent", "arrived", "lost", "queue", "ring", "refused", "unseen", "uncounted",
            "damaged", "reordered");
    for (unsigned i = 0; i < PLAN_GUESTS; i++) {
        const struct summary_guest *guest = &summary->guests[i];
        print_way(plan_members[i].name, "out", &guest->losses.out,
                  &guest->counts.at[TRAFFIC_IN_GUEST], file);
        print_way("", "back", &guest->losses.back, &guest->counts.at[TRAFFIC_BACK], file);
        all += guest->losses.out.arrived + guest->losses.back.arrived;
    }
    fprintf(file, " %.0f packets/s carried, both ways together, on average over %.0f s.\n",
            (double)all / summary->seconds, summary->seconds);
}

static void print_programs(const struct summary *summary, FILE *file)
{
    fprintf(file, "\nCosts\n %-24s %14s %12s\n", "program", "share of a core", "resident");
    for (unsigned i = 0; i < summary->n_programs; i++)
        fprintf(file, " %-24s %13.1f %% %9.1f MB\n", summary->programs[i].name,
                100 * summary->programs[i].cpu_share, summary->programs[i].resident / 1e6);
    fprintf(file, " A tick of the daemon takes %.0f us on average, %.0f us at most.\n",
            summary->tick_mean_us, summary->tick_max_us);
}

void summary_print(const struct summary *summary, FILE *file)
{
    print_promises(summary, file);
    print_predictions(summary, file);
    print_packets(summary, file);
    print_programs(summary, file);
}

/* --- xenstore ------------------------------------------------------------ */

static void print_node(struct store *store, const char *dir, const char *name, unsigned depth,
                       FILE *file)
{
    char value[512], path[KEYS_PATH];
    unsigned count = 0;
    int length = store_read(store, dir, name, value, sizeof(value));

    fprintf(file, " %*s%s = \"%.60s%s\"\n", (int)(2 * depth), "", name, length < 0 ? "" : value,
            length > 60 ? "..." : "");
    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        return;
    char **names = store_list(store, path, &count);
    for (unsigned i = 0; names && i < count; i++)
        print_node(store, path, names[i], depth + 1, file);
    free(names);
}

void summary_print_store(struct store *store, FILE *file)
{
    fprintf(file, "\nxenstore, below /local/domain/0/backend\n");
    print_node(store, "/local/domain/0/backend", KEYS_CLASS, 0, file);
}

/* --- the history --------------------------------------------------------- */

static int print_row(void *context, int columns, char **values, char **names)
{
    FILE *file = context;

    (void)names;
    for (int i = 0; i < columns; i++)
        fprintf(file, "%s%s", i ? "|" : "   ", values[i] ? values[i] : "");
    fputc('\n', file);
    return 0;
}

void summary_print_history(const char *database, FILE *file)
{
    static const char *const questions[] = {
        "SELECT name, promise_us, count(*), round(100.0 * avg(kept), 1) FROM verdict JOIN "
        "interface ON interface.id = verdict.interface GROUP BY name, promise_us",
        "SELECT name, direction, round(avg(error_percent), 1), round(avg(abs(error_percent)), 1) "
        "FROM accuracy GROUP BY name, direction",
        "SELECT time, old_rx, rx_packets, rx_timeout_us, state, reason FROM changes WHERE name = "
        "'tight' ORDER BY time DESC LIMIT 5",
    };
    char program[PROGRAMS_PATH] = "xenaggctl";
    sqlite3 *handle;
    char *error = NULL;

    programs_find("xenaggctl", program);
    fprintf(file, "\nThe history, %s\n %s history --database %s\n", database, program, database);
    if (sqlite3_open_v2(database, &handle, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        fprintf(file, " could not be read: %s\n", sqlite3_errmsg(handle));
        sqlite3_close(handle);
        return;
    }
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        fprintf(file, " sqlite3 -readonly %s \"%s\"\n", database, questions[i]);
        if (sqlite3_exec(handle, questions[i], print_row, file, &error) != SQLITE_OK)
            fprintf(file, "   no answer: %s\n", error);
        sqlite3_free(error);
        error = NULL;
    }
    sqlite3_close(handle);
}

/* --- for programs -------------------------------------------------------- */

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_lane(const struct record_lane *lane)
{
    return json_pack("{s:o, s:o, s:o}", "predicted_us", number(lane->predicted_us), "backend_us",
                     number(lane->backend_us), "generator_us", number(lane->generator_us));
}

static json_t *json_phase(const struct summary *summary, unsigned guest, unsigned phase)
{
    struct record_phase p;

    record_phase(summary->record, guest, phase, &p);
    json_t *phase_json = json_pack(
        "{s:s, s:s, s:i, s:o, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "guest",
        plan_members[guest].name, "phase", plan_phases[phase].name, "ticks", (int)p.ticks,
        "packets_per_second", number(p.offered), "smallest", (int)p.smallest, "largest",
        (int)p.largest, "predicted_us", number(p.predicted_us), "backend_us", number(p.backend_us),
        "generator_us", number(p.generator_us), "promise_us", number(p.promise_us), "least_us",
        number(p.least_us), "error", number(p.error), "absolute_error", number(p.absolute_error));

    json_object_set_new(phase_json, "to_guest", json_lane(&p.to_guest));
    json_object_set_new(phase_json, "from_guest", json_lane(&p.from_guest));
    return phase_json;
}

static json_t *json_guest(const struct summary *summary, unsigned i)
{
    const struct summary_guest *guest = &summary->guests[i];
    struct record_score score;

    record_score(summary->record, i, &score);
    return json_pack(
        "{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:o, s:o, s:i, s:I, s:I, s:I, s:I, s:I}", "name",
        plan_members[i].name, "scope", guest->scope, "state", guest->state, "windows",
        (int)score.windows, "kept", (int)score.kept, "settled_windows", (int)score.settled_windows,
        "settled_kept", (int)score.settled_kept, "worst_ratio", number(score.worst_ratio),
        "promise_by_least", number(guest->promise_ratio), "retunings",
        (int)record_retunings(summary->record, i), "sent", (json_int_t)guest->losses.out.sent,
        "arrived", (json_int_t)guest->losses.out.arrived, "returned",
        (json_int_t)guest->losses.back.arrived, "lost",
        (json_int_t)(guest->losses.out.lost + guest->losses.back.lost), "uncounted",
        (json_int_t)(guest->losses.out.uncounted + guest->losses.back.uncounted));
}

static json_t *json_build(const struct summary *summary)
{
    json_t *guests = json_array(), *phases = json_array(), *programs = json_array(),
           *faults = json_array();

    for (unsigned i = 0; i < PLAN_GUESTS; i++) {
        json_array_append_new(guests, json_guest(summary, i));
        for (unsigned phase = 0; phase < PLAN_PHASES; phase++)
            json_array_append_new(phases, json_phase(summary, i, phase));
    }
    for (unsigned i = 0; i < summary->n_programs; i++)
        json_array_append_new(programs,
                              json_pack("{s:s, s:f, s:f}", "name", summary->programs[i].name,
                                        "cpu_share", summary->programs[i].cpu_share,
                                        "resident_bytes", summary->programs[i].resident));
    for (unsigned i = 0; i < summary->n_faults; i++)
        json_array_append_new(faults, json_string(summary->faults[i]));
    return json_pack("{s:f, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "seconds", summary->seconds,
                     "guests", guests, "phases", phases, "programs", programs, "tick_mean_us",
                     number(summary->tick_mean_us), "tick_max_us", number(summary->tick_max_us),
                     "database", summary->database, "faults", faults);
}

int summary_write_json(const struct summary *summary, const char *path)
{
    json_t *document = json_build(summary);
    int error = document ? 0 : -ENOMEM;

    if (!error && json_dump_file(document, path, JSON_INDENT(2)))
        error = errno ? -errno : -EIO;
    json_decref(document);
    return error;
}
