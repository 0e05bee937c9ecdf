// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the daemon costs: bench-daemon [RESULTS.json]
 *
 * The real xenaggd and the real xenstored; a made-up backend: a segment that
 * counts Poisson traffic of 3 and of 256 guests, forwarded by each, with rates
 * that change, in containers of the sizes that the daemon writes to the store.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/segment.h"
#include "common/store.h"
#include "ctl/client.h"
#include "sandbox/process.h"
#include "sandbox/programs.h"
#include "sandbox/xenstored.h"

#define GUESTS_MAX 256
#define UPDATE_SECONDS 0.2
#define SETTLE_SECONDS 6.0 /* before anything is measured */
#define MEASURE_SECONDS 20.0
#define CHANGE_SECONDS 5.0 /* between changes of rates */
#define FOLDER 64

struct made_up {
    double rate; /* packets/s, each way */
    struct keys_tuning tuning[2];
    struct segment_interface counted;
};

struct bench {
    unsigned n;
    char folder[FOLDER];
    struct process *xenstored, *daemon;
    struct store *store;
    struct segment *segment;
    struct segment_worker worker;
    struct made_up guests[GUESTS_MAX];
    double changed; /* s since the start, of the last change of rates */
    unsigned draw;
};

struct result {
    unsigned guests;
    double resident_mib, cpu_share, tick_mean, tick_max; /* s */
    double sample, control, rest;                        /* s of the processor in a tick, means */
    unsigned ticks;
};

static int fail(const char *what, int error)
{
    fprintf(stderr, "bench-daemon: %s: %s\n", what, strerror(-error));
    return error;
}

/* Uniform in [0, 1): the same at each run. */
static double draw(struct bench *bench)
{
    bench->draw = bench->draw * 1664525u + 1013904223u;
    return (double)(bench->draw >> 8) / (1 << 24);
}

/* ---- the made-up backend ---- */

static void rates_change(struct bench *bench)
{
    /* One worker carries all: what 256 guests have together must fit it. */
    double most = 2 * 120e3 / bench->n;

    for (unsigned i = 0; i < bench->n; i++)
        if (bench->guests[i].rate == 0 || draw(bench) < 0.1)
            bench->guests[i].rate = draw(bench) < 0.1 ? 0 : most * draw(bench);
}

static void count_line(struct segment_line *line, uint64_t n, uint64_t packets, double fixed_ns,
                       double packet_ns)
{
    uint64_t ns = (uint64_t)(fixed_ns + packet_ns * (double)packets);

    line->n += n;
    line->sum_b += n * packets;
    line->sum_bb += n * packets * packets;
    line->sum_t += n * ns;
    line->sum_bt += n * packets * ns;
    line->t_sq += n * segment_square(ns);
}

static void count_bins(struct segment_pack *pack, double packets, double seconds)
{
    double bins = seconds / (SEGMENT_BIN_NS * 1e-9), mean = packets / bins;

    pack->bins += (uint64_t)bins;
    pack->bin_packets += (uint64_t)packets;
    pack->bin_packets_squared += (uint64_t)(bins * (mean * mean + mean)); /* as Poisson's */
}

static void count_delays(struct histogram *delay, double packets, double mean_ns)
{
    static const double shape[] = {0.5, 0.8, 1, 1.2, 1.5};

    for (int i = 0; i < 5; i++)
        histogram_add(delay, (uint64_t)(shape[i] * mean_ns), (uint32_t)(packets / 5));
}

static void count_lane(struct segment_lane *lane, const struct keys_tuning *tuning, double rate,
                       double seconds)
{
    double wanted = 1 + rate * tuning->timeout_us * 1e-6;
    double size = fmin(tuning->packets, wanted);
    uint64_t containers = (uint64_t)(rate * seconds / size), b = (uint64_t)size;
    uint64_t packets = containers * b;
    double fill_ns = rate > 0 ? (size - 1) / (2 * rate) * 1e9 : 0;

    lane->pack.packets += packets;
    lane->pack.published_packets += packets;
    lane->pack.bytes += 64 * packets;
    lane->pack.bytes_sq += segment_square(64) * packets;
    lane->pack.containers += containers;
    lane->pack.closed[CLOSING_COUNT] += containers;
    lane->pack.notified += containers;
    lane->pack.reads += packets;
    lane->pack.read_ns += 1400 * packets;
    lane->pack.read_sq += segment_square(1400) * packets;
    lane->pack.fill_ns += (uint64_t)(fill_ns * (double)packets);
    lane->pack.port_wait_ns += 40000 * packets;
    count_line(&lane->pack.publish, containers, b, 3000, 5);
    count_bins(&lane->pack, (double)packets, seconds);
    lane->unload.packets += packets;
    lane->unload.bytes += 64 * packets;
    lane->unload.bytes_sq += segment_square(64) * packets;
    lane->unload.containers += containers;
    lane->unload.fill_ns += (uint64_t)(fill_ns * (double)packets);
    lane->unload.place_ns += 2000 * packets;
    count_line(&lane->unload.unload, containers, b, 1000, 2000);
    count_delays(&lane->delay, (double)packets, fill_ns + 120000);
    lane->tuning = (struct segment_tuning){
        .packets = tuning->packets, .timeout_us = tuning->timeout_us, .bytes = tuning->bytes};
}

static void count_guest(struct bench *bench, unsigned i, double seconds)
{
    struct made_up *guest = &bench->guests[i];
    struct segment_interface *counted = &guest->counted;

    counted->in_use = 1;
    counted->domid = i + 1;
    counted->generation = 1;
    counted->updated_ns = clock_ns();
    count_lane(&counted->rx, &guest->tuning[0], guest->rate, seconds);
    count_lane(&counted->tx, &guest->tuning[1], guest->rate, seconds);
    counted->guest.wake_n += 2;
    counted->guest.wake_ns += 2 * 50000;
    counted->guest.wake_sq += 2 * segment_square(50000);
    counted->echo_n += 10;
    counted->echo_ns += 10 * 120000;
    segment_write_interface(bench->segment, i, counted);
}

static void count_all(struct bench *bench, double seconds)
{
    for (unsigned i = 0; i < bench->n; i++)
        count_guest(bench, i, seconds);
    bench->worker.in_use = 1;
    bench->worker.updated_ns = clock_ns();
    bench->worker.sleep.busy_ns += (uint64_t)(0.5 * seconds * 1e9);
    bench->worker.sleep.wake_n += 2;
    bench->worker.sleep.wake_ns += 2 * 50000;
    bench->worker.sleep.wake_sq += 2 * segment_square(50000);
    segment_write_worker(bench->segment, 0, &bench->worker);
}

static void size_read(struct bench *bench, struct keys_interface interface)
{
    static const char *const directions[] = {"rx", "tx"};
    struct made_up *guest = &bench->guests[interface.domid - 1];
    char dir[KEYS_PATH], key[40], value[32];

    keys_backend_dir(0, interface, dir);
    for (int d = 0; d < 2; d++)
        for (enum keys_tuning_field f = 0; f < KEYS_TUNING_FIELDS; f++)
            if (store_read(bench->store, dir, keys_tuning_name(directions[d], f, key), value,
                           sizeof(value)) > 0)
                keys_tuning_set(&guest->tuning[d], f, value);
}

/* The sizes that the daemon wrote are in force from now on. */
static void sizes_take(struct bench *bench)
{
    char path[2 * KEYS_PATH], token[16];
    bool changed[GUESTS_MAX] = {false};
    struct keys_interface interface;

    while (store_event(bench->store, path, sizeof(path), token, sizeof(token)) > 0)
        if (keys_path_interface(path, &interface) == 0 && interface.domid >= 1 &&
            interface.domid <= bench->n)
            changed[interface.domid - 1] = true;
    for (unsigned i = 0; i < bench->n; i++)
        if (changed[i])
            size_read(bench, (struct keys_interface){.domid = i + 1});
}

static void run_for(struct bench *bench, double seconds)
{
    uint64_t start = clock_ns(), last = start;

    for (double passed = 0; passed < seconds;) {
        usleep((useconds_t)(UPDATE_SECONDS * 1e6));
        uint64_t now = clock_ns();
        passed = (double)(now - start) * 1e-9;
        if (passed - bench->changed > CHANGE_SECONDS) {
            bench->changed = passed;
            rates_change(bench);
        }
        sizes_take(bench);
        count_all(bench, (double)(now - last) * 1e-9);
        last = now;
    }
    bench->changed -= seconds;
}

/* ---- starting and stopping ---- */

static int store_fill(struct bench *bench)
{
    char dir[KEYS_PATH], root[KEYS_PATH];
    int error = 0;

    for (unsigned i = 0; i < bench->n && !error; i++) {
        snprintf(dir, sizeof(dir), "/local/domain/%u", i + 1);
        error = store_writef(bench->store, dir, "name", "guest%u", i + 1);
        keys_backend_dir(0, (struct keys_interface){.domid = i + 1}, dir);
        if (!error)
            error = store_writef(bench->store, dir, "frontend-id", "%u", i + 1);
        bench->guests[i].tuning[0] = bench->guests[i].tuning[1] = KEYS_TUNING_DEFAULT;
    }
    return error ? error : store_watch(bench->store, keys_backend_root(0, root), "sizes");
}

static const char *place(const struct bench *bench, const char *name, char path[static 96])
{
    snprintf(path, 96, "%s/%s", bench->folder, name);
    return path;
}

static int config_write(const struct bench *bench, const char *path)
{
    FILE *file = fopen(path, "we");

    if (!file)
        return -errno;
    fprintf(file, "[default]\ndelay = 2ms\n");
    /* Every other one has a promise of its own. */
    for (unsigned i = 0; i < bench->n; i += 2)
        fprintf(file, "[vm guest%u]\ndelay = %uus\nscope = one-way\n%s", i + 1, 400 + 10 * i,
                i % 8 ? "" : "percentile = 99\n");
    return fclose(file) ? -errno : 0;
}

static int daemon_start(struct bench *bench)
{
    char program[PROGRAMS_PATH], config[96], segment[96], database[96], control[96], log[96];
    int error = programs_find("xenaggd", program);

    if (!error)
        error = config_write(bench, place(bench, "conf", config));
    if (error)
        return error;
    const char *arguments[] = {program,
                               "--config",
                               config,
                               "--segment",
                               place(bench, "segment", segment),
                               "--database",
                               place(bench, "history.db", database),
                               "--control",
                               place(bench, "control", control),
                               NULL};
    struct process_options options = {.arguments = arguments, .log = place(bench, "log", log)};
    return process_start(&options, &bench->daemon);
}

static int bench_start(struct bench *bench)
{
    char path[96];

    strcpy(bench->folder, "/tmp/xenagg-bench-XXXXXX");
    if (!mkdtemp(bench->folder))
        return fail("a folder", -errno);
    int error = xenstored_start(bench->folder, &bench->xenstored);
    if (!error)
        error = xenstored_use(bench->folder);
    if (!error)
        error = store_open(&bench->store);
    if (error)
        return fail("xenstored", error);
    error = store_fill(bench);
    if (!error)
        error = segment_create(place(bench, "segment", path), 0, &bench->segment);
    if (error)
        return fail("the made-up backend", error);
    rates_change(bench);
    count_all(bench, UPDATE_SECONDS);
    error = daemon_start(bench);
    return error ? fail("xenaggd", error) : 0;
}

static void bench_stop(struct bench *bench)
{
    char command[FOLDER + 16];

    if (bench->daemon)
        process_stop(bench->daemon, 5);
    process_free(bench->daemon);
    segment_close(bench->segment);
    store_close(bench->store);
    process_free(bench->xenstored);
    snprintf(command, sizeof(command), "rm -rf %s", bench->folder);
    if (bench->folder[0] && system(command))
        fprintf(stderr, "bench-daemon: %s is left behind\n", bench->folder);
}

/* ---- measuring ---- */

static double cpu_seconds(pid_t pid)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[length] = '\0';
    const char *after = strrchr(text, ')');
    if (!after ||
        sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return NAN;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double resident_mib(pid_t pid)
{
    char path[64], line[128];
    double kib = NAN;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = atof(line + 6);
    if (file)
        fclose(file);
    return kib / 1024;
}

static int status_ask(const struct bench *bench, json_t **ret)
{
    char control[96], refusal[128];

    return client_ask_status(place(bench, "control", control), "-", 20, ret, refusal,
                             sizeof(refusal));
}

static double ticks_of(const json_t *status)
{
    return client_number(status, "daemon.ticks.count");
}

/* Of a mean over all ticks, the mean (s) over those between two looks. */
static double mean_between(const json_t *before, const json_t *after, const char *path)
{
    double sum = ticks_of(after) * client_number(after, path) -
                 ticks_of(before) * client_number(before, path);

    return sum / (ticks_of(after) - ticks_of(before)) * 1e-6;
}

static int measure(struct bench *bench, struct result *ret)
{
    pid_t pid = process_pid(bench->daemon);
    json_t *before, *after;

    run_for(bench, SETTLE_SECONDS);
    double cpu = cpu_seconds(pid);
    uint64_t start = clock_ns();
    int error = status_ask(bench, &before);
    if (error)
        return fail("asking the daemon", error);
    run_for(bench, MEASURE_SECONDS);
    error = status_ask(bench, &after);
    if (error) {
        json_decref(before);
        return fail("asking the daemon", error);
    }
    *ret = (struct result){
        .guests = bench->n,
        .resident_mib = resident_mib(pid),
        .cpu_share = (cpu_seconds(pid) - cpu) / ((double)(clock_ns() - start) * 1e-9),
        .tick_mean = mean_between(before, after, "daemon.ticks.mean_us"),
        .sample = mean_between(before, after, "daemon.ticks.sample_us"),
        .control = mean_between(before, after, "daemon.ticks.control_us"),
        .rest = mean_between(before, after, "daemon.ticks.rest_us"),
        .tick_max = client_number(after, "daemon.ticks.max_us") * 1e-6,
        .ticks = (unsigned)(ticks_of(after) - ticks_of(before)),
    };
    json_decref(before);
    json_decref(after);
    return 0;
}

static int bench_one(unsigned n, struct result *ret)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    if (!bench)
        return fail("the benchmark", -ENOMEM);
    bench->n = n;
    bench->draw = 1;
    int error = bench_start(bench);
    if (!error)
        error = measure(bench, ret);
    bench_stop(bench);
    free(bench);
    return error;
}

static json_t *result_json(const struct result *result)
{
    return json_pack("{s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:i}", "guests", (int)result->guests,
                     "resident_mib", result->resident_mib, "cpu_share", result->cpu_share,
                     "tick_mean_us", result->tick_mean * 1e6, "tick_max_us", result->tick_max * 1e6,
                     "sample_cpu_us", result->sample * 1e6, "control_cpu_us", result->control * 1e6,
                     "rest_cpu_us", result->rest * 1e6, "ticks", (int)result->ticks);
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = {3, GUESTS_MAX};
    json_t *rows = json_array();

    printf("xenaggd at an interval of 1 s; ticks with all they do but the database's own thread\n");
    printf("%8s %12s %12s %12s %12s %25s %7s\n", "guests", "resident", "of a CPU", "tick, mean",
           "tick, worst", "CPU: sample/control/rest", "ticks");
    for (int i = 0; i < 2; i++) {
        struct result result = {0};
        if (bench_one(sizes[i], &result))
            return EXIT_FAILURE;
        printf("%8u %8.1f MiB %10.2f %% %9.2f ms %9.2f ms %8.2f %6.2f %6.2f ms %7u\n",
               result.guests, result.resident_mib, 100 * result.cpu_share, 1e3 * result.tick_mean,
               1e3 * result.tick_max, 1e3 * result.sample, 1e3 * result.control, 1e3 * result.rest,
               result.ticks);
        fflush(stdout);
        json_array_append_new(rows, result_json(&result));
    }
    json_t *document = json_pack("{s:f, s:o}", "interval_s", 1.0, "rows", rows);
    if (argc > 1 && json_dump_file(document, argv[1], JSON_INDENT(2))) {
        fprintf(stderr, "bench-daemon: %s could not be written\n", argv[1]);
        return EXIT_FAILURE;
    }
    json_decref(document);
    return EXIT_SUCCESS;
}
