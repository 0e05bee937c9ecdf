// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * UDP datagrams whose every byte follows from their number, there and back:
 *
 *   xen-packets echo PORT                     in the guest: checks, counts, returns them
 *   xen-packets send ADDRESS PORT COUNT RATE  in dom0: COUNT at most RATE a second
 *   xen-packets load ADDRESS PORT RATE        in dom0: RATE a second until it is ended, whatever
 *                                             becomes of them
 *   xen-packets until ADDRESS PORT SECONDS    in dom0: one after another until one comes back;
 *                                             prints the milliseconds that this took, to 5 %
 *
 * `send` keeps at most WINDOW datagrams on their way, so that none is lost
 * only because a socket's queue was full; one that is not back after PATIENCE
 * counts as lost. At the end it asks the echo what that saw, and prints
 *
 *   sent N there N there_damaged N back N back_damaged N
 *
 * Exit status 0: it could be sent and asked; what came of it is for the caller to judge.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SIZE_MAX_BYTES 1472u /* fills a frame of 1514 bytes */
#define WINDOW 48u
#define PATIENCE_MS 60000
#define GIVE_UP (2 * WINDOW) /* so many lost say enough */
#define ASK_TRIES 10
#define UNTIL_PERIOD_MS 10
#define UNTIL_SHARE 20    /* of the time so far: what is slow to come back needs the time itself */
#define WAIT_MS 5         /* in an emulated PV domain each look at the clock costs 50 us */
#define MAGIC 0x58414747u /* a datagram of the series */
#define ASK 0x58414751u   /* what did you see? */

struct header {
    uint32_t magic, run, number;
};

struct seen {
    uint64_t arrived, damaged;
};

/* From 12 bytes to a full frame: mostly small, as those are what containers are for. */
static size_t size_of(uint32_t number)
{
    uint32_t mixed = number * 2654435761u;

    return sizeof(struct header) +
           (number % 4 ? mixed % 64 : mixed % (SIZE_MAX_BYTES - sizeof(struct header) + 1));
}

static void datagram_fill(uint8_t *bytes, uint32_t run, uint32_t number)
{
    struct header header = {MAGIC, run, number};
    uint32_t state = number ^ run;

    memcpy(bytes, &header, sizeof(header));
    for (size_t i = sizeof(header); i < size_of(number); i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(state >> 24);
    }
}

static bool datagram_good(const uint8_t *bytes, size_t size)
{
    uint8_t expected[SIZE_MAX_BYTES];
    struct header header;

    memcpy(&header, bytes, sizeof(header));
    datagram_fill(expected, header.run, header.number);
    return size == size_of(header.number) && memcmp(bytes, expected, size) == 0;
}

/* True: it belongs to `run`. A datagram too short to say so is damaged, whosever it was. */
static bool datagram_count(struct seen *seen, uint32_t run, const uint8_t *bytes, size_t size)
{
    struct header header = {0};

    if (size >= sizeof(header))
        memcpy(&header, bytes, sizeof(header));
    bool ours = header.magic == MAGIC && header.run == run;
    if (ours)
        seen->arrived++;
    if ((ours && !datagram_good(bytes, size)) || header.magic != MAGIC)
        seen->damaged++;
    return ours;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int fail(const char *what)
{
    fprintf(stderr, "xen-packets: %s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

static int socket_make(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = 4 << 20;

    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
    return fd;
}

/* --- echo ---------------------------------------------------------------- */

static int echo(const char *port)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    struct sockaddr_in from;
    struct seen seen = {0};
    uint32_t run = 0;
    uint8_t bytes[65536];
    int fd = socket_make();

    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0)
        return fail("bind");
    for (;;) {
        socklen_t length = sizeof(from);
        ssize_t size = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &length);
        struct header header = {0};
        if (size < 0)
            continue;
        if (size >= (ssize_t)sizeof(header))
            memcpy(&header, bytes, sizeof(header));
        if (header.magic == ASK) {
            memcpy(bytes + sizeof(header), &seen, sizeof(seen));
            size = sizeof(header) + sizeof(seen);
        } else {
            if (header.magic == MAGIC && header.run != run) {
                seen = (struct seen){0};
                run = header.run;
            }
            datagram_count(&seen, run, bytes, (size_t)size);
        }
        if (sendto(fd, bytes, (size_t)size, 0, (struct sockaddr *)&from, length) < 0)
            continue; /* lost, and seen as such by who waits for it */
    }
}

/* --- send ---------------------------------------------------------------- */

struct sender {
    int fd;
    uint32_t run, count, rate, sent;
    struct seen back;
    uint64_t begun_ms, progress_ms;
    uint64_t given_up; /* datagrams that are not waited for any more */
};

static void take_all(struct sender *sender, int wait_ms)
{
    struct pollfd polled = {.fd = sender->fd, .events = POLLIN};
    uint8_t bytes[65536];
    ssize_t size;

    if (poll(&polled, 1, wait_ms) <= 0)
        return;
    while ((size = recv(sender->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0)
        if (datagram_count(&sender->back, sender->run, bytes, (size_t)size))
            sender->progress_ms = now_ms();
}

static uint64_t under_way(const struct sender *sender)
{
    uint64_t done = sender->back.arrived + sender->given_up;

    return sender->sent > done ? sender->sent - done : 0;
}

static bool may_send(const struct sender *sender)
{
    uint64_t due = (now_ms() - sender->begun_ms) * sender->rate / 1000;

    return sender->sent < sender->count && sender->sent <= due && under_way(sender) < WINDOW;
}

static int send_all(struct sender *sender)
{
    uint8_t bytes[SIZE_MAX_BYTES];

    sender->begun_ms = sender->progress_ms = now_ms();
    while ((sender->sent < sender->count || under_way(sender) > 0) && sender->given_up < GIVE_UP) {
        while (may_send(sender)) {
            datagram_fill(bytes, sender->run, sender->sent);
            if (send(sender->fd, bytes, size_of(sender->sent), 0) < 0 && errno != ENOBUFS &&
                errno != ECONNREFUSED)
                return -errno;
            sender->sent++;
        }
        take_all(sender, WAIT_MS);
        if (now_ms() - sender->progress_ms > PATIENCE_MS) {
            sender->given_up += under_way(sender);
            sender->progress_ms = now_ms();
        }
    }
    return 0;
}

/* What the echo saw. */
static int ask(struct sender *sender, struct seen *ret)
{
    struct header question = {.magic = ASK, .run = sender->run};
    uint8_t bytes[65536];

    for (int tries = 0; tries < ASK_TRIES; tries++) {
        struct pollfd polled = {.fd = sender->fd, .events = POLLIN};
        send(sender->fd, &question, sizeof(question), 0);
        while (poll(&polled, 1, PATIENCE_MS / ASK_TRIES) > 0) {
            ssize_t size = recv(sender->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
            if (size != sizeof(question) + sizeof(*ret) || memcmp(bytes, &question, 8) != 0)
                continue;
            memcpy(ret, bytes + sizeof(question), sizeof(*ret));
            return 0;
        }
    }
    return -ETIMEDOUT;
}

/* To the address and port of the command line. 0 or -errno. */
static int sender_open(char **argv, struct sender *ret)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3]))};

    ret->fd = socket_make();
    ret->run = (uint32_t)getpid() ^ (uint32_t)now_ms() << 8;
    ret->begun_ms = now_ms();
    if (inet_pton(AF_INET, argv[2], &there.sin_addr) != 1)
        return -EINVAL;
    return ret->fd < 0 || connect(ret->fd, (struct sockaddr *)&there, sizeof(there)) < 0 ? -errno
                                                                                         : 0;
}

/* What cannot be sent now is lost, as it is where the way is interrupted later on. */
static void send_one(struct sender *sender)
{
    uint8_t bytes[SIZE_MAX_BYTES];

    datagram_fill(bytes, sender->run, sender->sent);
    if (send(sender->fd, bytes, size_of(sender->sent), 0) >= 0)
        sender->sent++;
}

static int load(char **argv)
{
    struct sender sender = {0};
    uint32_t rate = (uint32_t)strtoul(argv[4], NULL, 10);
    int error = sender_open(argv, &sender);

    errno = -error;
    if (error)
        return fail(argv[2]);
    for (uint64_t tried = 0;; take_all(&sender, WAIT_MS))
        for (; tried < (now_ms() - sender.begun_ms) * rate / 1000; tried++)
            send_one(&sender);
}

static int until(char **argv)
{
    struct sender sender = {0};
    uint64_t limit_ms = strtoul(argv[4], NULL, 10) * 1000;
    int error = sender_open(argv, &sender);

    errno = -error;
    if (error)
        return fail(argv[2]);
    for (uint64_t took = 0; !sender.back.arrived && took < limit_ms;
         took = now_ms() - sender.begun_ms) {
        uint64_t pause = took / UNTIL_SHARE;
        send_one(&sender);
        take_all(&sender, pause > UNTIL_PERIOD_MS ? (int)pause : UNTIL_PERIOD_MS);
    }
    printf("%llu\n", (unsigned long long)(now_ms() - sender.begun_ms));
    return sender.back.arrived ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int send_series(char **argv)
{
    struct sender sender = {.count = (uint32_t)strtoul(argv[4], NULL, 10),
                            .rate = (uint32_t)strtoul(argv[5], NULL, 10)};
    struct seen seen = {0};
    int error = sender_open(argv, &sender);

    errno = -error;
    if (error)
        return fail(argv[2]);
    error = send_all(&sender);
    if (!error)
        error = ask(&sender, &seen);
    printf("sent %u there %llu there_damaged %llu back %llu back_damaged %llu\n", sender.sent,
           (unsigned long long)seen.arrived, (unsigned long long)seen.damaged,
           (unsigned long long)sender.back.arrived, (unsigned long long)sender.back.damaged);
    errno = -error;
    return error ? fail("no answer from the echo") : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "echo") == 0)
        return echo(argv[2]);
    if (argc == 6 && strcmp(argv[1], "send") == 0)
        return send_series(argv);
    if (argc == 5 && strcmp(argv[1], "load") == 0)
        return load(argv);
    if (argc == 5 && strcmp(argv[1], "until") == 0)
        return until(argv);
    fprintf(stderr, "Usage: xen-packets echo PORT | send ADDRESS PORT COUNT RATE |\n"
                    "                   load ADDRESS PORT RATE | until ADDRESS PORT SECONDS\n");
    return 2;
}
