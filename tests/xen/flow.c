// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What becomes of the packets that pktgen sends:
 *
 *   xen-flow delays INTERFACE SECONDS   counts those that arrive there, and their delays
 *   xen-flow count PORT SECONDS         counts datagrams at a socket
 *
 * pktgen writes the kernel's time into each packet, and the kernel says when it
 * arrived, by the same clock where both are in one domain: nothing here asks the
 * time for each packet, which costs 50 us in an emulated PV domain. Ends after
 * SECONDS from the first packet, prints one JSON object.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PKTGEN_MAGIC 0xbe9be955u
#define BATCH 64u
#define FRAME 256u
#define DELAYS_MAX (1u << 22)
#define QUEUE_BYTES (64 << 20)
#define FIRST_MS 30000

/* net/core/pktgen.c */
struct pktgen_header {
    uint32_t magic, number, seconds, microseconds; /* big endian */
};

struct seen {
    uint64_t packets;
    uint32_t first, last; /* pktgen's numbers: what is missing between them was lost */
    float *delays;        /* us, in the order of arrival */
    uint32_t n_delays;
    double jitter, jitter_max, before; /* RFC 3550, 6.4.1 */
};

struct batch {
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    uint8_t frames[BATCH][FRAME];
    char control[BATCH][64];
};

static int fail(const char *what)
{
    fprintf(stderr, "xen-flow: %s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* When the packet arrived, as the kernel says; 0: it does not. */
static double arrival(struct msghdr *message)
{
    struct timespec time;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            memcpy(&time, CMSG_DATA(c), sizeof(time));
            return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
        }
    return 0;
}

static void delay_add(struct seen *seen, double delay)
{
    double difference = delay - seen->before;

    if (seen->n_delays)
        seen->jitter += ((difference < 0 ? -difference : difference) - seen->jitter) / 16;
    if (seen->jitter > seen->jitter_max)
        seen->jitter_max = seen->jitter;
    seen->before = delay;
    if (seen->n_delays < DELAYS_MAX)
        seen->delays[seen->n_delays++] = (float)delay;
}

/* A frame with pktgen's header behind those of Ethernet, IPv4 and UDP. */
static void frame_take(struct seen *seen, const uint8_t *frame, size_t length, double arrived)
{
    const size_t at = sizeof(struct ether_header) + sizeof(struct iphdr) + sizeof(struct udphdr);
    struct pktgen_header header;

    if (length < at + sizeof(header))
        return;
    memcpy(&header, frame + at, sizeof(header));
    if (ntohl(header.magic) != PKTGEN_MAGIC)
        return;
    seen->last = ntohl(header.number);
    if (!seen->packets++)
        seen->first = seen->last;
    if (arrived > 0)
        delay_add(seen, arrived - (double)ntohl(header.seconds) * 1e6 -
                            (double)ntohl(header.microseconds));
}

static void batch_reset(struct batch *batch)
{
    for (unsigned i = 0; i < BATCH; i++) {
        batch->parts[i] = (struct iovec){batch->frames[i], FRAME};
        batch->messages[i].msg_hdr = (struct msghdr){.msg_iov = &batch->parts[i],
                                                     .msg_iovlen = 1,
                                                     .msg_control = batch->control[i],
                                                     .msg_controllen = sizeof(batch->control[i])};
    }
}

/* Until `seconds` after the first packet; `whole`: frames, not only datagrams to count. */
static double receive(int fd, double seconds, bool whole, struct seen *seen)
{
    static struct batch batch;
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    double begun = now(), first = 0;

    while (first == 0 ? now() - begun < FIRST_MS * 1e-3 : now() - first < seconds) {
        if (poll(&polled, 1, 100) <= 0)
            continue;
        batch_reset(&batch);
        int n = recvmmsg(fd, batch.messages, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++) {
            if (whole)
                frame_take(seen, batch.frames[i], batch.messages[i].msg_len,
                           arrival(&batch.messages[i].msg_hdr));
            else
                seen->packets++;
        }
        if (first == 0 && seen->packets)
            first = now();
    }
    return first == 0 ? 0 : now() - first;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static void print(struct seen *seen, double seconds)
{
    double sum = 0;
    uint32_t n = seen->n_delays;

    printf("{\"packets\": %llu, \"seconds\": %.3f", (unsigned long long)seen->packets, seconds);
    if (n) {
        for (uint32_t i = 0; i < n; i++)
            sum += (double)seen->delays[i];
        qsort(seen->delays, n, sizeof(*seen->delays), by_size);
        printf(", \"numbers\": %u", seen->last - seen->first + 1);
        printf(", \"mean_us\": %.1f, \"min_us\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
               "\"max_us\": %.1f, \"jitter_us\": %.1f, \"jitter_max_us\": %.1f",
               sum / n, (double)seen->delays[0], (double)seen->delays[n / 2],
               (double)seen->delays[(uint64_t)n * 99 / 100], (double)seen->delays[n - 1],
               seen->jitter, seen->jitter_max);
    }
    printf("}\n");
}

static int frames_open(const char *interface)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(ETH_P_ALL),
                                  .sll_ifindex = (int)if_nametoindex(interface)};
    int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), yes = 1;

    if (fd < 0 || !address.sll_ifindex ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof(yes)) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)) < 0)
        return -1;
    return fd;
}

static int datagrams_open(const char *port)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0)
        return -1;
    return fd;
}

int main(int argc, char **argv)
{
    bool whole = argc == 4 && strcmp(argv[1], "delays") == 0;
    struct seen seen = {.delays = calloc(DELAYS_MAX, sizeof(float))};
    int bytes = QUEUE_BYTES;

    if (argc != 4 || (!whole && strcmp(argv[1], "count") != 0)) {
        fprintf(stderr, "Usage: xen-flow delays INTERFACE SECONDS | count PORT SECONDS\n");
        return 2;
    }
    int fd = whole ? frames_open(argv[2]) : datagrams_open(argv[2]);
    if (fd < 0 || !seen.delays)
        return fail(argv[2]);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
    double seconds = receive(fd, atof(argv[3]), whole, &seen);
    print(&seen, seconds);
    return seen.packets ? EXIT_SUCCESS : EXIT_FAILURE;
}
