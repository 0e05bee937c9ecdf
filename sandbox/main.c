// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenagg-sandbox: all of xenagg on one Linux machine, without Xen.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/log.h"
#include "sandbox/demo.h"
#include "sandbox/playground.h"
#include "sandbox/xenstored.h"

static const char usage_text[] =
    "Usage: xenagg-sandbox COMMAND [OPTION...]     (as root)\n"
    "  demo           the whole loop for a minute: traffic, promises, what became of them\n"
    "    --seconds N       how long, at least 25 (60)\n"
    "    --keep DIR        work in DIR and keep it: logs, configuration, database\n"
    "    --database PATH   where the daemon's history goes; it stays\n"
    "    --json FILE       the summary for programs\n"
    "  run            three guests and the daemon, until Ctrl-C: to look, to try things\n"
    "    --keep DIR, --database PATH   as above\n"
    "    --config FILE     the daemon's configuration\n"
    "    --rate N          packets/s through each guest (0)\n"
    "  store FOLDER   only the real xenstored, its socket in FOLDER, until Ctrl-C\n";

enum option_code {
    OPTION_SECONDS = 256,
    OPTION_KEEP,
    OPTION_DATABASE,
    OPTION_JSON,
    OPTION_CONFIG,
    OPTION_RATE
};

static const struct option long_options[] = {
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"keep", required_argument, NULL, OPTION_KEEP},
    {"database", required_argument, NULL, OPTION_DATABASE},
    {"json", required_argument, NULL, OPTION_JSON},
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

struct settings {
    double seconds, rate;
    const char *folder, *database, *json, *config;
};

static int usage(FILE *file)
{
    fputs(usage_text, file);
    return file == stdout ? 0 : 2;
}

static int fail(const char *what, int error)
{
    log_line(LOG_ERR, "sandbox", "%s: %s", what, strerror(-error));
    return 1;
}

static int number(const char *text, double min, double max, double *ret)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || !(value >= min && value <= max)) {
        fprintf(stderr, "xenagg-sandbox: '%s' is not a number from %g to %g\n", text, min, max);
        return -EINVAL;
    }
    *ret = value;
    return 0;
}

/* 0; -EINVAL, said why; 1: help was asked for. */
static int parse(int argc, char **argv, struct settings *ret)
{
    struct settings s = {.seconds = DEMO_SECONDS};
    int code, error = 0;

    while (!error && (code = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (code) {
        case OPTION_SECONDS:
            error = number(optarg, DEMO_SECONDS_MIN, 86400, &s.seconds);
            break;
        case OPTION_RATE:
            error = number(optarg, 0, 1e6, &s.rate);
            break;
        case OPTION_KEEP:
            s.folder = optarg;
            break;
        case OPTION_DATABASE:
            s.database = optarg;
            break;
        case OPTION_JSON:
            s.json = optarg;
            break;
        case OPTION_CONFIG:
            s.config = optarg;
            break;
        case 'h':
            return 1;
        default:
            return -EINVAL;
        }
    }
    if (!error && optind < argc) {
        fprintf(stderr, "xenagg-sandbox: what is '%s'?\n", argv[optind]);
        error = -EINVAL;
    }
    *ret = s;
    return error;
}

static int store_command(const char *folder)
{
    struct process *process;
    sigset_t stop;
    int signal;

    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGCHLD);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    if (mkdir(folder, 0755) && errno != EEXIST)
        return fail(folder, -errno);
    int error = xenstored_start(folder, &process);
    if (error)
        return fail("xenstored", error);
    printf("XENSTORED_PATH=%s/socket XENSTORED_RUNDIR=%s\n", folder, folder);
    fflush(stdout);
    sigwait(&stop, &signal);
    error = process_running(process, NULL) ? 0 : 1;
    process_free(process);
    return error;
}

static int demo_command(const struct settings *settings)
{
    const struct demo_options options = {.seconds = settings->seconds,
                                         .folder = settings->folder,
                                         .database = settings->database,
                                         .json = settings->json,
                                         .output = stdout};
    return demo_run(&options);
}

static int run_command(const struct settings *settings)
{
    const struct playground_options options = {.folder = settings->folder,
                                               .database = settings->database,
                                               .config = settings->config,
                                               .rate = settings->rate};
    return playground_run(&options);
}

int main(int argc, char **argv)
{
    struct settings settings = {0};

    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "store") == 0 && argc == 3)
        return store_command(argv[2]);
    int error = parse(argc - 1, argv + 1, &settings);
    if (error == 1 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)
        return usage(stdout);
    if (error)
        return 2;
    if (strcmp(argv[1], "demo") == 0)
        return demo_command(&settings);
    if (strcmp(argv[1], "run") == 0)
        return run_command(&settings);
    return usage(stderr);
}
