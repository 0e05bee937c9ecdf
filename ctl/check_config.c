// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggctl check-config: what the daemon would make of a configuration file. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/places.h"
#include "ctl/print.h"
#include "ctl/promise.h"

static const struct writer_column error_columns[] = {
    {"file", "FILE"}, {"line", "LINE"}, {"error", "ERROR"}};
static const struct writer_column policy_columns[] = {
    {"vm", "VM"},
    {NULL, "PROMISE"},
    {"promise_s", NULL},
    {"percentile", NULL},
    {"scope", NULL},
    {"objective", "FOR"},
    {"utilisation_max", "USED AT MOST"},
    {"min_packets", "MIN"},
    {"max_packets", "MAX PACKETS"},
    {"min_timeout_s", "MIN"},
    {"max_timeout_s", "MAX TIMEOUT"},
    {"max_bytes", "MAX BYTES"},
    {"fixed", "FIXED"},
};
struct complaints {
    struct writer *writer;
    bool json;
};

/* People read "FILE:LINE: what", which editors can jump to. */
static void complain(void *context, const char *path, unsigned line, const char *what)
{
    struct complaints *complaints = context;

    if (!complaints->json) {
        if (line)
            ctl_error("%s:%u: %s", path, line, what);
        else
            ctl_error("%s: %s", path, what);
        return;
    }
    writer_row(complaints->writer);
    writer_text(complaints->writer, path);
    if (line)
        writer_count(complaints->writer, line);
    else
        writer_none(complaints->writer);
    writer_text(complaints->writer, what);
}

static const char *fixed_text(const struct config_policy *policy)
{
    if (policy->fixed[DIRECTION_RX] && policy->fixed[DIRECTION_TX])
        return "rx and tx";
    if (policy->fixed[DIRECTION_RX])
        return "rx";
    return policy->fixed[DIRECTION_TX] ? "tx" : NULL;
}

static void policy_print(struct writer *writer, const char *vm, const struct config_policy *policy)
{
    const struct promise *promise = &policy->promise;
    const struct size_limits *limits = &policy->limits;
    const char *scope = promise->scope == SCOPE_ONE_WAY ? "one-way" : "forwarding";
    bool delay = policy->objective == OBJECTIVE_DELAY;
    char text[PROMISE_TEXT];

    writer_row(writer);
    writer_text(writer, vm);
    writer_text(writer, promise_text(promise->delay, promise->percentile, scope, text));
    writer_duration(writer, isfinite(promise->delay) ? promise->delay : NAN);
    writer_number(writer, promise->percentile > 0 ? promise->percentile : NAN);
    writer_text(writer, scope);
    writer_text(writer, delay ? "delay" : "throughput");
    writer_share(writer, delay ? policy->utilisation_max : NAN);
    writer_count(writer, limits->packets_min);
    writer_count(writer, limits->packets_max);
    writer_duration(writer, limits->timeout_min);
    writer_duration(writer, limits->timeout_max);
    writer_count(writer, (uint64_t)limits->bytes_max);
    writer_text(writer, fixed_text(policy));
}

/* "" is no guest's name: its policy is what [default] says. */
static void policies_print(struct writer *writer, const struct config *config)
{
    writer_table(writer, "policies", NULL, NULL, policy_columns, COUNT(policy_columns));
    policy_print(writer, "(all others)", config_policy(config, ""));
    for (size_t i = 0; config_vm(config, i); i++)
        policy_print(writer, config_vm(config, i), config_policy(config, config_vm(config, i)));
}

static int check(const char *path, bool json)
{
    struct complaints complaints = {.writer = print_start(json, false), .json = json};
    struct config *config = NULL;

    if (json)
        writer_table(complaints.writer, "errors", NULL, NULL, error_columns, COUNT(error_columns));
    int error = config_load(path, complain, &complaints, &config);
    if (!error) {
        policies_print(complaints.writer, config);
        writer_note(complaints.writer, "%s: no errors", path);
    } else if (error == -ENOMEM) {
        ctl_error("%s: no memory", path);
    }
    config_free(config);
    int status = print_end(complaints.writer);
    return error ? CTL_USAGE : status;
}

int ctl_check_config(int argc, char **argv)
{
    bool json = false;
    const struct option_spec specs[] = {OPTION_ROW_JSON(&json)};
    const struct option_set set = {
        .command = "check-config",
        .operands = "[FILE]",
        .summary = "Checks a configuration file of xenaggd (" PLACES_CONFIG ") and shows what it "
                   "says.\nErrors: FILE:LINE and why, exit status 2.",
        .operands_max = 1,
        .count = COUNT(specs),
        .specs = specs};
    const char *operands[OPTIONS_OPERANDS];
    int status;

    if (!options_parse(&set, argc, argv, operands, &status))
        return status;
    return check(operands[0] ? operands[0] : PLACES_CONFIG, json);
}
