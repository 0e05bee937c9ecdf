// SPDX-License-Identifier: GPL-2.0-or-later
/* A port over a socket pair, which keeps frames apart as a TAP does. */
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/datapath/pair.h"

#define FRAMES 300u /* several batches */

static ssize_t frame_read(struct port *port, uint8_t *bytes, size_t size)
{
    struct iovec frame[2] = {{bytes, CONTAINER_ETHERNET},
                             {bytes + CONTAINER_ETHERNET, size - CONTAINER_ETHERNET}};

    return port_read(port, frame);
}

static void frames_come_in_order(void **state)
{
    static uint8_t frame[CONTAINER_FRAME_MAX + 1], expected[CONTAINER_FRAME_MAX];
    const struct pair_end *end = &((struct pair *)*state)->backend;
    uint64_t seed = 1;
    uint32_t lengths[FRAMES];

    for (int lap = 0; lap < 3; lap++) {
        for (uint32_t i = 0; i < FRAMES; i++) {
            lengths[i] = noise_between(&seed, 18, i % 16 ? 200 : CONTAINER_FRAME_MAX);
            frame_make(expected, lengths[i], i);
            assert_true(wire_send(end, expected, lengths[i]));
        }
        for (uint32_t i = 0; i < FRAMES; i++) {
            assert_int_equal(frame_read(end->port, frame, sizeof(frame)), lengths[i]);
            frame_make(expected, lengths[i], i);
            assert_memory_equal(frame, expected, lengths[i]);
        }
        assert_int_equal(frame_read(end->port, frame, sizeof(frame)), 0);
        assert_int_equal(frame_read(end->port, frame, sizeof(frame)), 0);
    }
}

/* One by one, as on a quiet day, then many, then one by one again. */
static void frames_come_at_any_pace(void **state)
{
    const struct pair_end *end = &((struct pair *)*state)->backend;
    uint8_t frame[256], expected[256];
    uint32_t sent = 0, taken = 0;
    uint64_t seed = 2;

    for (int i = 0; i < 2000; i++) {
        for (uint32_t n = noise_between(&seed, 0, i % 100 < 50 ? 2 : 100); n; n--) {
            frame_make(expected, 100, sent++);
            assert_true(wire_send(end, expected, 100));
        }
        for (uint32_t n = noise_between(&seed, 1, 150); n; n--) {
            if (frame_read(end->port, frame, sizeof(frame)) == 0) {
                assert_int_equal(taken, sent);
                break;
            }
            frame_make(expected, 100, taken++);
            assert_memory_equal(frame, expected, 100);
        }
    }
}

static void a_frame_that_is_too_long_shows_it(void **state)
{
    static uint8_t frame[CONTAINER_FRAME_MAX + 1], longer[CONTAINER_FRAME_MAX + 500];
    const struct pair_end *end = &((struct pair *)*state)->backend;

    for (int i = 0; i < 5; i++) { /* read one by one, and ahead */
        assert_true(wire_send(end, longer, sizeof(longer)));
        assert_true(wire_send(end, longer, CONTAINER_FRAME_MAX));
        assert_true(wire_send(end, longer, 5));
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(frame_read(end->port, frame, sizeof(frame)), CONTAINER_FRAME_MAX + 1);
        assert_int_equal(frame_read(end->port, frame, sizeof(frame)), CONTAINER_FRAME_MAX);
        assert_int_equal(frame_read(end->port, frame, sizeof(frame)), 5);
    }
}

static void frames_leave_in_order(void **state)
{
    static uint8_t frames[FRAMES][128];
    const struct pair_end *end = &((struct pair *)*state)->backend;
    uint8_t frame[256];

    for (uint32_t n = 0; n <= FRAMES; n = n * 2 + 1) {
        for (uint32_t i = 0; i < n; i++) {
            struct iovec parts[2] = {{frames[i], CONTAINER_ETHERNET},
                                     {frames[i] + CONTAINER_ETHERNET, 128 - CONTAINER_ETHERNET}};
            frame_make(frames[i], 128, i);
            port_write(end->port, parts);
        }
        assert_int_equal(port_flush(end->port).frames, 0);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(wire_take(end, frame), 128);
            assert_memory_equal(frame, frames[i], 128);
        }
        assert_int_equal(wire_take(end, frame), 0);
    }
}

static void the_descriptor_says_when_there_is_a_frame(void **state)
{
    const struct pair_end *end = &((struct pair *)*state)->backend;
    struct pollfd polled = {.fd = port_fd(end->port), .events = POLLIN};
    uint8_t frame[64] = {0};

    assert_int_equal(poll(&polled, 1, 0), 0);
    wire_send(end, frame, sizeof(frame));
    assert_int_equal(poll(&polled, 1, 0), 1);
    assert_int_equal(frame_read(end->port, frame, sizeof(frame)), sizeof(frame));
    assert_int_equal(frame_read(end->port, frame, sizeof(frame)), 0);
    assert_int_equal(poll(&polled, 1, 0), 0);
    assert_int_equal(port_dropped(end->port), 0); /* no device: nothing is known */
}

/* Its other side is gone. */
static void a_dead_wire_is_quiet(void **state)
{
    struct pair_end *end = &((struct pair *)*state)->backend;
    uint8_t frame[64] = {0};
    struct iovec parts[2] = {{frame, 14}, {frame + 14, 50}};

    close(end->wire);
    end->wire = -1;
    assert_true(frame_read(end->port, frame, sizeof(frame)) <= 0);
    for (int i = 0; i < 3; i++)
        port_write(end->port, parts);
    struct batch_refused refused = port_flush(end->port);
    assert_int_equal(refused.frames, 3);
    assert_int_equal(refused.bytes, 3 * sizeof(frame));
    assert_int_equal(refused.bytes_sq, 3 * segment_square(sizeof(frame)));
    assert_int_equal(port_flush(end->port).frames, 0);
}

static void bad_options_are_refused(void **state)
{
    struct port_options options = {.name = "sixteen-letters-", .mtu = 1500};
    struct port *port = NULL;
    (void)state;

    assert_int_equal(port_open_tap(&options, &port), -ENAMETOOLONG);
    options.name = "fine";
    options.bridge = "sixteen-letters-";
    assert_int_equal(port_open_tap(&options, &port), -ENAMETOOLONG);
    assert_int_equal(port_open_fd(-1, &port), -EBADF);
    assert_null(port);
    port_close(NULL);
}

int main(void)
{
#define PORT_TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)
    const struct CMUnitTest tests[] = {
        PORT_TEST(frames_come_in_order),
        PORT_TEST(frames_come_at_any_pace),
        PORT_TEST(a_frame_that_is_too_long_shows_it),
        PORT_TEST(frames_leave_in_order),
        PORT_TEST(the_descriptor_says_when_there_is_a_frame),
        PORT_TEST(a_dead_wire_is_quiet),
        cmocka_unit_test(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
