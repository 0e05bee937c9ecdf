// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The unloading half of a link: takes containers from the ring into private
 * memory, checks them there, and writes their packets to the port. A container
 * that does not fit the format breaks the link, and touches nothing else.
 */
#ifndef XENAGG_DATAPATH_UNLOADER_H
#define XENAGG_DATAPATH_UNLOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/container.h"
#include "common/histogram.h"
#include "common/hv.h"
#include "common/ring.h"
#include "common/segment.h"
#include "datapath/echo.h"
#include "datapath/port.h"

struct unloader {
    struct ring ring;
    struct hv_channel *channel; /* borrowed */
    struct echo *echo;          /* borrowed */
    struct segment_unload stats;
    struct histogram *delay;  /* borrowed; NULL: not kept */
    uint64_t delay_before_ns; /* what comes before the sender's reading, for `delay` */
    uint8_t *memory;          /* CONTAINER_BYTES_MAX: the container being unloaded */
    struct container_reader reader;
    bool unloading;             /* it is not at its end */
    uint32_t done;              /* packets of it that have been dealt with */
    uint64_t taken_ns, busy_ns; /* it was taken; time spent on it in earlier rounds */
    uint64_t empty_ns;          /* the ring was last seen empty */
    uint32_t sequence;          /* expected next */
    bool sequenced;             /* one has been seen */
    const char *broken;         /* what did not fit; NULL: nothing yet */
};

struct unloader_options {
    struct ring_shared *shared;
    void *const *pages;
    uint32_t n_pages;
    struct hv_channel *channel;
    struct echo *echo;
    struct histogram *delay;
};

/* 0 or -ENOMEM. */
int unloader_init(struct unloader *unloader, const struct unloader_options *options);
void unloader_free(struct unloader *unloader);

/*
 * Unloads until the ring is empty or `until_ns` has come; a large container may
 * be left halfway until the next call. True: something was done.
 */
bool unloader_run(struct unloader *unloader, struct port *port, uint64_t until_ns);
/* Announces sleep to the peer. False: there is work. */
bool unloader_sleep(struct unloader *unloader);
void unloader_wake(struct unloader *unloader);

#endif
