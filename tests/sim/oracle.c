// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/oracle.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/rule.h"
#include "tests/sim/world.h"

#define PACKETS 80e3    /* that a trial is about */
#define SECONDS_MIN 0.3 /* and how long at least */
#define WARM 0.15       /* s before anything counts */
#define SLACK 0.01      /* a promise that the best sizes break by this share counts as kept */
#define GAIN 2e-3       /* a change must save this share of the worker's time */
#define PASSES 4
#define TIMEOUT_MAX 4.0

/* How good sizes are: less is better, promises first. */
struct merit {
    double broken, cost;
    double group[SCENARIO_GROUPS]; /* measured over promised, the worst of the group */
};

struct search {
    const struct scenario *scenario;
    double from, to; /* s, that trials play */
    struct lane_size (*sizes)[DIRECTION_COUNT];
    struct merit best;
};

/* ---- one trial ---- */

/* All guests of a group are summed up: they are alike. */
static void merit_take(const struct scenario *scenario, const struct world *world,
                       struct merit *ret)
{
    struct world_work work = world_work(world);

    *ret = (struct merit){.cost = work.packets > 0 ? work.busy / work.packets : 0};
    for (size_t g = 0; g < scenario->n_groups; g++) {
        const struct scenario_group *group = &scenario->groups[g];
        const struct promise *promise = world_promise(world, group->first);
        struct judge sum = {0};
        struct judge_verdict verdict;
        bool through = false;
        for (size_t i = 0; i < group->n; i++)
            judge_add(&sum, world_judge(world, group->first + i, &through));
        if (!isfinite(promise->delay) || !judge_verdict(&sum, promise, through, &verdict))
            continue;
        ret->group[g] = verdict.measured / verdict.limit;
        double above = ret->group[g] - 1;
        ret->broken += (double)group->n * fmax(0, above);
    }
}

static int try(const struct search *search, struct lane_size (*sizes)[DIRECTION_COUNT],
               struct merit *ret)
{
    struct world_options options = {.start = fmax(0, search->from), .seed = 4711};
    struct world *world;
    int error = world_create(search->scenario, &options, &world);

    if (error)
        return error;
    for (size_t i = 0; i < search->scenario->n_guests && !error; i++) {
        struct lane_size placed[DIRECTION_COUNT];
        const struct lane_size *by_hand = world_by_hand(world, i);
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            placed[d] = by_hand[d].packets > 0 ? by_hand[d] : sizes[i][d];
        error = world_resize(world, i, placed);
    }
    if (!error)
        error = world_run(world, fmin(WARM, (search->to - search->from) / 4));
    world_judged(world);
    if (!error)
        error = world_run(world, search->to - world_now(world));
    if (!error)
        merit_take(search->scenario, world, ret);
    world_destroy(world);
    return error;
}

static bool better(const struct merit *a, const struct merit *b)
{
    if (fabs(a->broken - b->broken) > 1e-4)
        return a->broken < b->broken;
    return a->cost < b->cost * (1 - GAIN);
}

/* ---- what is tried ---- */

static struct lane_size scaled(struct lane_size size, double packets, double timeout)
{
    double k = size.packets * packets;

    k = packets > 1 ? fmax(k, size.packets + 1.0) : packets < 1 ? fmin(k, size.packets - 1.0) : k;
    return (struct lane_size){.packets = (uint32_t)fmin(1024, fmax(1, round(k))),
                              .timeout = fmin(TIMEOUT_MAX, fmax(1e-6, size.timeout * timeout))};
}

/* Directions as a set of bits. True: it was better, and stays. */
static int step(struct search *search, size_t g, unsigned directions, double packets,
                double timeout, bool *ret_better)
{
    const struct scenario_group *group = &search->scenario->groups[g];
    size_t n = search->scenario->n_guests;
    struct lane_size(*sizes)[DIRECTION_COUNT] = calloc(n, sizeof(*sizes));
    struct merit merit;

    *ret_better = false;
    if (!sizes)
        return -ENOMEM;
    memcpy(sizes, search->sizes, n * sizeof(*sizes));
    for (size_t i = group->first; i < group->first + group->n; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            if (directions & (1u << d))
                sizes[i][d] = scaled(sizes[i][d], packets, timeout);
    int error = 0;
    if (memcmp(sizes, search->sizes, n * sizeof(*sizes)) != 0) {
        error = try(search, sizes, &merit);
        if (!error && better(&merit, &search->best)) {
            memcpy(search->sizes, sizes, n * sizeof(*sizes));
            search->best = merit;
            *ret_better = true;
        }
    }
    free(sizes);
    return error;
}

/* One factor up or down until it helps no more. */
static int walk(struct search *search, size_t g, unsigned directions, double packets,
                double timeout, bool *ret_any)
{
    bool helped = false, any = false;
    int error = 0;

    for (int sign = 0; sign < 2 && !error && !any; sign++) {
        double k = sign ? 1 / packets : packets, tau = sign ? 1 / timeout : timeout;
        int steps = 0;
        do {
            error = step(search, g, directions, k, tau, &helped);
            any |= helped;
        } while (helped && !error && ++steps < 12);
    }
    *ret_any |= any;
    return error;
}

static int improve_group(struct search *search, size_t g, bool *ret_any)
{
    static const double factors[] = {1.4, 1.12, 1.04};
    bool forwards = search->scenario->groups[g].forwards > 0;
    int error = 0;

    for (size_t f = 0; f < sizeof(factors) / sizeof(factors[0]) && !error; f++) {
        if (forwards)
            error = walk(search, g, 3, factors[f], factors[f], ret_any);
        for (unsigned d = 1; d <= 2 && !error; d++)
            error = walk(search, g, d, factors[f], factors[f], ret_any);
    }
    for (unsigned d = 1; d <= 2 && !error; d++)
        error = walk(search, g, d, 1, 1.5, ret_any);
    return error;
}

/* ---- a stretch ---- */

/* Where the search begins: the model's answer for the true loads. */
static int guess(const struct search *search)
{
    size_t n = search->scenario->n_guests;
    struct world_options options = {.start = fmax(0, search->from)};
    struct guest_load *loads = calloc(n, sizeof(*loads));
    struct sizing *sizings = calloc(n, sizeof(*sizings));
    struct world *world = NULL;
    struct end_costs worker;
    struct worker_forecast forecast;
    int error = loads && sizings ? world_create(search->scenario, &options, &world) : -ENOMEM;

    if (!error)
        error = world_run(world, SCENARIO_STEP);
    if (!error) {
        world_truth(world, &worker, loads);
        error = dimension_worker(&worker, loads, n, sizings, &forecast);
    }
    for (size_t i = 0; i < n && !error; i++)
        memcpy(search->sizes[i], sizings[i].size, sizeof(search->sizes[i]));
    world_destroy(world);
    free(loads);
    free(sizings);
    return error;
}

/* Trials need so many packets, and not the whole stretch where that has more. */
static double trial_seconds(const struct scenario *scenario, double from, double to)
{
    double rate = 1, rates[DIRECTION_COUNT];
    bool varies = false;

    for (size_t i = 0; i < scenario->n_guests; i++) {
        scenario_rates(scenario, i, from + SCENARIO_STEP / 2, rates);
        rate += rates[DIRECTION_RX] + rates[DIRECTION_TX];
    }
    for (size_t e = 0; e < scenario->n_events; e++)
        varies |= scenario->events[e].kind == EVENT_BURSTS && scenario->events[e].at <= from;
    return fmin(to - from, fmax(varies ? 4 : SECONDS_MIN, PACKETS / rate));
}

static int stretch_find(const struct scenario *scenario, struct oracle_stretch *stretch)
{
    struct search search = {.scenario = scenario, .from = stretch->from, .sizes = stretch->sizes};
    bool any = true;

    search.to = stretch->from + trial_seconds(scenario, stretch->from, stretch->to);
    int error = guess(&search);
    if (!error)
        error = try(&search, search.sizes, &search.best);
    for (int pass = 0; pass < PASSES && any && !error; pass++) {
        any = false;
        for (size_t g = 0; g < scenario->n_groups && !error; g++)
            error = improve_group(&search, g, &any);
    }
    for (size_t g = 0; g < scenario->n_groups; g++)
        stretch->kept[g] = search.best.group[g] <= 1 + SLACK;
    return error;
}

/* ---- all of them ---- */

/* Slow bursts are stretches of their own, fast ones are part of one. */
static bool is_burst_edge(const struct scenario *scenario, const struct scenario_event *event,
                          double from)
{
    double now[DIRECTION_COUNT], before[DIRECTION_COUNT], half = scenario->interval / 2;
    size_t guest = event->group == SCENARIO_ALL ? 0 : scenario->groups[event->group].first;

    if (event->kind != EVENT_BURSTS || event->on < 2 * scenario->interval ||
        event->off < 2 * scenario->interval)
        return false;
    scenario_rates(scenario, guest, from + half, now);
    scenario_rates(scenario, guest, from - half, before);
    return fabs(now[DIRECTION_RX] - before[DIRECTION_RX]) > 0.3 * now[DIRECTION_RX];
}

static bool is_boundary(const struct scenario *scenario, size_t tick)
{
    double from = (double)tick * scenario->interval, to = from + scenario->interval;
    double before = from - scenario->interval;

    for (size_t e = 0; e < scenario->n_events; e++)
        if (scenario->events[e].at > before + 1e-9 && scenario->events[e].at <= from + 1e-9)
            return true;
    for (size_t e = 0; e < scenario->n_events; e++)
        if (is_burst_edge(scenario, &scenario->events[e], from))
            return true;
    for (size_t e = 0; e < scenario->n_events; e++)
        if (scenario->events[e].kind == EVENT_FLOWS && scenario->events[e].at <= from)
            return tick % 2 == 0;
    return scenario_changes(scenario, from, to) && tick % 2 == 0;
}

static int stretches_make(const struct scenario *scenario, struct oracle *ret)
{
    size_t ticks = (size_t)floor(scenario->length / scenario->interval + 1e-6);

    ret->n = 0;
    ret->stretches = calloc(ticks, sizeof(*ret->stretches));
    if (!ret->stretches)
        return -ENOMEM;
    for (size_t t = 0; t < ticks; t++) {
        double at = (double)t * scenario->interval;
        if (t == 0 || is_boundary(scenario, t)) {
            if (ret->n > 0)
                ret->stretches[ret->n - 1].to = at;
            ret->stretches[ret->n++].from = at;
        }
    }
    ret->stretches[ret->n - 1].to = scenario->length;
    return 0;
}

/* ---- answers from before ---- */

static void cache_path(const struct scenario *scenario, const char *cache, char *ret, size_t size)
{
    snprintf(ret, size, "%s/%016" PRIx64 ".%d", cache, scenario->identity, ORACLE_VERSION);
}

static bool cache_read(const char *path, const struct oracle *oracle)
{
    FILE *file = fopen(path, "rb");
    bool whole =
        file && fread(oracle->stretches, sizeof(*oracle->stretches), oracle->n, file) == oracle->n;
    if (file)
        fclose(file);
    return whole;
}

static void cache_write(const char *path, const struct oracle *oracle)
{
    char name[512];
    snprintf(name, sizeof(name), "%s.new", path);
    FILE *file = fopen(name, "wb");
    bool whole =
        file && fwrite(oracle->stretches, sizeof(*oracle->stretches), oracle->n, file) == oracle->n;
    if (file)
        whole &= fclose(file) == 0;
    if (whole)
        rename(name, path);
}

int oracle_find(const struct scenario *scenario, const char *cache, struct oracle *ret)
{
    struct oracle oracle;
    char path[400];
    int error = stretches_make(scenario, &oracle);

    if (!error && cache) {
        cache_path(scenario, cache, path, sizeof(path));
        if (cache_read(path, &oracle)) {
            *ret = oracle;
            return 0;
        }
        oracle_free(&oracle);
        error = stretches_make(scenario, &oracle);
    }
    for (size_t i = 0; i < oracle.n && !error; i++)
        error = stretch_find(scenario, &oracle.stretches[i]);
    if (error) {
        oracle_free(&oracle);
        return error;
    }
    if (cache)
        cache_write(path, &oracle);
    *ret = oracle;
    return 0;
}

void oracle_free(struct oracle *oracle)
{
    free(oracle->stretches);
    oracle->stretches = NULL;
}

const struct oracle_stretch *oracle_at(const struct oracle *oracle, double t)
{
    size_t i = 0;

    while (i + 1 < oracle->n && oracle->stretches[i + 1].from <= t + 1e-6)
        i++;
    return &oracle->stretches[i];
}

/* ---- as a rule ---- */

static void *begin(const struct scenario *scenario, const void *argument)
{
    const void **state = malloc(sizeof(*state));

    (void)scenario;
    if (state)
        *state = argument;
    return state;
}

/* Sizes for what comes next. */
static int tick(void *state, const struct rule_input *input,
                struct lane_size (*sizes)[DIRECTION_COUNT], struct tick_report *ret_report)
{
    const struct oracle *oracle = *(const struct oracle **)state;

    (void)ret_report;
    memcpy(sizes, oracle_at(oracle, input->t)->sizes, input->scenario->n_guests * sizeof(*sizes));
    return 0;
}

const struct rule rule_oracle = {
    .name = "oracle", .title = "oracle", .create = begin, .tick = tick, .destroy = free};
