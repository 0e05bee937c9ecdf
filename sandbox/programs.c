// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/programs.h"

#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Folders of a build tree, as seen from its top. */
static const char *const build_folders[] = {"sandbox", "backend", "frontend", "daemon", "ctl"};
#define N_BUILD_FOLDERS (sizeof(build_folders) / sizeof(build_folders[0]))

/* How far below the top of its build tree a caller may lie: tests/sandbox/test-x is 3. */
#define LEVELS 4

static bool try(const char *folder, const char *middle, const char *name,
                char ret_path[static PROGRAMS_PATH])
{
    char path[PROGRAMS_PATH];
    int length = snprintf(path, sizeof(path), "%s/%s%s", folder, middle, name);

    if (length >= (int)sizeof(path) || access(path, R_OK))
        return false;
    strcpy(ret_path, path);
    return true;
}

static bool try_build_tree(const char *top, const char *name, char ret_path[static PROGRAMS_PATH])
{
    for (size_t i = 0; i < N_BUILD_FOLDERS; i++) {
        char middle[32];
        snprintf(middle, sizeof(middle), "%s/", build_folders[i]);
        if (try(top, middle, name, ret_path))
            return true;
    }
    return false;
}

int programs_find(const char *name, char ret_path[static PROGRAMS_PATH])
{
    static const char *const installed[] = {XENAGG_PROGRAM_FOLDERS};
    const char *chosen = getenv("XENAGG_PROGRAMS");
    char self[PROGRAMS_PATH];

    if (chosen && try(chosen, "", name, ret_path))
        return 0;
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[length < 0 ? 0 : length] = '\0';
    for (int level = 0; level < LEVELS; level++) {
        char *slash = strrchr(self, '/');
        if (!slash)
            break;
        *slash = '\0';
        if (try_build_tree(self, name, ret_path))
            return 0;
    }
    for (size_t i = 0; i < sizeof(installed) / sizeof(installed[0]); i++)
        if (try(installed[i], "", name, ret_path))
            return 0;
    return -ENOENT;
}

/* /usr/sbin/xenstored is a script there that wants a running Xen: look behind it. */
int programs_find_xenstored(char ret_path[static PROGRAMS_PATH])
{
    glob_t found;

    if (glob("/usr/lib/xen-*/bin/xenstored", 0, NULL, &found))
        return -ENOENT;
    const char *last = found.gl_pathv[found.gl_pathc - 1];
    bool fits = strlen(last) < PROGRAMS_PATH;
    if (fits)
        strcpy(ret_path, last);
    globfree(&found);
    return fits ? 0 : -ENOENT;
}
