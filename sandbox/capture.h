// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sees every packet that arrives at an interface, at hardly any cost to what is
 * measured: a packet socket's ring (TPACKET_V3) that the kernel fills and
 * stamps, and that is looked at a few times a second. Nothing wakes up for a
 * packet.
 *
 * Packets that leave through the interface are not seen.
 */
#ifndef XENAGG_SANDBOX_CAPTURE_H
#define XENAGG_SANDBOX_CAPTURE_H

#include <stdint.h>

#include "sandbox/namespace.h"

struct capture;

/* A packet is shown at most this much later than it came. */
#define CAPTURE_LATE_MS 50u

/* A packet's frame and when the kernel took it, ns of CLOCK_REALTIME. */
typedef void capture_seen(void *context, const uint8_t *frame, uint32_t size, uint64_t time_ns);

int capture_open(struct namespace *space, const char *interface, struct capture **ret);
void capture_close(struct capture *capture);

/* Shows what has arrived, in its order. Returns the number of packets. */
unsigned capture_drain(struct capture *capture, capture_seen *seen, void *context);
/* Packets that found the ring full since it was opened, not shown. */
uint64_t capture_dropped(struct capture *capture);

#endif
