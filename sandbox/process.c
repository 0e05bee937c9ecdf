// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct process {
    pid_t pid;
    int fd;
    bool ended;
    int status;
    char name[32];
};

static size_t list_length(const char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

static bool same_name(const char *a, const char *b)
{
    size_t length = strcspn(a, "=");
    return strncmp(a, b, length) == 0 && b[length] == '=';
}

/* Our environment with the changes asked for; only the list itself is new. */
static const char **environment_merge(const char *const *additions)
{
    size_t n_add = list_length(additions), n_ours = list_length((const char *const *)environ);
    const char **merged = calloc(n_add + n_ours + 1, sizeof(*merged));
    size_t n = 0;

    if (!merged)
        return NULL;
    for (size_t i = 0; i < n_add; i++)
        if (strchr(additions[i], '='))
            merged[n++] = additions[i];
    for (size_t i = 0; i < n_ours; i++) {
        bool replaced = false;
        for (size_t j = 0; j < n_add; j++)
            replaced = replaced || same_name(additions[j], environ[i]);
        if (!replaced)
            merged[n++] = environ[i];
    }
    return merged;
}

/* sysfs shows the network namespace of whoever mounted it, so a namespace needs its own. */
static int child_enter(int space_fd)
{
    if (space_fd < 0)
        return 0;
    if (setns(space_fd, CLONE_NEWNET) || unshare(CLONE_NEWNS) ||
        mount("", "/", NULL, MS_SLAVE | MS_REC, NULL) || mount("xenagg", "/sys", "sysfs", 0, NULL))
        return -errno;
    return 0;
}

static int child_redirect(const struct process_options *options)
{
    int in = options->input ? options->input : open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (in < 0 || dup2(in, STDIN_FILENO) < 0)
        return -errno;
    if (!options->log)
        return 0;
    int out = open(options->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (out < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
        return -errno;
    return 0;
}

static void child_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * In the child: only what is safe after a fork of a process with threads. A
 * session of its own keeps Ctrl-C away from it: its parent stops it in order.
 */
static _Noreturn void child_run(const struct process_options *options, const char **environment,
                                pid_t parent, int report)
{
    int error = 0;

    child_signals();
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    error = child_enter(options->space ? namespace_fd(options->space) : -1);
    if (!error)
        error = child_redirect(options);
    if (!error) {
        execve(options->arguments[0], (char *const *)options->arguments,
               (char *const *)environment);
        error = -errno;
    }
    if (write(report, &error, sizeof(error)) < 0)
        _exit(126);
    _exit(127);
}

/* The report pipe closes by itself when exec succeeds. */
static int await_exec(int fd, pid_t pid)
{
    int error = 0;
    ssize_t length;

    do
        length = read(fd, &error, sizeof(error));
    while (length < 0 && errno == EINTR);
    if (length <= 0)
        return 0;
    waitpid(pid, NULL, 0);
    return error;
}

static int fork_and_exec(const struct process_options *options, const char **environment,
                         pid_t *ret)
{
    int report[2];
    pid_t parent = getpid();

    if (pipe2(report, O_CLOEXEC))
        return -errno;
    pid_t pid = fork();
    if (pid == 0)
        child_run(options, environment, parent, report[1]);
    int error = pid < 0 ? -errno : 0;
    close(report[1]);
    if (!error)
        error = await_exec(report[0], pid);
    close(report[0]);
    if (!error)
        *ret = pid;
    return error;
}

int process_start(const struct process_options *options, struct process **ret)
{
    struct process *process = calloc(1, sizeof(*process));
    const char **environment = environment_merge(options->environment);
    int error = process && environment ? 0 : -ENOMEM;

    if (!error)
        error = fork_and_exec(options, environment, &process->pid);
    free(environment);
    if (error) {
        free(process);
        return error;
    }
    process->fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    const char *slash = strrchr(options->arguments[0], '/');
    snprintf(process->name, sizeof(process->name), "%s", slash ? slash + 1 : options->arguments[0]);
    *ret = process;
    return 0;
}

void process_free(struct process *process)
{
    if (!process)
        return;
    if (process_running(process, NULL)) {
        kill(process->pid, SIGKILL);
        waitpid(process->pid, NULL, 0);
    }
    close(process->fd);
    free(process);
}

pid_t process_pid(const struct process *process)
{
    return process->pid;
}

const char *process_name(const struct process *process)
{
    return process->name;
}

int process_fd(const struct process *process)
{
    return process->fd;
}

bool process_running(struct process *process, int *ret_status)
{
    if (!process->ended)
        process->ended = waitpid(process->pid, &process->status, WNOHANG) == process->pid;
    if (process->ended && ret_status)
        *ret_status = process->status;
    return !process->ended;
}

int process_signal(struct process *process, int signal)
{
    if (!process_running(process, NULL))
        return -ESRCH;
    return kill(process->pid, signal) ? -errno : 0;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int process_wait(struct process *process, double seconds, int *ret_status)
{
    double end = now() + seconds, left = seconds;

    while (process_running(process, ret_status)) {
        struct pollfd item = {.fd = process->fd, .events = POLLIN};
        if (left <= 0)
            return -ETIMEDOUT;
        poll(&item, 1, (int)(left * 1000) + 1);
        left = end - now();
    }
    return 0;
}

int process_stop(struct process *process, double seconds)
{
    int status = 0;

    process_signal(process, SIGTERM);
    if (process_wait(process, seconds, &status) == 0)
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
    process_signal(process, SIGKILL);
    process_wait(process, 10, NULL);
    return -ETIMEDOUT;
}

const char *process_status_text(int status, char text[static 64])
{
    if (WIFSIGNALED(status))
        snprintf(text, 64, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(text, 64, "exit code %d", WEXITSTATUS(status));
    return text;
}
