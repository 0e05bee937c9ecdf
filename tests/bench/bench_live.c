// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Are promises kept on real packets? bench-live [RESULTS.json]
 *
 * Three scenarios in the sandbox, with the daemon as it is: constant load, a
 * jump to ten times the load, a guest that falls silent and comes back. The
 * judge is the generator that stamps each packet, never the backend. What comes
 * out depends on what else the host does: so this is no test.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/client.h"
#include "sandbox/record.h"
#include "sandbox/route.h"
#include "sandbox/traffic.h"
#include "sandbox/world.h"

#define GUESTS 2u
#define STEPS 3u
#define FRAME 64u
#define LOOK_SECONDS 0.25
#define LEAD_SECONDS 8.0 /* of each scenario's first rates, before anything is judged */
#define NS 1e9
/*
 * One way, mean. A host that has other things to do delays single packets by
 * milliseconds; a promise of a few hundred microseconds would measure the host.
 */
#define PROMISE_US 2500.0

static const char *const names[GUESTS] = {"subject", "other"};

struct step {
    double at; /* s since the scenario began */
    double rate[GUESTS];
};

static const struct scenario {
    const char *name, *about;
    double seconds;
    struct step steps[STEPS];
} scenarios[] = {
    {"constant", "nothing changes", 24, {{0, {6000, 2000}}, {INFINITY, {0}}, {INFINITY, {0}}}},
    {"jump",
     "one guest's load is ten times as high from one moment to the next",
     24,
     {{0, {1500, 2000}}, {10, {15000, 2000}}, {INFINITY, {0}}}},
    {"silent",
     "one guest says nothing for a while and comes back",
     28,
     {{0, {6000, 2000}}, {8, {0, 2000}}, {18, {6000, 2000}}}},
};
#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

struct bench {
    struct world *world;
    struct world_guest *guests[GUESTS];
    struct traffic *traffic;
    unsigned lanes[GUESTS];
    struct record *record; /* of the scenario */
    double begun, changed; /* s, traffic's clock: the scenario, its last change of rates */
    double tick_time;
    json_t *pending; /* a tick's status, whose packets may still be on their way to us */
};

struct outcome {
    struct record_score score;
    double predicted_us, generator_us, least_us; /* means over settled ticks */
};

static int fail(const char *what, int error)
{
    if (error != -EINTR)
        fprintf(stderr, "bench-live: %s: %s\n", what, strerror(-error));
    return error;
}

static double now(void)
{
    return (double)traffic_now() / NS;
}

/* ---- setting up ---- */

static int config_write(struct bench *bench)
{
    char path[WORLD_PATH];
    FILE *file = fopen(world_config(bench->world, path), "we");

    if (!file)
        return -errno;
    fprintf(file, "[default]\nscope = one-way\npercentile = mean\ndelay = %.0fus\n", PROMISE_US);
    return fclose(file) ? -errno : 0;
}

static int guests_start(struct bench *bench)
{
    int error = 0;

    for (unsigned i = 0; i < GUESTS && !error; i++) {
        error = world_create_guest(bench->world, 81 + i, names[i], 0, &bench->guests[i]);
        if (!error)
            error = world_bring_up(bench->world, bench->guests[i]);
    }
    return error;
}

static int traffic_begin(struct bench *bench)
{
    int error = traffic_create((uint64_t)time(NULL), 2 * WORLD_PATIENCE, &bench->traffic);

    for (unsigned i = 0; i < GUESTS && !error; i++) {
        int lane = route_add(bench->traffic, bench->world, bench->guests[i], FRAME);
        error = lane < 0 ? lane : 0;
        bench->lanes[i] = (unsigned)lane;
    }
    return error ? error : traffic_start(bench->traffic);
}

static int bench_start(struct bench *bench)
{
    struct world_options options = {0};
    int error = world_create(&options, &bench->world);

    if (!error)
        error = config_write(bench);
    if (!error)
        error = world_start_backend(bench->world);
    if (!error)
        error = guests_start(bench);
    if (!error)
        error = world_start_daemon(bench->world, "1s");
    if (!error)
        error = traffic_begin(bench);
    return error ? fail("starting", error) : 0;
}

static void bench_stop(struct bench *bench)
{
    json_decref(bench->pending);
    traffic_free(bench->traffic);
    world_free(bench->world);
}

/* ---- watching ---- */

/* The generator's delays of the packets that were sent during the tick, in whole tenths. */
static void delays_read(struct bench *bench, unsigned i, double from, double to,
                        struct record_delays *ret)
{
    static const enum traffic_delay which[] = {TRAFFIC_TO_GUEST, TRAFFIC_FROM_GUEST};
    struct histogram *const into[] = {&ret->to_guest, &ret->from_guest};

    memset(ret, 0, sizeof(*ret));
    for (int d = 0; d < 2; d++)
        traffic_read_delays(bench->traffic, bench->lanes[i], which[d],
                            (uint64_t)llround(round(from * 10) / 10 * NS),
                            (uint64_t)llround(round(to * 10) / 10 * NS), into[d]);
}

static int interface_record(struct bench *bench, unsigned i, const json_t *interface, double end)
{
    struct record_delays delays;
    double seconds = client_number(interface, "rx.seconds");
    double containers = fmin(client_number(interface, "rx.container_count"),
                             client_number(interface, "tx.container_count"));

    /* Only what the scenario has done, after its lead. */
    if (!(seconds > 0) || end - seconds < bench->begun)
        return 0;
    delays_read(bench, i, end - seconds, end, &delays);
    struct record_tick tick = {
        .at = end - bench->begun,
        .seconds = seconds,
        .settled = end - seconds >= bench->changed + RECORD_SETTLE_SECONDS,
        .containers = containers > 0 ? (uint64_t)containers : 0,
        .predicted_us = client_number(interface, "predicted_us"),
        .generator_us = record_delay_us(&delays, NAN),
        .promise_us = client_number(interface, "promise.delay_us"),
        .least_us = client_number(interface, "least_us"),
        .percentile = NAN,
    };
    return record_add(bench->record, i, &tick, &delays);
}

static int status_record(struct bench *bench, const json_t *status)
{
    const json_t *interface;
    size_t index;
    int error = 0;

    json_array_foreach(json_object_get(status, "interfaces"), index, interface)
    {
        for (unsigned i = 0; i < GUESTS && !error; i++)
            if (strcmp(client_text(interface, "name"), names[i]) == 0)
                error = interface_record(bench, i, interface, client_number(status, "time"));
    }
    return error;
}

/* Takes the daemon's latest tick; it is recorded one look later. */
static int look(struct bench *bench)
{
    char path[WORLD_PATH], refusal[128];
    json_t *status;
    int error = bench->pending ? status_record(bench, bench->pending) : 0;

    json_decref(bench->pending);
    bench->pending = NULL;
    if (!error)
        error = client_ask_status(world_control(bench->world, path), NULL, WORLD_PATIENCE, &status,
                                  refusal, sizeof(refusal));
    if (error)
        return fail("the daemon's status", error);
    double time = client_number(status, "time");
    if (time > bench->tick_time) {
        bench->tick_time = time;
        bench->pending = status;
    } else {
        json_decref(status);
    }
    return 0;
}

static void rates_set(struct bench *bench, const struct step *step)
{
    for (unsigned i = 0; i < GUESTS; i++)
        traffic_set_rate(bench->traffic, bench->lanes[i], step->rate[i]);
    bench->changed = now();
}

static int watch(struct bench *bench, const struct scenario *scenario)
{
    unsigned step = 0;
    int error = 0;

    while (!error && now() < bench->begun + scenario->seconds) {
        if (step + 1 < STEPS && now() >= bench->begun + scenario->steps[step + 1].at)
            rates_set(bench, &scenario->steps[++step]);
        error = look(bench);
        if (!error)
            error = world_pause(bench->world, LOOK_SECONDS);
    }
    return error;
}

static void outcome_of(const struct bench *bench, unsigned i, struct outcome *ret)
{
    unsigned n = 0;

    memset(ret, 0, sizeof(*ret));
    record_score(bench->record, i, &ret->score);
    for (unsigned k = 0; k < record_ticks(bench->record, i); k++) {
        const struct record_tick *tick = record_tick(bench->record, i, k);
        if (!tick->settled || isnan(tick->generator_us) || isnan(tick->predicted_us))
            continue;
        ret->predicted_us += tick->predicted_us;
        ret->generator_us += tick->generator_us;
        ret->least_us += tick->least_us;
        n++;
    }
    ret->predicted_us /= n;
    ret->generator_us /= n;
    ret->least_us /= n;
}

static int scenario_run(struct bench *bench, const struct scenario *scenario,
                        struct outcome outcomes[GUESTS])
{
    bench->record = record_create();
    if (!bench->record)
        return fail("the record", -ENOMEM);
    rates_set(bench, &scenario->steps[0]);
    bench->begun = now() + LEAD_SECONDS;
    int error = world_pause(bench->world, LEAD_SECONDS);
    if (!error)
        error = watch(bench, scenario);
    for (unsigned i = 0; i < GUESTS && !error; i++)
        outcome_of(bench, i, &outcomes[i]);
    record_free(bench->record);
    return error ? fail(scenario->name, error) : 0;
}

/* ---- telling ---- */

static double share(unsigned part, unsigned all)
{
    return all ? (double)part / all : NAN;
}

static void outcome_print(const struct scenario *scenario, unsigned i,
                          const struct outcome *outcome)
{
    const struct record_score *score = &outcome->score;

    printf("%-10s %-8s %8u %9.1f %% %9.1f %% %8.2f %9.0f us %9.0f us %8.0f us\n", scenario->name,
           names[i], score->windows, 100 * share(score->kept, score->windows),
           100 * share(score->settled_kept, score->settled_windows), score->worst_ratio,
           outcome->predicted_us, outcome->generator_us, outcome->least_us);
}

/* JSON has no word for what is not known. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *outcome_json(const struct scenario *scenario, unsigned i,
                            const struct outcome *outcome)
{
    const struct record_score *score = &outcome->score;

    return json_pack(
        "{s:s, s:s, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o}", "scenario", scenario->name, "guest",
        names[i], "windows", (int)score->windows, "kept", (int)score->kept, "settled_windows",
        (int)score->settled_windows, "settled_kept", (int)score->settled_kept, "worst_ratio",
        number(score->worst_ratio), "predicted_us", number(outcome->predicted_us), "generator_us",
        number(outcome->generator_us), "least_us", number(outcome->least_us));
}

static int run_all(struct bench *bench, json_t *rows, struct record_score *total)
{
    struct outcome outcomes[GUESTS];

    for (size_t s = 0; s < SCENARIOS; s++) {
        int error = scenario_run(bench, &scenarios[s], outcomes);
        if (error)
            return error;
        for (unsigned i = 0; i < GUESTS; i++) {
            outcome_print(&scenarios[s], i, &outcomes[i]);
            json_array_append_new(rows, outcome_json(&scenarios[s], i, &outcomes[i]));
            total->windows += outcomes[i].score.windows;
            total->kept += outcomes[i].score.kept;
            total->settled_windows += outcomes[i].score.settled_windows;
            total->settled_kept += outcomes[i].score.settled_kept;
        }
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    struct record_score total = {0};
    json_t *rows = json_array();

    printf("promise: %.0f us one way, mean; windows of at least %u containers, judged by the "
           "generator\n",
           PROMISE_US, RECORD_WINDOW_CONTAINERS);
    printf("%-10s %-8s %8s %11s %11s %8s %12s %12s %11s\n", "scenario", "guest", "windows", "kept",
           "settled", "worst", "predicted", "measured", "least");
    int error = bench_start(&bench);
    if (!error)
        error = run_all(&bench, rows, &total);
    bench_stop(&bench);
    double kept = share(total.kept, total.windows);
    double settled = share(total.settled_kept, total.settled_windows);
    if (!error)
        printf("kept: %.1f %% of %u windows; without the %.0f s after a change: %.1f %% of %u\n",
               100 * kept, total.windows, RECORD_SETTLE_SECONDS, 100 * settled,
               total.settled_windows);
    json_t *document = json_pack("{s:f, s:o, s:o, s:i, s:o}", "promise_us", PROMISE_US,
                                 "promises_kept", number(kept), "promises_kept_settled",
                                 number(settled), "windows", (int)total.windows, "rows", rows);
    if (!error && argc > 1 && json_dump_file(document, argv[1], JSON_INDENT(2)))
        error = fail(argv[1], -EIO);
    json_decref(document);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
