// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/usage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int usage_read(pid_t pid, struct usage *ret)
{
    char path[64], text[1024];
    unsigned long user, system;
    long pages;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -errno;
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';
    /* The name in parentheses may hold anything, blanks too. Fields 14, 15 and 24 of proc(5). */
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1,
                        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d "
                        "%*d %*u %*u %ld",
                        &user, &system, &pages) != 3)
        return -EPROTO;
    double tick = (double)sysconf(_SC_CLK_TCK);
    *ret = (struct usage){.cpu_seconds = (double)(user + system) / tick,
                          .user_seconds = (double)user / tick,
                          .resident = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE)};
    return 0;
}
