// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/xenstored.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "sandbox/programs.h"

#define START_SECONDS 10.0
#define LOOK_SECONDS 0.005

/* Whether something listens; a socket file alone may be a dead server's. */
static int probe(const char *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);

    if (length >= (int)sizeof(address.sun_path))
        return -ENAMETOOLONG;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int error = connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
    close(fd);
    return error;
}

static int await_answer(struct process *process, const char *folder)
{
    int error = probe(folder);

    for (double waited = 0; error && waited < START_SECONDS; waited += LOOK_SECONDS) {
        if (error == -ENAMETOOLONG)
            return error;
        if (process_wait(process, LOOK_SECONDS, NULL) == 0) {
            log_line(LOG_ERR, "sandbox", "xenstored ended at once: see %s/xenstored.log", folder);
            return -ECHILD;
        }
        error = probe(folder);
    }
    return error;
}

int xenstored_start(const char *folder, struct process **ret)
{
    char program[PROGRAMS_PATH], library[PROGRAMS_PATH];
    char rundir[PROGRAMS_PATH + 32], preload[PROGRAMS_PATH + 32], log[PROGRAMS_PATH + 32],
        pid_file[PROGRAMS_PATH + 32];
    struct process *process;

    if (programs_find_xenstored(program) || programs_find("xenagg-preload-xenstored.so", library)) {
        log_line(LOG_ERR, "sandbox", "no xenstored (Debian: xen-utils-4.17) or no preload library");
        return -ENOENT;
    }
    snprintf(rundir, sizeof(rundir), "XENSTORED_RUNDIR=%s", folder);
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", library);
    snprintf(log, sizeof(log), "%s/xenstored.log", folder);
    snprintf(pid_file, sizeof(pid_file), "%s/xenstored.pid", folder);
    /* XENSTORED_PATH would overrule the folder. */
    const char *environment[] = {rundir, preload, "XENSTORED_PATH", NULL};
    const char *arguments[] = {program, "--no-fork", "--pid-file", pid_file, NULL};
    struct process_options options = {
        .arguments = arguments, .environment = environment, .log = log};
    int error = process_start(&options, &process);
    if (error)
        return error;
    error = await_answer(process, folder);
    if (error) {
        process_free(process);
        return error;
    }
    *ret = process;
    return 0;
}

int xenstored_use(const char *folder)
{
    char path[PROGRAMS_PATH];
    int length = snprintf(path, sizeof(path), "%s/socket", folder);

    if (length >= (int)sizeof(path))
        return -ENAMETOOLONG;
    if (setenv("XENSTORED_PATH", path, 1) || setenv("XENSTORED_RUNDIR", folder, 1))
        return -errno;
    return 0;
}
