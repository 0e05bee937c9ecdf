// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Child processes of a sandbox. Each dies with the thread that started it
 * (PR_SET_PDEATHSIG), so start them from a thread that lasts: the main one.
 */
#ifndef XENAGG_SANDBOX_PROCESS_H
#define XENAGG_SANDBOX_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "sandbox/namespace.h"

struct process;

struct process_options {
    const char *const *arguments; /* the program's path first, NULL last */
    const char *const
        *environment;        /* "NAME=value" to set, "NAME" to remove, NULL last; may be NULL */
    struct namespace *space; /* NULL: the caller's; else with a /sys of its own */
    const char *log;         /* file for stdout and stderr, appended; NULL: the caller's */
    int input;               /* descriptor for stdin, 0: /dev/null */
};

/* Starts it. 0 or -errno (also of a failed exec). */
int process_start(const struct process_options *options, struct process **ret);
/* Ends it if it still runs (SIGKILL), and frees. NULL is fine. */
void process_free(struct process *process);

pid_t process_pid(const struct process *process);
const char *process_name(const struct process *process);
/* A descriptor that is readable once it has ended (owned by the process). */
int process_fd(const struct process *process);

/* Whether it still runs; once it does not, its wait status is in ret_status (may be NULL). */
bool process_running(struct process *process, int *ret_status);
int process_signal(struct process *process, int signal);
/* Waits for its end: 0 and its wait status, or -ETIMEDOUT. */
int process_wait(struct process *process, double seconds, int *ret_status);
/*
 * SIGTERM, then SIGKILL once `seconds` are over. 0: it left with exit code 0;
 * -ETIMEDOUT: had to be killed; -ECHILD: another exit code or a signal.
 */
int process_stop(struct process *process, double seconds);

/* Says how a process ended, "exit code 3", "signal 9 (Killed)". Returns `text`. */
const char *process_status_text(int status, char text[static 64]);

#endif
