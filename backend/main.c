// SPDX-License-Identifier: GPL-2.0-or-later
/* xenagg-netback: see xenagg-netback(8). */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/control.h"
#include "common/argument.h"
#include "common/keys.h"
#include "common/service.h"
#include "datapath/worker.h"

static const char usage[] =
    "Usage: xenagg-netback [OPTION]...\n"
    "The aggregating network backend: one TAP per guest interface, containers to the guests.\n\n"
    "  --hypervisor SPEC  how to reach the guests' memory: xen or local:DIR (xen)\n"
    "  --segment PATH     where to keep the measurements (/run/xenagg/segment)\n"
    "  --domid N          this domain's number (0)\n"
    "  --workers N        threads that carry packets, 1 to 16 (1)\n"
    "  --realtime N       real-time priority of these threads, 1 to 50 (0: none)\n"
    "  --help, --version\n";

static void on_stop(void *context)
{
    control_stop(context);
}

/* 0, or the exit status + 1. */
static int options_parse(int argc, char **argv, struct control_options *ret)
{
    const struct argument_number numbers[] = {
        {"domid", 0, KEYS_DOMID_MAX, &ret->domid},
        {"workers", 1, CONTROL_WORKERS_MAX, &ret->workers},
        {"realtime", 0, WORKER_REALTIME_MAX, &ret->realtime},
    };
    static const struct option options[] = {
        {"domid", required_argument, NULL, 0},     {"workers", required_argument, NULL, 1},
        {"realtime", required_argument, NULL, 2},  {"hypervisor", required_argument, NULL, 'H'},
        {"segment", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},       {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option >= 0 && option <= 2 && argument_number(&numbers[option], optarg) < 0)
            return 3;
        if (option == 'H')
            ret->hypervisor = optarg;
        if (option == 's')
            ret->segment = optarg;
        if (option == '?')
            return 3;
        if (option == 'h' || option == 'v') {
            fputs(option == 'h' ? usage : "xenagg-netback " XENAGG_VERSION "\n", stdout);
            return 1;
        }
    }
    if (optind == argc)
        return 0;
    fprintf(stderr, "xenagg-netback: too many arguments\n");
    return 3;
}

int main(int argc, char **argv)
{
    struct control_options options = {
        .hypervisor = "xen", .segment = "/run/xenagg/segment", .workers = 1};
    struct control *control;
    int status = options_parse(argc, argv, &options);

    if (status)
        return status - 1;
    signal(SIGPIPE, SIG_IGN);
    options.base = event_base_new();
    if (!options.base || control_new(&options, &control) < 0)
        return EXIT_FAILURE;
    int error = service_run(options.base, on_stop, control);
    control_free(control);
    event_base_free(options.base);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
