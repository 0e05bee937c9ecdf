// SPDX-License-Identifier: GPL-2.0-or-later
/* One end of a wire: whole Ethernet frames into and out of an interface of a namespace. */
#ifndef XENAGG_TESTS_SANDBOX_WIRE_H
#define XENAGG_TESTS_SANDBOX_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox/namespace.h"

#define WIRE_FRAME_MAX 9018u

/* A socket, or -errno. Close it with close(). */
int wire_open(struct namespace *space, const char *interface);
/* 0 or -errno (-ENOBUFS: the interface's queue is full, -EMSGSIZE). */
int wire_send(int wire, const uint8_t *frame, size_t size);
/*
 * The next frame that arrives, its VLAN tag where it was: its size, -EAGAIN
 * where none comes within that time, -errno.
 */
int wire_receive(int wire, double seconds, uint8_t ret_frame[static WIRE_FRAME_MAX + 4]);

#endif
