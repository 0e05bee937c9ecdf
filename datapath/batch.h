// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many reads or writes of a TAP in one system call, by io_uring: what a packet
 * costs at the kernel's edge falls to a quarter (docs/measurements.md). Where
 * the kernel refuses io_uring there is none, and the port goes frame by frame.
 * Older kernels, as Linux 6.1, take only writes together.
 *
 * One thread at a time.
 */
#ifndef XENAGG_DATAPATH_BATCH_H
#define XENAGG_DATAPATH_BATCH_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define BATCH_MAX 64u

struct batch;

/* Frames that were written to, and not taken. */
struct batch_refused {
    uint64_t frames, bytes, bytes_sq; /* the last as common/segment.h has squares */
};
void batch_refused_add(struct batch_refused *refused, const struct iovec frame[2]);

/* `fd` must be non-blocking. 0 or -errno (-ENOSYS, -EPERM: no io_uring here). */
int batch_new(int fd, struct batch **ret);
void batch_free(struct batch *batch);

/*
 * Length of the next frame, copied into its two parts, or 0: none waits. Reads
 * ahead, more the more there was the last time, so that a single packet costs
 * no more than one read.
 */
ssize_t batch_read(struct batch *batch, const struct iovec frame[2]);
/* Queues a frame, whose parts must stay as they are until the next flush. */
void batch_write(struct batch *batch, const struct iovec frame[2]);
/* Writes what is queued. Frames that were not taken since the last flush. */
struct batch_refused batch_flush(struct batch *batch);

#endif
