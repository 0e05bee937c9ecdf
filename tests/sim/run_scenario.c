// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs the controller through scenarios and checks what they assert. Seeds are
 * fixed: what passes, passes always. XENAGG_SIM_TRACE=1 prints every decision.
 */
#include <stdio.h>

#include "tests/sim/run.h"

static int scenario_fails(const char *path)
{
    static struct scenario scenario;
    struct run run;
    char why[400];
    int failed = 0;

    if (scenario_load(path, &scenario, why, sizeof(why))) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    int error = run_make(&scenario, &rule_controller, NULL, &run);
    if (error) {
        fprintf(stderr, "%s: the run failed (%d)\n", path, error);
        return 1;
    }
    for (size_t i = 0; i < scenario.n_claims; i++)
        if (!run_holds(&scenario, &run, &scenario.claims[i], why, sizeof(why))) {
            fprintf(stderr, "%s:%u: does not hold: %s\n", path, scenario.claims[i].line, why);
            failed = 1;
        }
    run_free(&run);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;

    for (int i = 1; i < argc; i++)
        failed |= scenario_fails(argv[i]);
    return failed;
}
