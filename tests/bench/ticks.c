// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/ticks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/ticking.h"

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

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int tick(struct ticking *ticking, double *ret_seconds)
{
    struct tick_report report;
    struct controller_input input;
    int error = ticking_pass(ticking, &input);
    double start = cpu_seconds();

    if (!error)
        error = controller_tick(ticking->controller, &input, &report);
    *ret_seconds = cpu_seconds() - start;
    return error ? error : ticking_apply(ticking, &report);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int population_measure(struct ticks *population)
{
    struct ticking ticking;
    double times[TICKS];
    int error = ticking_begin(population->text, &ticking);

    for (int t = 0; t < TICKS && !error; t++)
        error = tick(&ticking, &times[t]);
    ticking_end(&ticking);
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
