// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The packing half of a link: reads frames from the port into the open
 * container, in private memory, and publishes it with one copy when it is
 * closed: by count, by bytes, by timeout, or flushed.
 *
 * When the ring has no room the closed container waits, and the port is left
 * alone, so that its own queue holds what comes (and drops, counted by the
 * kernel). A peer that takes nothing for PACKER_STALL_NS has its packets
 * dropped, counted here, so that what it gets later is not stale.
 */
#ifndef XENAGG_DATAPATH_PACKER_H
#define XENAGG_DATAPATH_PACKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/container.h"
#include "common/histogram.h"
#include "common/hv.h"
#include "common/ring.h"
#include "common/segment.h"
#include "datapath/echo.h"
#include "datapath/port.h"
#include "datapath/tuning.h"

#define PACKER_STALL_NS 100000000ull

struct packer {
    struct container_builder builder;
    struct ring ring;
    struct hv_channel *channel; /* borrowed */
    const struct echo *echo;    /* borrowed */
    tuning_word *tuning;        /* borrowed; written by the control thread */
    struct segment_pack stats;
    struct histogram *delay;   /* borrowed; NULL: not kept */
    uint64_t delay_beyond_ns;  /* what is added after publication, for `delay` */
    uint64_t opened_ns;        /* the open container's first packet was read */
    uint64_t read_sum_ns;      /* sum over its packets of read time - opened_ns */
    uint64_t first_arrival_ns; /* ... came, estimated */
    uint32_t *arrivals;        /* of its packets, ns after the first; CONTAINER_COUNT_MAX */
    uint32_t sequence;
    bool pending; /* closed, waiting for room since closed_ns */
    bool broken;  /* the peer's index was impossible */
    uint64_t closed_ns;
    uint32_t open_ns, fill_ns; /* of the pending one, as its header says */
    uint32_t carried;          /* length of the frame that did not fit; 0: none */
    uint64_t carried_read_ns, carried_arrival_ns;
    uint8_t carry[CONTAINER_FRAME_MAX];
    uint64_t bin_start_ns; /* arrivals per bin, for the index of dispersion */
    uint32_t bin_packets;
};

/*
 * When frames in the port's queue came: `latest_ns`, when the worker saw that
 * there are some; `empty_ns`, when it last saw that there were none; `woken_by`,
 * its mean lateness where it slept until then, else 0.
 */
struct packer_view {
    uint64_t latest_ns, empty_ns, woken_late_ns;
};

/* What a packer borrows; see the fields. */
struct packer_options {
    struct ring_shared *shared;
    void *const *pages;
    uint32_t n_pages;
    struct hv_channel *channel;
    const struct echo *echo;
    tuning_word *tuning;
    struct histogram *delay;
};

/* 0 or -ENOMEM. */
int packer_init(struct packer *packer, const struct packer_options *options);
void packer_free(struct packer *packer);

/*
 * Reads frames until the port is empty (true); until `until_ns` has come or the
 * ring is full (false).
 * *ret_worked is set where anything was done.
 */
bool packer_read(struct packer *packer, struct port *port, const struct packer_view *view,
                 uint64_t until_ns, bool *ret_worked);
/* Closes what is due at `due_ns`, and publishes what waits. True: something was done. */
bool packer_settle(struct packer *packer, uint64_t due_ns);
/* Closes and publishes what is open. */
void packer_flush(struct packer *packer);
/* Packets that were read and are not published: lost, should the link end now. */
uint32_t packer_held(const struct packer *packer);
/* When something is due (ns of clock_ns), or UINT64_MAX. */
uint64_t packer_deadline(const struct packer *packer);
/* Asks the peer to notify when there is room. True: look again, there may be room now. */
bool packer_sleep(struct packer *packer);

#endif
