// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Another process with a hypervisor handle of its own, that does what a test
 * tells it: the peer of the handle under test. It dies with the test.
 */
#ifndef XENAGG_TESTS_UNIT_COMMON_PEER_H
#define XENAGG_TESTS_UNIT_COMMON_PEER_H

#include <stdint.h>
#include <sys/types.h>

#include "common/hv.h"

/* Longest wait for something that must come; no machine needs as long. */
#define PEER_WAIT_MS 30000

struct peer {
    pid_t pid;
    int orders;
};

/*
 * First in main() of each test that starts peers: a peer is the test's program
 * started anew, and does not come back from here. A process that only forked,
 * beside the thread of a handle, would inherit locks that nobody releases.
 */
void peer_main(int argc, char **argv);

/* Starts it; its handle is open. Numbers of pages and channels count from 0 as they are made. */
struct peer peer_start(const char *spec, uint32_t domid);
/* Ends it at once (SIGKILL), or lets it close its handle and leave. */
void peer_kill(struct peer *peer);
void peer_stop(struct peer *peer);

/* Each returns 0 or what the hypervisor interface said. */
int peer_share(struct peer *peer, uint32_t domid, uint32_t count, uint32_t *ret_references);
int peer_map(struct peer *peer, uint32_t domid, const uint32_t *references, uint32_t count);
int peer_unmap(struct peer *peer, uint32_t pages);
int peer_offer(struct peer *peer, uint32_t domid, uint32_t *ret_port);
int peer_bind(struct peer *peer, uint32_t domid, uint32_t port);
int peer_release(struct peer *peer, uint32_t channel);
int peer_notify(struct peer *peer, uint32_t channel);
/* Waits until the channel is readable, then takes what is pending; -ETIMEDOUT. */
int peer_await(struct peer *peer, uint32_t channel);
int peer_write(struct peer *peer, uint32_t pages, uint32_t page, uint32_t offset, uint32_t value);
uint32_t peer_read(struct peer *peer, uint32_t pages, uint32_t page, uint32_t offset);

/* The same wait for a channel of the test's own process. */
int channel_await(struct hv_channel *channel);

#endif
