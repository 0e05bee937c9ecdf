// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggctl model curve */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/model.h"
#include "ctl/print.h"
#include "ctl/text.h"
#include "model/method.h"

#define POINTS 80
#define SIMULATED 100000 /* containers at each */

struct asked {
    struct model_question question;
    struct option_list stream;
    const char *over_text, *method_text, *plot;
    const struct over *over;
    enum method method;
    struct server_load *loads;
    struct server_lane *chosen, *lanes; /* with what was asked; at one point of the curve */
    double utilisation;                 /* with what was asked */
    struct model_point *points;         /* those of all streams, place by place */
    size_t n;                           /* places */
};

/* What is varied: for the first stream; the others' sizes follow or stay. */
struct over {
    const char *name, *title, *format; /* the last two as in model_plot */
    double (*middle)(const struct asked *asked);
    /* Sets asked->lanes, and the utilisation. 0 or -errno. */
    int (*solve)(struct asked *asked, double x, double *ret_utilisation);
};

static double size_middle(const struct asked *asked)
{
    return asked->chosen[0].size;
}

static int size_solve(struct asked *asked, double x, double *ret_utilisation)
{
    const struct server *server = &asked->question.server;
    double rate = server->loads[0].rate;

    for (size_t i = 0; i < server->n; i++) {
        asked->lanes[i] = asked->chosen[i];
        if (server->loads[i].rate == rate) {
            asked->lanes[i].size = (uint32_t)x;
            asked->lanes[i].timeout = server_timeout(rate, (uint32_t)x);
        }
    }
    return server_forecast(server, asked->lanes, ret_utilisation);
}

static double rate_middle(const struct asked *asked)
{
    return asked->loads[0].rate;
}

static int rate_solve(struct asked *asked, double x, double *ret_utilisation)
{
    double before = asked->loads[0].rate;

    asked->loads[0].rate = x;
    int error = server_dimension(&asked->question.server, asked->question.delay, asked->lanes,
                                 ret_utilisation);
    asked->loads[0].rate = before;
    return error;
}

static double delay_middle(const struct asked *asked)
{
    return asked->question.delay;
}

static int delay_solve(struct asked *asked, double x, double *ret_utilisation)
{
    return server_dimension(&asked->question.server, x, asked->lanes, ret_utilisation);
}

static const struct over overs[] = {
    {"size", "packets per container", NULL, size_middle, size_solve},
    {"rate", "packets per second", "%.1s%c", rate_middle, rate_solve},
    {"delay", "delay promised", "%.0s %cs", delay_middle, delay_solve},
};

static bool parse(int argc, char **argv, struct asked *asked, int *ret_exit)
{
    const struct option_spec specs[] = {
        {"stream", OPTION_LIST, "RATE[xCOUNT]", "packets/s; `over` varies the first one (repeat)",
         &asked->stream, 0, 0},
        MODEL_QUESTION_SPECS(asked->question),
        {"over", OPTION_TEXT, "WHAT", "size (the default), rate or delay", &asked->over_text, 0, 0},
        {"method", OPTION_TEXT, "METHOD", "fast (the default), published, qbd, exact or sim",
         &asked->method_text, 0, 0},
        {"plot", OPTION_TEXT, "FILE", "draw it with gnuplot: FILE.svg or FILE.png", &asked->plot, 0,
         0},
    };
    const struct option_set set = {
        .command = "model curve",
        .summary = "The delay's parts over the size, the rate or the promise, at one server.",
        .count = COUNT(specs),
        .specs = specs};
    const char *operands[OPTIONS_OPERANDS];

    return options_parse(&set, argc, argv, operands, ret_exit);
}

static bool check(struct asked *asked)
{
    for (size_t i = 0; i < COUNT(overs); i++)
        if (!strcmp(asked->over_text, overs[i].name))
            asked->over = &overs[i];
    if (!asked->over) {
        ctl_error("--over: '%s' is none of size, rate, delay", asked->over_text);
        return false;
    }
    if (method_from_name(asked->method_text, &asked->method)) {
        ctl_error("--method: '%s' is none of fast, published, qbd, exact, sim", asked->method_text);
        return false;
    }
    if (asked->plot && !model_plot_supported(asked->plot)) {
        ctl_error("--plot: '%s' does not end in .svg or .png", asked->plot);
        return false;
    }
    asked->loads = model_loads("stream", &asked->stream);
    asked->question.server.loads = asked->loads;
    asked->question.server.n = asked->stream.count;
    if (!asked->loads || !model_question_check(&asked->question))
        return false;
    double p = asked->question.server.percentile;
    if (asked->method != METHOD_FAST && asked->question.server.returns) {
        ctl_error("--method: %s does not follow containers that come back; with --scope "
                  "forwarding only fast does",
                  asked->method_text);
        return false;
    }
    if (asked->method == METHOD_FAST || p == 0 || p == 50 || p == 99)
        return true;
    ctl_error("--percentile: with --method %s mean, 50 or 99", asked->method_text);
    return false;
}

static void lane_take(const struct stream_delay *delay, double percentile, struct server_lane *lane)
{
    lane->fill = delay->fill_mean;
    lane->wait = delay->wait_mean;
    lane->service = delay->service_mean;
    lane->delay = percentile == 0    ? delay->delay_mean
                  : percentile == 50 ? delay->delay_p50
                                     : delay->delay_p99;
}

/* What another method says of the sizes that are in asked->lanes, the first stream's rate being
 * `rate`. Those by matrices know no timeouts. */
static int ask_again(struct asked *asked, double rate)
{
    const struct server *server = &asked->question.server;
    bool timeouts = asked->method != METHOD_QBD && asked->method != METHOD_EXACT;
    struct stream *streams = calloc(server->n, sizeof(*streams));
    struct answer answer = {.streams = calloc(server->n, sizeof(*answer.streams))};
    struct query query = {.streams = streams, .n_streams = server->n};
    const struct method_options options = {.seed = 1, .containers = SIMULATED};
    int error = streams && answer.streams ? 0 : -ENOMEM;

    for (size_t i = 0; !error && i < server->n; i++)
        streams[i] = (struct stream){.rate = i == 0 ? rate : server->loads[i].rate,
                                     .size = asked->lanes[i].size,
                                     .timeout = timeouts ? asked->lanes[i].timeout : INFINITY,
                                     .count = server->loads[i].count,
                                     .service = server->service};
    if (!error)
        error = method_solve(asked->method, &query, &options, &answer, NULL);
    for (size_t i = 0; !error && i < server->n; i++)
        lane_take(&answer.streams[i], server->percentile, &asked->lanes[i]);
    free(streams);
    free(answer.streams);
    return error;
}

static int points_set(struct asked *asked, double x, double utilisation)
{
    size_t n = asked->question.server.n;
    bool rate = !strcmp(asked->over->name, "rate");
    int error = 0;

    if (asked->method != METHOD_FAST)
        error = ask_again(asked, rate ? x : asked->loads[0].rate);
    for (size_t i = 0; !error && i < n; i++) {
        const struct server_lane *lane = &asked->lanes[i];
        asked->points[asked->n * n + i] =
            (struct model_point){.x = x,
                                 .size = lane->size,
                                 .timeout = lane->timeout,
                                 .fill = lane->fill,
                                 .wait = lane->wait,
                                 .service = lane->service,
                                 .delay = lane->delay,
                                 .utilisation = utilisation,
                                 .attainable = lane->delay <= asked->question.delay};
    }
    asked->n += !error;
    return error;
}

/* From near nothing to twice what was asked, the middle itself among them. */
static int walk(struct asked *asked)
{
    bool whole = !strcmp(asked->over->name, "size");
    double middle = asked->over->middle(asked), last = 0, utilisation;
    double step = middle / (POINTS / 2.0);

    for (int i = 1; i <= POINTS; i++) {
        double x = whole ? fmin(STREAM_SIZE_MAX, fmax(ceil(step * i), last + 1)) : step * i;
        if (x <= last)
            break;
        last = x;
        int error = asked->over->solve(asked, x, &utilisation);
        if (!error)
            error = points_set(asked, x, utilisation);
        if (error)
            return error;
    }
    return 0;
}

static int solve(struct asked *asked)
{
    const struct server *server = &asked->question.server;

    asked->chosen = calloc(server->n, sizeof(*asked->chosen));
    asked->lanes = calloc(server->n, sizeof(*asked->lanes));
    asked->points = calloc(POINTS * server->n, sizeof(*asked->points));
    if (!asked->chosen || !asked->lanes || !asked->points)
        return -ENOMEM;
    int error = server_dimension(server, asked->question.delay, asked->chosen, &asked->utilisation);
    return error ? error : walk(asked);
}

/* `stream`: its number, where there are several. */
static void write_point(struct writer *writer, const struct asked *asked,
                        const struct model_point *point, size_t stream)
{
    writer_row(writer);
    if (asked->question.server.n > 1)
        writer_count(writer, stream);
    if (!strcmp(asked->over->name, "rate"))
        writer_rate(writer, point->x);
    else if (!strcmp(asked->over->name, "delay"))
        writer_duration(writer, point->x);
    writer_count(writer, (uint64_t)point->size);
    writer_duration(writer, point->timeout);
    writer_duration(writer, point->fill);
    writer_duration(writer, point->wait);
    writer_duration(writer, point->service);
    writer_duration(writer, point->delay);
    writer_share(writer, point->utilisation);
}

#define PARTS                                                                                      \
    {"timeout_s", "TIMEOUT"}, {"fill_mean_s", "FILL"}, {"wait_mean_s", "WAIT"},                    \
        {"service_mean_s", "SERVICE"}, {"delay_s", "DELAY"},                                       \
    {                                                                                              \
        "utilisation", "UTILISATION"                                                               \
    }

static void write_points(struct writer *writer, const struct asked *asked)
{
    static const struct writer_column over_size[] = {{"stream", "STREAM"}, {"size", "SIZE"}, PARTS};
    static const struct writer_column over_rate[] = {
        {"stream", "STREAM"}, {"rate", "RATE"}, {"size", "SIZE"}, PARTS};
    static const struct writer_column over_delay[] = {
        {"stream", "STREAM"}, {"promise_s", "PROMISE"}, {"size", "SIZE"}, PARTS};
    const struct writer_column *columns[] = {over_size, over_rate, over_delay};
    size_t over = (size_t)(asked->over - overs), n = asked->question.server.n;
    size_t count = over == 0 ? COUNT(over_size) : COUNT(over_rate), skipped = n == 1;

    writer_table(writer, "points", NULL, NULL, columns[over] + skipped, count - skipped);
    for (size_t i = 0; i < asked->n * n; i++)
        write_point(writer, asked, &asked->points[i], i % n + 1);
}

/* With what was asked: the promise and the point chosen. */
static void write_chosen(struct writer *writer, const struct asked *asked)
{
    static const struct writer_column columns[] = {{"over", "over"},
                                                   {"promise_s", "promise"},
                                                   {"attainable", "attainable"},
                                                   {"size", "size"},
                                                   {"timeout_s", "timeout"},
                                                   {"delay_s", "delay"},
                                                   {"utilisation", "utilisation"}};
    const struct server_lane *lane = &asked->chosen[0];

    writer_record(writer, NULL, NULL, columns, COUNT(columns));
    writer_row(writer);
    writer_text(writer, asked->over->name);
    writer_duration(writer, asked->question.delay);
    writer_flag(writer, lane->attainable, "yes", "no");
    writer_count(writer, lane->size);
    writer_duration(writer, lane->timeout);
    writer_duration(writer, lane->delay);
    writer_share(writer, asked->utilisation);
}

static bool anything_finite(const struct asked *asked)
{
    for (size_t i = 0; i < asked->n; i++)
        if (isfinite(asked->points[i * asked->question.server.n].delay))
            return true;
    return false;
}

static int draw(const struct asked *asked)
{
    char chosen[64];
    bool over_delay = !strcmp(asked->over->name, "delay");
    struct model_plot plot = {.file = asked->plot,
                              .title = asked->over->title,
                              .format = asked->over->format,
                              .promise = over_delay ? NAN : asked->question.delay,
                              .chosen = asked->over->middle(asked),
                              .chosen_text = chosen,
                              .points = asked->points,
                              .n = asked->n,
                              .streams = asked->question.server.n,
                              .sizes = asked->over != &overs[0]};

    snprintf(chosen, sizeof(chosen), "%u packets", asked->chosen[0].size);
    if (!anything_finite(asked)) {
        ctl_error("--plot: nothing to draw, the queue is stable nowhere");
        return CTL_OK;
    }
    int error = model_plot(&plot);
    if (error == -ENOENT)
        ctl_error("--plot: gnuplot is not installed");
    else if (error)
        ctl_error("--plot: gnuplot could not draw %s: %s", asked->plot, strerror(-error));
    return error ? CTL_FAILED : CTL_OK;
}

static int answer(const struct asked *asked)
{
    struct writer *writer = print_start(asked->question.json, false);

    write_chosen(writer, asked);
    if (!asked->plot || asked->question.json)
        write_points(writer, asked);
    int status = print_end(writer);
    if (status == CTL_OK && asked->plot)
        status = draw(asked);
    return status == CTL_OK && asked->utilisation >= 1 ? CTL_UNSTABLE : status;
}

static int failed(const struct asked *asked, int error)
{
    if (error != -E2BIG && error != -ENOTSUP)
        return model_failed(error);
    ctl_error("--method: %s does not go so far: %s; try fast or published", asked->method_text,
              error == -E2BIG ? "too many phases" : "it takes no service of an SCV below 1/16");
    return CTL_USAGE;
}

int model_curve(int argc, char **argv)
{
    struct asked asked = {.question = MODEL_QUESTION, .over_text = "size", .method_text = "fast"};
    int status = CTL_USAGE;

    if (parse(argc, argv, &asked, &status)) {
        status = CTL_USAGE;
        if (check(&asked)) {
            int error = solve(&asked);
            status = error ? failed(&asked, error) : answer(&asked);
        }
    }
    options_list_free(&asked.stream);
    free(asked.loads);
    free(asked.chosen);
    free(asked.lanes);
    free(asked.points);
    return status;
}
