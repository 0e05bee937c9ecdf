// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames of all sizes and kinds cross unharmed, both ways at once: random sizes
 * from 60 to 9018 bytes, several senders and protocols, with VLAN tags and
 * without, put into one end's interface and taken out of the other's.
 */
#include "tests/sandbox/fixture.h"
#include "tests/sandbox/wire.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "model/random.h"

#define FRAMES 3000u
#define AHEAD 64u /* frames on their way at most: the interface's own queue must not overflow */
#define FLOWS 12u

/* A frame's bytes follow from its number alone. */
static size_t frame_make(uint32_t number, uint8_t frame[static WIRE_FRAME_MAX])
{
    static const uint16_t types[] = {0x88b5, 0x0800, 0x88b6};
    struct random random;

    random_init(&random, number);
    size_t size = 60 + random_below(&random, WIRE_FRAME_MAX - 60 + 1);
    if (random_below(&random, 3) == 0)
        size = 60 + random_below(&random, 100);
    for (size_t i = 0; i < size; i++)
        frame[i] = (uint8_t)random_bits(&random);
    uint32_t flow = random_below(&random, FLOWS);
    uint16_t type = types[flow % 3];
    bool tagged = flow % 2;
    memcpy(frame, "\x02\x00\x00\x00\x00\x99", 6);
    memcpy(frame + 6, "\x02\x00\x00\x00\x01", 5);
    frame[11] = (uint8_t)(flow / 6);
    size_t at = 12;
    if (tagged) {
        memcpy(frame + at, "\x81\x00\x20\x07", 4);
        at += 4;
    } else if (size > WIRE_FRAME_MAX - 4) {
        size = WIRE_FRAME_MAX - 4; /* 9000 bytes after the header, tag or not */
    }
    frame[at] = (uint8_t)(type >> 8);
    frame[at + 1] = (uint8_t)type;
    frame[at + 2] = 0; /* no IP of any version: stays with the one who looks */
    memcpy(frame + at + 3, &number, sizeof(number));
    memcpy(frame + at + 7, &flow, sizeof(flow));
    return size;
}

struct way {
    int from, to;
    uint32_t sent, received;
    uint32_t first;        /* number of its first frame */
    uint32_t after[FLOWS]; /* lowest number that is in order in this flow */
};

static void way_send(struct way *way)
{
    uint8_t frame[WIRE_FRAME_MAX];

    while (way->sent < FRAMES && way->sent < way->received + AHEAD) {
        size_t size = frame_make(way->first + way->sent, frame);
        int error = wire_send(way->from, frame, size);
        if (error == -ENOBUFS)
            fail_msg("the interface's queue overflowed with %u frames in it",
                     way->sent - way->received);
        assert_int_equal(error, 0);
        way->sent++;
    }
}

static void way_receive(struct way *way)
{
    uint8_t frame[WIRE_FRAME_MAX + 4], expected[WIRE_FRAME_MAX];
    uint32_t number, flow;

    while (way->received < way->sent) {
        int size = wire_receive(way->to, way->sent < FRAMES ? 0.0 : 10.0, frame);
        if (size == -EAGAIN && way->sent < FRAMES && way->sent < way->received + AHEAD)
            return;
        if (size == -EAGAIN)
            size = wire_receive(way->to, 10.0, frame);
        if (size < 0)
            fail_msg("frame %u of %u did not arrive: %s", way->received, FRAMES, strerror(-size));
        size_t at = frame[12] == 0x81 ? 16 : 12;
        memcpy(&number, frame + at + 3, sizeof(number));
        memcpy(&flow, frame + at + 7, sizeof(flow));
        assert_in_range(number, way->first, way->first + FRAMES - 1);
        assert_int_equal((size_t)size, frame_make(number, expected));
        assert_memory_equal(frame, expected, (size_t)size);
        assert_true(flow < FLOWS && number >= way->after[flow]);
        way->after[flow] = number + 1;
        way->received++;
    }
}

static void cross_both_ways(struct world *world, struct world_guest *guest)
{
    int near = wire_open(world_dom0(world), guest->vif);
    int far = wire_open(guest->space, WORLD_GUEST_INTERFACE);
    struct way ways[] = {{.from = near, .to = far, .first = 0},
                         {.from = far, .to = near, .first = 1u << 20}};

    assert_true(near >= 0 && far >= 0);
    while (ways[0].received < FRAMES || ways[1].received < FRAMES) {
        for (int i = 0; i < 2; i++)
            way_send(&ways[i]);
        for (int i = 0; i < 2; i++)
            way_receive(&ways[i]);
    }
    close(near);
    close(far);
}

static void nothing_was_lost(struct world *world, const struct world_guest *guest)
{
    struct segment_interface seen;

    fixture_measurements(world, guest, &seen);
    const struct segment_lane *lanes[] = {&seen.rx, &seen.tx};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lanes[i]->pack.dropped_ring_full, 0);
        assert_int_equal(lanes[i]->pack.dropped_size, 0);
        assert_int_equal(lanes[i]->unload.refused, 0);
        assert_int_equal(lanes[i]->unload.malformed, 0);
        assert_int_equal(lanes[i]->unload.lost, 0);
    }
}

static void frames_cross_with_the_default_sizes(void **state)
{
    struct world_guest *guest = fixture_guest(*state, 21, "big", 9000);

    cross_both_ways(*state, guest);
    nothing_was_lost(*state, guest);
}

static void frames_cross_one_by_one(void **state)
{
    struct world_guest *guest = fixture_guest(*state, 22, "single", 9000);

    fixture_set_sizes(*state, guest, 1, 100);
    fixture_await_sizes(*state, guest, 1, 100);
    cross_both_ways(*state, guest);
    nothing_was_lost(*state, guest);
}

static void frames_cross_in_large_containers(void **state)
{
    struct world_guest *guest = fixture_guest(*state, 23, "large", 9000);

    fixture_set_sizes(*state, guest, 1000, 3000);
    fixture_await_sizes(*state, guest, 1000, 3000);
    cross_both_ways(*state, guest);
    nothing_was_lost(*state, guest);
}

/* An interface without the key `mtu` carries 1500 bytes, and no more gets in. */
static void frames_above_the_mtu_are_refused_at_the_door(void **state)
{
    uint8_t frame[WIRE_FRAME_MAX] = {2, 0, 0, 0, 0, 0x99, 2, 0, 0, 0, 1, 0, 0x88, 0xb5};
    uint8_t received[WIRE_FRAME_MAX + 4];
    struct world_guest *guest = fixture_guest(*state, 24, "plain", 0);
    int near = wire_open(world_dom0(*state), guest->vif);
    int far = wire_open(guest->space, WORLD_GUEST_INTERFACE);

    assert_int_equal(wire_send(near, frame, 1515), -EMSGSIZE);
    assert_int_equal(wire_send(near, frame, 1514), 0);
    assert_int_equal(wire_receive(far, 10, received), 1514);
    assert_memory_equal(received, frame, 1514);
    close(near);
    close(far);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_cross_with_the_default_sizes),
        cmocka_unit_test(frames_cross_one_by_one),
        cmocka_unit_test(frames_cross_in_large_containers),
        cmocka_unit_test(frames_above_the_mtu_are_refused_at_the_door),
    };
    int status = fixture_possible();

    return status ? status
                  : cmocka_run_group_tests_name("frames", tests, fixture_world, fixture_end);
}
