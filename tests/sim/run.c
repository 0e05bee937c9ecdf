// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORIGIN 1000.0 /* s on the monotonic clock when a scenario begins */

struct runner {
    const struct scenario *scenario;
    const struct rule *rule;
    const void *argument;
    void *state;
    struct world *world;
    struct run *run;
    struct controller_guest *guests;
    char (*names)[CONFIG_NAME];
    struct lane_size (*sizes)[DIRECTION_COUNT];
    struct judge *windows;    /* per guest, so far */
    size_t *window_from;      /* ticks */
    struct promise *promises; /* that the windows are about */
    unsigned lost;            /* ticks still to lose */
    double clock;             /* s that the wall clock is off */
};

void run_free(struct run *run)
{
    free(run->points);
    free(run->work);
    free(run->windows);
    free(run->reasons);
    memset(run, 0, sizeof(*run));
}

static int run_alloc(struct run *run, const struct scenario *scenario)
{
    size_t n = scenario->n_guests;

    *run = (struct run){.n_guests = n};
    run->n_ticks = (size_t)floor(scenario->length / scenario->interval + 1e-6);
    run->points = calloc(run->n_ticks * n, sizeof(*run->points));
    run->work = calloc(run->n_ticks, sizeof(*run->work));
    run->windows = calloc(run->n_ticks * n, sizeof(*run->windows));
    run->reasons = calloc(n, sizeof(*run->reasons));
    return run->points && run->work && run->windows && run->reasons ? 0 : -ENOMEM;
}

static void runner_end(struct runner *runner)
{
    if (runner->state)
        runner->rule->destroy(runner->state);
    world_destroy(runner->world);
    free(runner->guests);
    free(runner->names);
    free(runner->sizes);
    free(runner->windows);
    free(runner->window_from);
    free(runner->promises);
}

static int runner_begin(struct runner *runner)
{
    const struct scenario *scenario = runner->scenario;
    struct world_options options = {.eager = runner->rule->eager, .samples = true};
    size_t n = scenario->n_guests;

    runner->guests = calloc(n, sizeof(*runner->guests));
    runner->names = calloc(n, sizeof(*runner->names));
    runner->sizes = calloc(n, sizeof(*runner->sizes));
    runner->windows = calloc(n, sizeof(*runner->windows));
    runner->window_from = calloc(n, sizeof(*runner->window_from));
    runner->promises = calloc(n, sizeof(*runner->promises));
    runner->state = runner->rule->create(scenario, runner->argument);
    if (!runner->guests || !runner->names || !runner->sizes || !runner->windows ||
        !runner->window_from || !runner->promises || !runner->state)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        scenario_guest_name(scenario, i, runner->names[i]);
        runner->guests[i] = (struct controller_guest){.interface = {.domid = (uint32_t)i + 1},
                                                      .name = runner->names[i]};
    }
    return world_create(scenario, &options, &runner->world);
}

/* ---- judging ---- */

static void point_judge(const struct runner *runner, size_t guest, struct run_point *point)
{
    const struct promise *promise = world_promise(runner->world, guest);
    struct judge_verdict verdict;
    bool through;
    const struct judge *judge = world_judge(runner->world, guest, &through);

    point->judged = isfinite(promise->delay) && judge_verdict(judge, promise, through, &verdict);
    if (!point->judged)
        return;
    point->kept = verdict.kept;
    point->ratio = verdict.measured / verdict.limit;
}

static void window_judge(struct runner *runner, size_t guest, size_t tick)
{
    const struct promise *promise = world_promise(runner->world, guest);
    struct judge *window = &runner->windows[guest];
    struct judge_verdict verdict;
    bool through;
    const struct judge *judge = world_judge(runner->world, guest, &through);
    bool early = (double)tick * runner->scenario->interval < runner->scenario->settle - 1e-6;

    /* Nor is a new promise judged before the rule has heard of it. */
    if (early || memcmp(promise, &runner->promises[guest], sizeof(*promise)) != 0) {
        memset(window, 0, sizeof(*window));
        runner->promises[guest] = *promise;
        runner->window_from[guest] = tick + 1;
        return;
    }
    if (!isfinite(promise->delay))
        return;
    judge_add(window, judge);
    if (!judge_full(window, through) || !judge_verdict(window, promise, through, &verdict))
        return;
    runner->run->windows[runner->run->n_windows++] = (struct run_window){
        guest, runner->window_from[guest], tick, verdict.kept, verdict.measured / verdict.limit};
    memset(window, 0, sizeof(*window));
    runner->window_from[guest] = tick + 1;
}

static void judge_tick(struct runner *runner, size_t tick)
{
    for (size_t i = 0; i < runner->scenario->n_guests; i++) {
        point_judge(runner, i, &runner->run->points[tick * runner->run->n_guests + i]);
        window_judge(runner, i, tick);
    }
    runner->run->work[tick] = world_work(runner->world);
    world_judged(runner->world);
}

/* ---- what happens to the daemon ---- */

static int daemon_events(struct runner *runner, double from, double to)
{
    for (size_t e = 0; e < runner->scenario->n_events; e++) {
        const struct scenario_event *event = &runner->scenario->events[e];
        if (event->at < from || event->at >= to)
            continue;
        if (event->kind == EVENT_LOSE)
            runner->lost = event->ticks;
        if (event->kind == EVENT_CLOCK)
            runner->clock += event->step;
        if (event->kind == EVENT_RESTART) {
            runner->rule->destroy(runner->state);
            runner->state = runner->rule->create(runner->scenario, runner->argument);
            if (!runner->state)
                return -ENOMEM;
        }
    }
    return 0;
}

/* ---- deciding ---- */

static void point_report(struct run_point *point, const struct guest_report *report)
{
    point->state = report->state;
    point->forwarded = report->forwarded;
    point->predicted = report->kept >= 0 ? report->window_predicted : NAN;
    point->measured = report->kept >= 0 ? report->window_measured : NAN;
}

static void trace(double t, const struct guest_report *report, const struct run_point *point)
{
    printf("%7.2f %s I %.2f %.2f fw %.1f cor %.0f pm %.0f rx %.0f k %u/%.0f tx %.0f k %u/%.0f pred "
           "%.1f meas %.1f exp %.1f least %.1f margin %.1f "
           "true %.3f %s | %s\n",
           t, report->name, report->lanes[0].dispersion.value, report->lanes[1].dispersion.value,
           report->forwarded, report->lanes[0].correction * 1e6,
           report->lanes[0].predicted.total * 1e6, report->lanes[0].rate.value,
           report->lanes[0].wanted.packets, report->lanes[0].wanted.timeout * 1e6,
           report->lanes[1].rate.value, report->lanes[1].wanted.packets,
           report->lanes[1].wanted.timeout * 1e6, report->predicted * 1e6, report->measured * 1e6,
           report->expected * 1e6, report->least * 1e6, report->basis.margin * 1e6, point->ratio,
           tuning_state_name(report->state), report->reason);
}

static int sizes_take(struct runner *runner, size_t tick, const struct tick_report *report)
{
    int error = 0;

    for (size_t i = 0; i < runner->scenario->n_guests && !error; i++) {
        struct run_point *point = &runner->run->points[tick * runner->run->n_guests + i];
        const struct lane_size *by_hand = world_by_hand(runner->world, i);
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            if (by_hand[d].packets > 0)
                runner->sizes[i][d] = by_hand[d];
        memcpy(point->sizes, runner->sizes[i], sizeof(point->sizes));
        point->changed =
            tick > 0 && memcmp(point->sizes, point[-(ptrdiff_t)runner->run->n_guests].sizes,
                               sizeof(point->sizes)) != 0;
        error = world_resize(runner->world, i, runner->sizes[i]);
        point->predicted = point->measured = NAN;
        if (!report->guests)
            continue;
        point_report(point, &report->guests[i]);
        snprintf(runner->run->reasons[i], sizeof(runner->run->reasons[i]), "%s",
                 report->guests[i].reason);
        if (getenv("XENAGG_SIM_TRACE"))
            trace(world_now(runner->world), &report->guests[i], point);
    }
    return error;
}

static int tick_make(struct runner *runner, size_t tick)
{
    const struct scenario *scenario = runner->scenario;
    double from = world_now(runner->world);
    struct tick_report report = {0};
    int error = world_run(runner->world, scenario->interval);

    if (!error)
        error = daemon_events(runner, from - 1e-6, from + scenario->interval - 1e-6);
    if (error)
        return error;
    judge_tick(runner, tick);
    double now = world_now(runner->world);
    bool lost = runner->lost > 0;
    runner->lost -= lost;
    for (size_t i = 0; i < scenario->n_guests; i++) {
        memcpy(runner->guests[i].by_hand, world_by_hand(runner->world, i),
               sizeof(runner->guests[i].by_hand));
        memcpy(runner->sizes[i], world_sizes(runner->world, i), sizeof(runner->sizes[i]));
        if (tick > 0)
            memcpy(runner->sizes[i], run_point(runner->run, tick - 1, i)->sizes,
                   sizeof(runner->sizes[i]));
    }
    struct rule_input input = {.scenario = scenario,
                               .now = ORIGIN + now,
                               .time = 1.7e9 + now + runner->clock,
                               .t = now,
                               .config = world_config(runner->world),
                               .sample = lost ? NULL : world_sample(runner->world),
                               .guests = runner->guests};
    error = runner->rule->tick(runner->state, &input, runner->sizes, &report);
    return error ? error : sizes_take(runner, tick, &report);
}

int run_make(const struct scenario *scenario, const struct rule *rule, const void *argument,
             struct run *ret)
{
    struct run run;
    struct runner runner = {.scenario = scenario, .rule = rule, .argument = argument, .run = &run};
    int error = run_alloc(&run, scenario);

    if (!error)
        error = runner_begin(&runner);
    for (size_t tick = 0; tick < run.n_ticks && !error; tick++)
        error = tick_make(&runner, tick);
    runner_end(&runner);
    if (error)
        run_free(&run);
    else
        *ret = run;
    return error;
}
