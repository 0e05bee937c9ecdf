// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenaggctl capacity: how many more guests fit. The model is asked with what
 * the daemon last recorded of the workers and their guests (table `input`), and
 * keeps in hand what the daemon keeps in hand; the worker's costs are taken to be
 * two standard errors higher than was measured.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/ctl.h"
#include "ctl/database.h"
#include "ctl/model.h"
#include "ctl/options.h"
#include "ctl/places.h"
#include "ctl/print.h"
#include "ctl/promise.h"
#include "ctl/record.h"
#include "ctl/text.h"
#include "plant/admission.h"

#define VERSION 2   /* of the schema: the first one with the model's inputs */
#define MOST 256u   /* newcomers that are asked about */
#define MANY 32u    /* VMs: of more, each is asked about once */
#define WORKERS 16u /* of a backend */
#define OLD_SECONDS 60.0
#define CAUTION 2.0 /* standard errors */
#define NS 1e-9

struct asked {
    const char *vm, *rate_text, *scope, *percentile_text, *database;
    double rate, delay, percentile; /* below 0: not given */
    bool json;
};

struct host {
    struct record workers[WORKERS];
    size_t n, guests;
    double time; /* of the records, s since the epoch */
};

/* ---- what is there ---- */

static void host_free(struct host *host)
{
    for (size_t i = 0; i < host->n; i++)
        record_free(&host->workers[i]);
}

/*
 * The worker's costs as high as they may well be: a worker that is almost busy all the time makes
 * much of little. Histories of older versions do not say how well they are known.
 */
static void costs_raise(sqlite3 *db, double time, struct record *record)
{
    static const char sql[] = "SELECT read_error_ns, publish_whole_error_ns, unload_whole_error_ns,"
                              " wakeup_error_ns FROM worker WHERE time = ? AND worker = ?";
    double *const costs[] = {&record->costs.read, &record->costs.publish, &record->costs.unload,
                             &record->costs.wakeup};
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL))
        return;
    sqlite3_bind_double(statement, 1, time);
    sqlite3_bind_int64(statement, 2, record->worker);
    if (sqlite3_step(statement) == SQLITE_ROW)
        for (int i = 0; i < 4; i++) {
            double error = NS * database_number(statement, i);
            *costs[i] += isfinite(error) ? CAUTION * error : 0;
        }
    sqlite3_finalize(statement);
}

static int workers_read(sqlite3 *db, sqlite3_stmt *statement, struct host *host)
{
    int error = 0;

    while (!error && host->n < WORKERS && sqlite3_step(statement) == SQLITE_ROW) {
        uint32_t worker = (uint32_t)sqlite3_column_int64(statement, 0);
        error = record_read_worker(db, worker, host->time, &host->workers[host->n]);
        if (error)
            break;
        costs_raise(db, host->time, &host->workers[host->n]);
        host->guests += host->workers[host->n++].n;
    }
    return error;
}

/* The last tick at which the model was asked. 0, -ENOENT, -EIO, -ENOMEM. */
static int host_read(sqlite3 *db, struct host *host)
{
    sqlite3_stmt *statement;

    *host = (struct host){.time = database_value(db, "SELECT max(time) FROM input")};
    if (isnan(host->time))
        return -ENOENT;
    if (sqlite3_prepare_v2(db, "SELECT worker FROM worker WHERE time = ? ORDER BY worker", -1,
                           &statement, NULL))
        return -EIO;
    sqlite3_bind_double(statement, 1, host->time);
    int error = workers_read(db, statement, host);
    sqlite3_finalize(statement);
    if (error)
        host_free(host);
    return error;
}

/* The delay that the model has to come to for the promise to be kept with what is kept in hand. */
static double target(const struct record_guest *guest, double promised)
{
    double margin = isfinite(guest->margin) ? guest->margin : 0;
    double more = guest->expected - guest->model;

    if (!isfinite(promised))
        return promised;
    double left = fmax(1e-6, promised - margin);
    if (!isfinite(more))
        return left;
    return more > 0 ? fmax(1e-6, left - more) : left / (1 + more / guest->model);
}

static struct guest_load *loads_make(const struct record *record)
{
    struct guest_load *loads = calloc(record->n + 1, sizeof(*loads));

    for (size_t i = 0; loads && i < record->n; i++) {
        loads[i] = record->loads[i];
        loads[i].promise.delay = target(&record->guests[i], record->loads[i].promise.delay);
    }
    return loads;
}

/* ---- who is to come ---- */

struct newcomer {
    const struct record_guest *like;
    struct guest_load load;  /* with the promise as it is given */
    struct guest_load asked; /* with the promise as the model is to keep it */
};

static void newcomer_make(const struct asked *asked, const struct record_guest *like,
                          const struct guest_load *load, struct newcomer *ret)
{
    struct promise *promise = &ret->load.promise;
    double share =
        load->promise.delay > 0 && isfinite(like->margin) ? like->margin / load->promise.delay : 0;
    struct record_guest learnt = *like;

    *ret = (struct newcomer){.like = like, .load = *load};
    if (asked->rate >= 0) {
        double ratio =
            load->rate[DIRECTION_RX] > 0 ? load->rate[DIRECTION_TX] / load->rate[DIRECTION_RX] : 1;
        ret->load.rate[DIRECTION_RX] = asked->rate;
        ret->load.rate[DIRECTION_TX] = ratio * asked->rate;
    }
    if (asked->delay >= 0)
        promise->delay = asked->delay;
    if (asked->percentile >= 0)
        promise->percentile = asked->percentile;
    if (asked->scope)
        promise->scope = strcmp(asked->scope, "forwarding") == 0 ? SCOPE_FORWARDING : SCOPE_ONE_WAY;
    memset(ret->load.fixed, 0, sizeof(ret->load.fixed));
    learnt.margin = share * promise->delay;
    ret->asked = ret->load;
    ret->asked.promise.delay = target(&learnt, promise->delay);
}

/* ---- the answer ---- */

static const char *why_text(const struct admission *admission, const struct record *record,
                            char *ret, size_t size)
{
    char name[64];

    switch (admission->limit) {
    case ADMISSION_NONE:
        return "more were not tried";
    case ADMISSION_NEWCOMER:
        return "its own promise";
    case ADMISSION_OTHERS:
        snprintf(ret, size, "the promise of %s",
                 text_clean(record->guests[admission->victim].name, name, sizeof(name)));
        return ret;
    case ADMISSION_WORKER:
        return "the worker's time";
    }
    return "?";
}

static void write_row(struct writer *writer, const struct newcomer *newcomer,
                      const struct record *record, const struct admission *admission)
{
    const struct promise *promise = &newcomer->load.promise;
    const char *scope = promise->scope == SCOPE_FORWARDING ? "forwarding" : "one-way";
    char text[PROMISE_TEXT], why[96];

    writer_row(writer);
    writer_text(writer, newcomer->like->name);
    writer_rate(writer, newcomer->load.rate[DIRECTION_RX]);
    writer_rate(writer, newcomer->load.rate[DIRECTION_TX]);
    writer_text(writer, promise_text(promise->delay, promise->percentile, scope, text));
    writer_duration(writer, isfinite(promise->delay) ? promise->delay : NAN);
    writer_count(writer, record->worker);
    writer_count(writer, admission->count);
    writer_mood(writer, admission->count ? WRITER_GOOD : WRITER_BAD);
    writer_text(writer, why_text(admission, record, why, sizeof(why)));
    writer_count(writer, admission->size[DIRECTION_RX].packets);
    writer_count(writer, admission->size[DIRECTION_TX].packets);
    writer_duration(writer, record_correct(newcomer->like, admission->delay));
    writer_share(writer, record->utilisation);
    writer_share(writer, admission->utilisation);
}

static int rows_write(struct writer *writer, const struct host *host,
                      const struct newcomer *newcomer, uint32_t most)
{
    for (size_t w = 0; w < host->n; w++) {
        const struct record *record = &host->workers[w];
        struct guest_load *loads = loads_make(record);
        struct admission admission;
        int error = loads ? admission_solve(&record->costs, loads, record->n, &newcomer->asked,
                                            most, &admission)
                          : -ENOMEM;
        free(loads);
        if (error)
            return error;
        write_row(writer, newcomer, record, &admission);
    }
    return 0;
}

/* The guest whose rate is nearest: what is not said of a newcomer is as for this one. */
static bool nearest(const struct host *host, double rate, size_t *ret_worker, size_t *ret_guest)
{
    double least = INFINITY;

    for (size_t w = 0; w < host->n; w++)
        for (size_t i = 0; i < host->workers[w].n; i++) {
            double off =
                fabs(log(fmax(host->workers[w].loads[i].rate[DIRECTION_RX], 1) / fmax(rate, 1)));
            if (off < least) {
                least = off;
                *ret_worker = w;
                *ret_guest = i;
            }
        }
    return isfinite(least);
}

static bool is_meant(const struct asked *asked, const struct host *host, size_t w, size_t i)
{
    size_t like_worker = 0, like_guest = 0;

    if (asked->vm)
        return strcmp(host->workers[w].guests[i].name, asked->vm) == 0;
    if (asked->rate < 0)
        return true;
    return nearest(host, asked->rate, &like_worker, &like_guest) && like_worker == w &&
           like_guest == i;
}

/* The number of kinds of newcomers asked about, or -errno. */
static int newcomers_write(struct writer *writer, const struct asked *asked,
                           const struct host *host)
{
    bool all = !asked->vm && asked->rate < 0;
    uint32_t most = all && host->guests > MANY ? 1 : MOST;
    int kinds = 0;

    for (size_t w = 0; w < host->n; w++)
        for (size_t i = 0; i < host->workers[w].n; i++) {
            struct newcomer newcomer;
            if (!is_meant(asked, host, w, i))
                continue;
            newcomer_make(asked, &host->workers[w].guests[i], &host->workers[w].loads[i],
                          &newcomer);
            int error = rows_write(writer, host, &newcomer, most);
            if (error)
                return error;
            kinds++;
        }
    return kinds;
}

static void notes_write(struct writer *writer, const struct asked *asked, const struct host *host)
{
    double age = (double)time(NULL) - host->time;
    char text[TEXT_NUMBER];

    if (asked->rate >= 0 && !asked->vm)
        writer_note(writer, "What is not said of the newcomer (costs, packet sizes, what it sends "
                            "back) is taken to be as for the VM shown.");
    if (!asked->vm && asked->rate < 0 && host->guests > MANY)
        writer_note(writer, "Of so many VMs only is asked whether one more like each fits; name "
                            "one to see how many.");
    if (age > OLD_SECONDS)
        writer_note(writer, "This is what was recorded %s ago: does xenaggd run?",
                    text_span(age, text));
}

static int answer(const struct asked *asked, const struct host *host)
{
    static const struct writer_column columns[] = {
        {"like", "ONE MORE LIKE"},
        {"rx_rate", "RX RATE"},
        {"tx_rate", "TX RATE"},
        {NULL, "PROMISE"},
        {"promise_s", NULL},
        {"worker", "WORKER"},
        {"more", "MORE"},
        {"limit", "BOUND BY"},
        {"rx_packets", "RX SIZE"},
        {"tx_packets", "TX SIZE"},
        {"delay_s", "DELAY"},
        {"utilisation", "USED NOW"},
        {"utilisation_then", "THEN"},
    };
    struct writer *writer = print_start(asked->json, false);

    writer_table(writer, "capacity", NULL, "No VM's load is on record.", columns, COUNT(columns));
    int kinds = newcomers_write(writer, asked, host);
    if (kinds <= 0) {
        writer_free(writer);
        if (kinds == 0 && asked->vm)
            ctl_error("%s: '%s' is not among the VMs that were last measured", asked->database,
                      asked->vm);
        else
            ctl_error("%s: %s", asked->database,
                      kinds ? strerror(-kinds) : "no VM was measured last, so nothing is known");
        return CTL_FAILED;
    }
    notes_write(writer, asked, host);
    return print_end(writer);
}

static int capacity_run(const struct asked *asked)
{
    struct host host;
    sqlite3 *db = database_read(asked->database, VERSION);

    if (!db)
        return CTL_FAILED;
    int error = host_read(db, &host), status = CTL_FAILED;
    if (error)
        ctl_error("%s: %s", asked->database,
                  error == -ENOENT   ? "nothing was measured yet"
                  : error == -ENOMEM ? "no memory"
                                     : sqlite3_errmsg(db));
    else
        status = answer(asked, &host);
    sqlite3_close(db);
    if (!error)
        host_free(&host);
    return status;
}

static bool percentile_parse(const char *text, double *ret)
{
    char *end;

    *ret = strcmp(text, "mean") == 0 ? 0 : strtod(text, &end);
    return *ret == 0 ? strcmp(text, "mean") == 0 : *end == '\0' && *ret >= 50 && *ret <= 99.9;
}

static bool check(struct asked *asked)
{
    if (asked->rate_text && (model_rate_parse(asked->rate_text, &asked->rate) || asked->rate <= 0))
        ctl_error("--rate: '%s' is not a rate; write packets/s, as in 500, 800k or 1.5M",
                  asked->rate_text);
    else if (asked->delay == 0)
        ctl_error("--delay: it takes some time");
    else if (asked->scope && strcmp(asked->scope, "one-way") && strcmp(asked->scope, "forwarding"))
        ctl_error("--scope: '%s' is neither one-way nor forwarding", asked->scope);
    else if (asked->percentile_text &&
             !percentile_parse(asked->percentile_text, &asked->percentile))
        ctl_error("--percentile: '%s' is neither mean nor a number from 50 to 99.9",
                  asked->percentile_text);
    else
        return true;
    return false;
}

int ctl_capacity(int argc, char **argv)
{
    struct asked asked = {.database = PLACES_DATABASE, .rate = -1, .delay = -1, .percentile = -1};
    const struct option_spec specs[] = {
        {"rate", OPTION_TEXT, "RATE", "packets/s to a newcomer (the VM's)", &asked.rate_text, 0, 0},
        {"delay", OPTION_DURATION, "TIME", "promised to it (the VM's)", &asked.delay, 0, 0},
        {"scope", OPTION_TEXT, "SCOPE", "one-way or forwarding (the VM's)", &asked.scope, 0, 0},
        {"percentile", OPTION_TEXT, "P", "mean, or 50 to 99.9 (the VM's)", &asked.percentile_text,
         0, 0},
        OPTION_ROW_DATABASE(&asked.database),
        OPTION_ROW_JSON(&asked.json),
    };
    const struct option_set set = {
        .command = "capacity",
        .operands = "[VM]",
        .summary = "Shows how many more VMs like each of those that run would fit, all promises "
                   "kept.",
        .operands_max = 1,
        .count = COUNT(specs),
        .specs = specs};
    const char *operands[OPTIONS_OPERANDS];
    int status;

    if (!options_parse(&set, argc, argv, operands, &status))
        return status;
    asked.vm = operands[0];
    return check(&asked) ? capacity_run(&asked) : CTL_USAGE;
}
