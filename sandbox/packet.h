// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test packets: UDP over IPv4 over Ethernet, every byte of which follows from
 * its flow, its sequence number, its time and its size. So a receiver rebuilds
 * what should have arrived and compares, bit for bit.
 *
 * Payload, from byte 42 on: magic (2), flow (2), sequence (4), time (8), a check
 * of these four (4), then padding that follows from the check. Big-endian.
 */
#ifndef XENAGG_SANDBOX_PACKET_H
#define XENAGG_SANDBOX_PACKET_H

#include <stddef.h>
#include <stdint.h>

#define PACKET_MIN 64u   /* bytes of the frame, without its frame check sequence */
#define PACKET_MAX 9018u /* jumbo frame with a VLAN tag */

struct packet_flow {
    uint8_t source[6], destination[6]; /* Ethernet, on the way out */
    uint32_t from, to;                 /* IPv4, host byte order */
    uint16_t from_port, to_port;
    uint16_t number;
};

struct packet_mark {
    uint32_t sequence;
    uint64_t time_ns; /* CLOCK_REALTIME, when it was sent */
    uint16_t flow;
};

/*
 * Writes the frame as it looks after `hops` routers: 0 as sent, 1 as a guest
 * forwards it back (addresses of Ethernet swapped, lifetime one less).
 * PACKET_MIN <= size <= PACKET_MAX.
 */
void packet_build(const struct packet_flow *flow, const struct packet_mark *mark, unsigned hops,
                  size_t size, uint8_t *ret_frame);

/* Reads the mark of a test packet. 0; -ENOMSG: not one of ours; -EBADMSG: damaged. */
int packet_read(const uint8_t *frame, size_t size, struct packet_mark *ret);

/* Compares all of it with what packet_build makes. 0 or -EBADMSG. */
int packet_verify(const struct packet_flow *flow, const struct packet_mark *mark, unsigned hops,
                  const uint8_t *frame, size_t size);

#endif
