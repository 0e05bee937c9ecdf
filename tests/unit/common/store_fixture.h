// SPDX-License-Identifier: GPL-2.0-or-later
/* The real xenstored in a folder of its own, for each test, and a connection to it. */
#ifndef XENAGG_TESTS_UNIT_COMMON_STORE_FIXTURE_H
#define XENAGG_TESTS_UNIT_COMMON_STORE_FIXTURE_H

#include <sys/types.h>

#include "common/store.h"
#include "sandbox/process.h"

struct store_fixture {
    char dir[32];
    struct process *server; /* NULL: not running */
    struct store *store;
};

/* 0, or the exit status of a test that can't run here (77), having said why. */
int store_fixture_possible(void);

int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);

/* Makes store_open() find this one. */
void store_fixture_use(const struct store_fixture *f);
void store_fixture_start(struct store_fixture *f);
void store_fixture_kill(struct store_fixture *f);
void store_fixture_reap(pid_t child);

#endif
