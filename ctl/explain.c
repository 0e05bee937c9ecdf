// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenaggctl explain: why a VM's containers have the size that they have. Out of
 * the daemon's history, which has all that the model was given; the model is
 * asked again here.
 */
#include "ctl/explain.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/ctl.h"
#include "ctl/database.h"
#include "ctl/model.h"
#include "ctl/moment.h"
#include "ctl/options.h"
#include "ctl/places.h"
#include "ctl/print.h"

#define VERSION 2 /* of the schema: the first one with the model's inputs */
#define ANY_HANDLE 256ul

struct request {
    const char *vm, *database, *at_text, *plot;
    unsigned long handle;
    double at;
    bool json;
};

/* ---- drawing ---- */

/* The parts of what is promised: of both directions, or of the slower one. */
static struct model_point point_of(const struct explain *explain, const struct explain_size *at)
{
    const struct promise *promise = &explain->record.loads[explain->guest].promise;
    const struct delay_parts *mean = at->forecast.mean;
    const double *lanes = at->forecast.lane_promised;
    bool slower = lanes[DIRECTION_TX] > lanes[DIRECTION_RX];
    struct model_point point = {.x = at->size[explain_lead(explain)].packets,
                                .delay = at->delay,
                                .utilisation = at->worker.utilisation,
                                .attainable = at->kept};

    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (promise->scope == SCOPE_FORWARDING || (slower ? DIRECTION_TX : DIRECTION_RX) == d) {
            point.fill += mean[d].fill;
            point.wait += mean[d].port + mean[d].ring;
            point.service += mean[d].publish + mean[d].unload;
        }
    return point;
}

static int draw(const struct explain *explain, const char *file)
{
    struct model_point points[EXPLAIN_CURVE];
    char chosen[64];
    enum direction lead = explain_lead(explain);
    const struct lane_size *size = &explain->alternatives[EXPLAIN_CHOSEN].size[lead];
    struct model_plot plot = {
        .file = file,
        .title = lead == DIRECTION_RX ? "packets per container to the VM"
                                      : "packets per container from the VM",
        .promise = explain->record.loads[explain->guest].promise.delay,
        .chosen = size->packets,
        .chosen_text = chosen,
        .percentile = explain->record.loads[explain->guest].promise.percentile,
        .points = points,
        .streams = 1,
        .n = explain->n_curve,
    };

    if (explain_is_silent(explain)) {
        ctl_error("--plot: there is nothing to draw: the VM is silent");
        return CTL_FAILED;
    }
    snprintf(chosen, sizeof(chosen), size->packets == 1 ? "%u packet" : "%u packets",
             size->packets);
    for (size_t i = 0; i < explain->n_curve; i++)
        points[i] = point_of(explain, &explain->curve[i]);
    int error = model_plot(&plot);
    if (error == -ENOENT)
        ctl_error("--plot: gnuplot is not installed");
    else if (error)
        ctl_error("--plot: gnuplot could not draw %s: %s", file, strerror(-error));
    return error ? CTL_FAILED : CTL_OK;
}

/* ---- asking ---- */

static int missing(sqlite3 *db, const struct request *request)
{
    sqlite3_stmt *statement;
    bool known = false;

    if (!sqlite3_prepare_v2(db, "SELECT 1 FROM interface WHERE name = ?", -1, &statement, NULL)) {
        sqlite3_bind_text(statement, 1, request->vm, -1, SQLITE_STATIC);
        known = sqlite3_step(statement) == SQLITE_ROW;
        sqlite3_finalize(statement);
    }
    if (known)
        ctl_error("%s: no size of '%s' is on record %s; 'xenaggctl history' shows what is",
                  request->database, request->vm,
                  isfinite(request->at) ? "at or before that time" : "yet");
    else
        ctl_error("%s: knows no VM called '%s'", request->database, request->vm);
    return CTL_FAILED;
}

static int answer(sqlite3 *db, const struct request *request, struct explain *explain)
{
    int error = explain_solve(explain);

    if (error) {
        ctl_error("%s: what was recorded is not what the model takes: %s", request->database,
                  strerror(-error));
        return CTL_FAILED;
    }
    struct writer *writer = print_start(request->json, false);
    explain_write(writer, db, explain, request->json);
    int status = print_end(writer);
    return status == CTL_OK && request->plot ? draw(explain, request->plot) : status;
}

static int explain_run(sqlite3 *db, const struct request *request)
{
    struct explain explain = {.at = request->at};
    int handle = request->handle == ANY_HANDLE ? -1 : (int)request->handle;
    int error = record_read(db, request->vm, handle, request->at, &explain.record, &explain.guest);

    if (error == -ENOENT)
        return missing(db, request);
    if (error) {
        ctl_error("%s: %s", request->database, error == -ENOMEM ? "no memory" : sqlite3_errmsg(db));
        return CTL_FAILED;
    }
    int status = answer(db, request, &explain);
    record_free(&explain.record);
    return status;
}

static bool check(struct request *request)
{
    request->at = INFINITY;
    if (request->at_text && moment_parse(request->at_text, (double)time(NULL), &request->at)) {
        ctl_error("--at: '%s' is no time; write it as \"2024-05-01 12:03\", 12:03:45, -10m, or in "
                  "seconds since the epoch",
                  request->at_text);
        return false;
    }
    if (request->plot && !model_plot_supported(request->plot)) {
        ctl_error("--plot: '%s' does not end in .svg or .png", request->plot);
        return false;
    }
    return true;
}

int ctl_explain(int argc, char **argv)
{
    struct request request = {.database = PLACES_DATABASE, .handle = ANY_HANDLE};
    const struct option_spec specs[] = {
        {"at", OPTION_TEXT, "TIME", "as it was then (the last tick)", &request.at_text, 0, 0},
        {"handle", OPTION_NUMBER, "N", "which of its interfaces (the first)", &request.handle, 0,
         255},
        {"plot", OPTION_TEXT, "FILE", "draw delay over size: FILE.svg or FILE.png", &request.plot,
         0, 0},
        OPTION_ROW_DATABASE(&request.database),
        OPTION_ROW_JSON(&request.json),
    };
    const struct option_set set = {.command = "explain",
                                   .operands = "VM",
                                   .summary =
                                       "Shows why a VM's containers have the size that they have.",
                                   .operands_min = 1,
                                   .operands_max = 1,
                                   .count = COUNT(specs),
                                   .specs = specs};
    const char *operands[OPTIONS_OPERANDS];
    int status;

    if (!options_parse(&set, argc, argv, operands, &status))
        return status;
    request.vm = operands[0];
    if (!check(&request))
        return CTL_USAGE;
    sqlite3 *db = database_read(request.database, VERSION);
    status = db ? explain_run(db, &request) : CTL_FAILED;
    sqlite3_close(db);
    return status;
}
