// SPDX-License-Identifier: GPL-2.0-or-later
/* Batched reads and writes, over descriptors that keep message boundaries as a TAP does. */
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/segment.h"
#include "datapath/batch.h"

#define FRAMES 150u /* over two batches */

/* Where io_uring is refused there is nothing to test. */
static struct batch *batch_over(int fd)
{
    struct batch *batch;
    int error = batch_new(fd, &batch);

    if (error == -ENOSYS || error == -EPERM)
        skip();
    assert_int_equal(error, 0);
    return batch;
}

static ssize_t frame_read(struct batch *batch, void *bytes, size_t size)
{
    struct iovec frame[2] = {{bytes, 4}, {(uint8_t *)bytes + 4, size - 4}};

    return batch_read(batch, frame);
}

static void frames_come_in_order_and_end(void **state)
{
    uint32_t frame[8] = {0};
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    struct batch *batch = batch_over(pair[0]);
    for (int lap = 0; lap < 2; lap++) {
        for (uint32_t i = 0; i < FRAMES; i++)
            assert_int_equal(send(pair[1], (uint32_t[]){i, ~i}, 8, 0), 8);
        for (uint32_t i = 0; i < FRAMES; i++) {
            assert_int_equal(frame_read(batch, frame, sizeof(frame)), 8);
            assert_int_equal(frame[0], i);
            assert_int_equal(frame[1], ~i);
        }
        assert_int_equal(frame_read(batch, frame, sizeof(frame)), 0);
    }
    batch_free(batch);
    close(pair[0]);
    close(pair[1]);
}

static void frames_leave_in_order(void **state)
{
    uint32_t frames[FRAMES], frame;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    struct batch *batch = batch_over(pair[0]);
    for (uint32_t i = 0; i < FRAMES; i++) {
        frames[i] = i;
        batch_write(batch, (struct iovec[]){{&frames[i], 1}, {(uint8_t *)&frames[i] + 1, 3}});
    }
    assert_int_equal(batch_flush(batch).frames, 0);
    for (uint32_t i = 0; i < FRAMES; i++) {
        assert_int_equal(recv(pair[1], &frame, sizeof(frame), 0), sizeof(frame));
        assert_int_equal(frame, i);
    }
    batch_free(batch);
    close(pair[0]);
    close(pair[1]);
}

/*
 * inotify is, as a TAP of Linux 6.1, a device of which a read that must not wait is refused.
 * Each event is a frame: opening and closing a file makes two that are not taken for one.
 */
static void a_device_without_such_reads_is_read_all_the_same(void **state)
{
    char path[] = "/tmp/xenagg-batch-XXXXXX";
    struct inotify_event event;
    uint8_t byte;
    int file = mkstemp(path), watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    (void)state;
    assert_true(file >= 0 && watch >= 0);
    assert_true(inotify_add_watch(watch, path, IN_OPEN | IN_CLOSE) >= 0);
    struct iovec part = {&byte, 1};
    assert_int_equal(preadv2(watch, &part, 1, -1, RWF_NOWAIT), -1);
    assert_int_equal(errno, EOPNOTSUPP);
    struct batch *batch = batch_over(watch);
    for (int lap = 0; lap < 2; lap++) {
        for (int i = 0; i < 3; i++)
            close(open(path, O_RDONLY | O_CLOEXEC));
        for (int i = 0; i < 6; i++) {
            struct iovec frame[2] = {{&event, sizeof(event)}, {&byte, 0}};
            assert_int_equal(batch_read(batch, frame), sizeof(event));
            assert_true(event.mask & (i % 2 ? IN_CLOSE_NOWRITE : IN_OPEN));
        }
        assert_int_equal(frame_read(batch, &event, sizeof(event)), 0);
    }
    batch_free(batch);
    close(watch);
    close(file);
    unlink(path);
}

/* Whoever takes nothing is not waited for: what does not fit is refused. */
static void a_full_descriptor_refuses(void **state)
{
    static uint8_t bytes[4096];
    const struct iovec frame[2] = {{bytes, 14}, {bytes + 14, sizeof(bytes) - 14}};
    unsigned sent = 0, refused = 0, taken = 0;
    uint64_t refused_bytes = 0, refused_sq = 0;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    struct batch *batch = batch_over(pair[0]);
    alarm(60);
    for (int i = 0; i < 20; i++) {
        for (unsigned n = 0; n < FRAMES; n++, sent++)
            batch_write(batch, frame);
        struct batch_refused now = batch_flush(batch);
        refused += (unsigned)now.frames;
        refused_bytes += now.bytes;
        refused_sq += now.bytes_sq;
    }
    alarm(0);
    assert_true(refused > 0);
    while (recv(pair[1], bytes, sizeof(bytes), 0) > 0)
        taken++;
    assert_int_equal(taken + refused, sent);
    assert_int_equal(refused_bytes, refused * sizeof(bytes));
    assert_int_equal(refused_sq, refused * segment_square(sizeof(bytes)));
    batch_free(batch);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_in_order_and_end),
        cmocka_unit_test(frames_leave_in_order),
        cmocka_unit_test(a_full_descriptor_refuses),
        cmocka_unit_test(a_device_without_such_reads_is_read_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
