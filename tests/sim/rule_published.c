// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The published rule: one size for all, the largest for which every stream's
 * mean fill wait, wait for the shared server and service come to no more than
 * its delay (half of it where forwarding was promised: two passes). Rates are
 * those measured in the last tick; the service of a container is what the
 * worker really takes for one; no timeouts; a percentile is not known to it.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "model/stream.h"
#include "model/superposition.h"
#include "tests/sim/rule.h"

#define SIZE_MAX_TRIED 1024u
#define HALVINGS 40
#define NO_TIMEOUT 4.0
/* Of more guests of one kind than this, one stands for all: solving takes its time. */
#define ALIKE 4

struct published {
    struct stream *streams;
    struct closing_law *closings;
    double *counts;
    double *limits; /* s, per stream */
    size_t n;
    uint32_t size;
};

static void end(void *state)
{
    struct published *published = state;

    if (!published)
        return;
    free(published->streams);
    free(published->closings);
    free(published->counts);
    free(published->limits);
    free(published);
}

static void *begin(const struct scenario *scenario, const void *argument)
{
    struct published *published = calloc(1, sizeof(*published));
    size_t n = DIRECTION_COUNT * scenario->n_guests;

    (void)argument;
    if (!published)
        return NULL;
    published->size = 16;
    published->streams = calloc(n, sizeof(*published->streams));
    published->closings = calloc(n, sizeof(*published->closings));
    published->counts = calloc(n, sizeof(*published->counts));
    published->limits = calloc(n, sizeof(*published->limits));
    if (published->streams && published->closings && published->counts && published->limits)
        return published;
    end(published);
    return NULL;
}

/*
 * All of the worker's work with a packet is part of its container's service.
 * `n` guests from i on are alike: their mean rate stands for each.
 */
static void take_streams(struct published *published, const struct rule_input *input, size_t i,
                         size_t n, enum direction d)
{
    const struct sample_interface *taken = &input->sample->interfaces[i];
    const struct promise *promise = &config_policy(input->config, input->guests[i].name)->promise;
    const struct end_costs *costs = &input->scenario->worker;
    double packets = 0;
    bool rx = d == DIRECTION_RX;

    for (size_t g = 0; g < n; g++)
        packets +=
            rx ? (double)taken[g].delta.rx.pack.packets : (double)taken[g].delta.tx.unload.packets;
    packets /= (double)n;
    if (!(taken->seconds > 0) || packets < 1)
        return;
    published->limits[published->n] = promise->delay / (promise->scope == SCOPE_FORWARDING ? 2 : 1);
    published->streams[published->n++] = (struct stream){
        .rate = packets / taken->seconds,
        .timeout = INFINITY,
        .count = (uint32_t)n,
        .service = {.mean = rx ? costs->publish : costs->unload,
                    .scv = 1,
                    .per_packet = rx ? costs->read + costs->publish_packet : costs->unload_packet}};
}

/* sigma = A*(mu (1 - sigma)), by halving; the mean wait is sigma / (mu (1 - sigma)). */
static double wait_mean(const struct superposition *gaps, double service)
{
    double low = 0, high = 1;

    for (int i = 0; i < HALVINGS; i++) {
        double sigma = (low + high) / 2, s = (1 - sigma) / service;
        double transform = 1 - s / gaps->rate * (1 - superposition_residual(gaps, s, NULL));
        if (transform > sigma)
            low = sigma;
        else
            high = sigma;
    }
    return low / (1 - low) * service;
}

/* Mean service of all containers together, which the published model takes for exponential. */
static double service_mean(const struct published *published, double *ret_utilisation)
{
    double containers = 0, work = 0;

    for (size_t s = 0; s < published->n; s++) {
        const struct stream *stream = &published->streams[s];
        double rate = stream->count * stream->rate / stream->size;
        containers += rate;
        work += rate * (stream->service.mean + stream->service.per_packet * stream->size);
    }
    *ret_utilisation = work;
    return work / containers;
}

static bool keeps(struct published *published, uint32_t size)
{
    struct superposition gaps;
    double utilisation;

    for (size_t s = 0; s < published->n; s++) {
        struct stream *stream = &published->streams[s];
        stream->size = size;
        published->counts[s] = stream->count;
        if (closing_solve(stream->rate, size, INFINITY, &published->closings[s]))
            return false;
    }
    double service = service_mean(published, &utilisation);
    if (utilisation >= 1 || superposition_init(published->closings, published->counts, published->n,
                                               1 / service, &gaps))
        return false;
    double wait = wait_mean(&gaps, service);
    superposition_free(&gaps);
    for (size_t s = 0; s < published->n; s++) {
        const struct stream *stream = &published->streams[s];
        double own = stream->service.mean + stream->service.per_packet * size;
        if (published->closings[s].fill_mean + wait + own > published->limits[s])
            return false;
    }
    return true;
}

/* Too small a size may be unstable, too large a one fills too slowly: from above. */
static uint32_t largest(struct published *published)
{
    uint32_t low = 1, high = SIZE_MAX_TRIED;

    for (size_t s = 0; s < published->n; s++) {
        double fills = 2 * published->limits[s] * published->streams[s].rate + 1;
        if (fills < high)
            high = (uint32_t)fmax(1, fills);
    }
    /* Most ticks are like the one before. */
    uint32_t guess = published->size < high ? published->size : high;
    if (keeps(published, guess)) {
        uint32_t more = guess + guess / 8 + 1;
        low = guess;
        if (more < high && !keeps(published, more))
            high = more;
    } else {
        high = guess;
    }
    if (high > low && keeps(published, high))
        return high;
    while (high - low > 1 + low / 50) {
        uint32_t middle = (low + high) / 2;
        if (keeps(published, middle))
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int tick(void *state, const struct rule_input *input,
                struct lane_size (*sizes)[DIRECTION_COUNT], struct tick_report *ret_report)
{
    struct published *published = state;

    (void)ret_report;
    published->n = 0;
    for (size_t g = 0; input->sample && g < input->scenario->n_groups; g++) {
        const struct scenario_group *group = &input->scenario->groups[g];
        size_t n = group->n > ALIKE ? group->n : 1;
        for (size_t i = group->first; i < group->first + group->n; i += n)
            for (enum direction d = 0; d < DIRECTION_COUNT; d++)
                take_streams(published, input, i, n, d);
    }
    if (published->n > 0)
        published->size = largest(published);
    for (size_t i = 0; i < input->scenario->n_guests; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            sizes[i][d] = (struct lane_size){published->size, NO_TIMEOUT};
    return 0;
}

const struct rule rule_published = {
    .name = "published", .title = "published rule", .create = begin, .tick = tick, .destroy = end};
