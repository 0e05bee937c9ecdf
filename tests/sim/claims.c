// SPDX-License-Identifier: GPL-2.0-or-later
/* What a scenario asserts of its runs. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/run.h"

/* What is asked about: ticks from..to-1 (whole ticks inside the claim's time), guests first..end-1.
 */
struct scope_of {
    double interval; /* s */
    size_t from, to, first, end;
};

static struct scope_of scope_make(const struct scenario *scenario, const struct run *run,
                                  const struct scenario_claim *claim)
{
    struct scope_of s = {.interval = scenario->interval, .end = run->n_guests, .to = run->n_ticks};

    s.from = (size_t)ceil(claim->from / scenario->interval - 1e-6);
    if (isfinite(claim->to))
        s.to = (size_t)fmin((double)run->n_ticks, floor(claim->to / scenario->interval + 1e-6));
    if (claim->group != SCENARIO_ALL) {
        s.first = scenario->groups[claim->group].first;
        s.end = s.first + scenario->groups[claim->group].n;
    }
    return s;
}

struct window_sums {
    double n, kept, ratio, worst;
};

static void windows_add(struct window_sums *sums, const struct run *run, const struct scope_of *s,
                        size_t guest)
{
    for (size_t w = 0; w < run->n_windows; w++) {
        const struct run_window *window = &run->windows[w];
        if (window->guest != guest || window->from < s->from || window->to >= s->to)
            continue;
        sums->n++;
        sums->kept += window->kept;
        sums->ratio += window->ratio;
        sums->worst = fmax(sums->worst, window->ratio);
    }
}

static double changes_of(const struct run *run, const struct scope_of *s, size_t guest)
{
    double changes = 0;

    for (size_t t = s->from; t < s->to; t++)
        changes += run_point(run, t, guest)->changed;
    return changes;
}

/* The least number of ticks between two changes. */
static double calm_of(const struct run *run, const struct scope_of *s, size_t guest)
{
    double calm = INFINITY, last = -INFINITY;

    for (size_t t = s->from; t < s->to; t++)
        if (run_point(run, t, guest)->changed) {
            calm = fmin(calm, (double)t - last);
            last = (double)t;
        }
    return calm;
}

/* Ticks from the start of it until the promise is kept, and stays so. */
static double settled_of(const struct run *run, const struct scope_of *s, size_t guest)
{
    double ticks = 0;

    for (size_t t = s->from; t < s->to; t++) {
        const struct run_point *point = run_point(run, t, guest);
        if (point->judged && !point->kept)
            ticks = (double)(t - s->from + 1);
    }
    return ticks;
}

static double error_of(const struct run *run, const struct scope_of *s, size_t guest)
{
    double sum = 0, n = 0;

    for (size_t t = s->from; t < s->to; t++) {
        const struct run_point *point = run_point(run, t, guest);
        if (!(point->predicted > 0) || !(point->measured > 0))
            continue;
        sum += fabs(point->predicted - point->measured) / point->measured;
        n++;
    }
    return n > 0 ? sum / n : NAN;
}

/* The worker's, whoever's guest is asked about. */
static double busy_of(const struct run *run, const struct scope_of *s)
{
    double busy = 0;

    for (size_t t = s->from; t < s->to; t++)
        busy += run->work[t].busy;
    return busy / ((double)(s->to - s->from) * s->interval);
}

static bool of_windows(enum scenario_claim_kind kind)
{
    return kind == CLAIM_KEPT || kind == CLAIM_BROKEN || kind == CLAIM_TIGHT || kind == CLAIM_WORST;
}

static double windows_value(const struct run *runs, size_t n, const struct scope_of *s,
                            enum scenario_claim_kind kind, size_t guest)
{
    struct window_sums sums = {0};

    for (size_t r = 0; r < n; r++)
        windows_add(&sums, &runs[r], s, guest);
    if (!(sums.n > 0))
        return NAN;
    if (kind == CLAIM_WORST)
        return sums.worst;
    return (kind == CLAIM_TIGHT ? sums.ratio : sums.kept) / sums.n;
}

static double value_of(const struct run *run, const struct scope_of *s,
                       enum scenario_claim_kind kind, size_t guest)
{
    switch (kind) {
    case CLAIM_CHANGES:
        return changes_of(run, s, guest);
    case CLAIM_CALM:
        return calm_of(run, s, guest);
    case CLAIM_SETTLED:
        return settled_of(run, s, guest);
    case CLAIM_ERROR:
        return error_of(run, s, guest);
    case CLAIM_BUSY:
        return busy_of(run, s);
    case CLAIM_FORWARDS:
    case CLAIM_KEEPS:
        return s->to > s->from ? run_point(run, s->to - 1, guest)->forwarded : NAN;
    default:
        return s->to > s->from ? run_point(run, s->to - 1, guest)->sizes[DIRECTION_RX].packets
                               : NAN;
    }
}

static bool at_least(enum scenario_claim_kind kind)
{
    return kind == CLAIM_KEPT || kind == CLAIM_TIGHT || kind == CLAIM_CALM ||
           kind == CLAIM_LARGER || kind == CLAIM_FORWARDS;
}

static bool state_holds(const struct run *run, const struct scope_of *s,
                        const struct scenario_claim *claim, size_t guest, char *ret_why,
                        size_t size)
{
    for (size_t t = s->from; t < s->to; t++)
        if (run_point(run, t, guest)->state != claim->state) {
            snprintf(ret_why, size, "in tick %zu it is %s", t,
                     tuning_state_name(run_point(run, t, guest)->state));
            return false;
        }
    return s->to > s->from;
}

static bool value_holds(const struct scenario_claim *claim, double value, char *ret_why,
                        size_t size)
{
    snprintf(ret_why, size, "it is %g", value);
    return at_least(claim->kind) ? value >= claim->value : value <= claim->value;
}

static bool run_guest_holds(const struct run *run, const struct scope_of *s,
                            const struct scenario_claim *claim, size_t guest, char *ret_why,
                            size_t size)
{
    if (claim->kind == CLAIM_STATE)
        return state_holds(run, s, claim, guest, ret_why, size);
    if (claim->kind == CLAIM_SAYS) {
        snprintf(ret_why, size, "it says '%s'", run->reasons[guest]);
        return strstr(run->reasons[guest], claim->text) != NULL;
    }
    return value_holds(claim, value_of(run, s, claim->kind, guest), ret_why, size);
}

static bool guest_holds(const struct run *runs, size_t n, const struct scope_of *s,
                        const struct scenario_claim *claim, size_t guest, char *ret_why,
                        size_t size)
{
    if (of_windows(claim->kind))
        return value_holds(claim, windows_value(runs, n, s, claim->kind, guest), ret_why, size);
    for (size_t r = 0; r < n; r++)
        if (!run_guest_holds(&runs[r], s, claim, guest, ret_why, size))
            return false;
    return true;
}

bool run_holds(const struct scenario *scenario, const struct run *runs, size_t n,
               const struct scenario_claim *claim, char *ret_why, size_t size)
{
    struct scope_of s = scope_make(scenario, runs, claim);
    char why[320] = "nothing was seen";

    for (size_t guest = s.first; guest < s.end; guest++)
        if (!guest_holds(runs, n, &s, claim, guest, why, sizeof(why))) {
            char name[CONFIG_NAME];
            scenario_guest_name(scenario, guest, name);
            snprintf(ret_why, size, "%s: %s", name, why);
            return false;
        }
    return true;
}
