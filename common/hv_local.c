// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hypervisor interface without a hypervisor: domains are processes on one
 * host, pages are memfds, channels pairs of eventfds, handed over a unix socket
 * that each sharing process listens on (DIR/<domid>-<slot>). A reference or
 * port carries the slot in its upper half, so several processes can speak for
 * one domain. Each binding keeps its connection for life: when it hangs up, the
 * peer is gone.
 *
 * One thread per handle answers requests and sees hang-ups.
 */
#include "common/hv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SLOTS 16u
#define SLOT_SHIFT 20
#define NUMBERS (1u << SLOT_SHIFT)
#define CONNECTIONS_MAX 64u
#define REQUEST_SECONDS 2

enum operation { OPERATION_MAP = 1, OPERATION_BIND };

struct request {
    uint32_t operation, domid, number, count;
};

struct reply {
    int32_t error;
    uint32_t reserved;
};

struct hv_pages {
    struct hv *hv;
    struct hv_pages *next; /* shared ones, under the handle's lock */
    int memfd;             /* -1: mapped, not shared */
    uint32_t peer, count;
    uint8_t *memory;
    void *addresses[HV_SHARE_MAX];
    uint32_t references[HV_SHARE_MAX];
};

struct hv_channel {
    struct hv *hv;
    struct hv_channel *next; /* all of the handle's, under its lock */
    uint32_t peer, port;
    bool offered;
    int wait_fd, wake_fd; /* readable for us; for the peer */
    int connection;       /* to the peer, once bound; -1 before */
    atomic_bool gone;
};

struct hv {
    char *dir;
    uint32_t domid, slot, next_number;
    int listener, kick_fd;
    pthread_t thread;
    pthread_mutex_t lock;
    bool stop;
    struct hv_pages *shared;
    struct hv_channel *channels;
};

/* --- sockets ------------------------------------------------------------- */

static int address_make(const char *dir, uint32_t domid, uint32_t slot, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/%u-%u", dir, domid, slot);
    return length < (int)sizeof(ret->sun_path) ? 0 : -ENAMETOOLONG;
}

static int peer_connect(const char *dir, uint32_t domid, uint32_t slot)
{
    struct sockaddr_un address;
    struct timeval limit = {.tv_sec = REQUEST_SECONDS};
    int error = address_make(dir, domid, slot, &address);
    int fd = error ? error : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return error ? error : -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        error = errno == ECONNREFUSED ? -ENOENT : -errno;
        close(fd);
        return error;
    }
    return fd;
}

/* Binds the first free slot; a socket that nobody listens on is a dead process's. */
static int listener_open(struct hv *hv)
{
    struct sockaddr_un address;

    for (hv->slot = 0; hv->slot < SLOTS; hv->slot++) {
        int error = address_make(hv->dir, hv->domid, hv->slot, &address);
        int probe = error ? error : peer_connect(hv->dir, hv->domid, hv->slot);
        if (error)
            return error;
        if (probe >= 0) {
            close(probe);
            continue;
        }
        unlink(address.sun_path);
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
            return -errno;
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 16) == 0)
            return fd;
        error = -errno;
        close(fd);
        if (error != -EADDRINUSE)
            return error;
    }
    return -EADDRINUSE;
}

static void reply_send(int connection, int error, const int *fds, unsigned n)
{
    struct reply reply = {.error = error};
    struct iovec part = {&reply, sizeof(reply)};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (n) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
    }
    sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Asks the peer; its descriptors into ret_fds. The connection, or -errno. */
static int request_send(struct hv *hv, const struct request *request, uint32_t peer, int *ret_fds,
                        unsigned n)
{
    struct reply reply = {.error = -EPROTO};
    struct iovec part = {&reply, sizeof(reply)};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    int fd = peer_connect(hv->dir, peer, request->number >> SLOT_SHIFT);

    if (fd < 0)
        return fd;
    if (send(fd, request, sizeof(*request), MSG_NOSIGNAL) != (ssize_t)sizeof(*request) ||
        recvmsg(fd, &message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(reply) || reply.error ||
        control.header.cmsg_type != SCM_RIGHTS ||
        control.header.cmsg_len != CMSG_LEN(n * sizeof(int))) {
        close(fd);
        return reply.error < 0 ? reply.error : -EPROTO;
    }
    memcpy(ret_fds, CMSG_DATA(&control.header), n * sizeof(int));
    return fd;
}

/* --- the handle's thread ------------------------------------------------- */

static void answer_map(struct hv *hv, int connection, const struct request *request)
{
    for (struct hv_pages *pages = hv->shared; pages; pages = pages->next)
        if (pages->peer == request->domid && pages->references[0] == request->number &&
            pages->count == request->count) {
            reply_send(connection, 0, &pages->memfd, 1);
            return;
        }
    reply_send(connection, -ENOENT, NULL, 0);
}

/* True: the connection now belongs to the channel. */
static bool answer_bind(struct hv *hv, int connection, const struct request *request)
{
    for (struct hv_channel *channel = hv->channels; channel; channel = channel->next)
        if (channel->offered && channel->peer == request->domid &&
            channel->port == request->number) {
            int fds[2] = {channel->wake_fd, channel->wait_fd};
            if (channel->connection >= 0) /* the peer came back before its hang-up was seen */
                close(channel->connection);
            channel->connection = connection;
            atomic_store(&channel->gone, false);
            reply_send(connection, 0, fds, 2);
            return true;
        }
    reply_send(connection, -ENOENT, NULL, 0);
    return false;
}

static void connection_serve(struct hv *hv)
{
    struct timeval limit = {.tv_sec = REQUEST_SECONDS};
    struct request request;
    bool kept = false;
    int connection = accept4(hv->listener, NULL, NULL, SOCK_CLOEXEC);

    if (connection < 0)
        return;
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (recv(connection, &request, sizeof(request), 0) == (ssize_t)sizeof(request)) {
        pthread_mutex_lock(&hv->lock);
        if (request.operation == OPERATION_MAP)
            answer_map(hv, connection, &request);
        else if (request.operation == OPERATION_BIND)
            kept = answer_bind(hv, connection, &request);
        pthread_mutex_unlock(&hv->lock);
    }
    if (!kept)
        close(connection);
}

static void channel_hang_up(struct hv_channel *channel)
{
    uint64_t one = 1;

    close(channel->connection);
    channel->connection = -1;
    atomic_store(&channel->gone, true);
    if (write(channel->wait_fd, &one, sizeof(one)) < 0)
        return; /* full: it is readable as it is */
}

static unsigned connections_collect(struct hv *hv, struct pollfd *polled)
{
    unsigned n = 2;

    polled[0] = (struct pollfd){.fd = hv->kick_fd, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = hv->listener, .events = POLLIN};
    for (struct hv_channel *channel = hv->channels; channel && n < CONNECTIONS_MAX + 2;
         channel = channel->next)
        if (channel->connection >= 0)
            polled[n++] = (struct pollfd){.fd = channel->connection, .events = POLLIN};
    return n;
}

static void hang_ups_take(struct hv *hv, const struct pollfd *polled, unsigned n)
{
    for (unsigned i = 2; i < n; i++) {
        if (!polled[i].revents)
            continue;
        for (struct hv_channel *channel = hv->channels; channel; channel = channel->next)
            if (channel->connection == polled[i].fd)
                channel_hang_up(channel);
    }
}

static void *handle_thread(void *context)
{
    struct hv *hv = context;
    struct pollfd polled[CONNECTIONS_MAX + 2];
    uint64_t kicks;

    for (;;) {
        pthread_mutex_lock(&hv->lock);
        bool stop = hv->stop;
        unsigned n = connections_collect(hv, polled);
        pthread_mutex_unlock(&hv->lock);
        if (stop)
            return NULL;
        if (poll(polled, n, -1) < 0)
            continue;
        if (polled[0].revents && read(hv->kick_fd, &kicks, sizeof(kicks)) < 0)
            continue;
        pthread_mutex_lock(&hv->lock);
        /* A kick means that channels changed: what was polled may be another's by now. */
        if (!polled[0].revents)
            hang_ups_take(hv, polled, n);
        pthread_mutex_unlock(&hv->lock);
        if (polled[1].revents)
            connection_serve(hv);
    }
}

static void handle_kick(struct hv *hv)
{
    uint64_t one = 1;

    if (write(hv->kick_fd, &one, sizeof(one)) < 0)
        return; /* full: the thread is on its way */
}

/* --- the handle ---------------------------------------------------------- */

static void handle_free(struct hv *hv)
{
    if (hv->listener >= 0)
        close(hv->listener);
    if (hv->kick_fd >= 0)
        close(hv->kick_fd);
    pthread_mutex_destroy(&hv->lock);
    free(hv->dir);
    free(hv);
}

int hv_open(const char *spec, uint32_t domid, struct hv **ret)
{
    if (strncmp(spec, "local:", 6) != 0)
        return -EINVAL;
    struct hv *hv = calloc(1, sizeof(*hv));
    if (!hv)
        return -ENOMEM;
    hv->domid = domid;
    hv->dir = strdup(spec + 6);
    hv->next_number = 1;
    pthread_mutex_init(&hv->lock, NULL);
    hv->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    hv->listener = hv->dir ? listener_open(hv) : -ENOMEM;
    int error = hv->listener < 0 ? hv->listener : hv->kick_fd < 0 ? -EMFILE : 0;
    if (!error)
        error = -pthread_create(&hv->thread, NULL, handle_thread, hv);
    if (error) {
        handle_free(hv);
        return error;
    }
    *ret = hv;
    return 0;
}

void hv_close(struct hv *hv)
{
    struct sockaddr_un address;

    if (!hv)
        return;
    pthread_mutex_lock(&hv->lock);
    hv->stop = true;
    pthread_mutex_unlock(&hv->lock);
    handle_kick(hv);
    pthread_join(hv->thread, NULL);
    if (address_make(hv->dir, hv->domid, hv->slot, &address) == 0)
        unlink(address.sun_path);
    handle_free(hv);
}

/* Numbers of one share follow each other; at the end they begin anew. Under the handle's lock. */
static uint32_t number_take(struct hv *hv, uint32_t count)
{
    if (hv->next_number + count > NUMBERS)
        hv->next_number = 1;
    uint32_t number = hv->slot << SLOT_SHIFT | hv->next_number;
    hv->next_number += count;
    return number;
}

/* --- channels ------------------------------------------------------------ */

static struct hv_channel *channel_new(struct hv *hv, uint32_t peer, int wait_fd, int wake_fd)
{
    struct hv_channel *channel = calloc(1, sizeof(*channel));

    if (channel) {
        channel->hv = hv;
        channel->peer = peer;
        channel->wait_fd = wait_fd;
        channel->wake_fd = wake_fd;
        channel->connection = -1;
    }
    return channel;
}

static void channel_add(struct hv *hv, struct hv_channel *channel)
{
    pthread_mutex_lock(&hv->lock);
    channel->next = hv->channels;
    hv->channels = channel;
    pthread_mutex_unlock(&hv->lock);
    handle_kick(hv);
}

int hv_channel_offer(struct hv *hv, uint32_t peer, struct hv_channel **ret)
{
    int wait_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct hv_channel *channel =
        wait_fd >= 0 && wake_fd >= 0 ? channel_new(hv, peer, wait_fd, wake_fd) : NULL;

    if (!channel) {
        close(wait_fd);
        close(wake_fd);
        return -ENOMEM;
    }
    channel->offered = true;
    pthread_mutex_lock(&hv->lock);
    channel->port = number_take(hv, 1);
    pthread_mutex_unlock(&hv->lock);
    channel_add(hv, channel);
    *ret = channel;
    return 0;
}

int hv_channel_bind(struct hv *hv, uint32_t peer, uint32_t port, struct hv_channel **ret)
{
    struct request request = {.operation = OPERATION_BIND, .domid = hv->domid, .number = port};
    int fds[2];
    int connection = request_send(hv, &request, peer, fds, 2);

    if (connection < 0)
        return connection;
    struct hv_channel *channel = channel_new(hv, peer, fds[0], fds[1]);
    if (!channel) {
        close(fds[0]);
        close(fds[1]);
        close(connection);
        return -ENOMEM;
    }
    channel->port = port;
    channel->connection = connection;
    channel_add(hv, channel);
    *ret = channel;
    return 0;
}

void hv_channel_release(struct hv_channel *channel)
{
    if (!channel)
        return;
    struct hv *hv = channel->hv;

    pthread_mutex_lock(&hv->lock);
    for (struct hv_channel **at = &hv->channels; *at; at = &(*at)->next)
        if (*at == channel) {
            *at = channel->next;
            break;
        }
    if (channel->connection >= 0)
        close(channel->connection);
    pthread_mutex_unlock(&hv->lock);
    handle_kick(hv);
    close(channel->wait_fd);
    close(channel->wake_fd);
    free(channel);
}

uint32_t hv_channel_port(const struct hv_channel *channel)
{
    return channel->port;
}

int hv_channel_fd(const struct hv_channel *channel)
{
    return channel->wait_fd;
}

void hv_channel_notify(struct hv_channel *channel)
{
    uint64_t one = 1;

    if (write(channel->wake_fd, &one, sizeof(one)) < 0)
        return; /* full: the peer has more to read than it ever will */
}

int hv_channel_accept(struct hv_channel *channel)
{
    uint64_t pending;

    if (read(channel->wait_fd, &pending, sizeof(pending)) < 0 && errno != EAGAIN)
        return -errno;
    return atomic_load(&channel->gone) ? -ECONNRESET : 0;
}

/* --- pages --------------------------------------------------------------- */

static struct hv_pages *pages_map(struct hv *hv, uint32_t peer, int memfd, uint32_t count)
{
    struct hv_pages *pages = calloc(1, sizeof(*pages));
    void *memory =
        mmap(NULL, (size_t)count * HV_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);

    if (!pages || memory == MAP_FAILED) {
        if (memory != MAP_FAILED)
            munmap(memory, (size_t)count * HV_PAGE);
        free(pages);
        return NULL;
    }
    pages->hv = hv;
    pages->memfd = -1;
    pages->peer = peer;
    pages->count = count;
    pages->memory = memory;
    for (uint32_t i = 0; i < count; i++)
        pages->addresses[i] = pages->memory + (size_t)i * HV_PAGE;
    return pages;
}

/* The bytes are shown for whoever looks; here it is the connection that tells. */
static void farewell_arm(struct hv_pages *pages, const struct hv_farewell *farewell)
{
    if (farewell)
        pages->memory[farewell->own_offset % HV_PAGE] = 1;
}

/* Sealed, so that a peer can't shrink it under our feet. */
static int memfd_make(uint32_t count)
{
    int fd = memfd_create("xenagg-pages", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)count * HV_PAGE) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

int hv_share(struct hv *hv, uint32_t peer, uint32_t count, const struct hv_farewell *farewell,
             struct hv_pages **ret)
{
    if (count < 1 || count > HV_SHARE_MAX)
        return -EINVAL;
    int memfd = memfd_make(count);
    if (memfd < 0)
        return memfd;
    struct hv_pages *pages = pages_map(hv, peer, memfd, count);
    if (!pages) {
        close(memfd);
        return -ENOMEM;
    }
    pages->memfd = memfd;
    farewell_arm(pages, farewell);
    pthread_mutex_lock(&hv->lock);
    uint32_t first = number_take(hv, count);
    for (uint32_t i = 0; i < count; i++)
        pages->references[i] = first + i;
    pages->next = hv->shared;
    hv->shared = pages;
    pthread_mutex_unlock(&hv->lock);
    *ret = pages;
    return 0;
}

static bool references_follow(const uint32_t *references, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        if (references[i] != references[0] + i)
            return false;
    return true;
}

/* The size and the seals say that the whole mapping will stay there. */
static int memfd_check(int memfd, uint32_t count)
{
    off_t size = lseek(memfd, 0, SEEK_END);
    int seals = fcntl(memfd, F_GET_SEALS);

    return size == (off_t)count * HV_PAGE && seals >= 0 && (seals & F_SEAL_SHRINK) ? 0 : -EPROTO;
}

int hv_map(struct hv *hv, uint32_t peer, const uint32_t *references, uint32_t count,
           const struct hv_farewell *farewell, struct hv_pages **ret)
{
    if (count < 1 || count > HV_SHARE_MAX || !references_follow(references, count))
        return -EINVAL;
    struct request request = {
        .operation = OPERATION_MAP, .domid = hv->domid, .number = references[0], .count = count};
    int memfd;
    int connection = request_send(hv, &request, peer, &memfd, 1);
    if (connection < 0)
        return connection;
    close(connection);
    int error = memfd_check(memfd, count);
    struct hv_pages *pages = error ? NULL : pages_map(hv, peer, memfd, count);
    close(memfd);
    if (!pages)
        return error ? error : -ENOMEM;
    farewell_arm(pages, farewell);
    *ret = pages;
    return 0;
}

void hv_pages_release(struct hv_pages *pages)
{
    if (!pages)
        return;
    struct hv *hv = pages->hv;

    pthread_mutex_lock(&hv->lock);
    for (struct hv_pages **at = &hv->shared; *at; at = &(*at)->next)
        if (*at == pages) {
            *at = pages->next;
            break;
        }
    pthread_mutex_unlock(&hv->lock);
    munmap(pages->memory, (size_t)pages->count * HV_PAGE);
    if (pages->memfd >= 0)
        close(pages->memfd);
    free(pages);
}

uint32_t hv_pages_count(const struct hv_pages *pages)
{
    return pages->count;
}

void *const *hv_pages_addresses(const struct hv_pages *pages)
{
    return pages->addresses;
}

const uint32_t *hv_pages_references(const struct hv_pages *pages)
{
    return pages->references;
}
