// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/answer.h"

#include <errno.h>
#include <math.h>

#define TIME_MAX 1e9
#define SCV_MAX 1e6
#define ALIKE 0.05 /* share of the variance that comes of the sizes: next to none */

static bool service_ok(const struct service *s)
{
    return s->mean >= 0 && s->mean <= TIME_MAX && s->scv >= 0 && s->scv <= SCV_MAX &&
           s->per_packet >= 0 && s->per_packet <= TIME_MAX && (s->mean > 0 || s->per_packet > 0);
}

static bool stream_ok(const struct stream *s)
{
    struct closing_law closing;
    return s->count >= 1 && service_ok(&s->service) &&
           closing_solve(s->rate, s->size, s->timeout, &closing) == 0;
}

int query_check(const struct query *query)
{
    if (query->n_streams < 1)
        return -EINVAL;
    for (size_t i = 0; i < query->n_streams; i++)
        if (!stream_ok(&query->streams[i]))
            return -EINVAL;
    for (size_t i = 0; i < query->n_tail; i++)
        if (!(query->tail_at[i] >= 0 && query->tail_at[i] < INFINITY))
            return -EINVAL;
    return 0;
}

void answer_service(const struct stream *stream, const struct closing_law *closing,
                    double *ret_mean, double *ret_variance)
{
    const struct service *s = &stream->service;
    *ret_mean = s->mean + s->per_packet * closing->packets;
    *ret_variance =
        s->scv * s->mean * s->mean + s->per_packet * s->per_packet * closing->packets_var;
}

double answer_fixed(const struct stream *stream, const struct closing_law *closing)
{
    const struct service *s = &stream->service;
    double by_size = s->per_packet * s->per_packet * closing->packets_var;
    bool alike = by_size <= ALIKE * s->scv * s->mean * s->mean;
    return alike ? s->per_packet * closing->packets : 0;
}

void answer_met(const struct stream *stream, const struct closing_law *closing, double *ret_mean,
                double *ret_variance)
{
    answer_service(stream, closing, ret_mean, ret_variance);
    *ret_mean += stream->service.per_packet * (closing->packets_met - closing->packets);
}

void answer_begin(const struct query *query, const struct closing_law *closings, bool stable,
                  double utilisation, struct answer *ret)
{
    double time = stable ? 0 : INFINITY;
    ret->stable = stable;
    ret->utilisation = utilisation;
    ret->container_rate = 0;
    ret->wait = (struct wait_summary){time, time, time, time};
    ret->wait_ci95 = 0;
    for (size_t i = 0; i < query->n_streams; i++) {
        const struct closing_law *c = &closings[i];
        double service, variance;
        answer_met(&query->streams[i], c, &service, &variance);
        ret->streams[i] = (struct stream_delay){.packets_per_container = c->packets,
                                                .container_rate = c->containers,
                                                .fill_mean = stable ? c->fill_mean : INFINITY,
                                                .wait_mean = time,
                                                .service_mean = stable ? service : INFINITY,
                                                .delay_mean = time,
                                                .delay_p50 = time,
                                                .delay_p99 = time};
        ret->container_rate += c->containers * query->streams[i].count;
    }
    for (size_t i = 0; i < query->n_tail; i++)
        ret->tail[i] = stable ? 0 : 1;
}
