// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sandbox/packet.h"

static const struct packet_flow flow = {.source = {2, 0, 0, 0, 0, 1},
                                        .destination = {2, 0, 0, 0, 0, 2},
                                        .from = 0x0a4d0101,
                                        .to = 0xc6120001,
                                        .from_port = 7778,
                                        .to_port = 7777,
                                        .number = 3};
static const struct packet_mark mark = {
    .sequence = 0x01020304, .time_ns = 0x1122334455667788, .flow = 3};

/* The sum over a block that holds its own checksum is all ones (RFC 1071). */
static uint32_t sum16(const uint8_t *bytes, size_t length, uint32_t sum)
{
    for (size_t i = 0; i < length; i += 2)
        sum += (uint32_t)(bytes[i] << 8 | (i + 1 < length ? bytes[i + 1] : 0));
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void has_right_checksums(void **state)
{
    uint8_t frame[PACKET_MAX];

    (void)state;
    for (size_t size = PACKET_MIN; size <= PACKET_MAX; size += size < 200 ? 1 : 499) {
        packet_build(&flow, &mark, 0, size, frame);
        assert_int_equal(sum16(frame + 14, 20, 0), 0xffff);
        uint32_t pseudo = sum16(frame + 26, 8, 17 + (uint32_t)(size - 34));
        assert_int_equal(sum16(frame + 34, size - 34, pseudo), 0xffff);
        assert_int_equal(frame[16] << 8 | frame[17], (int)(size - 14));
    }
}

static void gives_its_mark_back(void **state)
{
    uint8_t frame[PACKET_MIN];
    struct packet_mark read;

    (void)state;
    packet_build(&flow, &mark, 0, sizeof(frame), frame);
    assert_int_equal(packet_read(frame, sizeof(frame), &read), 0);
    assert_int_equal(read.sequence, mark.sequence);
    assert_int_equal(read.time_ns, mark.time_ns);
    assert_int_equal(read.flow, mark.flow);
}

static void notices_every_damaged_bit(void **state)
{
    uint8_t frame[100];
    struct packet_mark read;

    (void)state;
    packet_build(&flow, &mark, 0, sizeof(frame), frame);
    for (size_t bit = 0; bit < 8 * sizeof(frame); bit++) {
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int error = packet_read(frame, sizeof(frame), &read);
        if (!error)
            error = packet_verify(&flow, &read, 0, frame, sizeof(frame));
        assert_int_not_equal(error, 0);
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(packet_verify(&flow, &mark, 0, frame, sizeof(frame)), 0);
}

static void knows_how_it_looks_after_a_router(void **state)
{
    uint8_t sent[PACKET_MIN], back[PACKET_MIN];

    (void)state;
    packet_build(&flow, &mark, 0, sizeof(sent), sent);
    packet_build(&flow, &mark, 1, sizeof(back), back);
    assert_memory_equal(back, flow.source, 6);
    assert_memory_equal(back + 6, flow.destination, 6);
    assert_int_equal(back[22], sent[22] - 1);
    assert_memory_equal(back + 26, sent + 26, sizeof(sent) - 26);
    assert_int_equal(packet_verify(&flow, &mark, 1, back, sizeof(back)), 0);
    assert_int_equal(packet_verify(&flow, &mark, 0, back, sizeof(back)), -EBADMSG);
}

static void leaves_other_packets_alone(void **state)
{
    uint8_t frame[PACKET_MIN] = {0};
    struct packet_mark read = {.sequence = 77};

    (void)state;
    assert_int_equal(packet_read(frame, sizeof(frame), &read), -ENOMSG);
    packet_build(&flow, &mark, 0, sizeof(frame), frame);
    assert_int_equal(packet_read(frame, PACKET_MIN - 1, &read), -ENOMSG);
    assert_int_equal(read.sequence, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_right_checksums),
        cmocka_unit_test(gives_its_mark_back),
        cmocka_unit_test(notices_every_damaged_bit),
        cmocka_unit_test(knows_how_it_looks_after_a_router),
        cmocka_unit_test(leaves_other_packets_alone),
    };
    return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
