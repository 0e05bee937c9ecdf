// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggctl model capacity */
#include "model/capacity.h"

#include <errno.h>
#include <stdlib.h>

#include "ctl/ctl.h"
#include "ctl/model.h"
#include "ctl/print.h"

struct asked {
    struct model_question question;
    struct option_list stream, present;
    struct server_load *loads;
};

static bool parse(int argc, char **argv, struct asked *asked, int *ret_exit)
{
    const struct option_spec specs[] = {
        {"stream", OPTION_LIST, "RATE", "packets/s of each newcomer", &asked->stream, 0, 0},
        {"present", OPTION_LIST, "RATE[xCOUNT]", "streams that are there already (repeat)",
         &asked->present, 0, 0},
        MODEL_QUESTION_SPECS(asked->question),
    };
    const struct option_set set = {
        .command = "model capacity",
        .summary = "How many more streams one server takes, so that all keep the delay.",
        .count = COUNT(specs),
        .specs = specs};
    const char *operands[OPTIONS_OPERANDS];

    return options_parse(&set, argc, argv, operands, ret_exit);
}

/* The present ones, then the newcomer. */
static bool take_loads(struct asked *asked)
{
    struct server_load *newcomer = model_loads("stream", &asked->stream), *present = NULL;
    size_t n = asked->present.count;

    if (newcomer && (asked->stream.count > 1 || newcomer[0].count > 1))
        ctl_error("--stream: '%s': one kind of newcomer, without a count; see --present",
                  asked->stream.words[asked->stream.count - 1]);
    else if (newcomer && (n == 0 || (present = model_loads("present", &asked->present))))
        asked->loads = reallocarray(present, n + 1, sizeof(*present));
    if (asked->loads)
        asked->loads[n] = newcomer[0];
    asked->question.server.loads = asked->loads;
    asked->question.server.n = n + 1;
    free(newcomer);
    return asked->loads;
}

static int write_answer(const struct model_question *question, uint32_t count,
                        const struct server_lane *newcomer, double utilisation)
{
    static const struct writer_column columns[] = {{"capacity", "streams more"},
                                                   {"size", "size"},
                                                   {"timeout_s", "timeout"},
                                                   {"delay_s", "delay"},
                                                   {"utilisation", "utilisation"}};
    struct writer *writer = print_start(question->json, false);

    writer_record(writer, NULL, NULL, columns, COUNT(columns));
    writer_row(writer);
    writer_count(writer, count);
    writer_count(writer, newcomer->size);
    writer_duration(writer, newcomer->timeout);
    writer_duration(writer, newcomer->delay);
    writer_share(writer, utilisation);
    if (count == 0 && !question->json)
        writer_note(writer, "Not even one: size and delay are what it would get.");
    if (count >= CAPACITY_MAX && !question->json)
        writer_note(writer, "More were not tried.");
    return print_end(writer);
}

static int solve(struct model_question *question)
{
    struct server_lane *lanes = calloc(question->server.n, sizeof(*lanes));
    double utilisation;
    uint32_t count;
    int error =
        lanes ? capacity_solve(&question->server, question->delay, &count, lanes, &utilisation)
              : -ENOMEM;
    int status = error ? model_failed(error)
                       : write_answer(question, count, &lanes[question->server.n - 1], utilisation);
    if (status == CTL_OK && count == 0 && utilisation >= 1)
        status = CTL_UNSTABLE;
    free(lanes);
    return status;
}

int model_capacity(int argc, char **argv)
{
    struct asked asked = {.question = MODEL_QUESTION};
    int status = CTL_USAGE;

    if (parse(argc, argv, &asked, &status))
        status = take_loads(&asked) && model_question_check(&asked.question)
                     ? solve(&asked.question)
                     : CTL_USAGE;
    options_list_free(&asked.stream);
    options_list_free(&asked.present);
    free(asked.loads);
    return status;
}
