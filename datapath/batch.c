// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/batch.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/container.h"
#include "common/segment.h"

#define FRAME_ROOM (CONTAINER_FRAME_MAX + 1)

struct batch {
    struct io_uring ring;
    int fd;
    /* Frames read ahead: [next, filled) are to be handed out. */
    unsigned next, filled, ahead;
    bool one_by_one; /* the kernel can't read so */
    uint32_t lengths[BATCH_MAX];
    uint8_t frames[BATCH_MAX][FRAME_ROOM];
    /* Frames to be written. */
    unsigned queued;
    struct batch_refused refused;
    int write_flags; /* RWF_NOWAIT, where the kernel can write so */
    struct iovec parts[BATCH_MAX][2];
};

int batch_new(int fd, struct batch **ret)
{
    struct batch *batch = calloc(1, sizeof(*batch));

    if (!batch)
        return -ENOMEM;
    int error = io_uring_queue_init(BATCH_MAX, &batch->ring, 0);
    if (error < 0) {
        free(batch);
        return error;
    }
    batch->fd = fd;
    batch->ahead = 1;
    batch->write_flags = RWF_NOWAIT;
    *ret = batch;
    return 0;
}

void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    io_uring_queue_exit(&batch->ring);
    free(batch);
}

/* Submits n requests and takes their n results, by the index each was given. */
static void ring_run(struct batch *batch, unsigned n, int *ret_results)
{
    struct io_uring_cqe *cqe;
    unsigned submitted = 0;

    while (submitted < n) {
        int did = io_uring_submit(&batch->ring);
        if (did < 0 && did != -EINTR && did != -EAGAIN && did != -EBUSY)
            break;
        submitted += did > 0 ? (unsigned)did : 0;
    }
    for (unsigned i = 0; i < submitted; i++) {
        int error;
        while ((error = io_uring_wait_cqe(&batch->ring, &cqe)) == -EINTR)
            ; /* what is left behind would be taken for the next batch's */
        if (error)
            return;
        uint64_t index = io_uring_cqe_get_data64(cqe);
        if (index < n)
            ret_results[index] = cqe->res;
        io_uring_cqe_seen(&batch->ring, cqe);
    }
}

/* Frames in their order, the empty-handed reads left out. */
static void frames_keep(struct batch *batch, unsigned n, const int *results)
{
    batch->next = batch->filled = 0;
    for (unsigned i = 0; i < n; i++) {
        if (results[i] <= 0)
            continue;
        if (batch->filled != i)
            memcpy(batch->frames[batch->filled], batch->frames[i], (size_t)results[i]);
        batch->lengths[batch->filled++] = (uint32_t)results[i];
    }
}

static void frames_fetch(struct batch *batch)
{
    unsigned n = batch->ahead;
    int results[BATCH_MAX];

    for (unsigned i = 0; i < n; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&batch->ring);
        io_uring_prep_read(sqe, batch->fd, batch->frames[i], FRAME_ROOM, 0);
        sqe->rw_flags = RWF_NOWAIT; /* else a read of an empty TAP waits, whatever its flags */
        io_uring_sqe_set_data64(sqe, i);
        results[i] = -EAGAIN;
    }
    ring_run(batch, n, results);
    /* Older kernels, 6.1 for one, know no such read of a TAP; any other waits where it is empty. */
    if (results[0] == -EOPNOTSUPP)
        batch->one_by_one = true;
    frames_keep(batch, n, results);
    batch->ahead = batch->filled == n ? 2 * n : batch->filled + 1;
    if (batch->ahead > BATCH_MAX)
        batch->ahead = BATCH_MAX;
}

static ssize_t frame_hand_out(struct batch *batch, const struct iovec frame[2])
{
    const uint8_t *from = batch->frames[batch->next];
    size_t length = batch->lengths[batch->next++];
    size_t first = length < frame[0].iov_len ? length : frame[0].iov_len;
    size_t second = length - first < frame[1].iov_len ? length - first : frame[1].iov_len;

    memcpy(frame[0].iov_base, from, first);
    memcpy(frame[1].iov_base, from + first, second);
    return (ssize_t)(first + second);
}

/* One plain read, straight to its place. */
static ssize_t frame_read(struct batch *batch, const struct iovec frame[2])
{
    ssize_t length = readv(batch->fd, frame, 2);

    if (length > 0)
        batch->ahead = 2;
    return length > 0 ? length : 0;
}

ssize_t batch_read(struct batch *batch, const struct iovec frame[2])
{
    bool ahead = batch->ahead > 1 && !batch->one_by_one; /* else little traffic */

    if (batch->next == batch->filled && ahead)
        frames_fetch(batch);
    if (batch->next < batch->filled)
        return frame_hand_out(batch, frame);
    return ahead && !batch->one_by_one ? 0 : frame_read(batch, frame);
}

static void frames_submit(struct batch *batch, int *ret_results)
{
    for (unsigned i = 0; i < batch->queued; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&batch->ring);
        io_uring_prep_writev(sqe, batch->fd, batch->parts[i], 2, 0);
        sqe->rw_flags = batch->write_flags;
        io_uring_sqe_set_data64(sqe, i);
        ret_results[i] = -EIO;
    }
    ring_run(batch, batch->queued, ret_results);
}

void batch_refused_add(struct batch_refused *refused, const struct iovec frame[2])
{
    uint64_t bytes = frame[0].iov_len + frame[1].iov_len;

    refused->frames++;
    refused->bytes += bytes;
    refused->bytes_sq += segment_square(bytes);
}

/*
 * Without waiting, as with reads: a descriptor that is full would be waited for,
 * whatever its flags. One that knows no such write heeds its flags.
 */
static void frames_write(struct batch *batch)
{
    int results[BATCH_MAX];

    frames_submit(batch, results);
    if (results[0] == -EOPNOTSUPP && batch->write_flags) {
        batch->write_flags = 0;
        frames_submit(batch, results);
    }
    for (unsigned i = 0; i < batch->queued; i++)
        if (results[i] < 0)
            batch_refused_add(&batch->refused, batch->parts[i]);
    batch->queued = 0;
}

void batch_write(struct batch *batch, const struct iovec frame[2])
{
    memcpy(batch->parts[batch->queued], frame, sizeof(batch->parts[0]));
    if (++batch->queued == BATCH_MAX)
        frames_write(batch);
}

struct batch_refused batch_flush(struct batch *batch)
{
    if (batch->queued == 1) {
        if (writev(batch->fd, batch->parts[0], 2) < 0)
            batch_refused_add(&batch->refused, batch->parts[0]);
        batch->queued = 0;
    } else if (batch->queued) {
        frames_write(batch);
    }
    struct batch_refused refused = batch->refused;
    batch->refused = (struct batch_refused){0};
    return refused;
}
