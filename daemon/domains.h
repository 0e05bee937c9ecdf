// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Domains as the hypervisor knows them: how much CPU time each took. By
 * libxenctrl, whose interface changes with each release of Xen, hence only this
 * module knows it, and it is loaded when it is needed: on a host without it, or
 * without Xen, everything else works as before, and that is said once.
 */
#ifndef XENAGG_DAEMON_DOMAINS_H
#define XENAGG_DAEMON_DOMAINS_H

#include <stdbool.h>
#include <stdint.h>

/* The library of the release that this was built for. */
extern const char domains_library[];

struct domains;

/*
 * 0; -ENOSYS: there is no such library, or not that release of it; -ENODEV:
 * there is no Xen; -ENOMEM. Says why not.
 */
int domains_open(const char *library, struct domains **ret);
void domains_close(struct domains *domains); /* NULL is fine */

/* Asks anew, at the time `now` (s, monotonic). 0 or -errno: then nothing is known. */
int domains_take(struct domains *domains, double now);
/*
 * CPU time that the domain took between the last two domains_take, as a share
 * of one CPU. NaN: it was not there both times, or nothing is known.
 */
double domains_cpu(const struct domains *domains, uint32_t domid);

#endif
