// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control page of one guest interface: one page that the guest shares
 * beside its rings. docs/ring.md documents it field by field. Fixed-width,
 * little-endian, no pointers: a kernel may sit at either end.
 */
#ifndef XENAGG_DATAPATH_CONTROL_PAGE_H
#define XENAGG_DATAPATH_CONTROL_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "common/ring.h"
#include "common/segment.h"

#define CONTROL_MAGIC 0x32474158u /* "XAG2" */

/* What the guest says of its own part, by common/epoch.h. Steers only its own sizes. */
struct guest_report {
    uint32_t epoch;
    uint32_t reserved;
    struct segment_pack pack;     /* of tx */
    struct segment_unload unload; /* of rx */
    struct segment_sleep sleep;
    struct segment_tuning tuning; /* of tx, in force */
};

struct control_page {
    uint32_t magic;
    uint32_t reserved;
    uint8_t frontend_here, backend_here; /* the hypervisor layer's farewell bytes */
    struct ring_shared rx, tx;
    _Alignas(64) struct guest_report report;
};
_Static_assert(sizeof(struct control_page) <= RING_PAGE, "it is one page");
_Static_assert(offsetof(struct control_page, rx) == 64 &&
                   offsetof(struct control_page, tx) == 192 &&
                   offsetof(struct control_page, report) == 320 &&
                   offsetof(struct guest_report, unload) == 248 &&
                   offsetof(struct guest_report, sleep) == 376 &&
                   offsetof(struct guest_report, tuning) == 448,
               "offsets as documented");

#endif
