// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/phased.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "model/closing.h"
#include "model/delay.h"

#define SAME 1e-9   /* relative: laws of service taken as one */
#define NEVER 1e-12 /* share of containers closed by a timeout that is none */

static bool service_valid(const struct service *s)
{
    return isfinite(s->mean) && s->mean >= 0 && isfinite(s->scv) && s->scv >= 0 &&
           isfinite(s->per_packet) && s->per_packet >= 0 && s->mean + s->per_packet > 0;
}

/* A full container's service: mean and scv. */
static void full_service(const struct stream *stream, double *ret_mean, double *ret_scv)
{
    const struct service *s = &stream->service;
    *ret_mean = s->mean + s->per_packet * stream->size;
    *ret_scv = s->scv * s->mean * s->mean / (*ret_mean * *ret_mean);
}

static bool same(double a, double b)
{
    return fabs(a - b) <= SAME * fmax(fabs(a), fabs(b));
}

static int stream_check(const struct stream *stream)
{
    struct closing_law closing;
    if (!service_valid(&stream->service) || stream->count == 0)
        return -EINVAL;
    int err = closing_solve(stream->rate, stream->size, stream->timeout, &closing);
    if (err)
        return err;
    return stream->rate > 0 && closing.timeout_share > NEVER ? -ENOTSUP : 0;
}

static size_t class_find(struct phased *phased, const struct stream *stream)
{
    size_t i;
    double mean, scv;
    full_service(stream, &mean, &scv);
    for (i = 0; i < phased->n_classes; i++)
        if (phased->classes[i].rate == stream->rate && phased->classes[i].size == stream->size &&
            same(phased->classes[i].service_mean, mean) &&
            same(phased->classes[i].service_scv, scv))
            break;
    if (i == phased->n_classes)
        phased->classes[phased->n_classes++] = (struct phased_class){
            .rate = stream->rate, .size = stream->size, .service_mean = mean, .service_scv = scv};
    phased->classes[i].count += stream->count;
    return i;
}

/* Rates, and the services in phases: of each class, and of all together. */
static int sum_up(struct phased *phased)
{
    const struct phased_class *first = phased->classes;
    double mean = 0, second = 0;
    int err = 0;
    phased->alike = true;
    for (size_t i = 0; !err && i < phased->n_classes; i++) {
        struct phased_class *c = &phased->classes[i];
        double rate = (double)c->count * c->rate / c->size;
        phased->container_rate += rate;
        mean += rate * c->service_mean;
        second += rate * c->service_mean * c->service_mean * (1 + c->service_scv);
        phased->alike &=
            same(c->service_mean, first->service_mean) && same(c->service_scv, first->service_scv);
        err = phases_fit(c->service_mean, c->service_scv, &c->service);
    }
    phased->utilisation = mean;
    if (err || phased->n_classes == 0)
        return err;
    phased->service = first->service;
    if (phased->alike)
        return 0;
    mean /= phased->container_rate;
    return phases_fit(mean, second / (phased->container_rate * mean * mean) - 1, &phased->service);
}

static void phased_release(struct phased *phased)
{
    free(phased->classes);
    free(phased->class_of);
    phased->classes = NULL;
    phased->class_of = NULL;
}

static int phased_init(const struct query *query, struct phased *ret)
{
    struct phased phased = {0};
    int err = query->n_streams > 0 ? 0 : -EINVAL;
    for (size_t i = 0; !err && i < query->n_streams; i++)
        err = stream_check(&query->streams[i]);
    if (err)
        return err;
    phased.classes = calloc(query->n_streams, sizeof(*phased.classes));
    phased.class_of = calloc(query->n_streams, sizeof(*phased.class_of));
    if (!phased.classes || !phased.class_of)
        err = -ENOMEM;
    for (size_t i = 0; !err && i < query->n_streams; i++) {
        const struct stream *stream = &query->streams[i];
        phased.class_of[i] = stream->rate > 0 ? class_find(&phased, stream) : SIZE_MAX;
    }
    if (!err)
        err = sum_up(&phased);
    if (err) {
        phased_release(&phased);
        return err;
    }
    *ret = phased;
    return 0;
}

uint64_t phased_count(uint64_t n, uint64_t factor)
{
    uint64_t product;
    return __builtin_mul_overflow(n, factor, &product) ? UINT64_MAX : product;
}

static void answer_head(const struct phased *phased, struct answer *ret)
{
    ret->stable = phased->utilisation < 1;
    ret->utilisation = phased->utilisation;
    ret->container_rate = phased->container_rate;
    ret->wait_ci95 = 0;
}

/* Delay of a stream that waits `wait` (0 or INFINITY) for certain. */
static struct stream_delay delay_plain(const struct stream *stream, double wait)
{
    struct closing_law closing;
    double mean, scv;
    full_service(stream, &mean, &scv);
    if (closing_solve(stream->rate, stream->size, stream->timeout, &closing))
        return (struct stream_delay){0};
    double fill = wait > 0 ? wait : closing.fill_mean, service = wait > 0 ? wait : mean;
    double delay = fill + wait + service;
    return (struct stream_delay){
        closing.packets, closing.containers, fill, wait, service, delay, delay, delay};
}

/* The answer where the system is unstable or silent: then true. */
static bool answer_trivial(const struct phased *phased, const struct query *query,
                           struct answer *ret)
{
    bool stable = phased->utilisation < 1;
    if (stable && phased->container_rate > 0)
        return false;
    double wait = stable ? 0 : INFINITY;
    answer_head(phased, ret);
    ret->wait = (struct wait_summary){wait, wait, wait, wait};
    for (size_t i = 0; i < query->n_tail; i++)
        ret->tail[i] = stable ? 0 : 1;
    for (size_t i = 0; i < query->n_streams; i++)
        ret->streams[i] = delay_plain(&query->streams[i], wait);
    return true;
}

int phased_solve(const struct query *query, const struct method_options *options,
                 phased_counter *count, phased_solver *solve, struct answer *ret,
                 uint64_t *ret_phases)
{
    struct phased phased;
    int err = phased_init(query, &phased);
    if (err)
        return err;
    uint64_t limit = options && options->max_phases ? options->max_phases : PHASED_DEFAULT;
    if (!answer_trivial(&phased, query, ret)) {
        uint64_t phases = count(&phased);
        if (ret_phases)
            *ret_phases = phases;
        err = phases > limit ? -E2BIG : solve(&phased, query, ret);
    }
    phased_release(&phased);
    return err;
}

static double sojourn_tail(const void *context, double x)
{
    return waiting_tail(context, x);
}

static struct stream_delay delay_of(const struct phased_class *class, const struct stream *stream,
                                    const struct waiting *wait, const struct waiting *sojourn)
{
    struct closing_law closing;
    if (closing_solve(stream->rate, stream->size, INFINITY, &closing))
        return (struct stream_delay){0};
    double waits = waiting_mean(wait), delay = closing.fill_mean + waits + class->service_mean;
    return (struct stream_delay){
        .packets_per_container = closing.packets,
        .container_rate = closing.containers,
        .fill_mean = closing.fill_mean,
        .wait_mean = waits,
        .service_mean = class->service_mean,
        .delay_mean = delay,
        .delay_p50 = delay_quantile(&closing, sojourn_tail, sojourn, 0.5, delay),
        .delay_p99 = delay_quantile(&closing, sojourn_tail, sojourn, 0.99, delay)};
}

void phased_answer(const struct phased *phased, const struct query *query,
                   const struct waiting *wait, const struct waiting *const *class_waits,
                   const struct waiting *const *class_sojourns, struct answer *ret)
{
    answer_head(phased, ret);
    ret->wait = (struct wait_summary){.mean = waiting_mean(wait),
                                      .p50 = waiting_quantile(wait, 0.5),
                                      .p99 = waiting_quantile(wait, 0.99),
                                      .p999 = waiting_quantile(wait, 0.999)};
    for (size_t i = 0; i < query->n_tail; i++)
        ret->tail[i] = waiting_tail(wait, query->tail_at[i]);
    for (size_t i = 0; i < query->n_streams; i++) {
        size_t class = phased->class_of[i];
        ret->streams[i] = class == SIZE_MAX ? delay_plain(&query->streams[i], 0)
                                            : delay_of(&phased->classes[class], &query->streams[i],
                                                       class_waits[class], class_sojourns[class]);
    }
}
