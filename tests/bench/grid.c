// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/grid.h"

#include <math.h>

#include "model/random.h"

const char *const grid_service_names[GRID_SERVICES] = {
    [GRID_EXPONENTIAL] = "exponential", [GRID_ERLANG] = "Erlang-4",
    [GRID_HYPER] = "hyperexponential",  [GRID_FIXED] = "deterministic",
    [GRID_BY_SIZE] = "by size",
};

static const uint32_t stream_counts[] = {1, 2, 2, 3, 4, 5, 8, 12, 17, 32, 65, 128, 256};

#define N_COUNTS (sizeof(stream_counts) / sizeof(stream_counts[0]))

static double between(struct random *random, double low, double high)
{
    return low + (high - low) * random_uniform(random);
}

static double log_between(struct random *random, double low, double high)
{
    return low * pow(high / low, random_uniform(random));
}

/* Sizes 1..1024, small ones as often as large; sometimes a stream of single packets among them. */
static uint32_t size_draw(struct random *random)
{
    return (uint32_t)fmin(1024, floor(log_between(random, 1, 1025)));
}

/* Utilisation 0.15 to 0.98, busy cases as often as idle ones. */
static double rho_draw(struct random *random)
{
    double idle = random_uniform(random) < 0.5 ? between(random, 0.15, 0.7)
                                               : 1 - log_between(random, 0.02, 0.3);
    return round(idle * 1000) / 1000;
}

static struct service service_draw(struct random *random, enum grid_service service)
{
    struct service s = {1, 1, 0};
    if (service == GRID_ERLANG)
        s.scv = 0.25;
    if (service == GRID_HYPER)
        s.scv = round(between(random, 1.5, 4) * 100) / 100;
    if (service == GRID_FIXED)
        s.scv = 0;
    if (service == GRID_BY_SIZE) {
        double ratio = log_between(random, 2, 100); /* fixed to per-packet cost */
        s.scv = random_uniform(random) < 0.5 ? 0 : 1;
        s.per_packet = 1 / ratio;
    }
    return s;
}

/* Mean packets per container with a timeout of `theta` mean fill times. */
static double held(uint32_t size, double theta)
{
    double n = size - 1.0, a = theta * size, mean = 0, term = exp(-a), tail = 1;
    if (isinf(theta) || n == 0)
        return size;
    if (a > 600)
        return theta > 1 ? size : 1 + a;
    for (double j = 0; j < n; j++) { /* sum of P(Poisson(a) > j) */
        tail -= term;
        mean += tail;
        term *= a / (j + 1);
    }
    return 1 + mean;
}

/* Container rates by shares; then everything is scaled to the wanted utilisation. */
static void scale(struct grid_case *c, const double *shares, const double *thetas)
{
    double work = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct service *s = &c->streams[i].service;
        work += c->streams[i].count * shares[i] *
                (s->mean + s->per_packet * held(c->streams[i].size, thetas[i]));
    }
    for (size_t i = 0; i < c->n; i++) {
        struct stream *stream = &c->streams[i];
        stream->rate = shares[i] * c->rho / work * held(stream->size, thetas[i]);
        stream->timeout = isinf(thetas[i]) ? INFINITY : thetas[i] * stream->size / stream->rate;
    }
}

static void streams_draw(struct random *random, struct grid_case *c, double *shares, double *thetas)
{
    bool equal = c->n_streams == 1 || random_uniform(random) < 0.4;
    bool one_size = random_uniform(random) < 0.4, single = random_uniform(random) < 0.15;
    double spread = log_between(random, 2, 200), theta = log_between(random, 0.4, 2);
    uint32_t size = size_draw(random);
    struct service service = service_draw(random, c->service);
    c->n = equal ? 1 : c->n_streams;
    for (size_t i = 0; i < c->n; i++) {
        c->streams[i].count = equal ? c->n_streams : 1;
        c->streams[i].size = one_size ? size : size_draw(random);
        if (single && !equal && i == 0)
            c->streams[i].size = 1;
        c->streams[i].service = service;
        shares[i] = equal ? 1 : log_between(random, 1, spread);
        thetas[i] = c->timeouts ? theta * log_between(random, 0.8, 1.25) : INFINITY;
    }
}

void grid_make(enum grid_set set, uint32_t index, struct grid_case *ret)
{
    struct random random;
    double shares[GRID_STREAMS], thetas[GRID_STREAMS];
    random_init(&random, (set == GRID_FIT ? 0x46495400000000u : 0x4a554447000000u) + index);
    *ret = (struct grid_case){.service = index % GRID_SERVICES};
    ret->n_streams = stream_counts[random_below(&random, N_COUNTS)];
    ret->rho = rho_draw(&random);
    ret->timeouts = random_uniform(&random) < 0.3;
    streams_draw(&random, ret, shares, thetas);
    scale(ret, shares, thetas);
}
