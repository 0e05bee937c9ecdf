// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/demo.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "ctl/client.h"
#include "sandbox/losses.h"
#include "sandbox/plan.h"
#include "sandbox/programs.h"
#include "sandbox/record.h"
#include "sandbox/route.h"
#include "sandbox/screen.h"
#include "sandbox/summary.h"
#include "sandbox/traffic.h"
#include "sandbox/usage.h"
#include "sandbox/world.h"

#define INTERVAL "1s"
#define FRAME 64u
/* How often the daemon is asked whether its tick is over. */
#define LOOK_SECONDS 0.25
/* Ticks whose least delay is taken as the guest's. */
#define CALIBRATION_TICKS 4u
#define NS 1e9

struct demo {
    const struct demo_options *options;
    struct world *world;
    struct world_guest *guests[PLAN_GUESTS];
    struct traffic *traffic;
    unsigned lanes[PLAN_GUESTS];
    struct record *record;
    struct screen *screen;
    struct summary *summary;
    char database[WORLD_PATH];
    uint64_t traffic_ns; /* traffic_now() when traffic began */
    uint64_t start_ns;   /* when the course of phases began: the first measurements were there */
    unsigned phase;
    double changed_at; /* s since start: last change of rates or promises */
    double least_us;   /* of the tight guest, as calibrated; 0: not yet */
    double tick_time;  /* of the last tick that was recorded */
    json_t *pending;   /* a tick's status, whose packets may still be on their way to us */
    char reasons[PLAN_GUESTS][400];
    char scopes[PLAN_GUESTS][16];
};

static double elapsed(const struct demo *demo)
{
    return ((double)traffic_now() - (double)demo->start_ns) / NS;
}

static int complain(const char *what, int error)
{
    if (error != -EINTR)
        log_line(LOG_ERR, "demo", "%s: %s", what, strerror(-error));
    return error;
}

/* --- setting up ---------------------------------------------------------- */

static int write_config(struct demo *demo)
{
    char path[WORLD_PATH];
    FILE *file = fopen(world_config(demo->world, path), "we");

    if (!file)
        return complain(path, -errno);
    plan_write_config(file, demo->least_us);
    return fclose(file) ? complain(path, -errno) : 0;
}

static int add_lane(struct demo *demo, unsigned i)
{
    int lane = route_add(demo->traffic, demo->world, demo->guests[i], FRAME);

    if (lane < 0)
        return complain("traffic", lane);
    demo->lanes[i] = (unsigned)lane;
    return 0;
}

static int start_guests(struct demo *demo)
{
    int error = 0;

    for (unsigned i = 0; i < PLAN_GUESTS && !error; i++)
        error = world_create_guest(demo->world, plan_members[i].domid, plan_members[i].name, 0,
                                   &demo->guests[i]);
    for (unsigned i = 0; i < PLAN_GUESTS && !error; i++)
        error = world_boot(demo->world, demo->guests[i]);
    for (unsigned i = 0; i < PLAN_GUESTS && !error; i++)
        error = world_bring_up(demo->world, demo->guests[i]);
    return error;
}

static void set_rates(struct demo *demo, unsigned phase)
{
    for (unsigned i = 0; i < PLAN_GUESTS; i++)
        traffic_set_rate(demo->traffic, demo->lanes[i], plan_phases[phase].rate[i]);
    demo->phase = phase;
    demo->changed_at = elapsed(demo);
}

static int start_traffic(struct demo *demo)
{
    int error = traffic_create((uint64_t)time(NULL), demo->options->seconds + 2 * WORLD_PATIENCE,
                               &demo->traffic);

    for (unsigned i = 0; i < PLAN_GUESTS && !error; i++)
        error = add_lane(demo, i);
    if (!error)
        error = traffic_start(demo->traffic);
    if (error)
        return complain("traffic", error);
    demo->start_ns = demo->traffic_ns = traffic_now();
    set_rates(demo, 0);
    return 0;
}

static int choose_database(struct demo *demo)
{
    char folder[] = "/tmp/xenagg-demo-XXXXXX";

    if (demo->options->database)
        snprintf(demo->database, sizeof(demo->database), "%s", demo->options->database);
    else if (demo->options->folder)
        snprintf(demo->database, sizeof(demo->database), "%s/history.db", demo->options->folder);
    else if (mkdtemp(folder))
        snprintf(demo->database, sizeof(demo->database), "%s/history.db", folder);
    else
        return complain("a folder for the database", -errno);
    return 0;
}

static int set_up(struct demo *demo)
{
    struct world_options options = {.folder = demo->options->folder, .database = demo->database};
    int error = choose_database(demo);

    if (!error)
        error = world_create(&options, &demo->world);
    if (!error)
        error = write_config(demo);
    if (!error)
        error = world_start_backend(demo->world);
    if (!error)
        error = start_guests(demo);
    if (!error)
        error = world_start_daemon(demo->world, INTERVAL);
    return error ? error : start_traffic(demo);
}

/* --- watching ------------------------------------------------------------ */

/* Every promise is about both directions. */
static uint64_t tick_containers(const json_t *interface)
{
    double rx = client_number(interface, "rx.container_count"),
           tx = client_number(interface, "tx.container_count");
    double fewer = tx < rx ? tx : rx;

    return fewer > 0 ? (uint64_t)fewer : 0;
}

static uint32_t whole(double value)
{
    return value > 0 ? (uint32_t)value : 0;
}

static void read_delays(struct demo *demo, unsigned i, enum traffic_delay which, double from,
                        double to, struct histogram *ret)
{
    traffic_read_delays(demo->traffic, demo->lanes[i], which, (uint64_t)llround(from * NS),
                        (uint64_t)llround(to * NS), ret);
}

/* The generator's delays of the packets that were sent during the tick, in whole tenths. */
static double tick_delays(struct demo *demo, unsigned i, const json_t *interface, double end,
                          double seconds, struct record_delays *ret)
{
    double from = round((end - seconds) * 10) / 10, to = round(end * 10) / 10;

    ret->forwarding = strcmp(client_text(interface, "promise.scope"), "forwarding") == 0;
    read_delays(demo, i, TRAFFIC_ROUND_TRIP, from, to, &ret->round);
    read_delays(demo, i, TRAFFIC_TO_GUEST, from, to, &ret->to_guest);
    read_delays(demo, i, TRAFFIC_FROM_GUEST, from, to, &ret->from_guest);
    return to - from;
}

static struct record_lane tick_lane(const json_t *lane, const struct histogram *delays)
{
    return (struct record_lane){.predicted_us = client_number(lane, "predicted.total_us"),
                                .backend_us = client_number(lane, "measured.total_us"),
                                .generator_us = record_value_us(delays, NAN)};
}

/* Containers may also have been filled before a change that came within the tick. */
static bool tick_settled(const struct demo *demo, double at, double seconds)
{
    return at - seconds >= demo->changed_at + RECORD_SETTLE_SECONDS;
}

static int record_interface(struct demo *demo, unsigned i, const json_t *interface, double end)
{
    struct record_delays delays;
    double seconds = client_number(interface, "rx.seconds");

    if (!(seconds > 0))
        return 0;
    double at = end - (double)demo->start_ns / NS;
    double counted = tick_delays(demo, i, interface, end, seconds, &delays);
    struct record_tick tick = {
        .at = at,
        .seconds = seconds,
        .phase = demo->phase,
        .settled = tick_settled(demo, at, seconds),
        .offered = counted > 0 ? (double)histogram_count(&delays.to_guest) / counted : 0,
        .rx_packets = whole(client_number(interface, "rx.in_force.packets")),
        .rx_timeout_us = whole(client_number(interface, "rx.in_force.timeout_us")),
        .tx_packets = whole(client_number(interface, "tx.in_force.packets")),
        .tx_timeout_us = whole(client_number(interface, "tx.in_force.timeout_us")),
        .containers = tick_containers(interface),
        .predicted_us = client_number(interface, "predicted_us"),
        .backend_us = client_number(interface, "measured_us"),
        .to_guest = tick_lane(json_object_get(interface, "rx"), &delays.to_guest),
        .from_guest = tick_lane(json_object_get(interface, "tx"), &delays.from_guest),
        .promise_us = client_number(interface, "promise.delay_us"),
        .least_us = client_number(interface, "least_us"),
        .percentile = client_number(interface, "promise.percentile"),
    };
    tick.generator_us = record_delay_us(&delays, tick.percentile);
    if (demo->least_us <= 0)
        tick.promise_us = NAN; /* the configuration's default, which promises nothing here */
    snprintf(tick.state, sizeof(tick.state), "%s", client_text(interface, "state"));
    snprintf(demo->reasons[i], sizeof(demo->reasons[i]), "%s", client_text(interface, "reason"));
    snprintf(demo->scopes[i], sizeof(demo->scopes[i]), "%s",
             client_text(interface, "promise.scope"));
    return record_add(demo->record, i, &tick, &delays);
}

static int record_status(struct demo *demo, const json_t *status)
{
    double end = client_number(status, "time");
    size_t index;
    json_t *interface;
    int error = 0;

    json_array_foreach(json_object_get(status, "interfaces"), index, interface)
    {
        for (unsigned i = 0; i < PLAN_GUESTS && !error; i++)
            if (strcmp(client_text(interface, "name"), plan_members[i].name) == 0)
                error = record_interface(demo, i, interface, end);
    }
    demo->summary->tick_mean_us = client_number(status, "daemon.ticks.mean_us");
    demo->summary->tick_max_us = client_number(status, "daemon.ticks.max_us");
    return error;
}

static void show(struct demo *demo)
{
    struct screen_row rows[PLAN_GUESTS];

    for (unsigned i = 0; i < PLAN_GUESTS; i++) {
        unsigned n = record_ticks(demo->record, i);
        rows[i] = (struct screen_row){.name = plan_members[i].name,
                                      .tick = n ? record_tick(demo->record, i, n - 1) : NULL,
                                      .scope = demo->scopes[i],
                                      .reason = demo->reasons[i]};
        record_score(demo->record, i, &rows[i].score);
    }
    screen_show(demo->screen, elapsed(demo), demo->options->seconds, plan_phases[demo->phase].name,
                rows);
}

/*
 * Takes the daemon's latest tick; it is recorded one look later, when the
 * packets that were sent during it have been seen.
 */
static int look(struct demo *demo)
{
    char path[WORLD_PATH], refusal[128];
    json_t *status;
    int error = 0;

    if (demo->pending) {
        error = record_status(demo, demo->pending);
        json_decref(demo->pending);
        demo->pending = NULL;
        show(demo);
    }
    if (!error)
        error = client_ask_status(world_control(demo->world, path), NULL, WORLD_PATIENCE, &status,
                                  refusal, sizeof(refusal));
    if (error)
        return complain("the daemon's status", error);
    double end = client_number(status, "time");
    if (isnan(end) || end == demo->tick_time) {
        json_decref(status);
        return 0;
    }
    demo->tick_time = end;
    demo->pending = status;
    return 0;
}

/* --- the course of things ------------------------------------------------ */

/*
 * The least delay that any size would give, by the smallest of the last ticks:
 * what disturbs a machine now and then makes it larger, nothing makes it smaller.
 */
static double calibrated_least(const struct demo *demo)
{
    unsigned n = record_ticks(demo->record, PLAN_TIGHT);
    double least_us = NAN;

    for (unsigned i = n < CALIBRATION_TICKS ? 0 : n - CALIBRATION_TICKS; i < n; i++)
        least_us = fmin(least_us, record_tick(demo->record, PLAN_TIGHT, i)->least_us);
    return least_us;
}

static int make_promises(struct demo *demo, double least_us)
{
    if (!(least_us > 0)) {
        log_line(LOG_ERR, "demo", "the daemon no longer says what delay is the least");
        return -EPROTO;
    }
    demo->least_us = least_us;
    int error = write_config(demo);
    if (!error)
        error = process_signal(world_daemon(demo->world), SIGHUP);
    if (error)
        return complain("reload", error);
    screen_say(
        demo->screen,
        "%.0f s: the least that guest \"tight\" could have is %.0f us; promised now: %.0f us "
        "(tight), %.0f us (impossible), %.0f us and back (relaxed)\n",
        elapsed(demo), least_us, ceil(least_us * PLAN_TIGHT_RATIO), PLAN_IMPOSSIBLE_US,
        PLAN_RELAXED_US);
    return 0;
}

static int enter_phase(struct demo *demo, unsigned phase)
{
    int error = 0;

    if (demo->least_us <= 0)
        error = make_promises(demo, calibrated_least(demo));
    if (!error)
        set_rates(demo, phase);
    return error;
}

/* Programs start when a busy machine lets them: the phases begin with the first measurement. */
static int await_measurements(struct demo *demo)
{
    double end = elapsed(demo) + WORLD_PATIENCE;
    int error = 0;

    while (!error && isnan(calibrated_least(demo))) {
        error = look(demo);
        if (!error)
            error = world_pause(demo->world, LOOK_SECONDS);
        if (!error && elapsed(demo) > end) {
            log_line(LOG_ERR, "demo", "the daemon does not say what delay is the least");
            error = -ETIMEDOUT;
        }
    }
    demo->start_ns = traffic_now();
    return error;
}

static int run_phases(struct demo *demo)
{
    int error = 0;

    while (!error && elapsed(demo) < demo->options->seconds) {
        unsigned phase = plan_phase_at(elapsed(demo) / demo->options->seconds);
        if (phase != demo->phase)
            error = enter_phase(demo, phase);
        if (!error)
            error = look(demo);
        if (!error)
            error = world_pause(demo->world, LOOK_SECONDS);
    }
    return error;
}

struct quiet {
    struct traffic *traffic;
    uint64_t arrived;
    unsigned looks;
};

/* Several looks without a further arrival, longer than a capture holds packets back. */
static bool nothing_arrives(void *context)
{
    struct quiet *quiet = context;
    struct traffic_counts counts;
    uint64_t arrived = 0;

    for (unsigned i = 0; i < PLAN_GUESTS; i++) {
        traffic_read_counts(quiet->traffic, i, &counts);
        arrived += counts.at[TRAFFIC_IN_GUEST].arrived + counts.at[TRAFFIC_BACK].arrived;
    }
    quiet->looks = arrived == quiet->arrived ? quiet->looks + 1 : 0;
    quiet->arrived = arrived;
    return quiet->looks > 30;
}

static int end_traffic(struct demo *demo)
{
    struct quiet quiet = {.traffic = demo->traffic};

    traffic_silence(demo->traffic);
    demo->summary->seconds = (double)(traffic_now() - demo->traffic_ns) / NS;
    return world_await(demo->world, "the last packets", nothing_arrives, &quiet, WORLD_PATIENCE);
}

/* --- the account --------------------------------------------------------- */

/* Promise by the mean least delay of a phase: the largest of the phases with a promise. */
static double promise_ratio(const struct demo *demo, unsigned guest)
{
    double largest = NAN;

    for (unsigned phase = 1; phase < PLAN_PHASES; phase++) {
        struct record_phase p;
        record_phase(demo->record, guest, phase, &p);
        largest = fmax(largest, p.promise_us / p.least_us);
    }
    return largest;
}

static int account_guest(struct demo *demo, const struct segment *segment, unsigned i)
{
    struct segment_interface seen;
    struct summary_guest *guest = &demo->summary->guests[i];
    unsigned n = record_ticks(demo->record, i);
    int error = losses_find_interface(segment, demo->guests[i]->interface, &seen);

    traffic_read_counts(demo->traffic, demo->lanes[i], &guest->counts);
    if (!error)
        error = losses_read(demo->world, demo->guests[i], &guest->counts, &seen, &guest->losses);
    snprintf(guest->scope, sizeof(guest->scope), "%s", demo->scopes[i]);
    if (n)
        snprintf(guest->state, sizeof(guest->state), "%s",
                 record_tick(demo->record, i, n - 1)->state);
    guest->promise_ratio = promise_ratio(demo, i);
    return error ? complain(plan_members[i].name, error) : 0;
}

static int account_packets(struct demo *demo)
{
    char path[WORLD_PATH];
    struct segment *segment;
    int error = segment_open(world_segment(demo->world, path), &segment);

    if (error)
        return complain(path, error);
    for (unsigned i = 0; i < PLAN_GUESTS && !error; i++)
        error = account_guest(demo, segment, i);
    segment_close(segment);
    return error;
}

static void account_program(struct demo *demo, const char *name, pid_t pid)
{
    struct summary *summary = demo->summary;
    struct summary_program *program = &summary->programs[summary->n_programs];
    struct usage usage;

    if (summary->n_programs == SUMMARY_PROGRAMS || usage_read(pid, &usage))
        return;
    snprintf(program->name, sizeof(program->name), "%s", name);
    program->cpu_share = usage.cpu_seconds / summary->seconds;
    program->resident = (double)usage.resident;
    summary->n_programs++;
}

static void account_programs(struct demo *demo)
{
    char name[32];

    account_program(demo, "xenagg-netback", process_pid(world_backend(demo->world)));
    account_program(demo, "xenaggd", process_pid(world_daemon(demo->world)));
    for (unsigned i = 0; i < PLAN_GUESTS; i++) {
        snprintf(name, sizeof(name), "netfront of %.18s", plan_members[i].name);
        account_program(demo, name, process_pid(demo->guests[i]->frontend));
    }
    account_program(demo, "this generator", getpid());
}

static int account(struct demo *demo)
{
    struct summary *summary = demo->summary;
    FILE *output = demo->options->output;
    int error = account_packets(demo);

    if (error)
        return error;
    account_programs(demo);
    snprintf(summary->database, sizeof(summary->database), "%s", demo->database);
    summary_judge(summary);
    fputs("\n", output);
    summary_print(summary, output);
    summary_print_store(world_store(demo->world), output);
    /* A clean end of the daemon completes the history; it counts like all other ends. */
    if (world_stop_daemon(demo->world, false))
        summary_fault(summary, "the daemon did not stop cleanly");
    summary_print_history(demo->database, output);
    return 0;
}

static int conclude(struct demo *demo)
{
    struct summary *summary = demo->summary;
    FILE *output = demo->options->output;
    int error = 0;

    for (unsigned i = 0; i < summary->n_faults; i++)
        fprintf(output, "\nFAULT: %s", summary->faults[i]);
    fprintf(output, "\n%s The database is %s\n",
            summary->n_faults ? "The loop did not do its job." : "The loop did its job.",
            demo->database);
    if (demo->options->json)
        error = summary_write_json(summary, demo->options->json);
    if (error)
        return complain(demo->options->json, error);
    return 0;
}

/* How to look inside meanwhile. */
static void tell(const struct demo *demo)
{
    char control[WORLD_PATH], program[PROGRAMS_PATH] = "xenaggctl";

    programs_find("xenaggctl", program);
    fprintf(demo->options->output,
            "Look inside meanwhile, as root:\n"
            "  %s status --watch --control %s\n"
            "  XENSTORED_PATH=%s/socket xenstore-ls -f\n\n",
            program, world_control(demo->world, control), world_folder(demo->world));
}

static int run(struct demo *demo)
{
    int error = set_up(demo);

    if (!error)
        tell(demo);
    if (!error)
        error = await_measurements(demo);
    if (!error)
        error = run_phases(demo);
    if (!error)
        error = end_traffic(demo);
    if (!error)
        error = account(demo);
    return error ? error : conclude(demo);
}

static void demo_free(struct demo *demo)
{
    traffic_free(demo->traffic);
    world_free(demo->world);
    json_decref(demo->pending);
    screen_free(demo->screen);
    record_free(demo->record);
    free(demo->summary);
}

int demo_run(const struct demo_options *options)
{
    struct demo demo = {.options = options, .tick_time = NAN};
    int error = -ENOMEM, result = 1;

    demo.record = record_create();
    demo.screen = screen_create(options->output);
    demo.summary = calloc(1, sizeof(*demo.summary));
    if (demo.record && demo.screen && demo.summary) {
        demo.summary->record = demo.record;
        error = run(&demo);
    }
    if (!error)
        result = demo.summary->n_faults ? 1 : 0;
    if (error == -EINTR) {
        fprintf(options->output, "\nInterrupted; everything is put away, but for %s\n",
                demo.database);
        result = 130;
    }
    demo_free(&demo);
    return result;
}
