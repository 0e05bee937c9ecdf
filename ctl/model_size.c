// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggctl model size */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "ctl/ctl.h"
#include "ctl/model.h"
#include "ctl/print.h"

static bool parse(int argc, char **argv, struct model_question *question,
                  struct option_list *streams, int *ret_exit)
{
    const struct option_spec specs[] = {
        {"stream", OPTION_LIST, "RATE[xCOUNT]", "packets/s of so many streams (repeat)", streams, 0,
         0},
        MODEL_QUESTION_SPECS(*question),
    };
    const struct option_set set = {
        .command = "model size",
        .summary = "The largest containers with which all streams keep a delay, at one server.",
        .count = COUNT(specs),
        .specs = specs};
    const char *operands[OPTIONS_OPERANDS];

    return options_parse(&set, argc, argv, operands, ret_exit);
}

static void write_lane(struct writer *writer, const struct server_load *load,
                       const struct server_lane *lane, double utilisation)
{
    writer_row(writer);
    writer_rate(writer, load->rate);
    writer_count(writer, load->count);
    writer_flag(writer, lane->attainable, "yes", "no");
    writer_mood(writer, lane->attainable ? WRITER_GOOD : WRITER_BAD);
    writer_count(writer, lane->size);
    writer_duration(writer, lane->timeout);
    writer_duration(writer, lane->fill);
    writer_duration(writer, lane->wait);
    writer_duration(writer, lane->service);
    writer_duration(writer, lane->delay);
    writer_share(writer, utilisation);
}

static int write_answer(const struct model_question *question, const struct server_lane *lanes,
                        double utilisation)
{
    static const struct writer_column columns[] = {{NULL, "RATE"},
                                                   {NULL, "COUNT"},
                                                   {"attainable", "ATTAINABLE"},
                                                   {"size", "SIZE"},
                                                   {"timeout_s", "TIMEOUT"},
                                                   {NULL, "FILL"},
                                                   {NULL, "WAIT"},
                                                   {NULL, "SERVICE"},
                                                   {"delay_s", "DELAY"},
                                                   {"utilisation", "UTILISATION"}};
    struct writer *writer = print_start(question->json, false);
    const struct server *server = &question->server;
    bool stable = utilisation < 1;

    writer_table(writer, "streams", NULL, NULL, columns, COUNT(columns));
    for (size_t i = 0; i < server->n; i++)
        write_lane(writer, &server->loads[i], &lanes[i], utilisation);
    if (!stable && !question->json)
        writer_note(writer, "No size makes the queue stable: the server is too slow.");
    int status = print_end(writer);
    return status == CTL_OK && !stable ? CTL_UNSTABLE : status;
}

static int solve(struct model_question *question)
{
    struct server_lane *lanes = calloc(question->server.n, sizeof(*lanes));
    double utilisation;
    int error =
        lanes ? server_dimension(&question->server, question->delay, lanes, &utilisation) : -ENOMEM;
    int status = error ? model_failed(error) : write_answer(question, lanes, utilisation);

    free(lanes);
    return status;
}

int model_size(int argc, char **argv)
{
    struct model_question question = MODEL_QUESTION;
    struct option_list streams = {0};
    struct server_load *loads = NULL;
    int status = CTL_USAGE;

    if (parse(argc, argv, &question, &streams, &status)) {
        status = CTL_USAGE;
        loads = model_loads("stream", &streams);
        question.server.loads = loads;
        question.server.n = streams.count;
        if (loads && model_question_check(&question))
            status = solve(&question);
    }
    options_list_free(&streams);
    free(loads);
    return status;
}
