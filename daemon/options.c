// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/duration.h"
#include "common/keys.h"

#define INTERVAL_MIN 0.05
#define INTERVAL_MAX 60.0
#define SOCKET_PATH_MAX 107

static const char help[] =
    "Usage: xenaggd [OPTION]...\n"
    "Keeps the delay that each guest is promised, with the largest containers that do.\n\n"
    "  --config PATH        configuration (/etc/xenagg/xenaggd.conf)\n"
    "  --segment PATH       the backend's measurements (/run/xenagg/segment)\n"
    "  --database PATH      history (/var/lib/xenagg/history.db)\n"
    "  --control PATH       socket that xenaggctl asks at (/run/xenagg/control)\n"
    "  --backend-domid N    the backend's domain (0)\n"
    "  --interval DURATION  between two decisions, 50ms to 60s (1s)\n"
    "  --help, --version\n"
    "What is given here goes before what the configuration says.\n";

enum { CONFIG = 1, SEGMENT, DATABASE, CONTROL, DOMID, INTERVAL, HELP, VERSION };

static const struct option table[] = {{"config", required_argument, NULL, CONFIG},
                                      {"segment", required_argument, NULL, SEGMENT},
                                      {"database", required_argument, NULL, DATABASE},
                                      {"control", required_argument, NULL, CONTROL},
                                      {"backend-domid", required_argument, NULL, DOMID},
                                      {"interval", required_argument, NULL, INTERVAL},
                                      {"help", no_argument, NULL, HELP},
                                      {"version", no_argument, NULL, VERSION},
                                      {0}};

static bool path_take(const char *option, const char *value, size_t longest, const char **ret)
{
    if (!*value || strlen(value) > longest) {
        fprintf(stderr, "xenaggd: --%s: a path of 1 to %zu bytes is needed\n", option, longest);
        return false;
    }
    *ret = value;
    return true;
}

static bool domid_take(const char *value, long *ret)
{
    unsigned long domid;

    if (keys_number(value, 0, KEYS_DOMID_MAX, &domid)) {
        fprintf(stderr, "xenaggd: --backend-domid: '%s' is not a domain's number\n", value);
        return false;
    }
    *ret = (long)domid;
    return true;
}

static bool interval_take(const char *value, double *ret)
{
    double seconds;

    if (duration_parse(value, &seconds) || seconds < INTERVAL_MIN || seconds > INTERVAL_MAX) {
        fprintf(stderr, "xenaggd: --interval: '%s' is not a duration of 50ms to 60s\n", value);
        return false;
    }
    *ret = seconds;
    return true;
}

static bool take(int option, const char *value, struct options *options)
{
    switch (option) {
    case CONFIG:
        return path_take("config", value, 4095, &options->config);
    case SEGMENT:
        return path_take("segment", value, CONFIG_PATH - 1, &options->segment);
    case DATABASE:
        return path_take("database", value, CONFIG_PATH - 1, &options->database);
    case CONTROL:
        return path_take("control", value, SOCKET_PATH_MAX, &options->control);
    case DOMID:
        return domid_take(value, &options->backend_domid);
    case INTERVAL:
        return interval_take(value, &options->interval);
    default: /* getopt said what */
        return false;
    }
}

enum options_result options_parse(int argc, char **argv, struct options *ret)
{
    struct options options = {
        .config = "/etc/xenagg/xenaggd.conf", .backend_domid = -1, .interval = -1};
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (option == HELP || option == VERSION) {
            fputs(option == HELP ? help : "xenaggd " XENAGG_VERSION "\n", stdout);
            return OPTIONS_DONE;
        }
        if (!take(option, optarg, &options))
            return OPTIONS_BAD;
    }
    if (optind < argc) {
        fprintf(stderr, "xenaggd: '%s': no arguments are taken\n", argv[optind]);
        return OPTIONS_BAD;
    }
    *ret = options;
    return OPTIONS_RUN;
}

static void path_set(char place[static CONFIG_PATH], const char *path)
{
    if (path)
        snprintf(place, CONFIG_PATH, "%s", path);
}

void options_apply(const struct options *options, struct config_daemon *config)
{
    path_set(config->segment, options->segment);
    path_set(config->database, options->database);
    path_set(config->control, options->control);
    if (options->backend_domid >= 0)
        config->backend_domid = (uint32_t)options->backend_domid;
    if (options->interval > 0)
        config->interval = options->interval;
}
