// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/common/store_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/programs.h"
#include "sandbox/xenstored.h"
#include "tests/unit/common/testing.h"

#define SKIPPED 77

int store_fixture_possible(void)
{
    char path[PROGRAMS_PATH];

    if (programs_find_xenstored(path) == 0)
        return 0;
    fprintf(stderr, "skipped: no xenstored (Debian: xen-utils-4.17)\n");
    return SKIPPED;
}

void store_fixture_use(const struct store_fixture *f)
{
    assert_int_equal(xenstored_use(f->dir), 0);
}

void store_fixture_start(struct store_fixture *f)
{
    assert_int_equal(xenstored_start(f->dir, &f->server), 0);
}

void store_fixture_kill(struct store_fixture *f)
{
    process_free(f->server);
    f->server = NULL;
}

void store_fixture_reap(pid_t child)
{
    assert_int_equal(waitpid(child, NULL, 0), child);
}

int store_fixture_setup(void **state)
{
    struct store_fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    strcpy(f->dir, "/tmp/xenagg-xs-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    *state = f;
    store_fixture_use(f);
    store_fixture_start(f);
    return store_open(&f->store);
}

int store_fixture_teardown(void **state)
{
    struct store_fixture *f = *state;
    struct dirent *entry;

    store_close(f->store);
    process_free(f->server);
    DIR *dir = opendir(f->dir);
    while (dir && (entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    int error = rmdir(f->dir);
    free(f);
    return error;
}
