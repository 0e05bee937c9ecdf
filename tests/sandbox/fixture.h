// SPDX-License-Identifier: GPL-2.0-or-later
/* What the sandbox tests share: a world that is there for one test, and how to skip. */
#ifndef XENAGG_TESTS_SANDBOX_FIXTURE_H
#define XENAGG_TESTS_SANDBOX_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/keys.h"
#include "common/segment.h"
#include "sandbox/traffic.h"
#include "sandbox/world.h"

/* 0, or the exit status of a test that can't run here (77), having said why. */
int fixture_possible(void);

/* cmocka's setup and teardown: *state is a world with its backend running. */
int fixture_world(void **state);
int fixture_end(void **state);

/* A guest that is up, its network set up. */
struct world_guest *fixture_guest(struct world *world, uint32_t domid, const char *name,
                                  unsigned mtu);

/* A key of the backend's folder of the guest, "" where missing; valid until the next call. */
const char *fixture_key(struct world *world, const struct world_guest *guest, const char *key);
enum keys_state fixture_backend_state(struct world *world, const struct world_guest *guest);
enum keys_state fixture_frontend_state(struct world *world, const struct world_guest *guest);
/* Fails the test where the state does not come. */
void fixture_await_backend(struct world *world, const struct world_guest *guest,
                           enum keys_state state);

/* Sets sizes as the daemon does, both directions in one transaction. */
void fixture_set_sizes(struct world *world, const struct world_guest *guest, unsigned packets,
                       unsigned timeout_us);
/* The guest's part of the segment now. */
void fixture_measurements(struct world *world, const struct world_guest *guest,
                          struct segment_interface *ret);
/* Until both packing ends say that they work with these sizes. */
void fixture_await_sizes(struct world *world, const struct world_guest *guest, unsigned packets,
                         unsigned timeout_us);

/* Traffic through one guest at that rate; traffic_free ends it. */
struct traffic *fixture_traffic(struct world *world, const struct world_guest *guest, double rate);
/* Until so many more packets have come back. */
void fixture_await_returned(struct world *world, struct traffic *traffic, uint64_t packets);
/* Silences it, and checks: all came back, in order, undamaged. */
void fixture_all_arrived(struct world *world, struct traffic *traffic);

/* Whether the program's log says so, in one of its lines. */
bool fixture_logged(struct world *world, const char *program, const char *text);
void fixture_await_logged(struct world *world, const char *program, const char *text);

#endif
