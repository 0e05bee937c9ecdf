// SPDX-License-Identifier: GPL-2.0-or-later
/* What a scenario says at a given time. Reading one is in scenario_parse.c. */
#include "tests/sim/scenario.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

size_t scenario_group_of(const struct scenario *scenario, size_t guest)
{
    size_t g = 0;

    while (g + 1 < scenario->n_groups && guest >= scenario->groups[g + 1].first)
        g++;
    return g;
}

void scenario_guest_name(const struct scenario *scenario, size_t guest, char ret[CONFIG_NAME])
{
    const struct scenario_group *group = &scenario->groups[scenario_group_of(scenario, guest)];

    snprintf(ret, CONFIG_NAME, "%s%zu", group->name, guest - group->first);
}

const char *scenario_kind_name(enum scenario_kind kind)
{
    static const char *const names[] = {"steady", "moving", "bursty", "fault", "limit"};
    return (unsigned)kind < SCENARIO_KINDS ? names[kind] : NULL;
}

/* ---- loads ---- */

/* 0..1, the same for the same numbers. */
static double noise(uint64_t seed, uint64_t a, uint64_t b)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15ull + a * 0xbf58476d1ce4e5b9ull + b;

    for (int i = 0; i < 3; i++) {
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
        x ^= x >> 31;
    }
    return (double)(x >> 11) / (double)(1ull << 53);
}

static bool is_load(const struct scenario_event *event)
{
    return event->kind <= EVENT_FLOWS;
}

/*
 * Flows that are on, over their mean number: each slot of a second begins up to
 * `step` flows, Pareto distributed lengths (shape 1.5, so that their variance
 * is infinite), for the last two minutes.
 */
static double flows_on(const struct scenario *scenario, const struct scenario_event *event,
                       size_t guest, double t)
{
    const double slot = 0.5, flows = event->step, least = 0.5, mean = 3 * least;
    double on = 0;

    for (double start = floor(t / slot) * slot; start > t - 120; start -= slot)
        for (int i = 0; i < (int)flows; i++) {
            uint64_t id = (uint64_t)(start / slot + 10000) * 64 + (uint64_t)i;
            double length = least * pow(1 - noise(scenario->seed, guest + 77, id), -1 / 1.5);
            on += start + length > t;
        }
    return on / (flows * mean / slot + flows / 2);
}

static double shape(const struct scenario *scenario, const struct scenario_event *event,
                    size_t guest, double t)
{
    double since = t - event->at;

    switch (event->kind) {
    case EVENT_DAY:
        return event->low +
               (1 - event->low) * (0.5 - 0.5 * cos(2 * M_PI * (since / event->span + 0.5)));
    case EVENT_BURSTS:
        return fmod(since + 0.31 * (double)guest, event->on + event->off) < event->on ? 1
                                                                                      : event->low;
    case EVENT_FLOWS:
        return flows_on(scenario, event, guest, t);
    default:
        return 1;
    }
}

/* The group's rates by the events up to t, before what differs from guest to guest. */
static void rates_by_events(const struct scenario *scenario, size_t g, size_t guest, double t,
                            double ret[DIRECTION_COUNT])
{
    memcpy(ret, scenario->groups[g].rate, sizeof(scenario->groups[g].rate));
    for (size_t i = 0; i < scenario->n_events; i++) {
        const struct scenario_event *event = &scenario->events[i];
        if (event->at > t || !is_load(event) || (event->group != SCENARIO_ALL && event->group != g))
            continue;
        double done = event->kind == EVENT_RAMP ? fmin(1, (t - event->at) / event->span) : 1;
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            double to = event->rate[d] * shape(scenario, event, guest, t);
            ret[d] += done * (to - ret[d]);
        }
    }
}

void scenario_rates(const struct scenario *scenario, size_t guest, double t,
                    double ret[DIRECTION_COUNT])
{
    size_t g = scenario_group_of(scenario, guest);
    const struct scenario_group *group = &scenario->groups[g];
    double place = group->n > 1 ? (double)(guest - group->first) / (double)(group->n - 1) : 0.5;
    double own = pow(group->skew, place - 0.5);
    double step = floor(t / SCENARIO_STEP + 1e-6) * SCENARIO_STEP;

    own *=
        1 + group->wiggle *
                (2 * noise(scenario->seed, guest, (uint64_t)(t / scenario->interval + 1e-6)) - 1);
    rates_by_events(scenario, g, guest, step, ret);
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        ret[d] *= own;
}

double scenario_slowness(const struct scenario *scenario, size_t group, double t)
{
    double slowness = 1;

    for (size_t i = 0; i < scenario->n_events; i++) {
        const struct scenario_event *event = &scenario->events[i];
        if (event->kind != EVENT_SLOW || event->group != group || event->at > t)
            continue;
        double done = event->span > 0 ? fmin(1, (t - event->at) / event->span) : 1;
        slowness += done * (event->factor - slowness);
    }
    return slowness;
}

bool scenario_changes(const struct scenario *scenario, double from, double to)
{
    for (size_t i = 0; i < scenario->n_events; i++) {
        const struct scenario_event *event = &scenario->events[i];
        bool happens = event->at > from && event->at < to;
        bool goes_on = (event->kind == EVENT_RAMP || event->kind == EVENT_SLOW) &&
                       event->at <= from && event->at + event->span > from;
        bool for_ever = event->kind == EVENT_DAY && event->at <= from;
        if (happens || goes_on || for_ever)
            return true;
    }
    return false;
}

/* ---- promises ---- */

static void write_section(FILE *file, const char *name, char (*keys)[SCENARIO_TEXT], size_t n)
{
    fprintf(file, "[vm %s]\n", name);
    for (size_t i = 0; i < n; i++)
        fprintf(file, "%s\n", keys[i]);
}

static void write_group(const struct scenario *scenario, size_t g, double t, FILE *file)
{
    const struct scenario_group *group = &scenario->groups[g];
    char(*keys)[SCENARIO_TEXT] = (char(*)[SCENARIO_TEXT])group->promise;
    size_t n = group->n_promise;

    for (size_t i = 0; i < scenario->n_events; i++) {
        const struct scenario_event *event = &scenario->events[i];
        if (event->kind == EVENT_PROMISE && event->at <= t &&
            (event->group == g || event->group == SCENARIO_ALL)) {
            keys = (char(*)[SCENARIO_TEXT])event->promise;
            n = event->n_promise;
        }
    }
    for (size_t guest = group->first; guest < group->first + group->n; guest++) {
        char name[CONFIG_NAME];
        scenario_guest_name(scenario, guest, name);
        write_section(file, name, keys, n);
    }
}

static void ignore(void *context, const char *path, unsigned line, const char *what)
{
    (void)context;
    (void)path;
    (void)line;
    (void)what;
}

struct config *scenario_config(const struct scenario *scenario, double t)
{
    struct config *config = NULL;
    char path[32];
    int fd = memfd_create("config", 0);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (!file) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    for (size_t g = 0; g < scenario->n_groups; g++)
        write_group(scenario, g, t, file);
    fflush(file);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (config_load(path, ignore, NULL, &config))
        config = NULL;
    fclose(file);
    return config;
}
