// SPDX-License-Identifier: GPL-2.0-or-later
/* What a process costs, as /proc tells. */
#ifndef XENAGG_SANDBOX_USAGE_H
#define XENAGG_SANDBOX_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct usage {
    double cpu_seconds;  /* user and system, of all its threads, since it began */
    double user_seconds; /* user alone */
    uint64_t resident;   /* bytes */
};

/* 0 or -errno. */
int usage_read(pid_t pid, struct usage *ret);

#endif
