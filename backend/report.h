// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the backend shows of one guest interface in the measurement segment: its
 * own figures, and, checked, what the guest reports of its part.
 */
#ifndef XENAGG_BACKEND_REPORT_H
#define XENAGG_BACKEND_REPORT_H

#include "common/segment.h"
#include "datapath/link.h"

struct report {
    struct segment *segment; /* borrowed */
    uint32_t slot;
    const struct control_page *page;        /* borrowed: the guest's */
    tuning_word *tuning;                    /* borrowed: of rx */
    struct segment_interface shown;         /* the copy that is published */
    struct guest_report guest;              /* the guest's last good report */
    uint64_t guest_place_ns, guest_port_ns; /* recent means per packet, as reported */
    _Atomic uint64_t port_dropped;          /* set by the control thread */
    bool distrusted;                        /* a report did not fit; said once */
};

/* The link_export of a backend's link; `context` is its struct report. */
void report_export(void *context, struct link *link, const struct segment_sleep *sleep);
/* Shows the slot as free. */
void report_clear(struct report *report);
/*
 * Whether a guest's report can follow the one before: counters only grow, and no
 * packet took longer than REPORT_LONGEST_NS.
 */
bool report_fits(const struct guest_report *now, const struct guest_report *before);
#define REPORT_LONGEST_NS 10000000000ull

#endif
