// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/dimension.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plant/plant_worker.h"
#include "plant/search.h"

/*
 * All guests meet one worker, and all that they do to each other goes through
 * its wait. So one number is sought: the wait w that, when every guest takes
 * the largest sizes that keep its promise at w, is the wait these sizes make.
 * The least such w has the largest sizes.
 */
#define ROUNDS 60 /* times that all guests are looked at, at most */
#define ROUNDS_MANY 48
#define FEW 16 /* guests: for those the sizes are exact */
#define JUMP_WIDTH 0.08
#define HOLD 0.01 /* sizes that stand stay unless they can grow by more */
/*
 * What a search may cost, in the units of search.h: counted and not timed, so that the same
 * question has the same answer everywhere.
 */
#define BUDGET 340e3
#define BUDGET_FIRST 240e3 /* from the largest sizes, until it is known who gives up */
#define BUDGET_WARM 100e3
#define BUDGET_REPORT 380e3 /* and the least delays of those that keep no promise */
#define CALM_LOAD 0.6       /* utilisation from which there may be a second, better answer */

/* One guest's sizes, and how they came about. */
struct plan {
    bool free[DIRECTION_COUNT];       /* neither fixed nor silent */
    bool tied;                        /* both lanes go together */
    bool given_up[DIRECTION_COUNT];   /* no size of that (leading) lane keeps the promise */
    double hopeless[DIRECTION_COUNT]; /* s: from this wait on none does */
    bool settled[DIRECTION_COUNT];    /* its cheapest size was looked for before */
    enum search_result result[DIRECTION_COUNT];
    struct lane_size size[DIRECTION_COUNT];
};

struct dimension_room {
    struct plant_worker worker;
    struct plan *plans; /* 3 for each guest */
    size_t room;
};

struct joint {
    struct plant_worker worker;
    struct plan *plans, *kept, *before; /* n each: being tried, the best so far, a way back */
    size_t n;
    double spent, budget; /* units of search.h */
    double given_up;      /* lanes that were, at the last trial */
    double residual;      /* s: wait * (1 - utilisation), nearly constant */
    double tolerance, hold;
    int rounds; /* left */
};

/* ---- one guest ---- */

/*
 * A silent lane: the first packets shall neither wait for more that may not
 * come, nor, if a torrent starts, overload the worker with small containers.
 */
static struct lane_size silent_size(const struct guest_load *g, enum direction d)
{
    return (struct lane_size){.packets = search_ceiling(g, d), .timeout = g->limits.timeout_min};
}

static struct lane_size largest_size(const struct guest_load *g, enum direction d)
{
    return (struct lane_size){.packets = search_ceiling(g, d), .timeout = g->limits.timeout_max};
}

static void plan_init(struct plan *p, const struct guest_load *g, const struct sizing *before)
{
    *p = (struct plan){0};
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        p->free[d] = !g->fixed[d] && g->rate[d] > 0;
        p->hopeless[d] = INFINITY;
        if (g->fixed[d])
            p->size[d] = g->fixed_size[d];
        else if (!p->free[d])
            p->size[d] = silent_size(g, d);
        else if (plant_check_size(&before->size[d]) == 0)
            p->size[d] = before->size[d];
        else
            p->size[d] = largest_size(g, d);
    }
    bool both = p->free[DIRECTION_RX] && p->free[DIRECTION_TX];
    p->tied = both && (g->promise.scope == SCOPE_FORWARDING || search_forwards(g));
}

/* Whether this lane is one whose size is looked for. */
static bool plan_leads(const struct plan *p, enum direction d)
{
    return p->free[d] && !(p->tied && d == DIRECTION_TX);
}

static bool plan_is_silent(const struct plan *p, const struct guest_load *g, enum direction d)
{
    return !p->free[d] && !g->fixed[d];
}

static void plan_take(struct plan *p, const struct search *s)
{
    p->size[s->lead] = s->last.size[s->lead];
    if (s->tied)
        p->size[!s->lead] = s->last.size[!s->lead];
}

/* ---- all of them at a given wait ---- */

static bool joint_spent(const struct joint *j)
{
    return j->spent > j->budget;
}

/* The largest sizes of one lane that keep the promise, if any do. */
static void plan_keep(struct joint *j, size_t i, enum direction d, double wait)
{
    struct plan *p = &j->plans[i];
    struct search s;
    p->given_up[d] = wait >= p->hopeless[d];
    if (p->given_up[d])
        return;
    search_init(&s, &j->worker, i, p->size, d, p->tied, wait);
    p->result[d] = search_largest(&s, p->size[d].packets, j->tolerance, j->hold);
    j->spent += s.spent;
    p->given_up[d] = p->result[d] == SEARCH_NONE;
    if (p->given_up[d]) {
        p->hopeless[d] = wait;
        return;
    }
    p->settled[d] = false;
    plan_take(p, &s);
    plant_worker_set(&j->worker, i, &s.last.lanes);
}

/* The same for all guests; notes who cannot. */
static void joint_keep(struct joint *j, double wait, bool sticky)
{
    j->given_up = 0;
    for (size_t i = 0; i < j->n; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            struct plan *p = &j->plans[i];
            if (!plan_leads(p, d))
                continue;
            if (!(sticky && p->given_up[d]) && !joint_spent(j))
                plan_keep(j, i, d, wait);
            j->given_up += p->given_up[d];
        }
}

/*
 * The others: where delay + price * (share of the worker's time) is least. The
 * price is what a share of its time adds to the waits of all that have given
 * up: with wait = residual / (1 - utilisation), d wait / d utilisation = wait^2 / residual.
 */
static void joint_settle(struct joint *j, double wait)
{
    double price = j->residual > 0 ? j->given_up * wait * wait / j->residual : 0;
    for (size_t i = 0; i < j->n; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            struct plan *p = &j->plans[i];
            struct search s;
            if (!plan_leads(p, d) || !p->given_up[d] || joint_spent(j))
                continue;
            search_init(&s, &j->worker, i, p->size, d, p->tied, wait);
            search_cheapest(&s, price, p->settled[d] ? p->size[d].packets : 0);
            j->spent += s.spent;
            p->settled[d] = true;
            plan_take(p, &s);
            plant_worker_set(&j->worker, i, &s.last.lanes);
        }
}

/* The wait that the lanes as they are make. */
static double joint_made(struct joint *j)
{
    plant_worker_solve(&j->worker);
    if (j->worker.queue.stable)
        j->residual = j->worker.queue.upper * (1 - j->worker.queue.utilisation);
    return plant_worker_wait(&j->worker);
}

/* The same for the plans, whatever was tried before. */
static double joint_solve(struct joint *j)
{
    for (size_t i = 0; i < j->n; i++)
        plant_worker_size(&j->worker, i, j->plans[i].size);
    return joint_made(j);
}

static double joint_try(struct joint *j, double wait, bool sticky)
{
    joint_keep(j, wait, sticky);
    if (j->given_up > 0)
        joint_settle(j, wait);
    return joint_made(j);
}

/* ---- the wait that agrees with itself ---- */

struct root {
    double low, high;       /* below `low` sizes make more wait than was given, at `high` less */
    double at_low, at_high; /* the waits made */
};

static void plans_save(struct joint *j)
{
    memcpy(j->kept, j->plans, j->n * sizeof(*j->plans));
}

static bool joint_given_up(const struct joint *j)
{
    for (size_t i = 0; i < j->n; i++)
        if (j->plans[i].given_up[DIRECTION_RX] || j->plans[i].given_up[DIRECTION_TX])
            return true;
    return false;
}

static double root_next(const struct joint *j, const struct root *r, int round)
{
    double above = 1 + j->tolerance / 2, next;
    if (!isfinite(r->high)) /* from below: the wait made, which is still too little */
        return isfinite(r->at_low) ? fmax(r->at_low * above, r->low * (1.1 + 0.2 * round))
                                   : 4 * r->low;
    next = r->at_high * above; /* from above */
    if (round % 3 != 2 && next > r->low && next < r->high)
        return next;
    return r->low > 0 ? sqrt(r->low * r->high) : 0.3 * r->high;
}

/* How near is near enough; where many give up at once, exactly when matters little. */
static double root_width(const struct joint *j, const struct root *r)
{
    return j->n > FEW && r->at_high < 0.5 * r->high ? JUMP_WIDTH : 2 * j->tolerance;
}

enum found { FOUND_NONE, FOUND_ROOT, FOUND_JUMP };

/*
 * Leaves the plans of the smallest wait found that is not less than what they
 * make. A jump: they make clearly less, as some guests give up just there.
 */
static enum found joint_root(struct joint *j, double start, bool sticky)
{
    struct root r = {.high = INFINITY};
    double wait = start;
    bool stable = false;
    for (int round = 0; j->rounds > 0 && !joint_spent(j); round++, j->rounds--) {
        double made = joint_try(j, wait, sticky);
        if (made <= wait) {
            r.high = wait;
            r.at_high = made;
            plans_save(j);
            if (made >= wait * (1 - j->tolerance))
                break;
        } else {
            r.low = wait > 0 ? wait : made / 2;
            r.at_low = made;
            if (isinf(r.high) && isfinite(made)) /* stable, at least */
                plans_save(j);
            stable |= isfinite(made);
        }
        if (isfinite(r.high) && r.high - r.low <= root_width(j, &r) * r.high)
            break;
        j->hold = 0;
        wait = root_next(j, &r, round);
    }
    if (isinf(r.high) && !stable)
        return FOUND_NONE;
    memcpy(j->plans, j->kept, j->n * sizeof(*j->plans));
    joint_solve(j);
    if (isinf(r.high))
        return FOUND_NONE;
    bool less = r.at_high < r.high * (1 - 3 * j->tolerance);
    return less && joint_given_up(j) ? FOUND_JUMP : FOUND_ROOT;
}

static void joint_largest(struct joint *j)
{
    for (size_t i = 0; i < j->n; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            if (j->plans[i].free[d])
                j->plans[i].size[d] = largest_size(&j->worker.guests[i], d);
}

/* The search could not be finished: as much larger than what it came to as makes the worker stable.
 */
static bool joint_enlarge(struct joint *j)
{
    double wait = joint_solve(j);
    for (int step = 0; isinf(wait) && step < 20; step++) {
        for (size_t i = 0; i < j->n; i++)
            for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
                struct lane_size most = largest_size(&j->worker.guests[i], d);
                struct lane_size *size = &j->plans[i].size[d];
                if (!j->plans[i].free[d])
                    continue;
                size->packets = (uint32_t)fmin(most.packets, ceil(1.5 * size->packets));
                size->timeout = fmin(most.timeout, 1.5 * size->timeout);
            }
        wait = joint_solve(j);
    }
    return isfinite(wait);
}

/* Promises still hold with what the last solution says of each guest's own wait? */
static bool joint_holds(struct joint *j)
{
    double wait = plant_worker_wait(&j->worker);
    for (size_t i = 0; i < j->n; i++) {
        const struct plan *p = &j->plans[i];
        const struct guest_load *g = &j->worker.guests[i];
        struct guest_forecast f;
        bool kept = !g->fixed[DIRECTION_RX] && !g->fixed[DIRECTION_TX];
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            kept &= !(plan_leads(p, d) && p->given_up[d]);
        if (!kept)
            continue;
        struct worker_view view = plant_worker_view(&j->worker, i, wait);
        plant_guest(j->worker.costs, g, &j->worker.lanes[i], &view, PLANT_PROMISED, &f);
        if (f.promised > g->promise.delay * 1.0005)
            return false;
    }
    return true;
}

/*
 * A lower wait that agrees with itself, too: sizes are larger there. First a
 * look at what sizes would make that are larger by what they would then have to fill.
 */
static bool joint_may_be_lower(struct joint *j, double now, double lower)
{
    for (size_t i = 0; i < j->n; i++) {
        struct plan p = j->plans[i];
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            const struct guest_load *g = &j->worker.guests[i];
            double more = p.size[d].packets + 2 * g->rate[d] * (now - lower);
            if (p.free[d]) {
                p.size[d].timeout *= more / p.size[d].packets;
                p.size[d].packets = (uint32_t)fmin(more, search_ceiling(g, d));
            }
        }
        plant_worker_size(&j->worker, i, p.size);
    }
    return joint_made(j) <= lower * 1.2;
}

static void joint_look_lower(struct joint *j)
{
    double now = plant_worker_wait(&j->worker), lower = 0.6 * now;
    if (j->worker.queue.utilisation < CALM_LOAD)
        return;
    if (joint_may_be_lower(j, now, lower)) {
        memcpy(j->before, j->plans, j->n * sizeof(*j->before));
        if (joint_try(j, lower, false) <= lower) {
            joint_root(j, lower, false);
            return;
        }
        memcpy(j->plans, j->before, j->n * sizeof(*j->before));
    }
    joint_solve(j);
}

/* The timer alone may cost too much: then the first packets leave one by one. */
static void joint_hurry_silent(struct joint *j)
{
    for (size_t i = 0; i < j->n; i++) {
        const struct guest_load *g = &j->worker.guests[i];
        struct plan *p = &j->plans[i];
        struct guest_forecast f;
        if (!plan_is_silent(p, g, DIRECTION_RX) && !plan_is_silent(p, g, DIRECTION_TX))
            continue;
        struct worker_view view = plant_worker_view(&j->worker, i, plant_worker_wait(&j->worker));
        plant_guest(j->worker.costs, g, &j->worker.lanes[i], &view, PLANT_PROMISED, &f);
        if (f.promised <= g->promise.delay)
            continue;
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            if (plan_is_silent(p, g, d))
                p->size[d].packets = g->limits.packets_min;
        plant_worker_size(&j->worker, i, p->size);
    }
}

/* From the sizes that stand. False: not all promises can be kept from here. */
static bool joint_find_warm(struct joint *j)
{
    double wait = joint_solve(j);
    if (isinf(wait))
        return false;
    j->hold = HOLD;
    if (joint_root(j, wait * (1 + j->tolerance / 2), false) != FOUND_ROOT || joint_given_up(j))
        return false;
    joint_look_lower(j);
    return true;
}

/*
 * From the largest sizes, whatever stands: the same question always gets the
 * same answer, also where promises compete for what there is.
 */
static void joint_find_cold(struct joint *j)
{
    plant_worker_forget(&j->worker);
    for (size_t i = 0; i < j->n; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            j->plans[i].given_up[d] = j->plans[i].settled[d] = false;
            j->plans[i].hopeless[d] = INFINITY;
        }
    j->hold = j->given_up = j->residual = 0;
    joint_largest(j);
    double wait = joint_solve(j);
    if (isinf(wait))
        return; /* not even the largest containers are enough */
    j->budget = BUDGET_FIRST;
    enum found found = joint_root(j, wait * (1 + j->tolerance / 2), false);
    j->budget = BUDGET;
    if (found == FOUND_JUMP)
        found = joint_root(j, plant_worker_wait(&j->worker), true);
    if (found == FOUND_NONE && joint_spent(j) && joint_enlarge(j))
        return;
    if (found == FOUND_NONE) {
        joint_largest(j);
        joint_solve(j);
    }
}

static void joint_find(struct joint *j, bool warm)
{
    int rounds = j->rounds;
    j->budget = BUDGET_WARM;
    if (!warm || !joint_find_warm(j)) {
        j->rounds = rounds;
        joint_find_cold(j);
    }
    for (int i = 0; i < 2 && j->worker.queue.stable && !joint_holds(j); i++) {
        double now = plant_worker_wait(&j->worker) * (1 + j->tolerance);
        j->hold = 0;
        j->rounds = 4;
        joint_root(j, now, true);
    }
    if (j->worker.queue.stable)
        joint_hurry_silent(j);
}

/* ---- what comes out ---- */

static double least_delay(struct joint *j, size_t i, double promised)
{
    const struct plan *p = &j->plans[i];
    double wait = plant_worker_wait(&j->worker), worst = 0;
    bool any = false;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        struct search s;
        if (!plan_leads(p, d))
            continue;
        search_init(&s, &j->worker, i, p->size, d, p->tied, wait);
        worst = fmax(worst, search_least(&s));
        j->spent += s.spent;
        any = true;
    }
    return any ? fmin(worst, promised) : promised;
}

static enum sizing_reason reason_of(const struct plan *p, const struct guest_load *g)
{
    enum sizing_reason reason = SIZING_CEILING;
    if (!p->free[DIRECTION_RX] && !p->free[DIRECTION_TX])
        return g->fixed[DIRECTION_RX] || g->fixed[DIRECTION_TX] ? SIZING_FIXED : SIZING_SILENT;
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (plan_leads(p, d) && p->result[d] != SEARCH_CEILING)
            reason = SIZING_PROMISE;
    return reason;
}

static void report(struct joint *j, size_t i, struct sizing *ret)
{
    const struct plan *p = &j->plans[i];
    const struct guest_load *g = &j->worker.guests[i];
    struct worker_view view = plant_worker_view(&j->worker, i, plant_worker_wait(&j->worker));
    memcpy(ret->size, p->size, sizeof(ret->size));
    plant_guest(j->worker.costs, g, &j->worker.lanes[i], &view, PLANT_ALL, &ret->forecast);
    ret->attainable = j->worker.queue.stable && ret->forecast.promised <= g->promise.delay * 1.001;
    ret->least = ret->forecast.promised;
    if (j->worker.queue.stable && j->spent < BUDGET_REPORT)
        ret->least = least_delay(j, i, ret->forecast.promised);
    ret->reason = reason_of(p, g);
    if (!j->worker.queue.stable || isinf(ret->forecast.promised))
        ret->reason = SIZING_UNSTABLE;
    else if (!ret->attainable && ret->reason != SIZING_FIXED)
        ret->reason = SIZING_UNATTAINABLE;
}

/* ---- room ---- */

struct dimension_room *dimension_room_create(void)
{
    return calloc(1, sizeof(struct dimension_room));
}

void dimension_room_destroy(struct dimension_room *room)
{
    if (room) {
        plant_worker_free(&room->worker);
        free(room->plans);
        free(room);
    }
}

int plant_forecast_in(struct dimension_room *room, const struct end_costs *costs,
                      const struct guest_load *guests,
                      const struct lane_size (*sizes)[DIRECTION_COUNT], size_t n,
                      const bool *chosen, struct guest_forecast *ret_guests,
                      struct worker_forecast *ret_worker)
{
    return plant_worker_predict(&room->worker, costs, guests, sizes, n, chosen, ret_guests,
                                ret_worker);
}

int plant_means_if(const struct dimension_room *room, size_t i, const struct guest_load *load,
                   const struct lane_size sizes[DIRECTION_COUNT], struct guest_forecast *ret)
{
    const struct plant_worker *w = &room->worker;
    int r = plant_check(w->costs, load, 1);
    for (enum direction d = 0; r == 0 && d < DIRECTION_COUNT; d++)
        r = plant_check_size(&sizes[d]);
    if (r < 0)
        return r;
    struct guest_lanes lanes = {0};
    struct guest_load means = *load;
    struct worker_view view = plant_worker_view(w, i, plant_worker_wait(w));
    means.promise.percentile = 0;
    plant_lanes(w->costs, &means, sizes, &w->weather, &lanes);
    plant_guest(w->costs, &means, &lanes, &view, PLANT_ALL, ret);
    return 0;
}

static int room_begin(struct dimension_room *room, const struct end_costs *costs,
                      const struct guest_load *guests, size_t n, struct joint *ret)
{
    if (!room->plans || n > room->room) {
        struct plan *plans = calloc(3 * n + 1, sizeof(*plans));
        if (!plans)
            return -ENOMEM;
        free(room->plans);
        room->plans = plans;
        room->room = n;
    }
    int r = plant_worker_begin(&room->worker, costs, guests, n);
    if (r < 0)
        return r;
    *ret = (struct joint){.worker = room->worker,
                          .n = n,
                          .plans = room->plans,
                          .kept = room->plans + n,
                          .before = room->plans + 2 * n,
                          .tolerance = n <= FEW ? 1e-3 : 1e-2,
                          .rounds = n <= FEW ? ROUNDS : ROUNDS_MANY};
    return 0;
}

/* Whether there are sizes to begin with that may be right still. */
static bool is_warm(const struct sizing *before, const struct guest_load *guest)
{
    if (guest->fixed[DIRECTION_RX] && guest->fixed[DIRECTION_TX])
        return true;
    return before->size[DIRECTION_RX].packets > 0 && before->reason != SIZING_UNATTAINABLE;
}

int dimension_worker_in(struct dimension_room *room, const struct end_costs *worker,
                        const struct guest_load *guests, size_t n, struct sizing *sizings,
                        struct worker_forecast *ret_worker)
{
    struct joint j;
    bool warm = true;
    int r = plant_check(worker, guests, n);
    if (r == 0)
        r = room_begin(room, worker, guests, n, &j);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        plan_init(&j.plans[i], &guests[i], &sizings[i]);
        warm &= is_warm(&sizings[i], &guests[i]);
    }
    joint_find(&j, warm);
    for (size_t i = 0; i < n; i++)
        if (!guests[i].unasked)
            report(&j, i, &sizings[i]);
    room->worker.weather = j.worker.weather;
    plant_worker_forecast(&j.worker, ret_worker);
    return 0;
}

int dimension_worker(const struct end_costs *worker, const struct guest_load *guests, size_t n,
                     struct sizing *sizings, struct worker_forecast *ret_worker)
{
    struct dimension_room *room = dimension_room_create();
    int r = room ? dimension_worker_in(room, worker, guests, n, sizings, ret_worker) : -ENOMEM;
    dimension_room_destroy(room);
    return r;
}
