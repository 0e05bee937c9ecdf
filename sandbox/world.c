// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mac.h"
#include "common/device.h"
#include "sandbox/losses.h"
#include "sandbox/programs.h"
#include "sandbox/toolstack.h"
#include "sandbox/xenstored.h"

/* The data path's threads share a few noisy cores with everything else here. */
#define WORLD_REALTIME "2" /* above the sender of the traffic that it carries */
#define LOOK_SECONDS 0.01
#define STOP_SECONDS 10.0
#define BACKEND_DOMID 0u

struct world {
    char folder[WORLD_FOLDER];
    char database[WORLD_PATH];
    bool keep;
    unsigned workers;
    bool ordinary;
    int signals;
    bool interrupted;
    struct namespace *dom0;
    struct store *store;
    struct process *xenstored, *backend, *daemon;
    struct world_guest *guests[WORLD_GUESTS];
    unsigned n;
};

static int complain(const char *what, int error)
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

static int start_program(struct world *world, const char **arguments, struct namespace *space,
                         const char *log, struct process **ret)
{
    char program[PROGRAMS_PATH], path[WORLD_PATH], file[64];
    int error = programs_find(arguments[0], program);

    if (error)
        return complain(arguments[0], error);
    snprintf(file, sizeof(file), "%.20s.log", log);
    const char *name = arguments[0];
    arguments[0] = program;
    struct process_options options = {
        .arguments = arguments, .space = space, .log = world_path(world, file, path)};
    error = process_start(&options, ret);
    return error ? complain(name, error) : 0;
}

static int stop_program(struct world *world, struct process **process, const char *log, bool kill)
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
    return start_program(world, arguments, world->dom0, "netback", &world->backend);
}

int world_stop_backend(struct world *world, bool kill)
{
    return stop_program(world, &world->backend, "netback", kill);
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
    int error = start_program(world, arguments, world->dom0, "xenaggd", &world->daemon);
    if (!error)
        error = world_await(world, "the daemon's control socket", socket_is_there, control,
                            WORLD_PATIENCE);
    return error;
}

int world_stop_daemon(struct world *world, bool kill)
{
    return stop_program(world, &world->daemon, "xenaggd", kill);
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
    return error ? complain("xenstored", error) : 0;
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

/* --- guests -------------------------------------------------------------- */

static unsigned subnet(const struct world_guest *guest)
{
    return guest->interface.domid % 256;
}

uint32_t world_near_address(const struct world_guest *guest)
{
    return 0x0a4d0001u | subnet(guest) << 8;
}

uint32_t world_far_address(const struct world_guest *guest)
{
    return 0xc6120001u | subnet(guest) << 8;
}

static void guest_free(struct world_guest *guest)
{
    process_free(guest->frontend);
    namespace_free(guest->space);
    free(guest);
}

/* What the guest's kernel does for a router; before its interface is there. */
static int guest_kernel(struct world_guest *guest)
{
    static const char *const settings[][2] = {
        {"net/ipv4/ip_forward", "1"},
        {"net/ipv4/conf/all/send_redirects", "0"},
        {"net/ipv4/conf/default/send_redirects", "0"},
        {"net/ipv4/conf/all/rp_filter", "0"},
        {"net/ipv4/conf/default/rp_filter", "0"},
    };
    int error = 0;

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && !error; i++)
        error = namespace_sysctl(guest->space, settings[i][0], settings[i][1]);
    return error;
}

int world_attach(struct world *world, const struct world_guest *guest)
{
    struct device device = {
        .interface = guest->interface, .backend_domid = BACKEND_DOMID, .mtu = guest->mtu};

    mac_format(guest->mac, device.mac);
    return device_attach(world->store, &device);
}

int world_create_guest(struct world *world, uint32_t domid, const char *name, unsigned mtu,
                       struct world_guest **ret)
{
    struct world_guest *guest = calloc(1, sizeof(*guest));

    if (!guest || world->n == WORLD_GUESTS) {
        free(guest);
        return complain("one more guest", -ENOMEM);
    }
    guest->interface = (struct keys_interface){.domid = domid};
    guest->mtu = mtu;
    snprintf(guest->name, sizeof(guest->name), "%s", name);
    snprintf(guest->vif, sizeof(guest->vif), "vif%u.0", domid);
    /* Xen's own prefix for guests. */
    uint8_t mac[6] = {0x00, 0x16, 0x3e, 0x77, (uint8_t)(domid >> 8), (uint8_t)domid};
    memcpy(guest->mac, mac, 6);
    int error = namespace_create(&guest->space);
    if (!error)
        error = guest_kernel(guest);
    if (!error)
        error = toolstack_create(world->store, domid, name);
    if (!error)
        error = world_attach(world, guest);
    if (error) {
        guest_free(guest);
        return complain(name, error);
    }
    world->guests[world->n++] = guest;
    *ret = guest;
    return 0;
}

int world_boot(struct world *world, struct world_guest *guest)
{
    char hypervisor[WORLD_PATH + 8], domid[16];
    const char *arguments[] = {"xenagg-netfront", "--hypervisor", hypervisor, "--domid", domid,
                               "--realtime",      WORLD_REALTIME, NULL};

    if (world->ordinary)
        arguments[5] = NULL;

    snprintf(hypervisor, sizeof(hypervisor), "local:%s/domains", world->folder);
    snprintf(domid, sizeof(domid), "%u", guest->interface.domid);
    return start_program(world, arguments, guest->space, guest->name, &guest->frontend);
}

struct guest_states {
    struct world *world;
    const struct world_guest *guest;
};

/* A killed backend leaves its segment behind, and its folder says Connected still. */
static bool backend_carries(struct world *world, const struct world_guest *guest)
{
    char path[WORLD_PATH];
    struct segment_interface seen;
    struct segment *segment;

    if (!world->backend || segment_open(world_segment(world, path), &segment))
        return false;
    bool carries = segment_head(segment)->pid == (uint32_t)process_pid(world->backend) &&
                   losses_find_interface(segment, guest->interface, &seen) == 0;
    segment_close(segment);
    return carries;
}

static bool both_connected(void *context)
{
    struct guest_states *states = context;
    struct device device = {.interface = states->guest->interface, .backend_domid = BACKEND_DOMID};
    struct device_states ends;

    device_states(states->world->store, &device, &ends);
    return ends.backend == KEYS_STATE_CONNECTED && ends.frontend == KEYS_STATE_CONNECTED &&
           backend_carries(states->world, states->guest);
}

int world_await_connected(struct world *world, struct world_guest *guest)
{
    struct guest_states states = {.world = world, .guest = guest};
    char what[80];

    snprintf(what, sizeof(what), "both ends of guest %s Connected", guest->name);
    return world_await(world, what, both_connected, &states, WORLD_PATIENCE);
}

static int read_mac(struct namespace *space, const char *interface, uint8_t ret_mac[6])
{
    struct ifreq request = {0};
    int fd = namespace_socket(space, AF_INET, SOCK_DGRAM, 0);

    if (fd < 0)
        return fd;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    int error = ioctl(fd, SIOCGIFHWADDR, &request) ? -errno : 0;
    close(fd);
    if (!error)
        memcpy(ret_mac, request.ifr_hwaddr.sa_data, 6);
    return error;
}

int world_set_up_network(struct world *world, struct world_guest *guest)
{
    char commands[640], mac[MAC_TEXT];
    unsigned n = subnet(guest);
    int error = read_mac(world->dom0, guest->vif, guest->vif_mac);

    if (error)
        return complain(guest->vif, error);
    snprintf(commands, sizeof(commands),
             "link set %s up\n"
             "addr replace 10.77.%u.1/24 dev %s\n"
             "neigh replace 10.77.%u.2 lladdr %s dev %s nud permanent\n",
             guest->vif, n, guest->vif, n, mac_format(guest->mac, mac), guest->vif);
    error = namespace_ip(world->dom0, commands);
    if (error)
        return complain(guest->vif, error);
    snprintf(commands, sizeof(commands),
             "link set " WORLD_GUEST_INTERFACE " up\n"
             "addr replace 10.77.%u.2/24 dev " WORLD_GUEST_INTERFACE "\n"
             "neigh replace 10.77.%u.1 lladdr %s dev " WORLD_GUEST_INTERFACE " nud permanent\n"
             "route replace 198.18.%u.0/24 via 10.77.%u.1\n",
             n, n, mac_format(guest->vif_mac, mac), n, n);
    error = namespace_ip(guest->space, commands);
    return error ? complain(guest->name, error) : 0;
}

int world_bring_up(struct world *world, struct world_guest *guest)
{
    int error = guest->frontend ? 0 : world_boot(world, guest);

    if (!error)
        error = world_await_connected(world, guest);
    return error ? error : world_set_up_network(world, guest);
}

int world_halt(struct world *world, struct world_guest *guest, bool kill)
{
    return stop_program(world, &guest->frontend, guest->name, kill);
}

static void guest_forget(struct world *world, struct world_guest *guest)
{
    for (unsigned i = 0; i < world->n; i++)
        if (world->guests[i] == guest) {
            memmove(&world->guests[i], &world->guests[i + 1],
                    (world->n - i - 1) * sizeof(world->guests[0]));
            world->n--;
            break;
        }
    guest_free(guest);
}

int world_shut_down(struct world *world, struct world_guest *guest)
{
    struct device device = {.interface = guest->interface, .backend_domid = BACKEND_DOMID};
    struct device_states states;
    int error = device_close(world->store, &device);

    if (!error && world->backend)
        error = device_await_closed(world->store, &device, WORLD_PATIENCE, &states);
    if (error)
        complain("closing an interface", error);
    int halted = world_halt(world, guest, false);
    if (!error)
        error = halted;
    toolstack_destroy(world->store, guest->interface.domid);
    guest_forget(world, guest);
    return error;
}

void world_destroy(struct world *world, struct world_guest *guest)
{
    world_halt(world, guest, true);
    toolstack_destroy(world->store, guest->interface.domid);
    guest_forget(world, guest);
}

unsigned world_guests(const struct world *world)
{
    return world->n;
}

struct world_guest *world_guest(struct world *world, unsigned index)
{
    return world->guests[index];
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
        return complain("a private folder", error);
    world->signals = block_signals();
    if (world->signals < 0)
        return complain("signals", world->signals);
    error = namespace_create(&world->dom0);
    if (error)
        return complain("a network namespace (needs root)", error);
    error = xenstored_use(world->folder);
    return error ? complain(world->folder, error) : start_store(world);
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
        guest_forget(world, world->guests[world->n - 1]);
    stop_store(world, false);
    namespace_free(world->dom0);
    if (world->signals >= 0)
        close(world->signals);
    remove_folder(world);
    free(world);
}
