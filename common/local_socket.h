// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How processes that stand for domains find and ask each other: a unix socket
 * for each, DIR/<domid>-<slot>, and one question with one answer over it, which
 * may carry one descriptor. The other end may be anybody: nothing here waits
 * for it longer than LOCAL_SOCKET_SECONDS, or keeps a descriptor it did not
 * ask for.
 */
#ifndef XENAGG_COMMON_LOCAL_SOCKET_H
#define XENAGG_COMMON_LOCAL_SOCKET_H

#include <stdint.h>

/* Processes that can speak for one domain. */
#define LOCAL_SOCKET_SLOTS 16u
#define LOCAL_SOCKET_SECONDS 2

enum local_operation { LOCAL_MAP = 1, LOCAL_BIND };

struct local_request {
    uint32_t operation, domid, number, count;
};

struct local_reply {
    int32_t error; /* 0, then with a descriptor, or -errno */
    uint32_t reserved;
};

/*
 * Listens in the first free slot. The descriptor (non-blocking), or -errno
 * (-EADDRINUSE: as many processes as there are slots speak for the domain).
 */
int local_socket_listen(const char *dir, uint32_t domid, uint32_t *ret_slot);
/* Removes the socket's name; before the descriptor is closed. */
void local_socket_remove(const char *dir, uint32_t domid, uint32_t slot);

/*
 * Asks whoever listens in the slot. The connection, which stays open, and the
 * descriptor that came with the answer; or -errno: -ENOENT (nobody listens, or
 * the answer), -ETIMEDOUT, -ECONNRESET, -EPROTO.
 */
int local_socket_ask(const char *dir, uint32_t domid, uint32_t slot,
                     const struct local_request *request, int *ret_fd);

/* Server: the next connection (non-blocking), or -errno. */
int local_socket_accept(int listener);
/* What was asked on it: 1, 0 (not yet), or -errno: close it. */
int local_socket_take(int connection, struct local_request *ret);
/* Answers: a descriptor (borrowed), or `fd` is -1 and an error. Never blocks. */
void local_socket_answer(int connection, int error, int fd);

#endif
