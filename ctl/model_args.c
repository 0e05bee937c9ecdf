// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/duration.h"
#include "common/keys.h"
#include "ctl/ctl.h"
#include "ctl/model.h"

#define ARGUMENT_MAX 128
#define RATE_MAX 1e12
#define COUNT_MAX 1000000u
#define SCV_MAX 1e6
#define BURST_MAX 1e6

/* strtod alone would also take "inf", "nan", hexadecimal, signs and leading blanks. */
static int number_parse(const char *text, double *ret, const char **ret_rest)
{
    char *end;

    if ((!isdigit((unsigned char)text[0]) && text[0] != '.') || text[1] == 'x' || text[1] == 'X')
        return -EINVAL;
    *ret = strtod(text, &end);
    *ret_rest = end;
    return end == text || !isfinite(*ret) ? -EINVAL : 0;
}

int model_rate_parse(const char *text, double *ret_rate)
{
    static const struct {
        const char *suffix;
        double factor;
    } units[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}};
    const char *rest;
    double value;

    if (number_parse(text, &value, &rest))
        return -EINVAL;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (!strcmp(rest, units[i].suffix) && value * units[i].factor <= RATE_MAX) {
            *ret_rate = value * units[i].factor;
            return 0;
        }
    return -EINVAL;
}

/* An argument, cut into its parts in place. */
struct parts {
    char text[ARGUMENT_MAX];
    char *field[3]; /* between colons; NULL: not there */
    unsigned long count;
};

static bool cut(const char *name, const char *argument, size_t most, struct parts *ret)
{
    *ret = (struct parts){.count = 1};
    if (strlen(argument) >= sizeof(ret->text)) {
        ctl_error("--%s: '%s' is too long", name, argument);
        return false;
    }
    strcpy(ret->text, argument);
    char *x = strrchr(ret->text, 'x'), *rest = ret->text;
    if (x) {
        *x = '\0';
        if (keys_number(x + 1, 1, COUNT_MAX, &ret->count)) {
            ctl_error("--%s: '%s': '%s' is not a count from 1 to %u", name, argument, x + 1,
                      COUNT_MAX);
            return false;
        }
    }
    size_t n = 0;
    for (char *field; (field = strsep(&rest, ":")) != NULL; n++)
        if (n < most)
            ret->field[n] = field;
    if (n <= most)
        return true;
    ctl_error("--%s: '%s' has too many parts", name, argument);
    return false;
}

static bool take_rate(const char *name, const char *argument, const char *text, double *ret)
{
    if (model_rate_parse(text, ret) == 0)
        return true;
    ctl_error("--%s: '%s': '%s' is not a rate; write packets/s, as in 500, 800k or 1.5M", name,
              argument, text);
    return false;
}

static bool take_size(const char *argument, const char *text, uint32_t *ret)
{
    unsigned long size;

    if (text && keys_number(text, 1, STREAM_SIZE_MAX, &size) == 0) {
        *ret = (uint32_t)size;
        return true;
    }
    ctl_error("--stream: '%s': %s%s%s is not a size from 1 to %u packets; write RATE:SIZE",
              argument, text ? "'" : "", text ? text : "nothing", text ? "'" : "", STREAM_SIZE_MAX);
    return false;
}

static bool take_timeout(const char *argument, const char *text, double *ret)
{
    *ret = INFINITY;
    if (!text || (duration_parse(text, ret) == 0 && *ret > 0))
        return true;
    ctl_error("--stream: '%s': '%s' is not a timeout above 0; write a number and a unit, as in "
              "200us",
              argument, text);
    return false;
}

static bool take_stream(const char *argument, struct stream *ret)
{
    struct parts parts;

    if (!cut("stream", argument, 3, &parts))
        return false;
    ret->count = (uint32_t)parts.count;
    return take_rate("stream", argument, parts.field[0], &ret->rate) &&
           take_size(argument, parts.field[1], &ret->size) &&
           take_timeout(argument, parts.field[2], &ret->timeout);
}

/* Room for what the list says; NULL after a message. */
static void *room(const char *name, const struct option_list *list, size_t size)
{
    void *array = list->count ? calloc(list->count, size) : NULL;

    if (!list->count)
        ctl_error("model: --%s is missing", name);
    else if (!array)
        ctl_error("no memory");
    return array;
}

struct stream *model_streams(const struct option_list *list)
{
    struct stream *streams = room("stream", list, sizeof(*streams));

    for (size_t i = 0; streams && i < list->count; i++)
        if (!take_stream(list->words[i], &streams[i])) {
            free(streams);
            return NULL;
        }
    return streams;
}

static bool take_load(const char *name, const char *argument, struct server_load *ret)
{
    struct parts parts;

    if (!cut(name, argument, 1, &parts) || !take_rate(name, argument, parts.field[0], &ret->rate))
        return false;
    ret->count = (uint32_t)parts.count;
    if (ret->rate > 0)
        return true;
    ctl_error("--%s: '%s': a rate of 0 says nothing about the size", name, argument);
    return false;
}

struct server_load *model_loads(const char *name, const struct option_list *list)
{
    struct server_load *loads = room(name, list, sizeof(*loads));

    for (size_t i = 0; loads && i < list->count; i++)
        if (!take_load(name, list->words[i], &loads[i])) {
            free(loads);
            return NULL;
        }
    return loads;
}

bool model_delays(const char *name, const struct option_list *list, double **ret_delays)
{
    double *delays = list->count ? room(name, list, sizeof(*delays)) : NULL;

    for (size_t i = 0; delays && i < list->count; i++)
        if (duration_parse(list->words[i], &delays[i])) {
            ctl_error("--%s: '%s' is not a duration; write a number and a unit, as in 250us", name,
                      list->words[i]);
            free(delays);
            return false;
        }
    *ret_delays = delays;
    return delays || !list->count;
}

static bool take_bursts(const char *text, struct sim_traffic *ret)
{
    const char *rest;

    ret->kind = SIM_BURSTS;
    if (number_parse(text, &ret->burst, &rest) == 0 && !*rest && ret->burst >= 1 &&
        ret->burst <= BURST_MAX)
        return true;
    ctl_error("--bursts: '%s' is not a mean number of packets from 1 to %.0f", text, BURST_MAX);
    return false;
}

static bool take_on_off(const char *text, double *ret_on, double *ret_off)
{
    char copy[ARGUMENT_MAX], *off = NULL;

    if (strlen(text) < sizeof(copy))
        off = strchr(strcpy(copy, text), ':');
    if (off) {
        *off++ = '\0';
        if (duration_parse(copy, ret_on) == 0 && duration_parse(off, ret_off) == 0 && *ret_on > 0 &&
            *ret_off > 0)
            return true;
    }
    ctl_error("--on-off: '%s' is not ON:OFF; write two times above 0, as in 2ms:8ms", text);
    return false;
}

/* The stream's mean rate stays, so that all its packets come while it is on. */
static bool on_off_of(double on, double off, const struct stream *stream, struct sim_traffic *ret)
{
    *ret = (struct sim_traffic){
        .kind = SIM_ON_OFF, .burst = stream->rate * (on + off), .peak = (on + off) / on};
    if (ret->burst >= 1 && ret->peak > 1)
        return true;
    ctl_error("--on-off: less than one packet comes while a stream of %g packets/s is on",
              stream->rate);
    return false;
}

bool model_traffic(const char *bursts, const char *on_off, const struct stream *streams, size_t n,
                   struct sim_traffic **ret_traffic)
{
    struct sim_traffic *traffic = NULL, all = {.kind = SIM_POISSON};
    double on = 0, off = 0;

    if (bursts && on_off) {
        ctl_error("--on-off: not together with --bursts");
        return false;
    }
    if ((bursts && !take_bursts(bursts, &all)) || (on_off && !take_on_off(on_off, &on, &off)))
        return false;
    if ((bursts || on_off) && !(traffic = calloc(n, sizeof(*traffic)))) {
        ctl_error("no memory");
        return false;
    }
    for (size_t i = 0; traffic && i < n; i++) {
        if (streams[i].rate > 0)
            traffic[i] = all;
        if (on_off && streams[i].rate > 0 && !on_off_of(on, off, &streams[i], &traffic[i])) {
            free(traffic);
            return false;
        }
    }
    *ret_traffic = traffic;
    return true;
}

static bool service_parse(char *text, struct service *ret)
{
    char *scv = strchr(text, ':');
    const char *rest = "";

    if (scv)
        *scv++ = '\0';
    return duration_parse(text, &ret->mean) == 0 &&
           (!scv || (number_parse(scv, &ret->scv, &rest) == 0 && !*rest && ret->scv <= SCV_MAX));
}

bool model_service(const char *text, double per_packet, struct service *ret_service)
{
    struct service service = {.scv = 1, .per_packet = per_packet};
    char copy[ARGUMENT_MAX];

    if (!text && per_packet <= 0) {
        ctl_error("model: --service is missing; write a mean, as in 20us, or mean and SCV, 20us:0");
        return false;
    }
    if (text && strlen(text) < sizeof(copy) && service_parse(strcpy(copy, text), &service) &&
        (service.mean > 0 || per_packet > 0)) {
        *ret_service = service;
        return true;
    }
    if (!text) {
        *ret_service = service;
        return true;
    }
    ctl_error("--service: '%s' is not a service; write a mean above 0, as in 20us, or mean and "
              "SCV, 20us:0",
              text);
    return false;
}

static bool take_scope(struct model_question *question)
{
    if (!strcmp(question->scope, "one-way"))
        question->server.returns = false;
    else if (!strcmp(question->scope, "forwarding"))
        question->server.returns = true;
    else {
        ctl_error("--scope: '%s' is neither one-way nor forwarding", question->scope);
        return false;
    }
    return true;
}

static bool take_percentile(struct model_question *question)
{
    const char *text = question->percentile_text, *rest;
    double *percentile = &question->server.percentile;

    *percentile = 0;
    if (!strcmp(text, "mean") || (number_parse(text, percentile, &rest) == 0 && !*rest &&
                                  *percentile >= 50 && *percentile <= 99.9))
        return true;
    ctl_error("--percentile: '%s' is neither mean nor a number from 50 to 99.9", text);
    return false;
}

bool model_question_check(struct model_question *question)
{
    if (question->delay > 0)
        return take_scope(question) && take_percentile(question) &&
               model_service(question->service_text, question->per_packet,
                             &question->server.service);
    if (question->delay < 0)
        ctl_error("model: --delay is missing");
    else
        ctl_error("--delay: no container keeps a delay of 0");
    return false;
}

int model_failed(int error)
{
    ctl_error("model: %s", error == -EINVAL ? "an argument is out of its range" : strerror(-error));
    return error == -EINVAL ? CTL_USAGE : CTL_FAILED;
}
