// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggctl model wait */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "ctl/ctl.h"
#include "ctl/model.h"
#include "ctl/print.h"
#include "model/method.h"
#include "model/sim.h"

struct asked {
    struct option_list streams, at;
    const char *service, *method_text, *bursts, *on_off;
    double per_packet;
    unsigned long seed, containers;
    bool jitter, json;

    enum method method;
    struct query query;
    struct stream *stream; /* the query's, owned */
    double *tail_at;
    struct sim_traffic *traffic; /* NULL: Poisson */
};

static bool parse(int argc, char **argv, struct asked *asked, int *ret_exit)
{
    const struct option_spec specs[] = {
        {"stream", OPTION_LIST, "RATE:SIZE[:TIMEOUT][xCOUNT]", "packets/s and size (repeat)",
         &asked->streams, 0, 0},
        {"service", OPTION_TEXT, "MEAN[:SCV]", "service of a container; SCV 1 unless given",
         &asked->service, 0, 0},
        {"service-per-packet", OPTION_DURATION, "TIME", "and of each packet in it",
         &asked->per_packet, 0, 0},
        {"at", OPTION_LIST, "DELAY", "how likely is a longer wait? (repeat)", &asked->at, 0, 0},
        {"method", OPTION_TEXT, "METHOD", "fast (the default), published, qbd, exact or sim",
         &asked->method_text, 0, 0},
        {"seed", OPTION_NUMBER, "N", "sim: of its random numbers", &asked->seed, 0, UINT32_MAX},
        {"containers", OPTION_NUMBER, "N", "sim: how many are measured", &asked->containers, 1000,
         1000000000},
        {"jitter", OPTION_FLAG, NULL, "sim: every packet by itself, for its jitter", &asked->jitter,
         0, 0},
        {"bursts", OPTION_TEXT, "MEAN", "sim: packets come so many at once", &asked->bursts, 0, 0},
        {"on-off", OPTION_TEXT, "ON:OFF", "sim: they come only while a stream is on; mean times",
         &asked->on_off, 0, 0},
        {"json", OPTION_FLAG, NULL, "print JSON", &asked->json, 0, 0},
    };
    const struct option_set set = {
        .command = "model wait",
        .summary =
            "How long containers wait for the server they share, and what delay packets see.",
        .count = COUNT(specs),
        .specs = specs};
    const char *operands[OPTIONS_OPERANDS];

    return options_parse(&set, argc, argv, operands, ret_exit);
}

static bool check(struct asked *asked)
{
    struct service service;

    if (method_from_name(asked->method_text, &asked->method)) {
        ctl_error("--method: '%s' is none of fast, published, qbd, exact, sim", asked->method_text);
        return false;
    }
    if (asked->jitter && asked->method != METHOD_SIM) {
        ctl_error("--jitter: only --method sim looks at single packets");
        return false;
    }
    if ((asked->bursts || asked->on_off) && asked->method != METHOD_SIM) {
        ctl_error("--%s: only --method sim takes arrivals that are not Poisson",
                  asked->bursts ? "bursts" : "on-off");
        return false;
    }
    asked->stream = model_streams(&asked->streams);
    if (!asked->stream || !model_service(asked->service, asked->per_packet, &service) ||
        !model_delays("at", &asked->at, &asked->tail_at) ||
        !model_traffic(asked->bursts, asked->on_off, asked->stream, asked->streams.count,
                       &asked->traffic))
        return false;
    for (size_t i = 0; i < asked->streams.count; i++)
        asked->stream[i].service = service;
    asked->query = (struct query){.streams = asked->stream,
                                  .n_streams = asked->streams.count,
                                  .tail_at = asked->tail_at,
                                  .n_tail = asked->at.count};
    return true;
}

static void write_summary(struct writer *writer, const struct asked *asked,
                          const struct answer *answer)
{
    static const struct writer_column all[] = {{"method", "method"},
                                               {"stable", "stable"},
                                               {"utilisation", "utilisation"},
                                               {"container_rate", "containers"}};
    static const struct writer_column wait[] = {{"mean_s", "MEAN WAIT"},
                                                {"p50_s", "P50"},
                                                {"p99_s", "P99"},
                                                {"p999_s", "P99.9"},
                                                {NULL, "+-95%"}};

    writer_record(writer, NULL, NULL, all, COUNT(all));
    writer_row(writer);
    writer_text(writer, method_name(asked->method));
    writer_flag(writer, answer->stable, "yes", "no");
    writer_mood(writer, answer->stable ? WRITER_PLAIN : WRITER_BAD);
    writer_share(writer, answer->utilisation);
    writer_rate(writer, answer->container_rate);
    writer_line(writer, "wait", wait, asked->method == METHOD_SIM ? COUNT(wait) : COUNT(wait) - 1);
    writer_row(writer);
    writer_duration(writer, answer->wait.mean);
    writer_duration(writer, answer->wait.p50);
    writer_duration(writer, answer->wait.p99);
    writer_duration(writer, answer->wait.p999);
    writer_duration(writer, answer->wait_ci95);
}

static void write_tail(struct writer *writer, const struct query *query,
                       const struct answer *answer)
{
    static const struct writer_column columns[] = {{"at_s", "WAIT ABOVE"},
                                                   {"probability", "PROBABILITY"}};

    writer_table(writer, "tail", NULL, NULL, columns, COUNT(columns));
    for (size_t i = 0; i < query->n_tail; i++) {
        writer_row(writer);
        writer_duration(writer, query->tail_at[i]);
        writer_number(writer, answer->tail[i]);
    }
}

/* `seen`: NULL without --jitter. */
static void write_stream(struct writer *writer, const struct stream *stream,
                         const struct stream_delay *delay, const struct sim_stream *seen)
{
    writer_row(writer);
    writer_rate(writer, stream->rate);
    writer_count(writer, stream->size);
    writer_count(writer, stream->count);
    writer_number(writer, delay->packets_per_container);
    writer_duration(writer, delay->fill_mean);
    writer_duration(writer, delay->wait_mean);
    writer_duration(writer, delay->service_mean);
    writer_duration(writer, delay->delay_mean);
    writer_duration(writer, delay->delay_p50);
    writer_duration(writer, delay->delay_p99);
    if (!seen)
        return;
    writer_duration(writer, seen->jitter_mean);
    writer_duration(writer, seen->jitter_max);
}

static int write_answer(const struct asked *asked, const struct answer *answer,
                        const struct sim_stream *seen)
{
    static const struct writer_column columns[] = {{"rate", "RATE"},
                                                   {"size", "SIZE"},
                                                   {"count", "COUNT"},
                                                   {"packets_per_container", "FILLED"},
                                                   {"fill_mean_s", "FILL"},
                                                   {"wait_mean_s", "WAIT"},
                                                   {"service_mean_s", "SERVICE"},
                                                   {"delay_mean_s", "DELAY"},
                                                   {"delay_p50_s", "P50"},
                                                   {"delay_p99_s", "P99"},
                                                   {"jitter_mean_s", "JITTER"},
                                                   {"jitter_max_s", "MOST"}};
    struct writer *writer = print_start(asked->json, false);

    write_summary(writer, asked, answer);
    if (asked->query.n_tail || asked->json)
        write_tail(writer, &asked->query, answer);
    writer_table(writer, "streams", NULL, NULL, columns,
                 asked->jitter ? COUNT(columns) : COUNT(columns) - 2);
    for (size_t i = 0; i < asked->query.n_streams; i++)
        write_stream(writer, &asked->query.streams[i], &answer->streams[i],
                     asked->jitter ? &seen[i] : NULL);
    int status = print_end(writer);
    return status == CTL_OK && !answer->stable ? CTL_UNSTABLE : status;
}

/* Why exact and qbd, the methods that ask for matrices, do not take it. */
static const char *refusal(const struct asked *asked)
{
    const struct stream *streams = asked->stream;

    for (size_t i = 0; i < asked->query.n_streams; i++)
        if (isfinite(streams[i].timeout) && streams[i].rate > 0)
            return "timeouts: a fixed time has no phases; fast, published and sim take them";
    return "a service of an SCV below 1/16: it would take too many phases; fast, published and sim "
           "take it";
}

static int failed(const struct asked *asked, int error, uint64_t phases)
{
    const char *name = method_name(asked->method);

    if (error == -E2BIG)
        ctl_error("--method: %s would need %llu phases, more than it takes; try published or fast",
                  name, (unsigned long long)phases);
    else if (error == -ENOTSUP)
        ctl_error("--method: %s does not take %s", name, refusal(asked));
    else
        return model_failed(error);
    return CTL_USAGE;
}

static int answer_find(const struct asked *asked, struct answer *answer, struct sim_stream *seen,
                       uint64_t *phases)
{
    const struct method_options options = {.seed = asked->seed, .containers = asked->containers};
    const struct sim_options packets = {.seed = asked->seed,
                                        .containers = asked->containers,
                                        .packets = asked->jitter,
                                        .traffic = asked->traffic};
    struct sim_report report = {.streams = seen};

    if (asked->jitter || asked->traffic)
        return sim_run(&asked->query, &packets, answer, &report);
    return method_solve(asked->method, &asked->query, &options, answer, phases);
}

static int solve(const struct asked *asked)
{
    struct answer answer = {
        .streams = calloc(asked->query.n_streams, sizeof(*answer.streams)),
        .tail = calloc(asked->query.n_tail + 1, sizeof(*answer.tail)),
    };
    struct sim_stream *seen = calloc(asked->query.n_streams, sizeof(*seen));
    uint64_t phases = 0;
    int error = answer.streams && answer.tail && seen ? answer_find(asked, &answer, seen, &phases)
                                                      : -ENOMEM;
    int status = error ? failed(asked, error, phases) : write_answer(asked, &answer, seen);

    free(answer.streams);
    free(answer.tail);
    free(seen);
    return status;
}

int model_wait(int argc, char **argv)
{
    struct asked asked = {.method_text = "fast"};
    int status = CTL_USAGE;

    if (parse(argc, argv, &asked, &status))
        status = check(&asked) ? solve(&asked) : CTL_USAGE;
    options_list_free(&asked.streams);
    options_list_free(&asked.at);
    free(asked.stream);
    free(asked.tail_at);
    free(asked.traffic);
    return status;
}
