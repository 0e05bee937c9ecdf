// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "sandbox/programs.h"
#include "sandbox/toolstack.h"
#include "sandbox/world_private.h"
#include "sandbox/xenstored.h"

#define LOOK_SECONDS 0.01
#define STOP_SECONDS 10.0

int world_complain(const char *what, int error)
{
    log_line(LOG_ERR, "sandbox", "%s: %s", what, strerror(-error));
    return error;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* --- places -------------------------------------------------------------- */

const char *world_folder(const struct world *world)
{
    return world->folder;
}

const char *world_path(const struct world *world, const char *name, char path[static WORLD_PATH])
{
    snprintf(path, WORLD_PATH, "%s/%.30s", world->folder, name);
    return path;
}

const char *world_database(const struct world *world, char path[static WORLD_PATH])
{
    if (world->database[0])
        snprintf(path, WORLD_PATH, "%s", world->database);
    else
        world_path(world, "history.db", path);
    return path;
}

const char *world_segment(const struct world *world, char path[static WORLD_PATH])
{
    return world_path(world, "segment", path);
}

const char *world_control(const struct world *world, char path[static WORLD_PATH])
{
    return world_path(world, "control", path);
}

const char *world_config(const struct world *world, char path[static WORLD_PATH])
{
    return world_path(world, "xenaggd.conf", path);
}

struct store *world_store(struct world *world)
{
    return world->store;
}

struct namespace *world_dom0(struct world *world)
{
    return world->dom0;
}

/* --- watching over it ---------------------------------------------------- */

static int block_signals(void)
{
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

bool world_interrupted(struct world *world)
{
    struct signalfd_siginfo signal;

    if (read(world->signals, &signal, sizeof(signal)) == (ssize_t)sizeof(signal))
        world->interrupted = true;
    return world->interrupted;
}

/* The last lines of a program's log say why it ended. */
static void show_log(const struct world *world, const char *name)
{
    char path[WORLD_PATH], file[64], text[1501];

    snprintf(file, sizeof(file), "%.20s.log", name);
    int fd = open(world_path(world, file, path), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    off_t size = lseek(fd, 0, SEEK_END);
    off_t from = size > (off_t)sizeof(text) - 1 ? size - ((off_t)sizeof(text) - 1) : 0;
    ssize_t length = pread(fd, text, sizeof(text) - 1, from);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    log_line(LOG_ERR, "sandbox", "the end of %s:", path);
    for (char *rest, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        log_line(LOG_ERR, "sandbox", "  %s", line);
}

static bool check_one(const struct world *world, struct process *process, const char *log)
{
    char text[64];
    int status;

    if (!process || process_running(process, &status))
        return true;
    log_line(LOG_ERR, "sandbox", "%s ended: %s", process_name(process),
             process_status_text(status, text));
    show_log(world, log);
    return false;
}

int world_check(struct world *world)
{
    bool fine = check_one(world, world->xenstored, "xenstored");

    fine = check_one(world, world->backend, "netback") && fine;
    fine = check_one(world, world->daemon, "xenaggd") && fine;
    for (unsigned i = 0; i < world->n; i++)
        fine = check_one(world, world->guests[i]->frontend, world->guests[i]->name) && fine;
    return fine ? 0 : -ECHILD;
}

static int pause_once(struct world *world, double seconds)
{
    struct pollfd item = {.fd = world->signals, .events = POLLIN};

    poll(&item, 1, (int)(seconds * 1000) + 1);
    return world_interrupted(world) ? -EINTR : world_check(world);
}

int world_pause(struct world *world, double seconds)
{
    double end = now() + seconds;
    int error = 0;

    for (double left = seconds; left > 0 && !error; left = end - now())
        error = pause_once(world, left < 0.1 ? left : 0.1);
    return error;
}

int world_await(struct world *world, const char *what, world_condition *condition, void *context,
                double seconds)
{
    double end = now() + seconds;

    while (!condition(context)) {
        int error = pause_once(world, LOOK_SECONDS);
        if (error)
            return error;
        if (now() > end) {
            log_line(LOG_ERR, "sandbox", "waited %.0f s in vain: %s", seconds, what);
            return -ETIMEDOUT;
        }
    }
    return 0;
}

/* --- programs ------------------------------------------------------------ */

int world_start_program(struct world *world, const char **arguments, struct namespace *space,
                        const char *log, struct process **ret)
{
    char program[PROGRAMS_PATH], path[WORLD_PATH], file[64];
    int error = programs_find(arguments[0], program);

    if (error)
        return world_complain(arguments[0], error);
    snprintf(file, sizeof(file), "%.20s.log", log);
    const char *name = arguments[0];
    arguments[0] = program;
    struct process_options options = {
        .arguments = arguments, .space = space, .log = world_path(world, file, path)};
    error = process_start(&options, ret);
    return error ? world_complain(name, error) : 0;
}

int world_stop_program(struct world *world, struct process **process, const char *log, bool kill)
{
    char text[64];
    int error = 0, status = 0;

    if (!*process)
        return 0;
    if (!kill) {
        error = process_stop(*process, STOP_SECONDS);
        process_running(*process, &status);
        if (error) {
            log_line(LOG_ERR, "sandbox", "%s did not stop cleanly: %s", process_name(*process),
                     process_status_text(status, text));
            show_log(world, log);
        }
    }
    process_free(*process);
    *process = NULL;
    return error;
}

int world_start_backend(struct world *world)
{
    char hypervisor[WORLD_PATH + 8], segment[WORLD_PATH], workers[16];
    const char *arguments[16] = {"xenagg-netback", "--hypervisor", hypervisor, "--segment",
                                 world_segment(world, segment)};
    int n = 5;

    snprintf(hypervisor, sizeof(hypervisor), "local:%s/domains", world->folder);
    snprintf(workers, sizeof(workers), "%u", world->workers);
    if (!world->ordinary) {
        arguments[n++] = "--realtime";
        arguments[n++] = WORLD_REALTIME;
    }
    if (world->workers) {
        arguments[n++] = "--workers";
        arguments[n++] = workers;
    }
    return world_start_program(world, arguments, world->dom0, "netback", &world->backend);
}

int world_stop_backend(struct world *world, bool kill)
{
    return world_stop_program(world, &world->backend, "netback", kill);
}

static bool socket_is_there(void *context)
{
    return access(context, F_OK) == 0;
}

int world_start_daemon(struct world *world, const char *interval)
{
    char config[WORLD_PATH], segment[WORLD_PATH], database[WORLD_PATH], control[WORLD_PATH];
    const char *arguments[] = {"xenaggd",
                               "--config",
                               world_config(world, config),
                               "--segment",
                               world_segment(world, segment),
                               "--database",
                               world_database(world, database),
                               "--control",
                               world_control(world, control),
                               "--interval",
                               interval,
                               NULL};

    unlink(control);
    int error = world_start_program(world, arguments, world->dom0, "xenaggd", &world->daemon);
    if (!error)
        error = world_await(world, "the daemon's control socket", socket_is_there, control,
                            WORLD_PATIENCE);
    return error;
}

int world_stop_daemon(struct world *world, bool kill)
{
    return world_stop_program(world, &world->daemon, "xenaggd", kill);
}

struct process *world_backend(struct world *world)
{
    return world->backend;
}

struct process *world_daemon(struct world *world)
{
    return world->daemon;
}

/* --- the store ----------------------------------------------------------- */

static int start_store(struct world *world)
{
    int error = xenstored_start(world->folder, &world->xenstored);

    if (!error)
        error = store_open(&world->store);
    /* The guests first: who finds a dom0 takes a guest that is not there for ended. */
    for (unsigned i = 0; i < world->n && !error; i++)
        error = toolstack_create(world->store, world->guests[i]->interface.domid,
                                 world->guests[i]->name);
    if (!error)
        error = store_write(world->store, "/local/domain/0", "name", "Domain-0");
    if (!error)
        error = store_write(world->store, "/local/domain/0", "domid", "0");
    return error ? world_complain("xenstored", error) : 0;
}

static void stop_store(struct world *world, bool kill)
{
    store_close(world->store);
    world->store = NULL;
    if (world->xenstored && !kill)
        process_stop(world->xenstored, STOP_SECONDS);
    process_free(world->xenstored);
    world->xenstored = NULL;
}

int world_restart_store(struct world *world, bool kill)
{
    stop_store(world, kill);
    return start_store(world);
}

int world_hang_store(struct world *world, bool hang)
{
    return process_signal(world->xenstored, hang ? SIGSTOP : SIGCONT);
}

/* --- beginning and end --------------------------------------------------- */

static int make_folder(struct world *world, const char *folder)
{
    char path[WORLD_PATH];

    if (folder) {
        char *full = NULL;
        if (mkdir(folder, 0755) && errno != EEXIST)
            return -errno;
        full = realpath(folder, NULL);
        if (!full)
            return -errno;
        bool fits = strlen(full) < WORLD_FOLDER;
        if (fits)
            strcpy(world->folder, full);
        free(full);
        if (!fits)
            return -ENAMETOOLONG;
        world->keep = true;
    } else {
        snprintf(world->folder, sizeof(world->folder), "/tmp/xenagg-XXXXXX");
        if (!mkdtemp(world->folder))
            return -errno;
    }
    if (mkdir(world_path(world, "domains", path), 0700) && errno != EEXIST)
        return -errno;
    return 0;
}

static int world_start(struct world *world, const struct world_options *options)
{
    int error = make_folder(world, options->folder);

    if (error)
        return world_complain("a private folder", error);
    world->signals = block_signals();
    if (world->signals < 0)
        return world_complain("signals", world->signals);
    error = namespace_create(&world->dom0);
    if (error)
        return world_complain("a network namespace (needs root)", error);
    error = xenstored_use(world->folder);
    return error ? world_complain(world->folder, error) : start_store(world);
}

int world_create(const struct world_options *options, struct world **ret)
{
    struct world *world = calloc(1, sizeof(*world));

    if (!world)
        return -ENOMEM;
    world->signals = -1;
    world->workers = options->workers;
    world->ordinary = options->ordinary;
    if (options->database)
        snprintf(world->database, sizeof(world->database), "%s", options->database);
    int error = world_start(world, options);
    if (error) {
        world_free(world);
        return error;
    }
    *ret = world;
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_folder(const struct world *world)
{
    if (world->folder[0] && !world->keep)
        nftw(world->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void world_free(struct world *world)
{
    if (!world)
        return;
    world_stop_daemon(world, false);
    for (unsigned i = 0; i < world->n; i++)
        world_halt(world, world->guests[i], false);
    world_stop_backend(world, false);
    while (world->n)
        world_forget_guest(world, world->guests[world->n - 1]);
    stop_store(world, false);
    namespace_free(world->dom0);
    if (world->signals >= 0)
        close(world->signals);
    remove_folder(world);
    free(world);
}
