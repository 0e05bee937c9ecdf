// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How many packets a second cross from one network namespace to a UDP socket in
 * another: through xagg at several container sizes, through a copier that does
 * one read and one write for each packet, and over a pair of virtual Ethernet
 * interfaces, which is what the kernel itself can do here.
 *
 * All ways are fed alike: one thread sends batches and keeps a fixed number of
 * packets on their way, so that no queue overflows and nobody starves. The ways
 * take turns, several rounds, and medians are shown: what else the machine does
 * hits them all alike.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <math.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "sandbox/namespace.h"
#include "sandbox/packet.h"
#include "sandbox/usage.h"
#include "sandbox/world.h"

#define ROUNDS 7
#define ROUND_SECONDS 1.0
#define WARM_UP_SECONDS 0.2
#define FRAME 64u
#define BATCH 32u
#define ON_THEIR_WAY 900u /* packets: several containers, less than any queue holds */
#define QUEUE "2000"
#define NICE (-15)
#define PORT 7777u
#define PATIENCE_NS 200000000ull /* without an arrival: what is on its way is lost */

/* One way to get from here to there. */
struct way {
    const char *name;
    struct namespace *near, *far;
    const char *near_name, *far_name;
    uint8_t far_mac[6];
    uint32_t address;
    unsigned packets; /* container size to set; 0: not xagg */
    int sender, counter;
    double rate[ROUNDS]; /* packets/s */
    double cost[ROUNDS]; /* ns of CPU of all that carries them, without sender and receiver */
};

enum { XAGG_1, XAGG_16, XAGG_160, READ_WRITE, VETH, WAYS };

struct bench {
    struct world *world;
    struct world_guest *guest;
    struct way ways[WAYS];
    /* the copier */
    int tap_near, tap_far;
    pthread_t copier;
    clockid_t copier_clock;
};

static _Noreturn void give_up(const char *what, int error)
{
    fprintf(stderr, "bench-data-path: %s: %s\n", what, strerror(-error));
    exit(1);
}

static void must(const char *what, int error)
{
    if (error)
        give_up(what, error);
}

/* --- feeding and counting ------------------------------------------------ */

static void sender_open(struct way *way)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET};
    int one = 1;

    way->sender = namespace_socket(way->near, AF_PACKET, SOCK_RAW, 0);
    must("enter", namespace_enter(way->near));
    address.sll_ifindex = (int)if_nametoindex(way->near_name);
    namespace_leave(way->near);
    if (way->sender < 0 ||
        setsockopt(way->sender, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
        bind(way->sender, (struct sockaddr *)&address, sizeof(address)))
        give_up("sending socket", -errno);
}

/* Nobody reads it: each packet goes through the whole stack and is then dropped. */
static void receiver_open(struct way *way)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = namespace_socket(way->far, AF_INET, SOCK_DGRAM, 0), smallest = 0;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest)) ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)))
        give_up("receiving socket", -errno);
}

struct entered {
    struct namespace *space;
    int fd;
    char path[96];
};

/* sysfs shows the namespace of whoever mounts it: on a thread with a mount namespace of its own. */
static void *open_statistics(void *context)
{
    struct entered *entered = context;

    entered->fd = -EPERM;
    if (unshare(CLONE_FS | CLONE_NEWNS) || mount("", "/", NULL, MS_SLAVE | MS_REC, NULL) ||
        setns(namespace_fd(entered->space), CLONE_NEWNET) ||
        mount("bench", "/sys", "sysfs", 0, NULL))
        return NULL;
    entered->fd = open(entered->path, O_RDONLY | O_CLOEXEC);
    return NULL;
}

static void counter_open(struct way *way)
{
    struct entered entered = {.space = way->far};
    pthread_t thread;

    snprintf(entered.path, sizeof(entered.path), "/sys/class/net/%s/statistics/rx_packets",
             way->far_name);
    must("thread", -pthread_create(&thread, NULL, open_statistics, &entered));
    pthread_join(thread, NULL);
    if (entered.fd < 0)
        give_up(entered.path, entered.fd);
    way->counter = entered.fd;
}

static uint64_t arrived(const struct way *way)
{
    char text[32] = "";

    if (pread(way->counter, text, sizeof(text) - 1, 0) < 0)
        give_up("statistics", -errno);
    return strtoull(text, NULL, 10);
}

struct batch {
    uint8_t frames[BATCH][FRAME];
    struct iovec places[BATCH];
    struct mmsghdr messages[BATCH];
};

static void batch_build(struct batch *batch, const struct way *way)
{
    struct packet_flow flow = {.source = {2, 0, 0, 0, 0, 1},
                               .from = way->address - 1,
                               .to = way->address,
                               .from_port = PORT + 1,
                               .to_port = PORT};

    memcpy(flow.destination, way->far_mac, 6);
    memset(batch, 0, sizeof(*batch));
    for (unsigned i = 0; i < BATCH; i++) {
        struct packet_mark mark = {.sequence = i};
        packet_build(&flow, &mark, 0, FRAME, batch->frames[i]);
        batch->places[i] = (struct iovec){.iov_base = batch->frames[i], .iov_len = FRAME};
        batch->messages[i].msg_hdr.msg_iov = &batch->places[i];
        batch->messages[i].msg_hdr.msg_iovlen = 1;
    }
}

/* Keeps ON_THEIR_WAY packets on their way for so long. Returns packets per second. */
static double feed(struct way *way, struct batch *batch, double seconds)
{
    uint64_t start = clock_ns(), end = start + (uint64_t)(seconds * 1e9), now = start;
    uint64_t first = arrived(way), seen = first, sent = first, seen_ns = start;

    while (now < end) {
        uint64_t count = arrived(way);
        now = clock_ns();
        if (count != seen)
            seen_ns = now;
        else if (now - seen_ns > PATIENCE_NS)
            sent = count; /* a queue overflowed somewhere */
        seen = count;
        if (sent + BATCH > seen + ON_THEIR_WAY) {
            sched_yield();
            continue;
        }
        int n = sendmmsg(way->sender, batch->messages, BATCH, MSG_DONTWAIT);
        if (n < 0 && errno != ENOBUFS && errno != EAGAIN)
            give_up("sending", -errno);
        sent += n > 0 ? (uint64_t)n : 0;
    }
    return (double)(seen - first) / ((double)(now - start) / 1e9);
}

/* --- the ways ------------------------------------------------------------ */

static void set_sizes(struct bench *bench, unsigned packets)
{
    static const char *const directions[] = {"rx", "tx"};
    char dir[KEYS_PATH], name[40];
    struct store *store = world_store(bench->world);

    keys_backend_dir(0, bench->guest->interface, dir);
    for (int i = 0; i < 2; i++) {
        must("store", store_writef(store, dir, keys_tuning_name(directions[i], KEYS_PACKETS, name),
                                   "%u", packets));
        must("store", store_writef(store, dir,
                                   keys_tuning_name(directions[i], KEYS_TIMEOUT_US, name), "1000"));
    }
}

static void xagg_open(struct bench *bench)
{
    static const char *const names[] = {"xagg, k = 1", "xagg, k = 16", "xagg, k = 160"};
    static const unsigned sizes[] = {1, 16, 160};
    struct world_options options = {.ordinary = true};

    must("world", world_create(&options, &bench->world));
    must("backend", world_start_backend(bench->world));
    must("guest", world_create_guest(bench->world, 61, "bench", 0, &bench->guest));
    must("guest", world_bring_up(bench->world, bench->guest));
    must("queue",
         namespace_ip(world_dom0(bench->world), "link set vif61.0 txqueuelen " QUEUE "\n"));
    for (int i = XAGG_1; i <= XAGG_160; i++) {
        bench->ways[i] = (struct way){.name = names[i],
                                      .near = world_dom0(bench->world),
                                      .far = bench->guest->space,
                                      .near_name = bench->guest->vif,
                                      .far_name = WORLD_GUEST_INTERFACE,
                                      .address = world_near_address(bench->guest) + 1,
                                      .packets = sizes[i]};
        memcpy(bench->ways[i].far_mac, bench->guest->mac, 6);
    }
}

static int tap_open(struct namespace *space, const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};

    must("enter", namespace_enter(space));
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
        give_up("TAP", -errno);
    namespace_leave(space);
    return fd;
}

/* xagg's threads ask for as much; whoever else is busy shall disturb all ways alike. */
static void raise_priority(void)
{
    if (setpriority(PRIO_PROCESS, (id_t)gettid(), NICE))
        fprintf(stderr, "bench-data-path: no raised priority: %s\n", strerror(errno));
}

/* What xagg would be without containers: a read and a write for each packet. */
static void *copier_run(void *context)
{
    struct bench *bench = context;
    uint8_t frame[2048];

    raise_priority();
    for (;;) {
        ssize_t size = read(bench->tap_near, frame, sizeof(frame));
        if (size <= 0 || write(bench->tap_far, frame, (size_t)size) < 0)
            return NULL;
    }
}

static void two_namespaces(struct way *way)
{
    must("namespace", namespace_create(&way->near));
    must("namespace", namespace_create(&way->far));
}

static void copier_open(struct bench *bench)
{
    struct way *way = &bench->ways[READ_WRITE];

    *way = (struct way){.name = "read + write",
                        .near_name = "tap0",
                        .far_name = "tap1",
                        .far_mac = {2, 0, 0, 0, 0, 2},
                        .address = 0x0a4d0102};
    two_namespaces(way);
    bench->tap_near = tap_open(way->near, "tap0");
    bench->tap_far = tap_open(way->far, "tap1");
    must("near", namespace_ip(way->near, "link set tap0 txqueuelen " QUEUE " up\n"));
    must("far", namespace_ip(way->far, "link set tap1 address 02:00:00:00:00:02 up\n"
                                       "addr add 10.77.1.2/24 dev tap1\n"));
    must("thread", -pthread_create(&bench->copier, NULL, copier_run, bench));
    must("clock", -pthread_getcpuclockid(bench->copier, &bench->copier_clock));
}

static void veth_open(struct bench *bench)
{
    char commands[256];
    struct way *way = &bench->ways[VETH];

    *way = (struct way){.name = "veth",
                        .near_name = "veth0",
                        .far_name = "veth1",
                        .far_mac = {2, 0, 0, 0, 0, 2},
                        .address = 0x0a4d0102};
    two_namespaces(way);
    snprintf(commands, sizeof(commands),
             "link add veth0 type veth peer name veth1 address 02:00:00:00:00:02 netns "
             "/proc/%d/fd/%d\nlink set veth0 up\n",
             getpid(), namespace_fd(way->far));
    must("near", namespace_ip(way->near, commands));
    must("far", namespace_ip(way->far, "link set veth1 up\naddr add 10.77.1.2/24 dev veth1\n"));
}

/* --- runs ---------------------------------------------------------------- */

static double clock_seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* CPU seconds so far of what carries packets on this way. */
static double carried_cost(const struct bench *bench, const struct way *way)
{
    struct usage backend, frontend;

    if (way == &bench->ways[READ_WRITE])
        return clock_seconds(bench->copier_clock);
    if (!way->packets)
        return 0;
    must("usage", usage_read(process_pid(world_backend(bench->world)), &backend));
    must("usage", usage_read(process_pid(bench->guest->frontend), &frontend));
    return backend.cpu_seconds + frontend.cpu_seconds;
}

static void run_way(struct bench *bench, struct way *way, int round)
{
    struct batch batch;

    batch_build(&batch, way);
    if (way->packets)
        set_sizes(bench, way->packets);
    feed(way, &batch, WARM_UP_SECONDS);
    double before = carried_cost(bench, way);
    way->rate[round] = feed(way, &batch, ROUND_SECONDS);
    double cost = carried_cost(bench, way) - before;
    way->cost[round] = cost / (way->rate[round] * ROUND_SECONDS) * 1e9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof(values[0]), compare);
    return values[ROUNDS / 2];
}

static json_t *show(struct bench *bench)
{
    json_t *rows = json_array();
    double base = median(bench->ways[READ_WRITE].rate), veth = median(bench->ways[VETH].rate);

    printf("64-byte UDP, namespace to namespace, median of %d rounds\n"
           " %-14s %12s %18s %14s %22s\n",
           ROUNDS, "way", "packets/s", "by read + write", "by veth", "CPU ns per packet");
    for (int i = 0; i < WAYS; i++) {
        struct way *way = &bench->ways[i];
        double rate = median(way->rate), cost = median(way->cost);
        printf(" %-14s %12.0f %17.2fx %13.2fx %22.0f\n", way->name, rate, rate / base, rate / veth,
               cost);
        json_array_append_new(rows, json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f}", "way",
                                              way->name, "packets_per_second", rate, "lowest",
                                              way->rate[0], "highest", way->rate[ROUNDS - 1],
                                              "by_read_write", rate / base, "by_veth", rate / veth,
                                              "cpu_ns_per_packet", cost));
    }
    printf(
        " CPU: of what carries the packets, the receiving stack included; not the sender's. With "
        "veth\n the sender's own time is all there is.\n");
    return rows;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    const char *path = argc > 1 ? argv[1] : NULL;

    if (geteuid() != 0)
        give_up("network namespaces need root", -EPERM);
    raise_priority();
    xagg_open(&bench);
    copier_open(&bench);
    veth_open(&bench);
    for (int i = 0; i < WAYS; i++) {
        sender_open(&bench.ways[i]);
        if (i == XAGG_1 || !bench.ways[i].packets) /* the sizes of xagg share theirs */
            receiver_open(&bench.ways[i]);
        counter_open(&bench.ways[i]);
    }
    for (int round = 0; round < ROUNDS && !world_interrupted(bench.world); round++)
        for (int i = 0; i < WAYS; i++)
            run_way(&bench, &bench.ways[i], round);
    int error = world_check(bench.world);
    if (world_interrupted(bench.world))
        error = -EINTR;
    if (!error) {
        json_t *document = json_pack("{s:i, s:i, s:o}", "rounds", ROUNDS, "frame_bytes", (int)FRAME,
                                     "ways", show(&bench));
        if (path && json_dump_file(document, path, JSON_INDENT(2))) {
            fprintf(stderr, "bench-data-path: can't write %s\n", path);
            error = -EIO;
        }
        json_decref(document);
    }
    world_free(bench.world);
    return error ? 1 : 0;
}
