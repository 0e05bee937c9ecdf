// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/plant_worker.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Timeouts are chosen by it: in steps, so that sizes and what they make of it come to rest. */
#define LATE_STEPS 64
/* The same for the jitter: steps for each doubling. */
#define JITTER_STEPS 12
/* Until the weather that was assumed is the weather that comes out. */
#define PASSES 3
/* s, half of the loop's budget for a visit. */
#define TURN_LEFT 50e-6

/* What stands stays until it is most of a step off: no to and fro. */
static double in_steps(double value, double step, double before)
{
    if (!(step > 0))
        return value;
    return fabs(value - before) < 0.8 * step ? before : step * nearbyint(value / step);
}

static double in_octaves(double value, double steps, double before)
{
    if (!(value > 0))
        return 0;
    return exp2(in_steps(log2(value), 1 / steps, before > 0 ? log2(before) : INFINITY));
}

static int grow(struct plant_worker *w, size_t n)
{
    struct plant_worker larger = {.room = n};
    larger.lanes = calloc(n + 1, sizeof(*larger.lanes));
    larger.pasts = calloc(n + 1, sizeof(*larger.pasts));
    larger.classes = calloc(PLANT_CLASSES(n), sizeof(*larger.classes));
    larger.shares = calloc(PLANT_CLASSES(n), sizeof(*larger.shares));
    if (!larger.lanes || !larger.pasts || !larger.classes || !larger.shares) {
        plant_worker_free(&larger);
        return -ENOMEM;
    }
    plant_worker_free(w);
    *w = larger;
    return 0;
}

int plant_worker_begin(struct plant_worker *w, const struct end_costs *costs,
                       const struct guest_load *guests, size_t n)
{
    bool kept = w->lanes && n <= w->room;
    int r = kept ? 0 : grow(w, n);
    if (r < 0)
        return r;
    struct plant_weather weather = w->weather;
    w->costs = costs;
    w->guests = guests;
    w->n = n;
    memset(w->classes, 0, PLANT_CLASSES(n) * sizeof(*w->classes));
    plant_read_class(costs, guests, n, &w->classes[0]);
    plant_worker_forget(w);
    if (kept)
        w->weather = weather;
    return 0;
}

void plant_worker_free(struct plant_worker *w)
{
    free(w->lanes);
    free(w->pasts);
    free(w->classes);
    free(w->shares);
}

void plant_worker_forget(struct plant_worker *w)
{
    memset(w->shares, 0, PLANT_CLASSES(w->n) * sizeof(*w->shares));
    w->queue = (struct fast_queue){0};
    w->spread = w->events = w->setup = w->wait = 0;
    w->weather = (struct plant_weather){.late = w->costs->timer_late};
}

static void question_put(const struct plant_worker *w, const struct guest_load *guest,
                         const struct lane_size sizes[DIRECTION_COUNT], struct lanes_question *ret)
{
    *ret = (struct lanes_question){.forwarded = guest->forwarded,
                                   .costs = guest->costs,
                                   .publish_packet = w->costs->publish_packet,
                                   .weather = w->weather};
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        ret->rate[d] = guest->rate[d];
        ret->dispersion[d] = guest->dispersion[d];
        ret->packets[d] =
            closing_size(sizes[d].packets, guest->limits.bytes_max, guest->packet_bytes[d]);
        ret->timeout[d] = sizes[d].timeout;
    }
    if (!(guest->forwarded > 0))
        ret->weather.jitter = 0;
}

static bool same_question(const struct lanes_question *a, const struct lanes_question *b)
{
    return memcmp(a, b, sizeof(*a)) == 0; /* of doubles only */
}

/* Asks for what was asked before last: exchanges both answers. False: it was something else. */
static bool past_recall(struct lanes_past *past, const struct lanes_question *question,
                        struct guest_lanes *lanes)
{
    struct guest_lanes last = *lanes;
    bool known = same_question(&past->before, question);
    if (known)
        *lanes = past->lanes;
    past->lanes = last;
    past->before = past->now;
    past->now = *question;
    return known;
}

static void classes_update(struct plant_worker *w, size_t i)
{
    plant_guest_classes(w->costs, &w->lanes[i], &w->classes[PLANT_PUBLISH(i)],
                        &w->classes[PLANT_TAKE(i)]);
}

void plant_worker_size(struct plant_worker *w, size_t i,
                       const struct lane_size sizes[DIRECTION_COUNT])
{
    struct lanes_past *past = &w->pasts[i];
    struct lanes_question question;
    question_put(w, &w->guests[i], sizes, &question);
    if (!same_question(&past->now, &question) && !past_recall(past, &question, &w->lanes[i]))
        plant_lanes(w->costs, &w->guests[i], sizes, &w->weather, &w->lanes[i]);
    classes_update(w, i);
}

void plant_worker_set(struct plant_worker *w, size_t i, const struct guest_lanes *lanes)
{
    w->lanes[i] = *lanes;
    w->pasts[i].now = (struct lanes_question){0};
    classes_update(w, i);
}

/* A third of E[S^3] / E[S^2] over all work: what a found service lasts, in the second moment. */
static double service_spread(const struct fast_class *classes, size_t n)
{
    double squares = 0, cubes = 0;
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        double s2 = c->service * c->service, var = c->service_var;
        if (!(c->rate > 0) || !(s2 > 0))
            continue;
        squares += c->rate * (s2 + var);
        cubes += c->rate * c->service * (s2 + 3 * var + 2 * var * var / s2); /* gamma */
    }
    return squares > 0 ? cubes / (3 * squares) : 0;
}

static double guest_work(const struct plant_worker *w, size_t i)
{
    const struct fast_class *publish = &w->classes[PLANT_PUBLISH(i)];
    const struct fast_class *take = &w->classes[PLANT_TAKE(i)];
    return w->guests[i].rate[DIRECTION_RX] * w->costs->read + publish->rate * publish->service +
           take->rate * take->service;
}

/*
 * What a turn of so many seconds (what is left of one, when something comes)
 * leaves of a backlog that has an exponential law of this mean.
 */
static double cut_of(double backlog)
{
    return backlog > 0 ? backlog * exp(-TURN_LEFT / backlog) : 0;
}

/*
 * The worker goes round, and no interface keeps it for longer than its budget:
 * of a busy guest's backlog the others wait for one turn only, and it waits
 * for them in between. Over all work, the mean wait stays as it is.
 */
static void take_turns(struct plant_worker *w)
{
    double wait = w->wait, busy = w->queue.utilisation, own = 0, others = 0;
    w->cut = w->return_of_cut = 0;
    for (size_t i = 0; i < w->n && busy > 0; i++) {
        double share = fmin(1, guest_work(w, i) / busy), cut = cut_of(wait * share);
        w->cut += cut;
        own += share * cut;
        others += (1 - share) * cut;
    }
    if (own > 0)
        w->return_of_cut = others / own;
}

/* Over all work, the mean wait stays as it is: where some waits longer, all else waits less. */
static void stand_behind(struct plant_worker *w)
{
    double found = w->wait, busy = fmin(1, w->queue.utilisation), sum = 0;
    for (size_t i = 0; i < w->n && busy > 0; i++) {
        const struct fast_class *take = &w->classes[PLANT_TAKE(i)];
        if (w->lanes[i].forwarded > 0)
            sum += take->rate * take->service / busy *
                   plant_returning(w->costs, &w->guests[i], &w->lanes[i], found, busy,
                                   fmin(1, guest_work(w, i) / busy));
    }
    w->behind = fmax(-found, fmin(0.7 * found, sum));
}

/* Relative to the mean wait, that of guest i, whose share of the work is given. */
static double turn_of(const struct plant_worker *w, double share)
{
    double wait = w->wait;
    if (!(wait > 0))
        return 1;
    double own = cut_of(wait * share) * (1 + w->return_of_cut);
    return fmax(0.05, 1 + (own - w->cut) / wait);
}

void plant_worker_solve(struct plant_worker *w)
{
    struct plant_events events = {0, 0};
    for (size_t i = 0; i < w->n; i++)
        plant_worker_events(&w->guests[i], &w->lanes[i], &events);
    fast_queue_solve(w->classes, PLANT_CLASSES(w->n), &w->queue, w->shares);
    w->spread = service_spread(w->classes, PLANT_CLASSES(w->n));
    w->setup = plant_setup(w->costs, &events);
    w->events = events.arrivals;
    w->wait = w->queue.stable ? w->queue.virtual_wait : 0;
    w->weather.jitter = in_octaves(w->wait, JITTER_STEPS, w->weather.jitter);
    double late = plant_late(w->costs, events.arrivals, fmin(1, w->queue.utilisation));
    w->weather.late = in_steps(late, w->costs->timer_late / LATE_STEPS, w->weather.late);
    take_turns(w);
    stand_behind(w);
}

double plant_worker_wait(const struct plant_worker *w)
{
    return w->queue.stable ? w->queue.virtual_wait : INFINITY;
}

struct worker_view plant_worker_view(const struct plant_worker *w, size_t i, double wait)
{
    double now = plant_worker_wait(w), busy = fmin(1, w->queue.utilisation);
    struct worker_view view = {.read = wait, .publish = wait, .take = wait, .setup = w->setup};
    view.decay = wait > 0 ? 1 / wait : INFINITY;
    view.busy = busy;
    view.found = wait;
    view.events = w->events;
    view.share = busy > 0 ? fmin(1, guest_work(w, i) / busy) : 0;
    if (now > 0 && isfinite(now)) {
        double turn = turn_of(w, view.share) * (1 - w->behind / now), scale = turn * wait / now;
        view.read = turn * wait;
        view.publish = scale * w->shares[PLANT_PUBLISH(i)].wait;
        view.take = scale * w->shares[PLANT_TAKE(i)].wait;
        /* of the exponential tail that has the wait's mean and second moment (Takacs) */
        view.decay = fmin(w->queue.decay * now / wait, 1 / (wait + w->spread));
    }
    return view;
}

void plant_worker_forecast(const struct plant_worker *w, struct worker_forecast *ret)
{
    *ret = (struct worker_forecast){.stable = w->queue.stable, .utilisation = w->queue.utilisation};
    for (size_t i = 0; i < w->n; i++)
        ret->container_rate +=
            w->lanes[i].lane[DIRECTION_RX].containers + w->lanes[i].lane[DIRECTION_TX].containers;
}

int plant_worker_predict(struct plant_worker *w, const struct end_costs *costs,
                         const struct guest_load *guests,
                         const struct lane_size (*sizes)[DIRECTION_COUNT], size_t n,
                         const bool *chosen, struct guest_forecast *ret_guests,
                         struct worker_forecast *ret_worker)
{
    int r = plant_check(costs, guests, n);
    for (size_t i = 0; r == 0 && i < n; i++)
        for (enum direction d = 0; r == 0 && d < DIRECTION_COUNT; d++)
            r = plant_check_size(&sizes[i][d]);
    if (r == 0)
        r = plant_worker_begin(w, costs, guests, n);
    if (r < 0)
        return r;
    /* Again with the weather that came out: it moves closings and what is forwarded. */
    for (int pass = 0; pass < PASSES; pass++) {
        struct plant_weather before = w->weather;
        for (size_t i = 0; i < n; i++)
            plant_worker_size(w, i, sizes[i]);
        plant_worker_solve(w);
        if (w->weather.late == before.late && w->weather.jitter == before.jitter)
            break;
    }
    for (size_t i = 0; i < n; i++) {
        struct worker_view view = plant_worker_view(w, i, plant_worker_wait(w));
        if (!chosen || chosen[i])
            plant_guest(costs, &guests[i], &w->lanes[i], &view, PLANT_ALL, &ret_guests[i]);
    }
    plant_worker_forecast(w, ret_worker);
    return 0;
}

int plant_forecast(const struct end_costs *costs, const struct guest_load *guests,
                   const struct lane_size (*sizes)[DIRECTION_COUNT], size_t n,
                   struct guest_forecast *ret_guests, struct worker_forecast *ret_worker)
{
    struct plant_worker worker = {0};
    int r = plant_worker_predict(&worker, costs, guests, sizes, n, NULL, ret_guests, ret_worker);

    plant_worker_free(&worker);
    return r;
}
