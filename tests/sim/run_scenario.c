// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs the controller through scenarios and checks what they assert. Seeds are
 * fixed: what passes, passes always. XENAGG_SIM_TRACE=1 prints every decision.
 * --once: one run of each, and nothing asserted: for a build that checks what the
 * code does to memory, and takes its time.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/run.h"

/* Returns how many were made; an error was said. */
static unsigned runs_make(struct scenario *scenario, const char *path, struct run *ret)
{
    uint64_t first = scenario->seed;
    unsigned n = 0;
    int error = 0;

    while (n < scenario->runs && !error) {
        scenario->seed = first + n;
        error = run_make(scenario, &rule_controller, NULL, &ret[n]);
        n += !error;
    }
    if (error)
        fprintf(stderr, "%s: run %u failed (%d)\n", path, n, error);
    return n;
}

static int scenario_fails(const char *path, bool once)
{
    static struct scenario scenario;
    struct run runs[SCENARIO_RUNS];
    char why[400];

    if (scenario_load(path, &scenario, why, sizeof(why))) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    if (once) {
        scenario.runs = 1;
        scenario.n_claims = 0;
    }
    unsigned n = runs_make(&scenario, path, runs);
    int failed = n < scenario.runs;
    for (size_t i = 0; i < scenario.n_claims && n == scenario.runs; i++)
        if (!run_holds(&scenario, runs, n, &scenario.claims[i], why, sizeof(why))) {
            fprintf(stderr, "%s:%u: does not hold: %s\n", path, scenario.claims[i].line, why);
            failed = 1;
        }
    while (n > 0)
        run_free(&runs[--n]);
    return failed;
}

int main(int argc, char **argv)
{
    bool once = argc > 1 && strcmp(argv[1], "--once") == 0;
    int first = 1 + once, failed = argc <= first;

    for (int i = first; i < argc; i++)
        failed |= scenario_fails(argv[i], once);
    return failed;
}
