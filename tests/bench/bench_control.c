// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The controller beside its rivals, in compressed time: every scenario of
 * tests/sim/scenarios/, in the same simulated plant, judged in the same way.
 * Prints tables and writes them as JSON; docs/control.md explains them.
 *
 * XENAGG_BENCH_SCENARIO: only scenarios whose name contains this.
 * XENAGG_BENCH_RIVALS=no: only the controller and the oracle.
 * XENAGG_BENCH_PART=scenarios or ticks makes one of the two parts.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/ticks.h"
#include "tests/sim/oracle.h"
#include "tests/sim/run.h"

#define SCENARIOS "tests/sim/scenarios"
#define FILES_MAX 256
#define PROCESSES_MAX 16

static const struct rule *const rules[] = {&rule_controller, &rule_fixed, &rule_published,
                                           &rule_climber,    &rule_eager, &rule_oracle};
#define RULES (sizeof(rules) / sizeof(rules[0]))
#define ORACLE (RULES - 1)

struct cost {
    double busy, containers, notified, packets;
};

/* A rule in a scenario. */
struct outcome {
    double windows, kept; /* of promises that the oracle keeps */
    struct cost cost;     /* while all promises were such */
};

struct row {
    char name[64]; /* of the file, less its ending */
    enum scenario_kind kind;
    struct outcome outcomes[RULES];
};

/* Shared by the processes that fill it. */
struct table {
    struct row rows[FILES_MAX];
    size_t n;
    atomic_size_t next; /* row that nobody has begun with */
};

/* ---- one run ---- */

static bool attainable(const struct scenario *scenario, const struct oracle *oracle, size_t tick,
                       size_t group)
{
    return oracle_at(oracle, (double)tick * scenario->interval)->kept[group];
}

static bool all_attainable(const struct scenario *scenario, const struct oracle *oracle,
                           size_t tick)
{
    for (size_t g = 0; g < scenario->n_groups; g++)
        if (!attainable(scenario, oracle, tick, g))
            return false;
    return true;
}

static void windows_count(const struct scenario *scenario, const struct oracle *oracle,
                          const struct run *run, struct outcome *ret)
{
    for (size_t w = 0; w < run->n_windows; w++) {
        const struct run_window *window = &run->windows[w];
        size_t group = scenario_group_of(scenario, window->guest);
        bool fair = true;
        for (size_t t = window->from; t <= window->to; t++)
            fair &= attainable(scenario, oracle, t, group);
        ret->windows += fair;
        ret->kept += fair && window->kept;
    }
}

/* Who wants little delay pays for it: no comparison with who wants throughput. */
static bool wants_throughput(const struct scenario *scenario)
{
    struct config *config = scenario_config(scenario, 0);
    bool throughput = config != NULL;

    for (size_t g = 0; g < scenario->n_groups && config; g++) {
        char name[CONFIG_NAME];
        scenario_guest_name(scenario, scenario->groups[g].first, name);
        throughput &= config_policy(config, name)->objective == OBJECTIVE_THROUGHPUT;
    }
    config_free(config);
    return throughput;
}

/* In its course something else is promised: only the oracle has heard of it. */
static bool is_new_promise(const struct scenario *scenario, size_t tick)
{
    double from = (double)tick * scenario->interval;

    for (size_t e = 0; e < scenario->n_events; e++) {
        const struct scenario_event *event = &scenario->events[e];
        if (event->kind == EVENT_PROMISE && event->at >= from - 1e-6 &&
            event->at < from + scenario->interval - 1e-6)
            return true;
    }
    return false;
}

static void costs_count(const struct scenario *scenario, const struct oracle *oracle,
                        const struct run *run, struct outcome *ret)
{
    for (size_t t = (size_t)(scenario->settle / scenario->interval); t < run->n_ticks; t++) {
        if (!all_attainable(scenario, oracle, t) || is_new_promise(scenario, t))
            continue;
        ret->cost.busy += run->work[t].busy;
        ret->cost.containers += run->work[t].containers;
        ret->cost.notified += run->work[t].notified;
        ret->cost.packets += run->work[t].packets;
    }
}

static bool has_rivals(void)
{
    const char *rivals = getenv("XENAGG_BENCH_RIVALS");
    return !rivals || strcmp(rivals, "no") != 0;
}

static int outcomes_make(const struct scenario *scenario, const char *cache, struct row *row)
{
    struct oracle oracle;
    int error = oracle_find(scenario, cache, &oracle);

    for (size_t r = 0; r < RULES && !error; r++) {
        struct run run;
        if (r != 0 && r != ORACLE && !has_rivals())
            continue;
        error = run_make(scenario, rules[r], &oracle, &run);
        if (error)
            break;
        windows_count(scenario, &oracle, &run, &row->outcomes[r]);
        if (wants_throughput(scenario))
            costs_count(scenario, &oracle, &run, &row->outcomes[r]);
        run_free(&run);
    }
    if (!error || oracle.stretches)
        oracle_free(&oracle);
    return error;
}

/* ---- figures ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, size_t n, double share)
{
    qsort(values, n, sizeof(*values), ascending);
    return n > 0 ? values[(size_t)ceil(share * (double)n) - (share > 0)] : NAN;
}

static double time_per_packet(const struct cost *cost)
{
    return cost->busy / cost->packets;
}

static double containers_per_packet(const struct cost *cost)
{
    return cost->containers / cost->packets;
}

/* Of a rule, over the oracle's, for all scenarios where both say something. */
static size_t ratios(const struct table *table, size_t rule, double (*of)(const struct cost *),
                     double *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < table->n; i++) {
        const struct outcome *outcomes = table->rows[i].outcomes;
        double ratio = of(&outcomes[rule].cost) / of(&outcomes[ORACLE].cost);
        if (isfinite(ratio) && outcomes[ORACLE].cost.packets > 0)
            ret[n++] = ratio;
    }
    return n;
}

static double kept_share(const struct table *table, size_t rule, bool steady_only)
{
    double windows = 0, kept = 0;

    for (size_t i = 0; i < table->n; i++) {
        if (steady_only && table->rows[i].kind != SCENARIO_STEADY)
            continue;
        windows += table->rows[i].outcomes[rule].windows;
        kept += table->rows[i].outcomes[rule].kept;
    }
    return kept / windows;
}

/* What nothing was seen of is null. */
static void put(json_t *into, const char *name, double value)
{
    json_object_set_new(into, name, isfinite(value) ? json_real(value) : json_null());
}

static void rule_figures(const struct table *table, size_t rule, json_t *into)
{
    double values[FILES_MAX];
    size_t n = ratios(table, rule, time_per_packet, values);
    double time_median = quantile(values, n, 0.5), time_p95 = quantile(values, n, 0.95);
    n = ratios(table, rule, containers_per_packet, values);
    double boxes_median = quantile(values, n, 0.5), boxes_p95 = quantile(values, n, 0.95);
    double kept = kept_share(table, rule, false), steady = kept_share(table, rule, true);

    printf("%-26s %9.2f %% %9.2f %% %10.3f %8.3f %10.3f %8.3f\n", rules[rule]->title, 100 * kept,
           100 * steady, time_median, time_p95, boxes_median, boxes_p95);
    put(into, "promises_kept", kept);
    put(into, "promises_kept_steady", steady);
    put(into, "server_time_vs_oracle_median", time_median);
    put(into, "server_time_vs_oracle_p95", time_p95);
    put(into, "containers_vs_oracle_median", boxes_median);
    put(into, "containers_vs_oracle_p95", boxes_p95);
}

static double outcome_kept(const struct outcome *outcome)
{
    return outcome->windows > 0 ? outcome->kept / outcome->windows : NAN;
}

static json_t *row_figures(const struct row *row)
{
    json_t *into = json_pack("{s:s,s:s}", "name", row->name, "kind", scenario_kind_name(row->kind));

    printf("%-28s %-7s %6.0f", row->name, scenario_kind_name(row->kind), row->outcomes[0].windows);
    for (size_t r = 0; r < RULES; r++) {
        const struct outcome *o = &row->outcomes[r];
        double time = time_per_packet(&o->cost) / time_per_packet(&row->outcomes[ORACLE].cost);
        double boxes =
            containers_per_packet(&o->cost) / containers_per_packet(&row->outcomes[ORACLE].cost);
        printf("  %5.1f %5.2f", 100 * outcome_kept(o), time);
        if (r == 0)
            printf(" %5.2f", boxes);
        json_t *of = json_object();
        put(of, "windows", o->windows);
        put(of, "kept", o->kept);
        put(of, "server_time_vs_oracle", time);
        put(of, "containers_vs_oracle", boxes);
        json_object_set_new(into, rules[r]->name, of);
    }
    printf("\n");
    return into;
}

/* ---- all of them ---- */

static int is_scenario(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.'), *only = getenv("XENAGG_BENCH_SCENARIO");
    return end && strcmp(end, ".scenario") == 0 && (!only || strstr(entry->d_name, only));
}

static int scenario_run(const char *cache, struct row *row)
{
    static struct scenario scenario;
    char path[512], why[600];

    snprintf(path, sizeof(path), SCENARIOS "/%s.scenario", row->name);
    if (scenario_load(path, &scenario, why, sizeof(why))) {
        fprintf(stderr, "bench-control: %s\n", why);
        return -EINVAL;
    }
    row->kind = scenario.kind;
    return outcomes_make(&scenario, cache, row);
}

static int files_list(struct table *table)
{
    struct dirent **files;
    int n = scandir(SCENARIOS, &files, is_scenario, alphasort);

    for (int i = 0; i < n; i++) {
        if (table->n < FILES_MAX)
            snprintf(table->rows[table->n++].name, sizeof(table->rows[0].name), "%.*s",
                     (int)(strrchr(files[i]->d_name, '.') - files[i]->d_name), files[i]->d_name);
        free(files[i]);
    }
    if (n >= 0)
        free(files);
    return n < 1 ? -ENOENT : 0;
}

/* Row after row that nobody else has begun with. */
static int rows_fill(struct table *table, const char *cache)
{
    int error = 0;

    for (size_t i; (i = atomic_fetch_add(&table->next, 1)) < table->n && !error;)
        error = scenario_run(cache, &table->rows[i]);
    return error;
}

static int child_wait(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child)
        return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* By a process for each processor. */
static int rows_make(struct table *table, const char *cache)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    pid_t children[PROCESSES_MAX];
    int n = 0, error = 0;

    while (n < processors && n < PROCESSES_MAX && !error) {
        children[n] = fork();
        if (children[n] == 0)
            _exit(rows_fill(table, cache) ? 1 : 0);
        error = children[n] < 0 ? -errno : 0;
        n += children[n] > 0;
    }
    for (int i = 0; i < n; i++) {
        int failed = child_wait(children[i]);
        error = error ? error : failed;
    }
    return error;
}

static int scenarios_run(const char *cache, struct table *table, json_t *into)
{
    int error = files_list(table);

    if (!error)
        error = rows_make(table, cache);
    if (error)
        return error;
    printf("%-28s %-7s %6s", "scenario", "kind", "judged");
    for (size_t r = 0; r < RULES; r++)
        printf("%s  %.12s", r == 0 ? "  kept  time boxes" : "", r ? rules[r]->name : "");
    printf("\n");
    for (size_t i = 0; i < table->n; i++)
        json_array_append_new(into, row_figures(&table->rows[i]));
    return 0;
}

static void summary(const struct table *table, json_t *root)
{
    printf("\n%-26s %11s %11s %19s %19s\n", "", "kept", "steady", "time/packet, oracle=1",
           "containers, oracle=1");
    printf("%-26s %11s %11s %10s %8s %10s %8s\n", "rule", "", "", "median", "p95", "median", "p95");
    rule_figures(table, 0, root);
    json_t *rivals = json_object();
    for (size_t r = 1; r < RULES; r++)
        if (r == ORACLE || has_rivals()) {
            json_t *figures = json_object();
            rule_figures(table, r, figures);
            json_object_set_new(rivals, rules[r]->name, figures);
        }
    printf("scenarios: %zu\n", table->n);
    json_object_set_new(root, "alternatives", rivals);
    json_object_set_new(root, "scenarios", json_integer((json_int_t)table->n));
}

/* ---- both parts ---- */

static int ticks_part(json_t *root)
{
    struct ticks ticks[TICKS_POPULATIONS];
    int error = ticks_measure(ticks);

    for (int i = 0; i < TICKS_POPULATIONS && !error; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s_ms", ticks[i].name);
        put(root, name, 1e3 * ticks[i].median);
        snprintf(name, sizeof(name), "%s_most_ms", ticks[i].name);
        put(root, name, 1e3 * ticks[i].most);
        snprintf(name, sizeof(name), "%s_first_ms", ticks[i].name);
        put(root, name, 1e3 * ticks[i].first);
    }
    return error;
}

static int scenarios_part(const char *path, json_t *root)
{
    struct table *table =
        mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char cache[400];

    if (table == MAP_FAILED)
        return -errno;
    snprintf(cache, sizeof(cache), "%s.oracle", path ? path : "control.json");
    mkdir(cache, 0777);
    json_t *rows = json_array();
    int error = scenarios_run(cache, table, rows);
    if (!error)
        summary(table, root);
    json_object_set_new(root, "by_scenario", rows);
    munmap(table, sizeof(*table));
    return error;
}

static bool is_wanted(const char *part)
{
    const char *wanted = getenv("XENAGG_BENCH_PART");

    if (!wanted) /* who asks about some scenarios does not ask how long a tick takes */
        return strcmp(part, "ticks") != 0 || !getenv("XENAGG_BENCH_SCENARIO");
    return strcmp(wanted, part) == 0;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : NULL;
    json_t *root = json_object();
    int error = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (is_wanted("ticks"))
        error = ticks_part(root);
    if (!error && is_wanted("scenarios"))
        error = scenarios_part(path, root);
    if (error)
        fprintf(stderr, "bench-control: %s\n", strerror(-error));
    else if (path && json_dump_file(root, path, JSON_INDENT(2) | JSON_REAL_PRECISION(5))) {
        fprintf(stderr, "bench-control: cannot write %s\n", path);
        error = -EIO;
    }
    json_decref(root);
    return error ? 1 : 0;
}
