// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenagg-sandbox: all of xenagg on one Linux machine, without Xen.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/log.h"
#include "sandbox/xenstored.h"

static const char usage_text[] =
    "Usage: xenagg-sandbox COMMAND\n"
    "  store FOLDER   only the real xenstored, its socket in FOLDER, until Ctrl-C\n";

static int usage(void)
{
    fputs(usage_text, stderr);
    return 2;
}

static int fail(const char *what, int error)
{
    log_line(LOG_ERR, "sandbox", "%s: %s", what, strerror(-error));
    return 1;
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

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "store") == 0)
        return store_command(argv[2]);
    return usage();
}
