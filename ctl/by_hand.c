// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggctl set, unset: sizes fixed by hand, and freed. The daemon does it and checks it. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/keys.h"
#include "ctl/ask.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/places.h"
#include "ctl/print.h"

#define ALL_HANDLES 256ul
#define MICRO 1e-6

struct request {
    const char *vm, *direction, *control; /* direction NULL: both */
    unsigned long packets, handle;
    double timeout; /* s; below 0: not given */
    bool json;
};

static json_t *request_json(const struct request *request, const char *what)
{
    json_t *json = json_pack("{s:s, s:s}", "request", what, "vm", request->vm);

    if (request->direction)
        json_object_set_new(json, "direction", json_string(request->direction));
    if (request->handle != ALL_HANDLES)
        json_object_set_new(json, "handle", json_integer((json_int_t)request->handle));
    if (request->packets)
        json_object_set_new(json, "packets", json_integer((json_int_t)request->packets));
    if (request->timeout >= 0)
        json_object_set_new(json, "timeout_us", json_real(request->timeout / MICRO));
    return json;
}

static void write_size(struct writer *writer, const json_t *size)
{
    double packets = client_number(size, "packets");

    writer_row(writer);
    writer_text(writer, client_text(size, "name"));
    writer_count(writer, (uint64_t)client_number(size, "domid"));
    writer_count(writer, (uint64_t)client_number(size, "handle"));
    writer_text(writer, client_text(size, "direction"));
    if (isnan(packets))
        writer_none(writer);
    else
        writer_count(writer, (uint64_t)packets);
    writer_duration(writer, MICRO * client_number(size, "timeout_us"));
}

static int answer_write(const struct request *request, const json_t *answer, bool set)
{
    static const struct writer_column columns[] = {
        {"vm", "VM"},         {"domid", NULL},     {"handle", "IF"},
        {"direction", "DIR"}, {"packets", "SIZE"}, {"timeout_s", "TIMEOUT"},
    };
    struct writer *writer = print_start(request->json, false);
    const char *store_error = client_text(answer, "store_error");
    const json_t *size;
    size_t i;

    writer_table(writer, "sizes", NULL, NULL, columns, COUNT(columns));
    json_array_foreach(json_object_get(answer, "sizes"), i, size) write_size(writer, size);
    if (!request->json)
        writer_note(writer,
                    set ? "Fixed by hand, in force within %.3gs; 'xenaggctl unset' frees it."
                        : "Free from the next tick on, within %.3gs: the daemon sizes it.",
                    client_number(answer, "within_s"));
    if (*store_error)
        writer_note(writer,
                    "It is not in xenstore yet (%s): a daemon that ended now would forget it.",
                    store_error);
    return print_end(writer);
}

static int ask(const struct request *request, const char *what)
{
    json_t *answer = ask_daemon(request->control, request_json(request, what));

    if (!answer)
        return CTL_FAILED;
    int status = answer_write(request, answer, !strcmp(what, "set"));
    json_decref(answer);
    return status;
}

/* `word`: NULL where both directions are meant. False: it is none, which has been said. */
static bool direction_take(struct request *request, const char *what, const char *word)
{
    request->direction = word;
    if (!word || !strcmp(word, "rx") || !strcmp(word, "tx"))
        return true;
    ctl_error("%s: '%s' is neither rx nor tx", what, word);
    return false;
}

int ctl_set(int argc, char **argv)
{
    struct request request = {.control = PLACES_CONTROL, .handle = ALL_HANDLES, .timeout = -1};
    const struct option_spec specs[] = {
        {"timeout", OPTION_DURATION, "TIME", "a container leaves after it (in proportion to SIZE)",
         &request.timeout, 0, 0},
        {"handle", OPTION_NUMBER, "N", "only this one of its interfaces (all)", &request.handle, 0,
         255},
        OPTION_ROW_CONTROL(&request.control),
        OPTION_ROW_JSON(&request.json),
    };
    const struct option_set set = {.command = "set",
                                   .operands = "VM [rx|tx] SIZE",
                                   .summary =
                                       "Fixes the size of a VM's containers by hand, in packets.",
                                   .operands_min = 2,
                                   .operands_max = 3,
                                   .count = COUNT(specs),
                                   .specs = specs};
    const char *operands[OPTIONS_OPERANDS];
    int status;

    if (!options_parse(&set, argc, argv, operands, &status))
        return status;
    const char *size = operands[2] ? operands[2] : operands[1];
    request.vm = operands[0];
    if (!direction_take(&request, "set", operands[2] ? operands[1] : NULL))
        return CTL_USAGE;
    if (keys_number(size, 1, KEYS_PACKETS_MAX, &request.packets)) {
        ctl_error("set: '%s' is not a number of packets from 1 to %lu", size, KEYS_PACKETS_MAX);
        return CTL_USAGE;
    }
    return ask(&request, "set");
}

int ctl_unset(int argc, char **argv)
{
    struct request request = {.control = PLACES_CONTROL, .handle = ALL_HANDLES, .timeout = -1};
    const struct option_spec specs[] = {
        {"handle", OPTION_NUMBER, "N", "only this one of its interfaces (all)", &request.handle, 0,
         255},
        OPTION_ROW_CONTROL(&request.control),
        OPTION_ROW_JSON(&request.json),
    };
    const struct option_set set = {
        .command = "unset",
        .operands = "VM [rx|tx]",
        .summary = "Frees sizes that were fixed by hand: the daemon chooses them again.",
        .operands_min = 1,
        .operands_max = 2,
        .count = COUNT(specs),
        .specs = specs};
    const char *operands[OPTIONS_OPERANDS];
    int status;

    if (!options_parse(&set, argc, argv, operands, &status))
        return status;
    request.vm = operands[0];
    if (!direction_take(&request, "unset", operands[1]))
        return CTL_USAGE;
    return ask(&request, "unset");
}
