// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The measurement segment: a file that the backend writes and anybody may map
 * read-only. A header, one slot per worker, one slot per guest interface.
 *
 * Every counter is monotonic from the moment its slot was taken; a reader
 * subtracts two samples. A slot has one writer. It carries an epoch that is odd
 * while the writer is at it; a reader copies, compares, and gives up after a
 * bounded number of tries (-EAGAIN), so neither ever blocks the other.
 *
 * All values are fixed-width, in the byte order of the host that wrote them (a
 * segment never leaves its host). Durations in ns of CLOCK_MONOTONIC.
 */
#ifndef XENAGG_COMMON_SEGMENT_H
#define XENAGG_COMMON_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/histogram.h"

#define SEGMENT_MAGIC 0x6767416e6558ull /* "XenAgg" */
#define SEGMENT_VERSION 2u
#define SEGMENT_WORKERS 64u
#define SEGMENT_INTERFACES 512u

/* Why a container was closed. */
enum closing { CLOSING_COUNT, CLOSING_BYTES, CLOSING_TIMEOUT, CLOSING_FLUSH, CLOSING_REASONS };

/*
 * Sums of squares, for standard errors, are in units of (8 ns)^2, or (8 bytes)^2: fine enough for
 * the cost of a single read, and it takes years of them to fill 64 bits. Rounded up, so that they
 * are never less than the sums they belong to allow.
 */
#define SEGMENT_SQUARE 64

static inline uint64_t segment_square(uint64_t value)
{
    uint64_t most = UINT32_MAX; /* 4.3 s: what takes longer says nothing of what it costs */

    value = value < most ? value : most;
    return (value * value + SEGMENT_SQUARE - 1) / SEGMENT_SQUARE;
}

/*
 * Sums for a least-squares line t = a + b B through (B packets, t ns) of single
 * containers, so that a reader can fit it over any span of time.
 */
struct segment_line {
    uint64_t n, sum_b, sum_bb, sum_t, sum_bt, t_sq; /* t_sq: squares of t */
};

static inline void segment_line_add(struct segment_line *line, uint64_t packets, uint64_t ns)
{
    line->n++;
    line->sum_b += packets;
    line->sum_bb += packets * packets;
    line->sum_t += ns;
    line->sum_bt += packets * ns;
    line->t_sq += segment_square(ns);
}

/* The end that packs: reads packets from its port, sends containers. */
struct segment_pack {
    uint64_t packets, bytes, bytes_sq; /* read from the port and accepted */
    uint64_t containers;
    uint64_t closed[CLOSING_REASONS];
    uint64_t published_packets;
    uint64_t notified, spared;        /* notifications sent; not needed: the peer was awake */
    uint64_t dropped_ring_full;       /* packets: the peer does not take containers */
    uint64_t dropped_size;            /* packets: outside 14..9018 bytes */
    uint64_t own_header;              /* packets that needed their own Ethernet header */
    uint64_t reads, read_ns, read_sq; /* frames read, and the time it took */
    uint64_t fill_ns;                 /* sum over packets: read until closed */
    uint64_t port_wait_ns;            /* sum over packets: estimated wait in the port's queue */
    uint64_t port_wait_bound_ns;      /* sum over packets: its bound, since the last empty look */
    uint64_t publish_wait_ns;         /* sum over containers: closed until published */
    struct segment_line publish;
    uint64_t bins, bin_packets, bin_packets_squared; /* arrivals per SEGMENT_BIN_NS bin */
};
#define SEGMENT_BIN_NS 10000000ull

/* The end that unloads: takes containers, writes packets to its port. */
struct segment_unload {
    uint64_t containers, packets, bytes, bytes_sq;
    uint64_t refused;            /* packets that the port did not take */
    uint64_t malformed;          /* containers or indices that did not fit */
    uint64_t lost;               /* containers missing in the sequence */
    uint64_t ring_wait_bound_ns; /* sum over containers: since the ring was last seen empty */
    uint64_t place_ns;           /* sum over packets: container taken until packet written */
    uint64_t fill_ns;            /* sum over packets, from the sender's open times */
    struct segment_line unload;
};

/* A thread's sleeping: both a worker's and, as it reports them, a guest's. */
struct segment_sleep {
    uint64_t rounds, sleeps;
    uint64_t busy_ns;                  /* time not asleep, CPU or runnable */
    uint64_t late_n, late_ns;          /* timers that fired late, and by how much */
    uint64_t late_us2;                 /* sum of squares, us^2 */
    uint64_t wake_n, wake_ns, wake_sq; /* wake-ups by an event (probed), and how long they took */
};

/* Sizes in force at the packing end. */
struct segment_tuning {
    uint32_t packets, timeout_us, bytes, reserved;
};

/*
 * A direction. rx: `pack` is the backend's, `unload` the guest's own report.
 * tx: `pack` is the guest's report, `unload` the backend's. What a guest
 * reports is range-checked, and steers nothing but its own sizes.
 */
struct segment_lane {
    struct segment_pack pack;
    struct segment_unload unload;
    struct segment_tuning tuning;
    /*
     * One-way delay of packets as the backend sees it: what it measured itself
     * (fill, publication), the estimated wait in the port's queue, half of the
     * rings' round trip by echo, and what the guest reported of its own part.
     */
    struct histogram delay;
};

struct segment_interface {
    uint32_t epoch;  /* odd: being written */
    uint32_t in_use; /* 1: slot taken and connected */
    uint32_t domid, handle;
    uint32_t worker;     /* index of its worker's slot */
    uint32_t generation; /* changes each time the slot is taken */
    uint64_t updated_ns; /* CLOCK_MONOTONIC of this copy */
    struct segment_lane rx, tx;
    struct segment_sleep guest; /* the guest's thread, as it reports */
    uint64_t port_dropped;      /* packets: the port's own queue was full (kernel's count) */
    uint64_t echo_n, echo_ns, echo_max_ns; /* rings' round trip: to the guest and back, guest's hold
                                              time left out */
};

struct segment_worker {
    uint32_t epoch;
    uint32_t in_use;
    uint64_t updated_ns;
    struct segment_sleep sleep;
    uint64_t held; /* packets that guests had not taken when their interfaces ended: dropped */
};

struct segment_header {
    uint64_t magic;
    uint32_t version;
    uint32_t workers, interfaces;                      /* numbers of slots */
    uint32_t header_size, worker_size, interface_size; /* bytes, for readers of other versions */
    uint32_t owner_domid;
    uint32_t pid;      /* of the backend */
    uint64_t start_ns; /* CLOCK_MONOTONIC when the backend started */
};

struct segment;

/* Writer: creates or replaces the file (mode 0644). 0 or -errno. */
int segment_create(const char *path, uint32_t owner_domid, struct segment **ret);
/*
 * Reader: maps an existing file. 0, -errno, -EPROTO (not a segment, or of
 * another version or size).
 */
int segment_open(const char *path, struct segment **ret);
/* Unmaps; the writer also removes the file. NULL is fine. */
void segment_close(struct segment *segment);

const struct segment_header *segment_head(const struct segment *segment);
/* Whether the file at the path is still the one that is mapped (a restarted backend replaces it).
 */
bool segment_is_current(const struct segment *segment);

/* Writer's view of a slot's number, below SEGMENT_INTERFACES / SEGMENT_WORKERS. */
void segment_write_interface(struct segment *segment, uint32_t slot,
                             const struct segment_interface *value);
void segment_write_worker(struct segment *segment, uint32_t slot,
                          const struct segment_worker *value);
/* Reader: 0, -ENOENT (slot not in use), -EAGAIN (the writer did not pause). */
int segment_read_interface(const struct segment *segment, uint32_t slot,
                           struct segment_interface *ret);
int segment_read_worker(const struct segment *segment, uint32_t slot, struct segment_worker *ret);

#endif
