// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/ticks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller/controller.h"
#include "tests/sim/world.h"

#define TICKS 32

/* Their rates wiggle: every tick has something to decide. */
static const struct ticks populations[TICKS_POPULATIONS] = {
    {.name = "tick_256",
     .title = "one-way, means",
     .text = "title 256 guests\n"
             "guests g 256 rx=800 tx=600 skew=6 wiggle=5%\n"
             "promise g delay=3ms scope=one-way\nassert kept g >= 0\n"},
    {.name = "tick_256_forwarding",
     .title = "forwarding, means",
     .text = "title 256 guests that forward\n"
             "guests g 256 rx=700 forwards=1 skew=6 wiggle=5%\n"
             "promise g delay=6ms\nassert kept g >= 0\n"},
    {.name = "tick_256_percentile",
     .title = "one-way, percentiles",
     .text = "title 256 guests with percentiles\n"
             "guests g 256 rx=800 tx=600 skew=6 wiggle=5%\n"
             "promise g delay=5ms scope=one-way percentile=99\nassert kept g >= 0\n"}};

struct bench {
    struct scenario scenario;
    struct world *world;
    struct controller *controller;
    struct controller_guest guests[SCENARIO_GUESTS];
    char names[SCENARIO_GUESTS][CONFIG_NAME];
};

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int bench_begin(const char *text, struct bench *bench)
{
    struct world_options options = {.samples = true};
    char why[200], *own = strdup(text); /* parsing cuts it into words */
    int error = own ? scenario_parse("built in", own, &bench->scenario, why, sizeof(why)) : -1;

    free(own);
    if (!error)
        error = world_create(&bench->scenario, &options, &bench->world);
    if (!error)
        error = controller_create(&bench->controller);
    for (size_t i = 0; i < bench->scenario.n_guests && !error; i++) {
        scenario_guest_name(&bench->scenario, i, bench->names[i]);
        bench->guests[i] = (struct controller_guest){.interface = {.domid = (uint32_t)i + 1},
                                                     .name = bench->names[i]};
    }
    return error;
}

static void bench_end(struct bench *bench)
{
    controller_destroy(bench->controller);
    world_destroy(bench->world);
    free(bench);
}

static int sizes_apply(struct bench *bench, const struct tick_report *report)
{
    int error = 0;

    for (size_t i = 0; i < report->n_guests && !error; i++) {
        struct lane_size sizes[] = {report->guests[i].lanes[DIRECTION_RX].wanted,
                                    report->guests[i].lanes[DIRECTION_TX].wanted};
        if (sizes[0].packets > 0 && sizes[1].packets > 0)
            error = world_resize(bench->world, i, sizes);
    }
    return error;
}

static int tick(struct bench *bench, double *ret_seconds)
{
    struct tick_report report;
    int error = world_run(bench->world, bench->scenario.interval);
    struct controller_input input = {.interval = bench->scenario.interval,
                                     .guests = bench->guests,
                                     .n_guests = bench->scenario.n_guests,
                                     .now = 1000 + world_now(bench->world),
                                     .config = world_config(bench->world),
                                     .sample = world_sample(bench->world)};
    double start = cpu_seconds();

    if (!error)
        error = controller_tick(bench->controller, &input, &report);
    *ret_seconds = cpu_seconds() - start;
    return error ? error : sizes_apply(bench, &report);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int population_measure(struct ticks *population)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    double times[TICKS];
    int error = bench ? bench_begin(population->text, bench) : -1;

    for (int t = 0; t < TICKS && !error; t++)
        error = tick(bench, &times[t]);
    if (bench)
        bench_end(bench);
    if (error)
        return error;
    population->first = times[0];
    times[0] = 0;
    qsort(times, TICKS, sizeof(*times), ascending);
    population->median = times[(TICKS + 1) / 2];
    population->most = times[TICKS - 1];
    printf(
        "a tick for 256 guests, %-22s median %6.2f ms, most of %d %6.2f ms, the first %6.2f ms\n",
        population->title, 1e3 * population->median, TICKS - 1, 1e3 * population->most,
        1e3 * population->first);
    return 0;
}

int ticks_measure(struct ticks ret[TICKS_POPULATIONS])
{
    int error = 0;

    memcpy(ret, populations, sizeof(populations));
    for (int i = 0; i < TICKS_POPULATIONS && !error; i++)
        error = population_measure(&ret[i]);
    return error;
}
