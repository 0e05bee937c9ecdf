// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How right the model is, and how fast: bench-model [RESULTS.json]
 *
 * Prints tables and writes them as JSON. XENAGG_BENCH_SCALE scales how long
 * each simulation is (1: 95 % intervals of half a per cent of the mean wait, almost three
 * hours of one core, a third of them for `fast`; 0.05, unless given: eight minutes, 1 to 3 %);
 * XENAGG_BENCH_SET=fit shows the set that the fast method's constants were fitted on instead of the
 * judging set; XENAGG_BENCH_PART=speed, plant or fast makes one of the three tables.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/closing.h"
#include "model/fast_queue.h"
#include "model/method.h"
#include "model/random.h"
#include "model/sim.h"
#include "plant/dimension.h"
#include "tests/bench/errors.h"
#include "tests/bench/grid.h"
#include "tests/bench/plant_grid.h"
#include "tests/bench/plant_truth.h"

#define GRID_CASES 400
#define PLANT_LONGER 6 /* than the queues, at the same scale: its runs are short */
#define PLANT_CASES 120

static double scale;

static struct errors *collect(uint32_t cases, uint32_t quantities, errors_case *of, void *context)
{
    struct errors *errors = errors_collect(cases, quantities, of, context);
    if (!errors)
        exit(1);
    return errors;
}

/* ---- the fast method against simulation ---- */

enum { WAIT_MEAN, WAIT_P99, OWN_WAIT, DELAY_MEAN, DELAY_P99, QUANTITIES };

static const char *const quantity_names[QUANTITIES] = {
    "mean wait", "p99 of wait", "a stream's mean wait", "mean delay", "p99 of delay"};

/* The narrower the wait is to be known, the longer; long queues forget slowly. */
static uint64_t containers_for(const struct grid_case *c)
{
    double idle = 1 - c->rho, wanted = 4e5 / (idle * idle);
    return (uint64_t)(scale * fmax(1e6 * (double)c->n, fmin(9e7, fmax(1.2e7, wanted))));
}

/* Utilisations apart: where queues matter, and the edges. */
static const struct band {
    const char *name;
    double low, high;
} bands[] = {{"0.3 to 0.95", 0.3, 0.95}, {"under 0.3", 0, 0.3}, {"over 0.95", 0.95, 1}};

#define N_BANDS (sizeof(bands) / sizeof(bands[0]))
#define GRID_ROWS (GRID_SERVICES * N_BANDS)

/* Cases of a band and a service: a row. */
static size_t grid_row(const struct grid_case *c, uint32_t index)
{
    for (size_t b = 0; b < N_BANDS; b++)
        if (c->rho >= bands[b].low && c->rho < bands[b].high)
            return b * GRID_SERVICES + index % GRID_SERVICES;
    return 0;
}

static int grid_compare(void *context, uint32_t index, struct errors *all)
{
    static struct grid_case c;
    static struct stream_delay sim_streams[GRID_STREAMS], fast_streams[GRID_STREAMS];
    enum grid_set set = *(const enum grid_set *)context;
    struct answer sim = {.streams = sim_streams}, fast = {.streams = fast_streams};
    grid_make(set, index, &c);
    struct query query = {c.streams, c.n, NULL, 0};
    struct sim_options options = {.seed = index + 1000u * set, .containers = containers_for(&c)};
    struct errors *errors = &all[grid_row(&c, index) * QUANTITIES];
    int error = sim_run(&query, &options, &sim, NULL);
    if (!error)
        error = method_solve(METHOD_FAST, &query, NULL, &fast, NULL);
    if (error)
        return error;
    double service = c.streams[0].service.mean;
    errors_add(&errors[WAIT_MEAN], fast.wait.mean, sim.wait.mean, 0.001 * service, index);
    errors_add(&errors[WAIT_P99], fast.wait.p99, sim.wait.p99, 0.1 * service, index);
    for (size_t i = 0; i < c.n; i++) {
        const struct stream_delay *f = &fast_streams[i], *s = &sim_streams[i];
        errors_add(&errors[OWN_WAIT], f->wait_mean, s->wait_mean, 0.01 * service, index);
        errors_add(&errors[DELAY_MEAN], f->delay_mean, s->delay_mean, 0, index);
        errors_add(&errors[DELAY_P99], f->delay_p99, s->delay_p99, 0, index);
    }
    return 0;
}

static void row_report(const char *names, const struct errors *errors, size_t n, json_t *into,
                       const char *const *quantities)
{
    char cell[ERRORS_CELL];
    printf("| %s |", names);
    for (size_t q = 0; q < n; q++) {
        errors_cell(&errors[q], cell);
        printf(" %s |", cell);
        errors_json(&errors[q], quantities[q], into);
    }
    printf("\n");
}

static json_t *bench_grid(enum grid_set set)
{
    json_t *into = json_object();
    struct errors *errors = collect(GRID_CASES, GRID_ROWS * QUANTITIES, grid_compare, &set);
    printf(
        "\nfast against sim, %s set; relative errors in %%, median / 95 %% / worst\n\n"
        "| service | utilisation | mean wait | p99 of wait | a stream's mean wait | mean delay | "
        "p99 of delay |\n|---|---|---|---|---|---|---|\n",
        set == GRID_FIT ? "fitting" : "judging");
    for (size_t row = 0; row < GRID_ROWS; row++) {
        json_t *object = json_object();
        char names[64], name[64];
        const char *service = grid_service_names[row % GRID_SERVICES];
        const char *band = bands[row / GRID_SERVICES].name;
        snprintf(names, sizeof(names), "%s | %s", service, band);
        snprintf(name, sizeof(name), "%s, rho %s", service, band);
        row_report(names, &errors[row * QUANTITIES], QUANTITIES, object, quantity_names);
        json_object_set_new(into, name, object);
    }
    free(errors);
    return into;
}

/* ---- the analytic plant against the simulated loop ---- */

/* One way, through a guest, and how sure the simulation itself is of the first two. */
enum {
    PLANT_MEAN,
    PLANT_P99,
    PLANT_THROUGH,
    PLANT_THROUGH_P99,
    PLANT_SURE_MEAN,
    PLANT_SURE_P99,
    /* Values, no errors: a forwarded packet's mean way back, in mean gaps between bursts. */
    PLANT_BACK,
    PLANT_BACK_TRUTH,
    PLANT_BACK_ERROR, /* standard error of the truth */
    PLANT_QUANTITIES
};
#define PLANT_ROWS PLANT_BACK

static const char *const plant_names[PLANT_QUANTITIES] = {
    "mean one way",        "p99 one way",      "mean through a guest",
    "p99 through a guest", "simulation: mean", "simulation: its p99",
    "way back, forecast",  "way back",         "way back, error"};

static void value_add(struct errors *errors, double value, uint32_t at)
{
    errors_add(errors, 1 + value, 1, 0, at);
}

static void plant_back(const struct guest_forecast *forecast, const struct guest_truth *truth,
                       const struct guest_load *guest, const struct lane_size *rx, uint32_t index,
                       struct errors errors[PLANT_QUANTITIES])
{
    struct closing_law law;
    if (closing_solve(guest->rate[DIRECTION_RX], rx->packets, rx->timeout, &law))
        return;
    double way = truth->mean[DIRECTION_TX].mean * law.containers;
    value_add(&errors[PLANT_BACK], forecast->mean[DIRECTION_TX].total * law.containers, index);
    value_add(&errors[PLANT_BACK_TRUTH], way, index);
    value_add(&errors[PLANT_BACK_ERROR], way * truth->mean[DIRECTION_TX].error, index);
}

static void forecast(const struct plant_case *c, enum scope scope, struct guest_forecast *ret)
{
    static struct guest_load guests[PLANT_GUESTS];
    struct worker_forecast worker;
    memcpy(guests, c->guests, sizeof(guests));
    for (size_t i = 0; i < c->n; i++)
        guests[i].promise.scope = scope;
    if (plant_forecast(&c->worker, guests, c->sizes, c->n, ret, &worker))
        exit(1);
}

static void plant_one_way(const struct guest_forecast *forecast, const struct guest_truth *truth,
                          const struct guest_load *guest, uint32_t index,
                          struct errors errors[PLANT_QUANTITIES])
{
    double worse = 0;
    bool enough = true;
    for (int d = 0; d < DIRECTION_COUNT; d++) {
        if (!truth->seen[d]) {
            enough = enough && guest->rate[d] == 0;
            continue;
        }
        worse = fmax(worse, truth->p99[d].mean);
        errors_add(&errors[PLANT_MEAN], forecast->mean[d].total, truth->mean[d].mean, 0, index);
        errors_add(&errors[PLANT_SURE_MEAN], 1 + truth->mean[d].error, 1, 0, index);
        errors_add(&errors[PLANT_SURE_P99], 1 + truth->p99[d].error, 1, 0, index);
    }
    if (enough) /* the promise is about the worse direction */
        errors_add(&errors[PLANT_P99], forecast->promised, worse, 0, index);
}

/* Every third plant forwards, of these every other in containers of other sizes. */
#define PLANT_KINDS 3
/* Of each kind: the guests that are settled, and the others. */
#define PLANT_COLUMNS (2 * PLANT_KINDS)

static const char *const plant_columns[PLANT_COLUMNS] = {"nothing forwarded",
                                                         "seldom realigned: nothing forwarded",
                                                         "sent back in equal containers",
                                                         "seldom realigned: equal containers",
                                                         "in other containers",
                                                         "seldom realigned: other containers"};

static int plant_compare(void *context, uint32_t index, struct errors *all)
{
    static struct plant_case c;
    static struct guest_forecast one_way[PLANT_GUESTS], both[PLANT_GUESTS];
    static struct guest_truth truths[PLANT_GUESTS];
    plant_case_make(*(const enum plant_set *)context, index, &c);
    forecast(&c, SCOPE_ONE_WAY, one_way);
    forecast(&c, SCOPE_FORWARDING, both);
    int error = plant_truth_find(&c, index, PLANT_LONGER * scale, truths);
    for (size_t i = 0; i < c.n && !error; i++) {
        const struct guest_truth *truth = &truths[i];
        struct errors *into = &all[(2 * c.kind + !truth->settled) * PLANT_QUANTITIES];
        plant_one_way(&one_way[i], truth, &c.guests[i], index, into);
        if (c.kind == PLANT_APART || !truth->forwards)
            continue;
        plant_back(&one_way[i], truth, &c.guests[i], &c.sizes[i][DIRECTION_RX], index, into);
        errors_add(&into[PLANT_THROUGH], one_way[i].forwarding_mean, truth->through.mean, 0, index);
        errors_add(&into[PLANT_THROUGH_P99], both[i].promised, truth->through_p99.mean, 0, index);
    }
    return error;
}

/* As a table: a column for each kind that has guests. */
static void plant_print(const struct errors *errors)
{
    char cell[ERRORS_CELL];
    printf("| relative error in %%, median / 95 %% / worst |");
    for (int column = 0; column < PLANT_COLUMNS; column++)
        if (errors[column * PLANT_QUANTITIES].n)
            printf(" %s |", plant_columns[column]);
    printf("\n|---|---|---|---|---|---|\n");
    for (int q = 0; q < PLANT_ROWS; q++) {
        printf("| %s |", plant_names[q]);
        for (int column = 0; column < PLANT_COLUMNS; column++) {
            const struct errors *here = &errors[column * PLANT_QUANTITIES + q];
            errors_cell(here, cell);
            if (errors[column * PLANT_QUANTITIES].n)
                printf(" %s |", here->n ? cell : "");
        }
        printf("\n");
    }
}

/* One by one these cannot be judged, together they can. */
static void plant_print_back(const char *name, const struct errors errors[PLANT_QUANTITIES])
{
    double forecast = 0, truth = 0, variance = 0;
    uint32_t n = errors[PLANT_BACK].n;
    for (uint32_t i = 0; i < n; i++) {
        double error = errors[PLANT_BACK_ERROR].values[i].error;
        forecast += errors[PLANT_BACK].values[i].error / n;
        truth += errors[PLANT_BACK_TRUTH].values[i].error / n;
        variance += error * error / n / n;
    }
    if (n)
        printf("%s: %u guests, mean way back in gaps between bursts: forecast %.3f, simulated "
               "%.3f, standard error %.3f\n",
               name, n, forecast, truth, sqrt(variance));
}

static json_t *bench_plant(enum plant_set set)
{
    json_t *into = json_object();
    struct errors *errors =
        collect(PLANT_CASES, PLANT_COLUMNS * PLANT_QUANTITIES, plant_compare, &set);
    printf("\nanalytic plant against the simulated loop, %s set\n\n",
           set == PLANT_FIT ? "fitting" : "judging");
    plant_print(errors);
    for (int column = 0; column < PLANT_COLUMNS; column++)
        plant_print_back(plant_columns[column], &errors[column * PLANT_QUANTITIES]);
    for (int column = 0; column < PLANT_COLUMNS; column++) {
        json_t *object = json_object();
        for (int q = 0; q < PLANT_QUANTITIES; q++)
            errors_json(&errors[column * PLANT_QUANTITIES + q], plant_names[q], object);
        json_object_set_new(into, plant_columns[column], object);
    }
    free(errors);
    return into;
}

/* ---- speed ---- */

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* CPU seconds of one call. */
static double time_of(enum method method, const struct query *query, uint64_t containers)
{
    static struct stream_delay streams[512];
    struct answer answer = {.streams = streams};
    struct method_options options = {.seed = 1, .containers = containers};
    double start = cpu_seconds();
    int n = 0;
    do
        if (method_solve(method, query, &options, &answer, NULL))
            return NAN;
    while (++n < 50 && cpu_seconds() - start < 0.3);
    return (cpu_seconds() - start) / n;
}

static void speed_row(json_t *into, const char *name, double value, const char *unit)
{
    printf("  %-52s %10.3g %s\n", name, value, unit);
    json_object_set_new(into, name, json_pack("{s:f,s:s}", "value", value, "unit", unit));
}

static void speed_methods(json_t *into)
{
    static struct stream different[256];
    for (int i = 0; i < 256; i++)
        different[i] =
            (struct stream){(1 + i) * 0.8 / 256, 1 + (uint32_t)i, INFINITY, 1, {1, 1, 0}};
    struct stream sixteen = {0.8 * 160 / 16, 160, INFINITY, 16, {1, 1, 0}};
    struct stream many = {0.8 * 1024 / 512, 1024, INFINITY, 512, {1, 1, 0}};
    struct stream phases[] = {{0.7 * 0.8 * 20, 20, INFINITY, 1, {1, 1, 0}},
                              {0.3 * 0.8 * 20, 20, INFINITY, 1, {1, 1, 0}}};
    struct query query = {different, 256, NULL, 0};
    speed_row(into, "fast, 256 different streams, with all percentiles",
              1e6 * time_of(METHOD_FAST, &query, 0), "us");
    query = (struct query){&many, 1, NULL, 0};
    speed_row(into, "published, 512 equal streams of size 1024",
              1e3 * time_of(METHOD_PUBLISHED, &query, 0), "ms");
    query = (struct query){phases, 2, NULL, 0};
    speed_row(into, "exact, 400 phases", time_of(METHOD_EXACT, &query, 0), "s");
    query = (struct query){&sixteen, 1, NULL, 0};
    double n = 3e6;
    speed_row(into, "sim, 16 streams", 1.1 * n / time_of(METHOD_SIM, &query, (uint64_t)n) / 1e6,
              "million containers/s");
}

static struct fast_class_set {
    struct fast_class classes[256];
    struct fast_share shares[256];
} set_of_classes;

/* The mean wait alone, what dimensioning asks for again and again. */
static void speed_mean(json_t *into)
{
    for (int i = 0; i < 256; i++)
        set_of_classes.classes[i] = (struct fast_class){.rate = 0.8 / 256,
                                                        .count = 1,
                                                        .gap_scv = 1.0 / (1 + i),
                                                        .service = 0.5 + i / 256.0,
                                                        .service_var = 0.3};
    struct fast_queue queue;
    double start = cpu_seconds();
    for (int i = 0; i < 1000; i++)
        fast_queue_solve(set_of_classes.classes, 256, &queue, set_of_classes.shares);
    speed_row(into, "fast, 256 different streams, mean waits", (cpu_seconds() - start) / 1000 * 1e6,
              "us");
}

#define MANY 256
#define TICKS 9

/* Two directions each, with `load` times what a worker serves with ease. */
static struct guest_load speed_guest(uint32_t i, const struct end_costs *costs, double percentile,
                                     double load, bool forwards)
{
    double rx = load * (2000 + 50.0 * i), tx = forwards ? rx : load * (2000 + 40.0 * i);
    return (struct guest_load){.rate = {rx, tx},
                               .dispersion = {1, 1},
                               .forwarded = forwards,
                               .costs = *costs,
                               .promise = {.delay = (1 + i % 7) * 1e-3,
                                           .percentile = percentile,
                                           .scope = forwards ? SCOPE_FORWARDING : SCOPE_ONE_WAY},
                               .limits = {1, 2048, 50e-6, 50e-3, 65536}};
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Cold, and then the median of some ticks between which all rates wander by up to 5 %. */
static void speed_dimension(json_t *into, double percentile, double load, bool forwards,
                            const char *name)
{
    static struct guest_load guests[MANY];
    static struct sizing sizings[MANY];
    struct dimension_room *room = dimension_room_create();
    struct end_costs costs = {.read = 0.1e-6,
                              .publish = 2e-6,
                              .publish_packet = 5e-9,
                              .unload = 2e-6,
                              .unload_packet = 0.1e-6,
                              .scv = 1,
                              .wakeup = 10e-6,
                              .timer_late = 50e-6};
    struct worker_forecast worker;
    struct random random;
    double ticks[TICKS + 1];
    char row[96];
    memset(sizings, 0, sizeof(sizings));
    random_init(&random, 1);
    for (int tick = 0; tick <= TICKS; tick++) {
        for (uint32_t i = 0; i < MANY; i++) {
            double wander = tick ? 0.95 + 0.1 * random_uniform(&random) : 1;
            guests[i] = speed_guest(i, &costs, percentile, load * wander, forwards);
        }
        double start = cpu_seconds();
        if (!room || dimension_worker_in(room, &costs, guests, MANY, sizings, &worker))
            exit(1);
        ticks[tick] = 1e3 * (cpu_seconds() - start);
    }
    dimension_room_destroy(room);
    qsort(ticks + 1, TICKS, sizeof(ticks[0]), by_value);
    snprintf(row, sizeof(row), "dimensioning, 256 guests, %s, cold", name);
    speed_row(into, row, ticks[0], "ms");
    snprintf(row, sizeof(row), "dimensioning, 256 guests, %s, warm", name);
    speed_row(into, row, ticks[1 + TICKS / 2], "ms");
}

static json_t *bench_speed(void)
{
    json_t *into = json_object();
    printf("speed (CPU time of one thread)\n");
    speed_mean(into);
    speed_methods(into);
    speed_dimension(into, 0, 1, false, "means");
    speed_dimension(into, 99, 1, false, "p99");
    speed_dimension(into, 0, 1, true, "forwarding, means");
    speed_dimension(into, 99, 0.3, true, "forwarding, p99");
    speed_dimension(into, 0, 2.2, false, "means, more than can be kept");
    speed_dimension(into, 99, 2.2, false, "p99, more than can be kept");
    speed_dimension(into, 99, 1, true, "forwarding, p99, more than can be kept");
    return into;
}

/* Whether a part of the tables is to be made; says so. */
static bool begins(const char *name)
{
    const char *wanted = getenv("XENAGG_BENCH_PART");
    if (wanted && strcmp(wanted, name))
        return false;
    fprintf(stderr, "bench-model: %s\n", name);
    return true;
}

int main(int argc, char **argv)
{
    const char *scale_text = getenv("XENAGG_BENCH_SCALE"), *set = getenv("XENAGG_BENCH_SET");
    scale = scale_text ? strtod(scale_text, NULL) : 0.05;
    if (!(scale > 0 && scale <= 100)) {
        fprintf(stderr, "bench-model: XENAGG_BENCH_SCALE must be above 0, at most 100\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    json_t *root = json_object();
    json_object_set_new(root, "scale", json_real(scale));
    bool fit = set && strcmp(set, "fit") == 0;
    if (begins("speed"))
        json_object_set_new(root, "speed", bench_speed());
    if (begins("plant"))
        json_object_set_new(root, "plant", bench_plant(fit ? PLANT_FIT : PLANT_JUDGE));
    if (begins("fast"))
        json_object_set_new(root, "fast_against_sim", bench_grid(fit ? GRID_FIT : GRID_JUDGE));
    int status = 0;
    if (argc > 1 && json_dump_file(root, argv[1], JSON_INDENT(2) | JSON_REAL_PRECISION(5))) {
        fprintf(stderr, "bench-model: cannot write %s\n", argv[1]);
        status = 1;
    }
    json_decref(root);
    return status;
}
