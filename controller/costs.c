// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/costs.h"

#include <math.h>

/* Guesses, and how many observations each weighs as much as. */
#define GUESS_READ 1.5e-6
#define GUESS_WAKE 40e-6
#define GUESS_WEIGHT 50.0
#define GUESS_WAKE_WEIGHT 3.0 /* wake-ups are probed ten times a second */
/* Events after which an older one weighs 1/e. */
#define READ_MEMORY 20000.0
#define WAKE_MEMORY 50.0
#define WAKE_GROWTH 2.0
#define WAKE_ODD_MOST 2
static const struct line_prior guess_publish = {
    .fixed = 4e-6, .per_packet = 5e-9, .weight = GUESS_WEIGHT};
static const struct line_prior guess_unload = {
    .fixed = 2e-6, .per_packet = 2e-6, .weight = GUESS_WEIGHT};
/* The model wants costs above zero; nothing takes less. */
#define COST_MIN 1e-9

static struct estimate read_get(const struct costs *costs)
{
    return mean_get(&costs->read, GUESS_READ, GUESS_WEIGHT);
}

static struct estimate wake_get(const struct costs *costs)
{
    return mean_get(&costs->wake, GUESS_WAKE, GUESS_WAKE_WEIGHT);
}

void costs_add_pack(struct costs *costs, const struct segment_pack *pack)
{
    struct mean_sums reads = mean_sums(pack->reads, pack->read_ns, pack->read_sq, 1e-9);

    mean_add(&costs->read, &reads, ESTIMATE_EVENT_MAX, READ_MEMORY);
    line_add(&costs->publish, &pack->publish);
}

void costs_add_unload(struct costs *costs, const struct segment_unload *unload)
{
    line_add(&costs->unload, &unload->unload);
}

/*
 * A handful of probes, of which one may have met a busy moment that tells
 * nothing of all the others: a tick may not make the mean more than double,
 * unless those before it said the same.
 */
void costs_add_sleep(struct costs *costs, const struct segment_sleep *sleep)
{
    struct mean_sums wakes = mean_sums(sleep->wake_n, sleep->wake_ns, sleep->wake_sq, 1e-9);
    double most = wakes.n * WAKE_GROWTH * wake_get(costs).value;

    costs->slow_wakes = wakes.sum > most ? costs->slow_wakes + 1 : 0;
    if (costs->slow_wakes > 0 && costs->slow_wakes <= WAKE_ODD_MOST) { /* as if all were faster */
        wakes.squares *= most / wakes.sum * most / wakes.sum;
        wakes.sum = most;
    }
    mean_add(&costs->wake, &wakes, ESTIMATE_EVENT_MAX, WAKE_MEMORY);
}

static double variation(const struct costs *costs, const struct line_cost *publish,
                        const struct line_cost *unload)
{
    double n = costs->publish.n + costs->unload.n;

    return n > 0 ? (costs->publish.n * publish->scv + costs->unload.n * unload->scv) / n : 1;
}

void costs_get(const struct costs *costs, struct end_costs *ret)
{
    struct line_cost publish = line_get(&costs->publish, &guess_publish);
    struct line_cost unload = line_get(&costs->unload, &guess_unload);

    *ret = (struct end_costs){
        .read = fmax(COST_MIN, read_get(costs).value),
        .publish = fmax(COST_MIN, publish.fixed),
        .publish_packet = fmax(COST_MIN, publish.per_packet),
        .unload = fmax(COST_MIN, unload.fixed),
        .unload_packet = fmax(COST_MIN, unload.per_packet),
        .scv = variation(costs, &publish, &unload),
        .wakeup = fmax(COST_MIN, wake_get(costs).value),
        /* Both ends set their timers early by their usual lateness: it does not show. */
        .timer_late = COST_MIN,
    };
}

double costs_wakeup_error(const struct costs *costs)
{
    return wake_get(costs).error;
}

void costs_errors(const struct costs *costs, struct costs_errors *ret)
{
    struct line_cost publish = line_get(&costs->publish, &guess_publish);
    struct line_cost unload = line_get(&costs->unload, &guess_unload);

    *ret = (struct costs_errors){
        .read = read_get(costs).error,
        .wakeup = costs_wakeup_error(costs),
        .publish_whole = publish.error,
        .unload_whole = unload.error,
        .publish = publish.fixed_error,
        .publish_packet = publish.per_packet_error,
        .unload = unload.fixed_error,
        .unload_packet = unload.per_packet_error,
        .publish_alike = publish.alike,
        .unload_alike = unload.alike,
    };
}
