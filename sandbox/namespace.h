// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Network namespaces without a name: each lives as long as a descriptor or a
 * process holds it, so nothing is left behind however we end. People look into
 * one through a process in it: nsenter --target PID --net.
 */
#ifndef XENAGG_SANDBOX_NAMESPACE_H
#define XENAGG_SANDBOX_NAMESPACE_H

struct namespace;

/* A new one, its loopback up and IPv6 off by default. 0 or -errno (-EPERM: not root). */
int namespace_create(struct namespace **ret);
void namespace_free(struct namespace *space);

/* The descriptor that holds it (owned by the namespace). */
int namespace_fd(const struct namespace *space);

/*
 * Moves the calling thread in, and back: sockets made and files under
 * /proc/sys/net opened in between belong to the namespace. Don't nest.
 */
int namespace_enter(struct namespace *space);
void namespace_leave(struct namespace *space);

/* Writes a file below /proc/sys of the namespace. 0 or -errno. */
int namespace_sysctl(struct namespace *space, const char *name, const char *value);

/*
 * Runs ip(8) in the namespace with the commands given, one a line
 * ("link set xagg0 up"). 0, or -EIO with ip's complaint logged, or -errno.
 */
int namespace_ip(struct namespace *space, const char *commands);

/* A socket that was made in the namespace, or -errno. */
int namespace_socket(struct namespace *space, int domain, int type, int protocol);

#endif
