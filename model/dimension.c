// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/dimension.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/plant_worker.h"
#include "model/search.h"

/*
 * All guests meet one worker, and all that they do to each other goes through
 * its wait. So one number is sought: the wait w that, when every guest takes
 * the largest sizes that keep its promise at w, is the wait these sizes make.
 * The least such w has the largest sizes.
 */
#define ROUNDS 60 /* times that all guests are looked at, at most */
#define ROUNDS_MANY 48
#define FEW 16        /* guests: for those the sizes are exact */
#define HOLD 0.01     /* sizes that stand stay unless they can grow by more */
#define CALM_LOAD 0.6 /* utilisation from which there may be a second, better answer */

/* One guest's sizes, and how they came about. */
struct plan {
    bool free[DIRECTION_COUNT];     /* neither fixed nor silent */
    bool tied;                      /* both lanes go together */
    bool given_up[DIRECTION_COUNT]; /* no size of that (leading) lane keeps the promise */
    enum search_result result[DIRECTION_COUNT];
    struct lane_size size[DIRECTION_COUNT];
};

struct joint {
    struct plant_worker worker;
    struct plan *plans, *kept; /* n each: being tried, the best so far */
    size_t n;
    double given_up; /* lanes that were, at the last trial */
    double residual; /* s: wait * (1 - utilisation), nearly constant */
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

static void plan_take(struct plan *p, const struct search *s)
{
    p->size[s->lead] = s->size[s->lead];
    if (s->tied)
        p->size[!s->lead] = s->size[!s->lead];
}

/* ---- all of them at a given wait ---- */

/* The largest sizes for all that can keep their promise; notes who cannot. */
static void joint_keep(struct joint *j, double wait, bool sticky)
{
    j->given_up = 0;
    for (size_t i = 0; i < j->n; i++) {
        struct plan *p = &j->plans[i];
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            struct search s;
            if (!plan_leads(p, d))
                continue;
            if (!(sticky && p->given_up[d])) {
                search_init(&s, &j->worker, i, p->size, d, p->tied, wait);
                p->result[d] = search_largest(&s, p->size[d].packets, j->tolerance, j->hold);
                p->given_up[d] = p->result[d] == SEARCH_NONE;
                if (!p->given_up[d]) {
                    plan_take(p, &s);
                    plant_worker_set(&j->worker, i, &s.lanes);
                }
            }
            j->given_up += p->given_up[d];
        }
    }
}

/*
 * The others: where delay + price * (share of the worker's time) is least. The
 * price is what a share of its time adds to the waits of all that have given
 * up: with wait = residual / (1 - utilisation), d wait / d utilisation = wait^2 / residual.
 */
static void joint_settle(struct joint *j, double wait, bool sticky)
{
    double price = j->residual > 0 ? j->given_up * wait * wait / j->residual : 0;
    for (size_t i = 0; i < j->n; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            struct plan *p = &j->plans[i];
            struct search s;
            if (!plan_leads(p, d) || !p->given_up[d])
                continue;
            search_init(&s, &j->worker, i, p->size, d, p->tied, wait);
            search_cheapest(&s, price, sticky ? p->size[d].packets : 0);
            plan_take(p, &s);
            plant_worker_set(&j->worker, i, &s.lanes);
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
        joint_settle(j, wait, sticky);
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

enum found { FOUND_NONE, FOUND_ROOT, FOUND_JUMP };

/*
 * Leaves the plans of the smallest wait found that is not less than what they
 * make. A jump: they make clearly less, as some guests give up just there.
 */
static enum found joint_root(struct joint *j, double start, bool sticky)
{
    struct root r = {.high = INFINITY};
    double wait = start;
    for (int round = 0; j->rounds > 0; round++, j->rounds--) {
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
        }
        if (isfinite(r.high) && r.high - r.low <= 2 * j->tolerance * r.high)
            break;
        j->hold = 0;
        wait = root_next(j, &r, round);
    }
    if (isinf(r.high))
        return FOUND_NONE;
    memcpy(j->plans, j->kept, j->n * sizeof(*j->plans));
    joint_solve(j);
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

/* Promises still hold with what the last solution says of each guest's own wait? */
static bool joint_holds(struct joint *j)
{
    double wait = plant_worker_wait(&j->worker);
    for (size_t i = 0; i < j->n; i++) {
        const struct plan *p = &j->plans[i];
        const struct guest_load *g = &j->worker.guests[i];
        struct worker_view view = plant_worker_view(&j->worker, i, wait);
        struct guest_forecast f;
        plant_guest(j->worker.costs, g, &j->worker.lanes[i], &view, PLANT_PROMISED, &f);
        bool kept = !g->fixed[DIRECTION_RX] && !g->fixed[DIRECTION_TX];
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            kept &= !(plan_leads(p, d) && p->given_up[d]);
        if (kept && f.promised > g->promise.delay * 1.0005)
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
    struct plan *before = NULL;
    if (j->worker.queue.utilisation < CALM_LOAD)
        return;
    if (joint_may_be_lower(j, now, lower))
        before = malloc(j->n * sizeof(*before));
    if (before) {
        memcpy(before, j->plans, j->n * sizeof(*before));
        if (joint_try(j, lower, false) <= lower) {
            joint_root(j, lower, false);
            free(before);
            return;
        }
        memcpy(j->plans, before, j->n * sizeof(*before));
        free(before);
    }
    joint_solve(j);
}

/* The timer alone may cost too much: then the first packets leave one by one. */
static void joint_hurry_silent(struct joint *j)
{
    for (size_t i = 0; i < j->n; i++) {
        const struct guest_load *g = &j->worker.guests[i];
        struct plan *p = &j->plans[i];
        struct worker_view view = plant_worker_view(&j->worker, i, plant_worker_wait(&j->worker));
        struct guest_forecast f;
        plant_guest(j->worker.costs, g, &j->worker.lanes[i], &view, PLANT_PROMISED, &f);
        if (f.promised <= g->promise.delay)
            continue;
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            if (!p->free[d] && !g->fixed[d])
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
        memset(j->plans[i].given_up, 0, sizeof(j->plans[i].given_up));
    j->hold = j->given_up = j->residual = 0;
    joint_largest(j);
    double wait = joint_solve(j);
    if (isinf(wait))
        return; /* not even the largest containers are enough */
    enum found found = joint_root(j, wait * (1 + j->tolerance / 2), false);
    if (found == FOUND_JUMP)
        found = joint_root(j, plant_worker_wait(&j->worker), true);
    if (found == FOUND_NONE) {
        joint_largest(j);
        joint_solve(j);
    }
}

static void joint_find(struct joint *j, bool warm)
{
    int rounds = j->rounds;
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
    if (j->worker.queue.stable)
        ret->least = least_delay(j, i, ret->forecast.promised);
    ret->reason = reason_of(p, g);
    if (!j->worker.queue.stable || isinf(ret->forecast.promised))
        ret->reason = SIZING_UNSTABLE;
    else if (!ret->attainable && ret->reason != SIZING_FIXED)
        ret->reason = SIZING_UNATTAINABLE;
}

static int joint_init(const struct end_costs *costs, const struct guest_load *guests, size_t n,
                      struct joint *ret)
{
    struct joint j = {.n = n, .tolerance = n <= FEW ? 1e-3 : 1e-2};
    j.rounds = n <= FEW ? ROUNDS : ROUNDS_MANY;
    j.plans = calloc(n + 1, sizeof(*j.plans));
    j.kept = calloc(n + 1, sizeof(*j.kept));
    int r = j.plans && j.kept ? plant_worker_init(costs, guests, n, &j.worker) : -ENOMEM;
    if (r < 0) {
        free(j.plans);
        free(j.kept);
        return r;
    }
    *ret = j;
    return 0;
}

static void joint_free(struct joint *j)
{
    plant_worker_free(&j->worker);
    free(j->plans);
    free(j->kept);
}

int dimension_worker(const struct end_costs *worker, const struct guest_load *guests, size_t n,
                     struct sizing *sizings, struct worker_forecast *ret_worker)
{
    struct joint j;
    bool warm = true;
    int r = plant_check(worker, guests, n);
    if (r == 0)
        r = joint_init(worker, guests, n, &j);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        plan_init(&j.plans[i], &guests[i], &sizings[i]);
        warm &= sizings[i].size[DIRECTION_RX].packets > 0;
    }
    joint_find(&j, warm);
    for (size_t i = 0; i < n; i++)
        report(&j, i, &sizings[i]);
    plant_worker_forecast(&j.worker, ret_worker);
    joint_free(&j);
    return 0;
}
