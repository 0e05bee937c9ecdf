// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading a scenario: README.md has the grammar. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/duration.h"
#include "common/keys.h"
#include "tests/sim/scenario.h"

#define WORDS 24
#define FILE_MAX (64u << 10)

struct parser {
    const char *path;
    unsigned line;
    struct scenario *scenario;
    char *words[WORDS];
    size_t n, at; /* words of the line; the next to be read */
    char *why;
    size_t size;
};

static int refuse(struct parser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int refuse(struct parser *parser, const char *format, ...)
{
    va_list arguments;
    int used = snprintf(parser->why, parser->size, "%s:%u: ", parser->path, parser->line);

    va_start(arguments, format);
    if (used > 0 && (size_t)used < parser->size)
        vsnprintf(parser->why + used, parser->size - (size_t)used, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

/* ---- values ---- */

static const char *next(struct parser *parser)
{
    return parser->at < parser->n ? parser->words[parser->at++] : NULL;
}

static bool next_is(struct parser *parser, const char *word)
{
    if (parser->at >= parser->n || strcmp(parser->words[parser->at], word) != 0)
        return false;
    parser->at++;
    return true;
}

static int number(struct parser *parser, const char *text, double low, double high, double *ret)
{
    char *end = NULL;
    double value = text ? strtod(text, &end) : NAN;

    if (!text || end == text)
        return refuse(parser, "a number is missing%s%s", text ? ", not " : "", text ? text : "");
    if (*end == 'k' || *end == 'M')
        value *= *end++ == 'k' ? 1e3 : 1e6;
    else if (*end == '%')
        value /= *end++ == '%' ? 100 : 1;
    if (*end != '\0' || !isfinite(value) || value < low || value > high)
        return refuse(parser, "'%s' is no number from %g to %g", text, low, high);
    *ret = value;
    return 0;
}

static int duration(struct parser *parser, const char *text, double *ret)
{
    bool negative = text && text[0] == '-';

    if (!text || duration_parse(text + negative, ret))
        return refuse(parser, "'%s' is no duration", text ? text : "");
    *ret *= negative ? -1 : 1;
    return 0;
}

/* A group's number; "all" where that is allowed. */
static int group(struct parser *parser, size_t *ret)
{
    const char *name = next(parser);
    const struct scenario *scenario = parser->scenario;

    if (name && (strcmp(name, "all") == 0 || strcmp(name, "worker") == 0)) {
        *ret = SCENARIO_ALL;
        return 0;
    }
    for (size_t g = 0; name && g < scenario->n_groups; g++)
        if (strcmp(name, scenario->groups[g].name) == 0) {
            *ret = g;
            return 0;
        }
    return refuse(parser, "no guests are called '%s'", name ? name : "");
}

enum value { VALUE_NUMBER, VALUE_DURATION };

/* "name=value" */
struct field {
    const char *name;
    enum value kind;
    double low, high;
    double *to;
};

static int field_set(struct parser *parser, const struct field *fields, size_t n, const char *word)
{
    const char *value = strchr(word, '=');
    size_t length = value ? (size_t)(value - word) : 0;

    for (size_t i = 0; i < n && value; i++) {
        const struct field *field = &fields[i];
        if (strlen(field->name) != length || strncmp(field->name, word, length) != 0)
            continue;
        return field->kind == VALUE_DURATION
                   ? duration(parser, value + 1, field->to)
                   : number(parser, value + 1, field->low, field->high, field->to);
    }
    return refuse(parser, "'%s' is not understood here", word);
}

/* All words left. */
static int fields(struct parser *parser, const struct field *list, size_t n)
{
    int error = 0;

    while (!error && parser->at < parser->n)
        error = field_set(parser, list, n, next(parser));
    return error;
}
#define FIELDS(parser, list) fields(parser, list, sizeof(list) / sizeof((list)[0]))

static int rest_empty(struct parser *parser)
{
    if (parser->at < parser->n)
        return refuse(parser, "'%s' is too much", parser->words[parser->at]);
    return 0;
}

/* ---- statements ---- */

static int read_costs(struct parser *parser)
{
    const char *whose = next(parser);
    struct end_costs *c = NULL;

    if (whose && strcmp(whose, "worker") == 0)
        c = &parser->scenario->worker;
    else if (whose && strcmp(whose, "guests") == 0)
        c = &parser->scenario->guest;
    else
        return refuse(parser, "costs are the worker's or the guests'");
    const struct field list[] = {{"read", VALUE_DURATION, 0, 0, &c->read},
                                 {"publish", VALUE_DURATION, 0, 0, &c->publish},
                                 {"publish-packet", VALUE_DURATION, 0, 0, &c->publish_packet},
                                 {"unload", VALUE_DURATION, 0, 0, &c->unload},
                                 {"unload-packet", VALUE_DURATION, 0, 0, &c->unload_packet},
                                 {"scv", VALUE_NUMBER, 0, 16, &c->scv},
                                 {"wakeup", VALUE_DURATION, 0, 0, &c->wakeup},
                                 {"timer-late", VALUE_DURATION, 0, 0, &c->timer_late}};
    return FIELDS(parser, list);
}

/* The rest of the line: keys of the daemon's configuration, which are tried at once. */
static int read_promise(struct parser *parser, char (*keys)[SCENARIO_TEXT], size_t *ret_n)
{
    size_t n = 0;

    while (parser->at < parser->n && n < 8) {
        const char *word = next(parser), *value = strchr(word, '=');
        if (!value)
            return refuse(parser, "'%s' is not understood here", word);
        snprintf(keys[n++], SCENARIO_TEXT, "%.*s = %.60s", (int)(value - word) % 30, word,
                 value + 1);
    }
    *ret_n = n;
    int error = rest_empty(parser);
    if (error)
        return error;
    struct config *config = scenario_config(parser->scenario, INFINITY);
    if (!config)
        return refuse(parser, "the daemon's configuration does not take that");
    config_free(config);
    return 0;
}

static int read_guests(struct parser *parser)
{
    struct scenario *scenario = parser->scenario;
    const char *name = next(parser), *count = next(parser);
    double n = 0;

    if (scenario->n_groups == SCENARIO_GROUPS)
        return refuse(parser, "too many kinds of guests");
    int error = number(parser, count, 1, (double)(SCENARIO_GUESTS - scenario->n_guests), &n);
    if (error)
        return error;
    struct scenario_group *g = &scenario->groups[scenario->n_groups];
    *g = (struct scenario_group){
        .first = scenario->n_guests, .n = (size_t)n, .dispersion = 1, .bytes = 52, .skew = 1};
    if (strlen(name) >= SCENARIO_NAME)
        return refuse(parser, "'%s' is too long", name);
    snprintf(g->name, sizeof(g->name), "%s", name);
    const struct field list[] = {{"rx", VALUE_NUMBER, 0, 1e8, &g->rate[DIRECTION_RX]},
                                 {"tx", VALUE_NUMBER, 0, 1e8, &g->rate[DIRECTION_TX]},
                                 {"forwards", VALUE_NUMBER, 0, 1, &g->forwards},
                                 {"dispersion", VALUE_NUMBER, 1, 1000, &g->dispersion},
                                 {"bytes", VALUE_NUMBER, 20, 65000, &g->bytes},
                                 {"skew", VALUE_NUMBER, 0.001, 1000, &g->skew},
                                 {"wiggle", VALUE_NUMBER, 0, 0.9, &g->wiggle}};
    error = FIELDS(parser, list);
    scenario->n_groups++;
    scenario->n_guests += g->n;
    return error;
}

static int read_promises(struct parser *parser)
{
    size_t g = 0;
    int error = group(parser, &g);

    if (error || g == SCENARIO_ALL)
        return error ? error : refuse(parser, "promises are made to one kind of guests");
    struct scenario_group *to = &parser->scenario->groups[g];
    return read_promise(parser, to->promise, &to->n_promise);
}

/* ---- events ---- */

static int event_load(struct parser *parser, struct scenario_event *e)
{
    const struct field list[] = {{"rx", VALUE_NUMBER, 0, 1e8, &e->rate[DIRECTION_RX]},
                                 {"tx", VALUE_NUMBER, 0, 1e8, &e->rate[DIRECTION_TX]},
                                 {"over", VALUE_DURATION, 0, 0, &e->span},
                                 {"period", VALUE_DURATION, 0, 0, &e->span},
                                 {"low", VALUE_NUMBER, 0, 1, &e->low},
                                 {"flows", VALUE_NUMBER, 1, 32, &e->step},
                                 {"on", VALUE_DURATION, 0, 0, &e->on},
                                 {"off", VALUE_DURATION, 0, 0, &e->off}};
    int error = FIELDS(parser, list);
    if (error)
        return error;
    if ((e->kind == EVENT_RAMP || e->kind == EVENT_DAY) && !(e->span > 0))
        return refuse(parser, "how long is missing: over= or period=");
    if (e->kind == EVENT_BURSTS && (!(e->on > 0) || !(e->off > 0)))
        return refuse(parser, "on= and off= are missing");
    if (e->kind == EVENT_FLOWS && !(e->step > 0))
        return refuse(parser, "flows= is missing");
    return 0;
}

static int event_slow(struct parser *parser, struct scenario_event *e)
{
    int error = number(parser, next(parser), 0.01, 100, &e->factor);
    const struct field list[] = {{"over", VALUE_DURATION, 0, 0, &e->span}};

    return error ? error : FIELDS(parser, list);
}

static int event_lose(struct parser *parser, struct scenario_event *e)
{
    double ticks = 0;
    int error = number(parser, next(parser), 1, 1000, &ticks);

    e->ticks = (unsigned)ticks;
    return error ? error : rest_empty(parser);
}

static int event_clock(struct parser *parser, struct scenario_event *e)
{
    int error = duration(parser, next(parser), &e->step);

    return error ? error : rest_empty(parser);
}

static int event_fix(struct parser *parser, struct scenario_event *e)
{
    double packets[DIRECTION_COUNT] = {0}, *rx = &packets[0], *tx = &packets[1];
    const struct field list[] = {
        {"rx", VALUE_NUMBER, 1, 65535, rx},
        {"tx", VALUE_NUMBER, 1, 65535, tx},
        {"rx-timeout", VALUE_DURATION, 0, 0, &e->fixed[DIRECTION_RX].timeout},
        {"tx-timeout", VALUE_DURATION, 0, 0, &e->fixed[DIRECTION_TX].timeout}};
    int error = FIELDS(parser, list);

    for (enum direction d = 0; d < DIRECTION_COUNT && !error; d++) {
        e->fixed[d].packets = (uint32_t)packets[d];
        if ((packets[d] > 0) != (e->fixed[d].timeout > 0))
            error = refuse(parser, "a size is packets and a timeout");
    }
    return error;
}

static int event_promise(struct parser *parser, struct scenario_event *e)
{
    return read_promise(parser, e->promise, &e->n_promise);
}

static int event_plain(struct parser *parser, struct scenario_event *e)
{
    (void)e;
    return rest_empty(parser);
}

static const struct {
    const char *name;
    bool of_group;
    int (*read)(struct parser *parser, struct scenario_event *event);
} event_kinds[EVENT_KINDS] = {
    [EVENT_LOAD] = {"load", true, event_load},
    [EVENT_RAMP] = {"ramp", true, event_load},
    [EVENT_DAY] = {"day", true, event_load},
    [EVENT_BURSTS] = {"bursts", true, event_load},
    [EVENT_FLOWS] = {"flows", true, event_load},
    [EVENT_PROMISE] = {"promise", true, event_promise},
    [EVENT_SLOW] = {"slow", true, event_slow},
    [EVENT_LOSE] = {"lose", false, event_lose},
    [EVENT_CLOCK] = {"clock", false, event_clock},
    [EVENT_RESTART] = {"restart", false, event_plain},
    [EVENT_BACKEND] = {"backend-restart", false, event_plain},
    [EVENT_DEAF] = {"deaf", true, event_plain},
    [EVENT_HEARS] = {"hears", true, event_plain},
    [EVENT_FIX] = {"fix", true, event_fix},
    [EVENT_FREE] = {"free", true, event_plain},
};

static int read_event(struct parser *parser)
{
    struct scenario *scenario = parser->scenario;
    struct scenario_event *e = &scenario->events[scenario->n_events];

    if (scenario->n_events == SCENARIO_EVENTS)
        return refuse(parser, "too many events");
    *e = (struct scenario_event){.group = SCENARIO_ALL};
    int error = duration(parser, next(parser), &e->at);
    if (error)
        return error;
    if (e->at < 0 || (scenario->n_events > 0 && e->at < e[-1].at))
        return refuse(parser, "events come in the order of their time");
    const char *name = next(parser);
    while (e->kind < EVENT_KINDS && (!name || strcmp(name, event_kinds[e->kind].name) != 0))
        e->kind++;
    if (e->kind == EVENT_KINDS)
        return refuse(parser, "no event is called '%s'", name ? name : "");
    if (event_kinds[e->kind].of_group)
        error = group(parser, &e->group);
    scenario->n_events++; /* a promise is tried with all that was read */
    return error ? error : event_kinds[e->kind].read(parser, e);
}

/* ---- claims ---- */

enum operator{ AT_LEAST, AT_MOST, NO_VALUE };

static const struct {
    const char *name;
    enum operator operator;
} claim_kinds[CLAIM_KINDS] = {
    [CLAIM_KEPT] = {"kept", AT_LEAST},         [CLAIM_BROKEN] = {"kept-at-most", AT_MOST},
    [CLAIM_TIGHT] = {"tight", AT_LEAST},       [CLAIM_WORST] = {"worst", AT_MOST},
    [CLAIM_CHANGES] = {"changes", AT_MOST},    [CLAIM_CALM] = {"calm", AT_LEAST},
    [CLAIM_SETTLED] = {"settled", AT_MOST},    [CLAIM_STATE] = {"state", NO_VALUE},
    [CLAIM_SAYS] = {"says", NO_VALUE},         [CLAIM_LARGER] = {"size", AT_LEAST},
    [CLAIM_SMALLER] = {"size", AT_MOST},       [CLAIM_BUSY] = {"busy", AT_MOST},
    [CLAIM_FORWARDS] = {"forwards", AT_LEAST}, [CLAIM_KEEPS] = {"forwards", AT_MOST},
    [CLAIM_ERROR] = {"error", AT_MOST},
};

static int claim_kind(struct parser *parser, const char *name, size_t g, struct scenario_claim *ret)
{
    const char *sign = parser->at < parser->n ? parser->words[parser->at] : "";

    for (int k = 0; k < CLAIM_KINDS; k++) {
        enum operator op = claim_kinds[k].operator;
        bool fits = op == NO_VALUE || strcmp(sign, op == AT_LEAST ? ">=" : "<=") == 0;
        if (strcmp(name, claim_kinds[k].name) != 0 || !fits)
            continue;
        *ret = (struct scenario_claim){.kind = (enum scenario_claim_kind)k,
                                       .line = parser->line,
                                       .group = g,
                                       .from = parser->scenario->settle,
                                       .to = INFINITY};
        parser->at += op != NO_VALUE;
        return 0;
    }
    return refuse(parser, "nothing that can be asserted is called '%s %s'", name, sign);
}

/* "quoted text", which was split at its blanks. */
static int quoted(struct parser *parser, char *ret)
{
    size_t used = 0;
    bool open = false;

    ret[0] = '\0';
    do {
        const char *word = next(parser);
        if (!word || (!open && word[0] != '"'))
            return refuse(parser, "a text in quotes is missing");
        bool ends = strlen(word) > (open ? 0u : 1u) && word[strlen(word) - 1] == '"';
        used += (size_t)snprintf(ret + used, SCENARIO_TEXT - used, "%s%s", open ? " " : "",
                                 word + !open);
        if (used >= SCENARIO_TEXT)
            return refuse(parser, "the text is too long");
        if (ends)
            ret[--used] = '\0';
        open = !ends;
    } while (open);
    return 0;
}

static int claim_value(struct parser *parser, struct scenario_claim *claim)
{
    if (claim->kind == CLAIM_SAYS)
        return quoted(parser, claim->text);
    if (claim->kind != CLAIM_STATE)
        return number(parser, next(parser), 0, 1e9, &claim->value);
    const char *name = next(parser);
    for (int s = 0; s < TUNING_STATES; s++)
        if (name && strcmp(name, tuning_state_name((enum tuning_state)s)) == 0) {
            claim->state = (enum tuning_state)s;
            return 0;
        }
    return refuse(parser, "no state is called '%s'", name ? name : "");
}

static int read_claim(struct parser *parser)
{
    struct scenario *scenario = parser->scenario;
    const char *name = next(parser);
    size_t g = 0;

    if (scenario->n_claims == SCENARIO_CLAIMS)
        return refuse(parser, "too much is asserted");
    struct scenario_claim *claim = &scenario->claims[scenario->n_claims];
    int error = name ? group(parser, &g) : refuse(parser, "what is asserted?");
    if (!error)
        error = claim_kind(parser, name, g, claim);
    if (!error)
        error = claim_value(parser, claim);
    if (!error && next_is(parser, "from"))
        error = duration(parser, next(parser), &claim->from);
    if (!error && next_is(parser, "to"))
        error = duration(parser, next(parser), &claim->to);
    scenario->n_claims++;
    return error ? error : rest_empty(parser);
}

/* ---- lines ---- */

static int read_title(struct parser *parser)
{
    char *to = parser->scenario->title;
    size_t used = 0;

    while (parser->at < parser->n && used < SCENARIO_TEXT)
        used += (size_t)snprintf(to + used, SCENARIO_TEXT - used, "%s%s", used ? " " : "",
                                 next(parser));
    return used < SCENARIO_TEXT ? 0 : refuse(parser, "the title is too long");
}

static int read_kind(struct parser *parser)
{
    const char *name = next(parser);

    for (int k = 0; k < SCENARIO_KINDS; k++)
        if (name && strcmp(name, scenario_kind_name((enum scenario_kind)k)) == 0) {
            parser->scenario->kind = (enum scenario_kind)k;
            return rest_empty(parser);
        }
    return refuse(parser, "no kind is called '%s'", name ? name : "");
}

static int read_whole(struct parser *parser, double least, double *ret)
{
    int error = number(parser, next(parser), least, 1e9, ret);

    return error ? error : rest_empty(parser);
}

static int read_seed(struct parser *parser)
{
    double seed = 0;
    int error = read_whole(parser, 0, &seed);

    parser->scenario->seed = (uint64_t)seed;
    return error;
}

static int read_runs(struct parser *parser)
{
    double runs = 1;
    int error = read_whole(parser, 1, &runs);

    if (runs > SCENARIO_RUNS)
        return refuse(parser, "at most %d runs", SCENARIO_RUNS);
    parser->scenario->runs = (unsigned)runs;
    return error;
}

static int read_duration(struct parser *parser, double *ret)
{
    int error = duration(parser, next(parser), ret);

    return error ? error : rest_empty(parser);
}

static int read_line(struct parser *parser)
{
    const char *word = next(parser);
    struct scenario *scenario = parser->scenario;

    if (strcmp(word, "title") == 0)
        return read_title(parser);
    if (strcmp(word, "kind") == 0)
        return read_kind(parser);
    if (strcmp(word, "seed") == 0)
        return read_seed(parser);
    if (strcmp(word, "runs") == 0)
        return read_runs(parser);
    if (strcmp(word, "interval") == 0)
        return read_duration(parser, &scenario->interval);
    if (strcmp(word, "length") == 0)
        return read_duration(parser, &scenario->length);
    if (strcmp(word, "settle") == 0)
        return read_duration(parser, &scenario->settle);
    if (strcmp(word, "costs") == 0)
        return read_costs(parser);
    if (strcmp(word, "guests") == 0)
        return read_guests(parser);
    if (strcmp(word, "promise") == 0)
        return read_promises(parser);
    if (strcmp(word, "at") == 0)
        return read_event(parser);
    if (strcmp(word, "assert") == 0)
        return read_claim(parser);
    return refuse(parser, "'%s' is not understood", word);
}

static int split(struct parser *parser, char *line)
{
    char *save = NULL;

    line[strcspn(line, "#")] = '\0';
    parser->n = parser->at = 0;
    for (char *word = strtok_r(line, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
        if (parser->n == WORDS)
            return refuse(parser, "too many words");
        parser->words[parser->n++] = word;
    }
    return 0;
}

/* FNV-1a, over the words of what matters to a run. */
static void identify(struct parser *parser)
{
    uint64_t h = parser->scenario->identity;

    if (strcmp(parser->words[0], "title") == 0 || strcmp(parser->words[0], "assert") == 0 ||
        strcmp(parser->words[0], "kind") == 0 || strcmp(parser->words[0], "runs") == 0)
        return;
    for (size_t i = 0; i < parser->n; i++)
        for (const char *c = parser->words[i];; c++) {
            h = (h ^ (unsigned char)*c) * 0x100000001b3ull;
            if (*c == '\0')
                break;
        }
    parser->scenario->identity = h;
}

static int check_all(struct parser *parser)
{
    const struct scenario *scenario = parser->scenario;

    if (scenario->title[0] == '\0' || scenario->n_guests == 0 || scenario->n_claims == 0)
        return refuse(parser, "a title, guests and something to assert are needed");
    if (!(scenario->interval >= 0.05) || !(scenario->length >= scenario->interval) ||
        scenario->settle >= scenario->length)
        return refuse(parser, "interval, settle and length do not go together");
    return 0;
}

/* A machine like ours: TAPs, eventfds, 50 us to wake up. */
static const struct end_costs costs_default = {.read = 1.4e-6,
                                               .publish = 1.5e-6,
                                               .publish_packet = 10e-9,
                                               .unload = 0.5e-6,
                                               .unload_packet = 1.9e-6,
                                               .scv = 1,
                                               .wakeup = 50e-6,
                                               .timer_late = 1e-6};

int scenario_parse(const char *path, char *text, struct scenario *ret, char *ret_why, size_t size)
{
    struct parser parser = {.path = path, .scenario = ret, .why = ret_why, .size = size};
    int error = 0;

    *ret = (struct scenario){.seed = 1,
                             .runs = 3,
                             .identity = 0xcbf29ce484222325ull,
                             .interval = 1,
                             .length = 40,
                             .settle = 8,
                             .worker = costs_default,
                             .guest = costs_default};
    while (text && !error) {
        char *line = strsep(&text, "\n");
        parser.line++;
        error = split(&parser, line);
        if (error || parser.n == 0)
            continue;
        identify(&parser);
        error = read_line(&parser);
    }
    return error ? error : check_all(&parser);
}

int scenario_load(const char *path, struct scenario *ret, char *ret_why, size_t size)
{
    FILE *file = fopen(path, "r");
    char *text = file ? malloc(FILE_MAX + 1) : NULL;
    size_t length = text ? fread(text, 1, FILE_MAX + 1, file) : 0;
    int error = text ? 0 : -ENOENT;

    if (length > FILE_MAX)
        error = -EFBIG;
    if (error)
        snprintf(ret_why, size, "%s: cannot be read", path);
    if (file)
        fclose(file);
    if (!error) {
        text[length] = '\0';
        error = scenario_parse(path, text, ret, ret_why, size);
    }
    free(text);
    return error;
}
