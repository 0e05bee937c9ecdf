// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/local_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

#define BACKLOG 64
#define LOCK_PAUSE_NS 1000000
/* More than one, so that it shows when more came. */
#define DESCRIPTORS_MAX 4u

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

static int address_make(const char *dir, uint32_t domid, uint32_t slot, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/%u-%u", dir, domid, slot);
    return length < (int)sizeof(ret->sun_path) ? 0 : -ENAMETOOLONG;
}

static int socket_make(int flags)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
    return fd < 0 ? -errno : fd;
}

/* --- listening ----------------------------------------------------------- */

/* Whether anybody listens there. One whose queue is full is alive, too. */
static bool is_alive(const struct sockaddr_un *address)
{
    int fd = socket_make(SOCK_NONBLOCK);

    if (fd < 0)
        return true;
    bool refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
                   (errno == ENOENT || errno == ECONNREFUSED);
    close(fd);
    return !refused;
}

/* What lies there is a dead process's. */
static int slot_take(const struct sockaddr_un *address)
{
    int fd = socket_make(SOCK_NONBLOCK);

    if (fd < 0)
        return fd;
    unlink(address->sun_path);
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
        listen(fd, BACKLOG) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static int slot_find(const char *dir, uint32_t domid, uint32_t *ret_slot)
{
    for (uint32_t slot = 0; slot < LOCAL_SOCKET_SLOTS; slot++) {
        struct sockaddr_un address;
        int fd = address_make(dir, domid, slot, &address);
        if (fd < 0)
            return fd;
        if (is_alive(&address))
            continue;
        fd = slot_take(&address);
        if (fd >= 0)
            *ret_slot = slot;
        return fd;
    }
    return -EADDRINUSE;
}

/* Whoever holds the lock is done in no time, or is not one of us. */
static int folder_lock(int folder)
{
    struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

    for (uint64_t waited = 0; waited < LOCAL_SOCKET_SECONDS * CLOCK_SECOND;
         waited += LOCK_PAUSE_NS) {
        if (flock(folder, LOCK_EX | LOCK_NB) == 0)
            return 0;
        nanosleep(&pause, NULL);
    }
    return -ETIMEDOUT;
}

/* The folder is locked meanwhile: a socket that does not listen yet looks like a dead one. */
int local_socket_listen(const char *dir, uint32_t domid, uint32_t *ret_slot)
{
    int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return -errno;
    int fd = folder_lock(folder);
    if (fd == 0)
        fd = slot_find(dir, domid, ret_slot);
    close(folder);
    return fd;
}

void local_socket_remove(const char *dir, uint32_t domid, uint32_t slot)
{
    struct sockaddr_un address;

    if (address_make(dir, domid, slot, &address) == 0)
        unlink(address.sun_path);
}

/* --- asking -------------------------------------------------------------- */

static int peer_connect(const char *dir, uint32_t domid, uint32_t slot)
{
    struct timeval limit = {.tv_sec = LOCAL_SOCKET_SECONDS};
    struct sockaddr_un address;
    int error = address_make(dir, domid, slot, &address);
    int fd = error ? error : socket_make(0);

    if (fd < 0)
        return fd;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    while ((error = connect(fd, (struct sockaddr *)&address, sizeof(address))) < 0 &&
           errno == EINTR)
        ;
    if (error < 0) {
        error = errno == ECONNREFUSED ? -ENOENT : errno == EAGAIN ? -ETIMEDOUT : -errno;
        close(fd);
        return error;
    }
    return fd;
}

/* The one descriptor of a message, or -1: none, or several (which are closed). */
static int descriptor_take(const struct msghdr *message, const union control *control)
{
    int fds[DESCRIPTORS_MAX], fd = -1;

    if (message->msg_controllen < CMSG_LEN(0) || control->header.cmsg_level != SOL_SOCKET ||
        control->header.cmsg_type != SCM_RIGHTS)
        return -1;
    size_t n = (control->header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(&control->header), n * sizeof(int));
    if (n == 1)
        fd = fds[0];
    for (size_t i = 0; fd < 0 && i < n; i++)
        close(fds[i]);
    return fd;
}

/* The descriptor, or -errno. */
static int answer_await(int connection)
{
    struct local_reply reply;
    union control control = {0};
    struct iovec part = {&reply, sizeof(reply)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t length;

    while ((length = recvmsg(connection, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    if (length < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    int fd = descriptor_take(&message, &control);
    int error = length == 0                              ? -ECONNRESET
                : length != (ssize_t)sizeof(reply)       ? -EPROTO
                : reply.error < 0 && reply.error > -4096 ? reply.error
                : reply.error || fd < 0                  ? -EPROTO
                                                         : 0;
    if (!error)
        return fd;
    if (fd >= 0)
        close(fd);
    return error;
}

int local_socket_ask(const char *dir, uint32_t domid, uint32_t slot,
                     const struct local_request *request, int *ret_fd)
{
    int connection = peer_connect(dir, domid, slot);

    if (connection < 0)
        return connection;
    ssize_t sent;
    while ((sent = send(connection, request, sizeof(*request), MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    int fd = sent == (ssize_t)sizeof(*request) ? answer_await(connection) : -ECONNRESET;
    if (fd < 0) {
        close(connection);
        return fd;
    }
    *ret_fd = fd;
    return connection;
}

/* --- answering ----------------------------------------------------------- */

int local_socket_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int local_socket_take(int connection, struct local_request *ret)
{
    struct local_request request;
    /* Descriptors that nobody asked for are dropped by the kernel. */
    ssize_t length = recv(connection, &request, sizeof(request), MSG_DONTWAIT | MSG_TRUNC);

    if (length < 0)
        return errno == EAGAIN ? 0 : -errno;
    if (length != (ssize_t)sizeof(request))
        return -EPROTO;
    *ret = request;
    return 1;
}

void local_socket_answer(int connection, int error, int fd)
{
    struct local_reply reply = {.error = error};
    union control control = {0};
    struct iovec part = {&reply, sizeof(reply)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
    }
    sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}
