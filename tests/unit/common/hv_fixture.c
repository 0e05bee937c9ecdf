// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/common/hv_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/common/testing.h"

unsigned descriptors_count(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    while (dir && readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void descriptors_print(void)
{
    char path[64], target[256];

    for (int fd = 0; fd < 64; fd++) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof(target) - 1);
        if (length >= 0)
            print_error("  %d: %.*s\n", fd, (int)length, target);
    }
}

int hv_fixture_setup(void **state)
{
    struct hv_fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    f->descriptors = descriptors_count();
    strcpy(f->dir, "/tmp/xenagg-hv-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->spec, sizeof(f->spec), "local:%s", f->dir);
    *state = f;
    return hv_open(f->spec, 0, &f->hv);
}

static void folder_remove(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(path);
}

int hv_fixture_teardown(void **state)
{
    struct hv_fixture *f = *state;
    unsigned before = f->descriptors;

    hv_close(f->hv);
    folder_remove(f->dir);
    free(f);
    if (descriptors_count() == before)
        return 0;
    print_error("%u descriptors are open, %u were before\n", descriptors_count(), before);
    descriptors_print();
    return -1;
}
