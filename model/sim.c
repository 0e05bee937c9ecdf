// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/sim.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include <gsl/gsl_sf_gamma.h>

#include "model/law.h"
#include "model/random.h"
#include "model/tally.h"
#include "model/tournament.h"

/* Two-sided 95 % quantile of Student's t with SIM_BATCHES - 1 = 19 degrees of freedom. */
#define STUDENT 2.093

/* Arrivals of a stream whose packets are simulated singly. */
struct packets {
    struct sim_traffic traffic;
    double *arrivals;          /* of the open container's packets */
    double next;               /* the arrival after them */
    double on_until;           /* SIM_ON_OFF */
    uint64_t left;             /* SIM_BURSTS: of the present burst */
    double last_delay, jitter; /* RFC 3550 */
    bool seen;
};

/* One stream; entries of the query with a count above 1 become several. */
struct source {
    double rate, timeout;
    uint32_t size, entry;
    struct random_gamma gap;
    struct packets *packets; /* NULL: container by container */
    double closed;           /* the container before the one below */
    double closes;           /* the container under way; INFINITY: never */
    double span;             /* its packets but the two below arrived uniformly in so long */
    uint32_t held;           /* packets in it */
    bool first_at_span, last_at_end;
};

struct sums {
    double containers, packets, wait, service, fill, delay;
};

/* Per entry of the query. */
struct entry {
    struct law law;
    double per_packet;
    struct sums now, total;
    double wait_batch[SIM_BATCHES], delay_batch[SIM_BATCHES];
    double delay_max, jitter_sum, jitter_packets, jitter_max;
    struct tally delay;
};

struct sim {
    const struct query *query;
    struct random random;
    struct source *sources;
    uint32_t n_sources;
    struct tournament closings;
    struct entry *entries;
    double wait_batch[SIM_BATCHES], p99_batch[SIM_BATCHES], wait_max;
    struct tally wait_now, wait;
    double *over; /* containers that waited longer than tail_at[i] */
    double server_free;
};

/* ---- containers of a Poisson stream, each drawn at once ---- */

static void fill_without_timeout(struct source *source, struct random *random)
{
    source->span = random_gamma(random, &source->gap);
    source->held = source->size;
    source->first_at_span = false;
    source->last_at_end = true;
    source->closes = source->closed + source->span;
}

/* Packets that arrive within the timeout, given that they are fewer than `below`. */
static uint32_t count_in_timeout(const struct source *source, struct random *random, uint32_t below)
{
    uint64_t n;
    do
        n = random_poisson(random, source->rate * source->timeout);
    while (n >= below);
    return (uint32_t)n;
}

static void fill_with_timeout(struct source *source, struct random *random)
{
    double opened = source->closed + random_exponential(random) / source->rate;
    double full = source->size > 1 ? random_gamma(random, &source->gap) : 0;
    bool by_count = full <= source->timeout;
    source->first_at_span = source->size > 1;
    source->last_at_end = by_count;
    source->span = by_count ? full : source->timeout;
    source->held = by_count ? source->size : 1 + count_in_timeout(source, random, source->size - 1);
    source->closes = opened + source->span;
}

/* ---- packet by packet ---- */

static double packets_next(const struct source *source, struct packets *packets,
                           struct random *random)
{
    const struct sim_traffic *traffic = &packets->traffic;
    double t = packets->next, rate = source->rate;
    if (traffic->kind == SIM_POISSON)
        return t + random_exponential(random) / rate;
    if (traffic->kind == SIM_BURSTS) {
        if (packets->left > 0) {
            packets->left--;
            return t;
        }
        double stop = 1 / traffic->burst;
        packets->left = stop < 1 ? (uint64_t)(random_exponential(random) / -log1p(-stop)) : 0;
        return t + random_exponential(random) * traffic->burst / rate;
    }
    for (;;) {
        t += random_exponential(random) / (rate * traffic->peak);
        if (t <= packets->on_until)
            return t;
        double on = traffic->burst / (rate * traffic->peak);
        t = packets->on_until + on * (traffic->peak - 1) * random_exponential(random);
        packets->on_until = t + on * random_exponential(random);
    }
}

static void fill_by_packets(struct source *source, struct random *random)
{
    struct packets *packets = source->packets;
    double deadline = source->size > 1 ? packets->next + source->timeout : packets->next;
    uint32_t held = 0;
    do {
        packets->arrivals[held++] = packets->next;
        packets->next = packets_next(source, packets, random);
    } while (held < source->size && packets->next <= deadline);
    source->held = held;
    source->closes = held == source->size ? packets->arrivals[held - 1] : deadline;
}

static void source_fill(struct source *source, struct random *random)
{
    source->closed = source->closes;
    if (source->rate == 0)
        source->closes = INFINITY;
    else if (source->packets)
        fill_by_packets(source, random);
    else if (isinf(source->timeout))
        fill_without_timeout(source, random);
    else
        fill_with_timeout(source, random);
}

/* ---- what is measured ---- */

static void measure_packets(struct entry *entry, struct source *source, double left)
{
    struct packets *packets = source->packets;
    for (uint32_t i = 0; i < source->held; i++) {
        double delay = left - packets->arrivals[i];
        entry->now.fill += source->closes - packets->arrivals[i];
        entry->delay_max = fmax(entry->delay_max, delay);
        tally_add(&entry->delay, delay, 1);
        if (packets->seen)
            packets->jitter += (fabs(delay - packets->last_delay) - packets->jitter) / 16;
        packets->seen = true;
        packets->last_delay = delay;
        entry->jitter_sum += packets->jitter;
        entry->jitter_max = fmax(entry->jitter_max, packets->jitter);
    }
    entry->jitter_packets += source->held;
}

/* One packet of the container stands for all in the histogram; the mean is exact. */
static inline void measure_container(struct entry *entry, const struct source *source,
                                     struct random *random, double after_closing)
{
    uint32_t held = source->held, ends = source->first_at_span + source->last_at_end;
    uint32_t pick = held == 1 ? 0 : random_below(random, held);
    double fill = source->span;
    if (held == 1)
        fill = source->last_at_end ? 0 : source->span;
    else if (pick >= ends)
        fill *= random_uniform(random);
    else if (pick == 1 || !source->first_at_span)
        fill = 0;
    double between = held > ends ? held - ends : 0;
    entry->now.fill += held == 1 ? fill : source->span * (source->first_at_span + between / 2);
    entry->delay_max = fmax(entry->delay_max, fill + after_closing);
    tally_add(&entry->delay, fill + after_closing, held);
}

static inline void serve(struct sim *sim, struct source *source)
{
    struct entry *entry = &sim->entries[source->entry];
    double closes = source->closes, wait = fmax(0, sim->server_free - closes);
    double service = law_draw(&entry->law, &sim->random) + entry->per_packet * source->held;
    sim->server_free = closes + wait + service;

    entry->now.containers++;
    entry->now.packets += source->held;
    entry->now.wait += wait;
    entry->now.service += source->held * service;
    entry->now.delay += source->held * (wait + service);
    sim->wait_max = fmax(sim->wait_max, wait);
    tally_add(&sim->wait_now, wait, 1);
    for (size_t i = 0; i < sim->query->n_tail; i++)
        sim->over[i] += wait > sim->query->tail_at[i];
    if (source->packets)
        measure_packets(entry, source, sim->server_free);
    else
        measure_container(entry, source, &sim->random, wait + service);
}

static void run_containers(struct sim *sim, uint64_t n)
{
    while (n-- > 0) {
        struct source *source = &sim->sources[tournament_first(&sim->closings)];
        serve(sim, source);
        source_fill(source, &sim->random);
        tournament_set(&sim->closings, (uint32_t)(source - sim->sources), source->closes);
    }
}

/* ---- setting up ---- */

static int source_packets(struct source *source, const struct sim_traffic *traffic,
                          struct random *random)
{
    struct packets *packets = calloc(1, sizeof(*packets));
    if (!packets)
        return -ENOMEM;
    source->packets = packets;
    packets->arrivals = calloc(source->size, sizeof(double));
    if (!packets->arrivals)
        return -ENOMEM;
    if (traffic)
        packets->traffic = *traffic;
    if (source->rate > 0)
        packets->next = packets_next(source, packets, random);
    return 0;
}

/* Streams do not start in step: the first gap is cut at a uniform phase. */
static void source_start(struct source *source, struct random *random)
{
    source_fill(source, random);
    if (!source->packets && isfinite(source->closes))
        source->closes -= random_uniform(random) * source->closes;
}

static int source_init(struct sim *sim, struct source *source, uint32_t entry,
                       const struct sim_options *options)
{
    const struct stream *stream = &sim->query->streams[entry];
    const struct sim_traffic *traffic = options->traffic ? &options->traffic[entry] : NULL;
    bool timed = isfinite(stream->timeout);
    source->rate = stream->rate;
    source->timeout = stream->timeout;
    source->size = stream->size;
    source->entry = entry;
    if (stream->rate > 0 && stream->size > timed)
        source->gap = random_gamma_law(stream->size - timed, 1 / stream->rate);
    if (options->packets || (traffic && traffic->kind != SIM_POISSON)) {
        int err = source_packets(source, traffic, &sim->random);
        if (err)
            return err;
    }
    source_start(source, &sim->random);
    return 0;
}

static int sim_alloc(struct sim *sim, const struct query *query)
{
    uint64_t n = 0;
    for (size_t i = 0; i < query->n_streams; i++)
        n += query->streams[i].count;
    if (n > 1u << 24)
        return -EINVAL;
    sim->query = query;
    sim->sources = calloc(n, sizeof(*sim->sources));
    sim->entries = calloc(query->n_streams, sizeof(*sim->entries));
    sim->over = calloc(query->n_tail + 1, sizeof(*sim->over));
    int err = tournament_init(&sim->closings, (uint32_t)n);
    return !err && sim->sources && sim->entries && sim->over ? 0 : -ENOMEM;
}

static void sim_free(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->n_sources; i++)
        if (sim->sources[i].packets) {
            free(sim->sources[i].packets->arrivals);
            free(sim->sources[i].packets);
        }
    free(sim->sources);
    tournament_free(&sim->closings);
    free(sim->entries);
    free(sim->over);
}

static double service_mean(const struct service *service, double packets)
{
    return service->mean + service->per_packet * packets;
}

static int sim_init(struct sim *sim, const struct sim_options *options, double unit)
{
    const struct query *query = sim->query;
    random_init(&sim->random, options->seed);
    tally_init(&sim->wait_now, unit);
    tally_init(&sim->wait, unit);
    for (uint32_t entry = 0; entry < query->n_streams; entry++) {
        const struct service *service = &query->streams[entry].service;
        sim->entries[entry].law = law_make(service->mean, service->scv);
        sim->entries[entry].per_packet = service->per_packet;
        tally_init(&sim->entries[entry].delay, unit);
        for (uint32_t i = 0; i < query->streams[entry].count; i++) {
            int err = source_init(sim, &sim->sources[sim->n_sources++], entry, options);
            if (err)
                return err;
        }
    }
    for (uint32_t i = 0; i < sim->n_sources; i++)
        tournament_set(&sim->closings, i, sim->sources[i].closes);
    return 0;
}

/* ---- batches and results ---- */

static void forget(struct sim *sim)
{
    for (size_t i = 0; i < sim->query->n_streams; i++) {
        struct entry *entry = &sim->entries[i];
        entry->now = (struct sums){0};
        entry->delay_max = entry->jitter_sum = entry->jitter_packets = entry->jitter_max = 0;
        tally_init(&entry->delay, 1 / entry->delay.per_unit);
    }
    tally_init(&sim->wait_now, 1 / sim->wait_now.per_unit);
    memset(sim->over, 0, (sim->query->n_tail + 1) * sizeof(*sim->over));
    sim->wait_max = 0;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static void entry_end_batch(struct entry *entry, int batch)
{
    struct sums *now = &entry->now, *total = &entry->total;
    now->delay += now->fill;
    entry->wait_batch[batch] = ratio(now->wait, now->containers);
    entry->delay_batch[batch] = ratio(now->delay, now->packets);
    total->containers += now->containers;
    total->packets += now->packets;
    total->wait += now->wait;
    total->service += now->service;
    total->fill += now->fill;
    total->delay += now->delay;
    *now = (struct sums){0};
}

static void end_batch(struct sim *sim, int batch, double containers)
{
    double wait = 0;
    for (size_t i = 0; i < sim->query->n_streams; i++) {
        wait += sim->entries[i].now.wait;
        entry_end_batch(&sim->entries[i], batch);
    }
    sim->wait_batch[batch] = wait / containers;
    sim->p99_batch[batch] = tally_quantile(&sim->wait_now, 0.99);
    tally_merge(&sim->wait, &sim->wait_now);
    tally_init(&sim->wait_now, 1 / sim->wait_now.per_unit);
}

static double batches_mean(const double batch[SIM_BATCHES])
{
    double sum = 0;
    for (int i = 0; i < SIM_BATCHES; i++)
        sum += batch[i];
    return sum / SIM_BATCHES;
}

static double batches_ci95(const double batch[SIM_BATCHES])
{
    double mean = batches_mean(batch), squares = 0;
    for (int i = 0; i < SIM_BATCHES; i++)
        squares += (batch[i] - mean) * (batch[i] - mean);
    return STUDENT * sqrt(squares / (SIM_BATCHES - 1) / SIM_BATCHES);
}

/* Mean packets that join the one that opened the container (docs/model.md, "Closing rule"). */
static double joining(const struct stream *stream)
{
    double n = stream->size - 1.0, a = stream->rate * stream->timeout;
    if (n == 0 || isinf(stream->timeout) || stream->rate == 0)
        return stream->rate == 0 && isfinite(stream->timeout) ? 0 : n;
    return (n > 1 ? a * gsl_sf_gamma_inc_Q(n - 1, a) : 0) + n * gsl_sf_gamma_inc_P(n, a);
}

static double fill_mean(const struct stream *stream)
{
    double n = stream->size - 1.0, rate = stream->rate, tau = stream->timeout;
    if (n == 0)
        return 0;
    if (rate == 0)
        return isfinite(tau) ? tau : 0;
    if (isinf(tau))
        return n / (2 * rate);
    double m = joining(stream), a = rate * tau;
    double more = n > 1 ? rate * tau * tau / 2 * gsl_sf_gamma_inc_Q(n - 1, a) : 0;
    return (m / rate + more + n * (n - 1) / (2 * rate) * gsl_sf_gamma_inc_P(n + 1, a)) / (1 + m);
}

/* A stream too slow to have been seen: its fill wait by formula, the wait of all. */
static struct stream_delay delay_unseen(const struct sim *sim, const struct stream *stream)
{
    double held = 1 + joining(stream), fill = fill_mean(stream);
    double service = service_mean(&stream->service, held), wait = batches_mean(sim->wait_batch);
    return (struct stream_delay){.packets_per_container = held,
                                 .container_rate = stream->rate / held,
                                 .fill_mean = fill,
                                 .wait_mean = wait,
                                 .service_mean = service,
                                 .delay_mean = fill + wait + service,
                                 .delay_p50 = fill + tally_quantile(&sim->wait, 0.5) + service,
                                 .delay_p99 = fill + tally_quantile(&sim->wait, 0.99) + service};
}

static struct stream_delay delay_seen(const struct entry *entry, const struct stream *stream)
{
    const struct sums *total = &entry->total;
    double held = total->packets / total->containers;
    return (struct stream_delay){.packets_per_container = held,
                                 .container_rate = stream->rate / held,
                                 .fill_mean = total->fill / total->packets,
                                 .wait_mean = total->wait / total->containers,
                                 .service_mean = total->service / total->packets,
                                 .delay_mean = total->delay / total->packets,
                                 .delay_p50 = tally_quantile(&entry->delay, 0.5),
                                 .delay_p99 = tally_quantile(&entry->delay, 0.99)};
}

static void report_streams(const struct sim *sim, struct answer *ret, struct sim_report *report)
{
    for (size_t i = 0; i < sim->query->n_streams; i++) {
        const struct entry *entry = &sim->entries[i];
        const struct stream *stream = &sim->query->streams[i];
        ret->streams[i] =
            entry->total.containers > 0 ? delay_seen(entry, stream) : delay_unseen(sim, stream);
        if (!report)
            continue;
        report->streams[i] =
            (struct sim_stream){.containers = (uint64_t)entry->total.containers,
                                .wait_ci95 = batches_ci95(entry->wait_batch),
                                .delay_ci95 = batches_ci95(entry->delay_batch),
                                .delay_max = entry->delay_max,
                                .jitter_mean = ratio(entry->jitter_sum, entry->jitter_packets),
                                .jitter_max = entry->jitter_max};
    }
}

static void report_wait(const struct sim *sim, double containers, struct answer *ret,
                        struct sim_report *report)
{
    ret->wait = (struct wait_summary){.mean = batches_mean(sim->wait_batch),
                                      .p50 = tally_quantile(&sim->wait, 0.5),
                                      .p99 = tally_quantile(&sim->wait, 0.99),
                                      .p999 = tally_quantile(&sim->wait, 0.999)};
    ret->wait_ci95 = batches_ci95(sim->wait_batch);
    for (size_t i = 0; i < sim->query->n_tail; i++)
        ret->tail[i] = sim->over[i] / containers;
    if (report) {
        report->wait_p99_ci95 = batches_ci95(sim->p99_batch);
        report->wait_max = sim->wait_max;
    }
}

/* The load as the formulas have it: what is measured only scatters around it. */
static void load(const struct query *query, double *ret_utilisation, double *ret_containers)
{
    double utilisation = 0, containers = 0;
    for (size_t i = 0; i < query->n_streams; i++) {
        const struct stream *stream = &query->streams[i];
        double held = 1 + joining(stream), rate = stream->count * stream->rate / held;
        containers += rate;
        utilisation += rate * service_mean(&stream->service, held);
    }
    *ret_utilisation = utilisation;
    *ret_containers = containers;
}

static void answer_without_run(const struct query *query, double time, struct answer *ret,
                               struct sim_report *report)
{
    ret->wait = (struct wait_summary){time, time, time, time};
    ret->wait_ci95 = 0;
    for (size_t i = 0; i < query->n_tail; i++)
        ret->tail[i] = time > 0;
    for (size_t i = 0; i < query->n_streams; i++) {
        const struct stream *stream = &query->streams[i];
        double held = 1 + joining(stream), delay = time;
        double fill = time > 0 ? time : fill_mean(stream);
        double service = time > 0 ? time : service_mean(&stream->service, held);
        delay += fill + service;
        ret->streams[i] = (struct stream_delay){
            held, stream->rate / held, fill, time, service, delay, delay, delay};
        if (report)
            report->streams[i] = (struct sim_stream){0};
    }
    if (report)
        report->wait_p99_ci95 = report->wait_max = 0;
}

static bool traffic_valid(const struct sim_traffic *traffic)
{
    return traffic->kind == SIM_POISSON ||
           (traffic->burst >= 1 && (traffic->kind == SIM_BURSTS || traffic->peak > 1));
}

static bool stream_valid(const struct stream *stream)
{
    const struct service *service = &stream->service;
    return isfinite(stream->rate) && stream->rate >= 0 && stream->size >= 1 &&
           stream->size <= STREAM_SIZE_MAX && stream->timeout > 0 && stream->count >= 1 &&
           isfinite(service->mean) && service->mean >= 0 && isfinite(service->scv) &&
           service->scv >= 0 && isfinite(service->per_packet) && service->per_packet >= 0 &&
           service->mean + service->per_packet > 0;
}

static bool valid(const struct query *query, const struct sim_options *options)
{
    if (query->n_streams == 0)
        return false;
    for (size_t i = 0; i < query->n_streams; i++)
        if (!stream_valid(&query->streams[i]) ||
            (options->traffic && !traffic_valid(&options->traffic[i])))
            return false;
    return true;
}

static void simulate(struct sim *sim, uint64_t wanted)
{
    uint64_t per_batch = wanted / SIM_BATCHES > 0 ? wanted / SIM_BATCHES : 1;
    run_containers(sim, per_batch * SIM_BATCHES / 10 + 1);
    forget(sim);
    for (int batch = 0; batch < SIM_BATCHES; batch++) {
        run_containers(sim, per_batch);
        end_batch(sim, batch, (double)per_batch);
    }
}

int sim_run(const struct query *query, const struct sim_options *options, struct answer *ret,
            struct sim_report *report)
{
    if (!valid(query, options))
        return -EINVAL;
    double utilisation, container_rate;
    load(query, &utilisation, &container_rate);
    bool stable = utilisation < 1;
    if (stable && container_rate > 0) {
        uint64_t wanted = options->containers ? options->containers : SIM_CONTAINERS_DEFAULT;
        struct sim *sim = calloc(1, sizeof(*sim));
        int err = sim ? sim_alloc(sim, query) : -ENOMEM;
        if (!err)
            err = sim_init(sim, options, utilisation / container_rate);
        if (!err) {
            simulate(sim, wanted);
            double measured = (double)(wanted / SIM_BATCHES ? wanted / SIM_BATCHES : 1);
            report_wait(sim, measured * SIM_BATCHES, ret, report);
            report_streams(sim, ret, report);
        }
        if (sim)
            sim_free(sim);
        free(sim);
        if (err)
            return err;
    } else {
        answer_without_run(query, stable ? 0 : INFINITY, ret, report);
    }
    ret->stable = stable;
    ret->utilisation = utilisation;
    ret->container_rate = container_rate;
    return 0;
}

int sim_solve(const struct query *query, const struct method_options *options, struct answer *ret,
              uint64_t *ret_phases)
{
    (void)ret_phases;
    struct sim_options sim = {.seed = options ? options->seed : 0,
                              .containers = options ? options->containers : 0};
    return sim_run(query, &sim, ret, NULL);
}
