// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where packets went that did not arrive: what the generator missed, against
 * everything that the kernel and xagg counted. A packet that nobody counted is
 * a fault.
 */
#ifndef XENAGG_SANDBOX_LOSSES_H
#define XENAGG_SANDBOX_LOSSES_H

#include <stdint.h>

#include "common/segment.h"
#include "sandbox/traffic.h"
#include "sandbox/world.h"

/* Packets of one direction. */
struct losses_way {
    uint64_t sent, arrived;
    uint64_t lost;    /* the difference */
    uint64_t queue;   /* counted: the sending interface's queue was full */
    uint64_t ring;    /* the ring was full */
    uint64_t size;    /* outside of the sizes that are carried */
    uint64_t refused; /* the receiving interface did not take it */
    uint64_t unseen;  /* the generator's own ring was full: no loss, but not looked at */
    uint64_t uncounted;
};

struct losses {
    struct losses_way out, back; /* to the guest; from the guest */
};

/* The guest's slot of the segment. 0 or -errno (-ENOENT: none). */
int losses_find_interface(const struct segment *segment, struct keys_interface interface,
                          struct segment_interface *ret);

/*
 * `counts` of the generator's lane, `seen` of the segment; both after traffic
 * ended. The backend's and frontend's counters began with their interfaces, so
 * this holds where neither was restarted. 0 or -errno.
 */
int losses_read(struct world *world, const struct world_guest *guest,
                const struct traffic_counts *counts, const struct segment_interface *seen,
                struct losses *ret);

#endif
