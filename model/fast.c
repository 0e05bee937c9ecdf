// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/fast.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "model/answer.h"
#include "model/closing.h"
#include "model/fast_queue.h"
#include "model/renewal.h"
#include "model/strata.h"
#include "model/tail.h"

struct work {
    struct closing_law *closings;
    struct fast_class *classes;
    struct fast_share *shares;
};

static void work_free(struct work *w)
{
    free(w->closings);
    free(w->classes);
    free(w->shares);
}

static int work_alloc(size_t n, struct work *ret)
{
    struct work w = {
        .closings = calloc(n, sizeof(*w.closings)),
        .classes = calloc(n, sizeof(*w.classes)),
        .shares = calloc(n, sizeof(*w.shares)),
    };
    if (!w.closings || !w.classes || !w.shares) {
        work_free(&w);
        return -ENOMEM;
    }
    *ret = w;
    return 0;
}

static void load_classes(const struct query *query, struct work *w)
{
    for (size_t i = 0; i < query->n_streams; i++) {
        const struct stream *s = &query->streams[i];
        struct closing_law *c = &w->closings[i];
        struct fast_class *class = &w->classes[i];
        (void)closing_solve(s->rate, s->size, s->timeout, c); /* checked by the caller */
        *class =
            (struct fast_class){.rate = c->containers, .count = s->count, .gap_scv = c->gap_scv};
        answer_service(s, c, &class->service, &class->service_var);
        class->fixed = answer_fixed(s, c);
    }
}

void fast_sojourn(const struct fast_queue *queue, const struct fast_class *class, double wait,
                  const struct fast_tails *tails, struct tail *ret)
{
    if (queue->exponential) {
        tail_scale(&tails->sojourn, (wait + class->service) / (queue->by_work + queue->service),
                   ret);
        return;
    }
    struct tail own;
    fast_queue_tail(queue, tails, wait, &own);
    fast_add_service(&own, class, ret);
}

void fast_add_service(const struct tail *wait, const struct fast_class *class, struct tail *ret)
{
    struct renewal_service service =
        renewal_service(class->service, class->service_var, class->fixed);
    double values[STRATA];
    bool varies = service.scv >= STRATA_FIXED;
    double fixed = service.fixed + (varies ? 0 : service.mean);
    struct tail later = *wait;
    if (fixed > 0)
        tail_shift(wait, fixed, &later);
    if (varies) {
        strata_service(service.scv, values);
        strata_add(&later, service.mean, values, ret);
    } else {
        *ret = later;
    }
}

static void fill_answer(const struct query *query, const struct work *w,
                        const struct fast_queue *queue, struct answer *ret)
{
    struct fast_tails tails;
    struct tail wait, own;
    fast_queue_tails(w->classes, w->shares, query->n_streams, queue, &tails);
    fast_queue_tail(queue, &tails, queue->mean, &wait);
    ret->wait = (struct wait_summary){queue->mean, tail_quantile(&wait, 0.5),
                                      tail_quantile(&wait, 0.01), tail_quantile(&wait, 0.001)};
    for (size_t i = 0; i < query->n_tail; i++)
        ret->tail[i] = tail_probability(&wait, query->tail_at[i]);
    for (size_t i = 0; i < query->n_streams; i++) {
        struct fast_class class = w->classes[i];
        double fill[STRATA];
        struct stream_delay *d = &ret->streams[i];
        answer_met(&query->streams[i], &w->closings[i], &class.service, &class.service_var);
        fast_sojourn(queue, &class, w->shares[i].wait, &tails, &own);
        strata_fill(&w->closings[i], fill);
        d->wait_mean = w->shares[i].wait;
        d->service_mean = class.service;
        d->delay_mean = d->fill_mean + d->wait_mean + d->service_mean;
        d->delay_p50 = tail_sum_quantile(&own, fill, STRATA, 0.5);
        d->delay_p99 = fmax(d->delay_p50, tail_sum_quantile(&own, fill, STRATA, 0.01));
    }
}

int fast_solve(const struct query *query, const struct method_options *options, struct answer *ret,
               uint64_t *ret_phases)
{
    struct work w;
    struct fast_queue queue;
    (void)options;
    (void)ret_phases;
    int r = work_alloc(query->n_streams, &w);
    if (r < 0)
        return r;
    load_classes(query, &w);
    fast_queue_solve(w.classes, query->n_streams, &queue, w.shares);
    answer_begin(query, w.closings, queue.stable, queue.utilisation, ret);
    if (queue.stable)
        fill_answer(query, &w, &queue, ret);
    work_free(&w);
    return 0;
}
