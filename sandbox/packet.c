// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/packet.h"

#include <errno.h>
#include <string.h>

#define MAGIC 0x7861u
#define LIFETIME 64u

enum {
    AT_TYPE = 12,
    AT_IP = 14,
    AT_IP_CHECKSUM = AT_IP + 10,
    AT_UDP = AT_IP + 20,
    AT_UDP_CHECKSUM = AT_UDP + 6,
    AT_PAYLOAD = AT_UDP + 8,
    AT_CHECK = AT_PAYLOAD + 16,
    AT_PADDING = AT_CHECK + 4,
};
_Static_assert(AT_PADDING <= PACKET_MIN, "the smallest packet holds all fields");

static void put(uint8_t *place, uint64_t value, unsigned bytes)
{
    while (bytes--) {
        place[bytes] = (uint8_t)value;
        value >>= 8;
    }
}

static uint64_t get(const uint8_t *place, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | place[i];
    return value;
}

/* The finaliser of splitmix64: every input bit reaches every output bit. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

static uint32_t mark_check(const struct packet_mark *mark)
{
    return (uint32_t)mix(mix(mark->time_ns) + ((uint64_t)mark->sequence << 16 | mark->flow));
}

/* RFC 1071, over an even or odd number of bytes. */
static uint32_t checksum_add(uint32_t sum, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i + 1 < length; i += 2)
        sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    if (length % 2)
        sum += (uint32_t)(bytes[length - 1] << 8);
    return sum;
}

static uint16_t checksum_end(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static void build_payload(const struct packet_mark *mark, size_t size, uint8_t *frame)
{
    uint64_t state = mark_check(mark);

    put(frame + AT_PAYLOAD, MAGIC, 2);
    put(frame + AT_PAYLOAD + 2, mark->flow, 2);
    put(frame + AT_PAYLOAD + 4, mark->sequence, 4);
    put(frame + AT_PAYLOAD + 8, mark->time_ns, 8);
    put(frame + AT_CHECK, state, 4);
    for (size_t at = AT_PADDING; at < size; at += 8) {
        state = mix(state + 0x9e3779b97f4a7c15ull);
        memcpy(frame + at, &state, size - at < 8 ? size - at : 8);
    }
}

static void build_ip(const struct packet_flow *flow, unsigned hops, size_t size, uint8_t *frame)
{
    put(frame + AT_IP, 0x4500, 2);
    put(frame + AT_IP + 2, size - AT_IP, 2);
    put(frame + AT_IP + 4, 0x00004000, 4); /* no identification, don't fragment */
    put(frame + AT_IP + 8, (LIFETIME - hops) << 8 | 17, 2);
    put(frame + AT_IP_CHECKSUM, 0, 2);
    put(frame + AT_IP + 12, flow->from, 4);
    put(frame + AT_IP + 16, flow->to, 4);
    put(frame + AT_IP_CHECKSUM, checksum_end(checksum_add(0, frame + AT_IP, 20)), 2);
}

static void build_udp(const struct packet_flow *flow, size_t size, uint8_t *frame)
{
    size_t length = size - AT_UDP;

    put(frame + AT_UDP, flow->from_port, 2);
    put(frame + AT_UDP + 2, flow->to_port, 2);
    put(frame + AT_UDP + 4, length, 2);
    put(frame + AT_UDP_CHECKSUM, 0, 2);
    /* The pseudo-header: both addresses, the protocol, the length. */
    uint32_t sum = checksum_add((uint32_t)(17 + length), frame + AT_IP + 12, 8);
    uint16_t checksum = checksum_end(checksum_add(sum, frame + AT_UDP, length));
    put(frame + AT_UDP_CHECKSUM, checksum ? checksum : 0xffff, 2);
}

void packet_build(const struct packet_flow *flow, const struct packet_mark *mark, unsigned hops,
                  size_t size, uint8_t *ret_frame)
{
    memcpy(ret_frame, hops ? flow->source : flow->destination, 6);
    memcpy(ret_frame + 6, hops ? flow->destination : flow->source, 6);
    put(ret_frame + AT_TYPE, 0x0800, 2);
    build_payload(mark, size, ret_frame);
    build_ip(flow, hops, size, ret_frame);
    build_udp(flow, size, ret_frame);
}

int packet_read(const uint8_t *frame, size_t size, struct packet_mark *ret)
{
    if (size < PACKET_MIN || get(frame + AT_TYPE, 2) != 0x0800 ||
        get(frame + AT_PAYLOAD, 2) != MAGIC)
        return -ENOMSG;
    struct packet_mark mark = {
        .flow = (uint16_t)get(frame + AT_PAYLOAD + 2, 2),
        .sequence = (uint32_t)get(frame + AT_PAYLOAD + 4, 4),
        .time_ns = get(frame + AT_PAYLOAD + 8, 8),
    };
    if (get(frame + AT_CHECK, 4) != mark_check(&mark))
        return -EBADMSG;
    *ret = mark;
    return 0;
}

int packet_verify(const struct packet_flow *flow, const struct packet_mark *mark, unsigned hops,
                  const uint8_t *frame, size_t size)
{
    uint8_t expected[PACKET_MAX];

    if (size < PACKET_MIN || size > PACKET_MAX)
        return -EBADMSG;
    packet_build(flow, mark, hops, size, expected);
    return memcmp(frame, expected, size) ? -EBADMSG : 0;
}
