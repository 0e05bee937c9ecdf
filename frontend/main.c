// SPDX-License-Identifier: GPL-2.0-or-later
/* xenagg-netfront: see xenagg-netfront(8). */
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/argument.h"
#include "common/ring.h"
#include "common/service.h"
#include "common/store.h"
#include "datapath/worker.h"
#include "frontend/device.h"

static const char usage[] =
    "Usage: xenagg-netfront [OPTION]...\n"
    "The guest's unloader: an interface whose packets cross in containers.\n\n"
    "  --hypervisor SPEC  how to share memory with the backend: xen or local:DIR (xen)\n"
    "  --domid N          this guest's number (what xenstore says, on Xen)\n"
    "  --handle N         which of its interfaces, 0 to 255 (0)\n"
    "  --interface NAME   name of the interface to make (xagg0)\n"
    "  --ring-order N     2^N pages in each ring, 6 to 11 (6)\n"
    "  --realtime N       real-time priority of the thread that carries packets, 1 to 50 (0: "
    "none)\n"
    "  --help, --version\n";

static void on_stop(void *context)
{
    device_stop(context);
}

static bool on_xen(const struct device_options *options)
{
    return strcmp(options->hypervisor, "xen") == 0;
}

static bool options_complete(int argc, const struct device_options *options)
{
    bool domid_known = options->id.domid <= KEYS_DOMID_MAX || on_xen(options);
    const char *what = optind < argc  ? "too many arguments"
                       : !domid_known ? "--domid is needed"
                                      : NULL;
    if (what)
        fprintf(stderr, "xenagg-netfront: %s\n", what);
    return !what;
}

/* Where it was not given, xenstore knows it. */
static bool domid_ensure(struct device_options *options)
{
    struct store *store;

    if (options->id.domid <= KEYS_DOMID_MAX)
        return true;
    options->follow = true;
    int error = store_open(&store);
    if (!error) {
        error = store_own_domid(store, &options->id.domid);
        store_close(store);
    }
    if (error)
        fprintf(stderr, "xenagg-netfront: cannot read this domain's number in xenstore: %s\n",
                strerror(-error));
    return !error;
}

/* 0, or the exit status + 1. */
static int options_parse(int argc, char **argv, struct device_options *ret)
{
    const struct argument_number numbers[] = {
        {"domid", 0, KEYS_DOMID_MAX, &ret->id.domid},
        {"handle", 0, KEYS_HANDLE_MAX, &ret->id.handle},
        {"ring-order", RING_ORDER_MIN, RING_ORDER_MAX, &ret->ring_order},
        {"realtime", 0, WORKER_REALTIME_MAX, &ret->realtime},
    };
    static const struct option options[] = {{"domid", required_argument, NULL, 0},
                                            {"handle", required_argument, NULL, 1},
                                            {"ring-order", required_argument, NULL, 2},
                                            {"realtime", required_argument, NULL, 3},
                                            {"hypervisor", required_argument, NULL, 'H'},
                                            {"interface", required_argument, NULL, 'i'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option >= 0 && option <= 3 && argument_number(&numbers[option], optarg) < 0)
            return 3;
        if (option == 'H')
            ret->hypervisor = optarg;
        if (option == 'i')
            ret->interface = optarg;
        if (option == '?')
            return 3;
        if (option == 'h' || option == 'v') {
            fputs(option == 'h' ? usage : "xenagg-netfront " XENAGG_VERSION "\n", stdout);
            return 1;
        }
    }
    return options_complete(argc, ret) ? 0 : 3;
}

int main(int argc, char **argv)
{
    struct device_options options = {.hypervisor = "xen",
                                     .interface = "xagg0",
                                     .id.domid = UINT32_MAX,
                                     .ring_order = RING_ORDER_MIN};
    struct device *device;
    int status = options_parse(argc, argv, &options);

    if (status)
        return status - 1;
    if (!domid_ensure(&options))
        return EXIT_FAILURE;
    signal(SIGPIPE, SIG_IGN);
    options.base = event_base_new();
    if (!options.base || device_new(&options, &device) < 0)
        return EXIT_FAILURE;
    int error = service_run(options.base, on_stop, device);
    device_free(device);
    event_base_free(options.base);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
