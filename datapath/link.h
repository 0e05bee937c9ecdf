// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One guest interface on a worker: a port, a packer, an unloader, and the
 * shared pages and channel between the two ends. The backend's link packs rx
 * and unloads tx; the guest's is its mirror. A link belongs to the control
 * thread until it is given to a worker, and again after the worker let it go.
 */
#ifndef XENAGG_DATAPATH_LINK_H
#define XENAGG_DATAPATH_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/hv.h"
#include "datapath/control_page.h"
#include "datapath/packer.h"
#include "datapath/unloader.h"

enum link_end { LINK_BACKEND, LINK_FRONTEND };

enum link_failure {
    LINK_FINE,
    LINK_PEER_GONE,  /* its process or domain ended */
    LINK_PEER_BROKE, /* it sent what does not fit; see link_failure_text */
};

struct link;

/*
 * Called on the worker's thread, at most every LINK_EXPORT_NS while there is
 * traffic and once more before a long sleep: make the link's figures visible.
 */
typedef void link_export(void *context, struct link *link, const struct segment_sleep *sleep);
#define LINK_EXPORT_NS 10000000ull

struct link_options {
    enum link_end end;
    struct port *port;          /* borrowed */
    struct hv_channel *channel; /* borrowed */
    struct hv_pages *control;   /* borrowed: one page */
    struct hv_pages *rx, *tx;   /* borrowed: the rings' pages */
    tuning_word *tuning;        /* borrowed: of the direction this end packs */
    bool keep_delays;           /* delay histograms are wanted */
    link_export *export;
    void *export_context;
};

struct link {
    struct link *next; /* the worker's list */
    struct port *port;
    struct hv_channel *channel;
    struct packer packer;
    struct unloader unloader;
    struct echo echo;
    struct histogram *delay_out, *delay_in; /* of the packer, of the unloader; NULL: not kept */
    link_export *export;
    void *export_context;
    /* The worker's. */
    bool readable, notified, dirty;
    uint64_t exported_ns;
    int64_t deficit_ns;
    _Atomic int failure;      /* enum link_failure */
    const char *failure_text; /* written before failure */
};

/* 0, -ENOMEM, -EINVAL (rings of impossible sizes). */
int link_new(const struct link_options *options, struct link **ret);
void link_free(struct link *link);

enum link_failure link_failure(struct link *link, const char **ret_text);

/* --- for the worker ------------------------------------------------------ */

/*
 * One round of at most `budget_ns`, half of it for unloading and half for reading, as far as both
 * have work. True: something was done.
 */
bool link_round(struct link *link, const struct packer_view *view, uint64_t budget_ns,
                uint64_t due_ns);
/* Time that this link overdrew so far that a round of `budget_ns` would not serve it; 0: it would.
 */
uint64_t link_debt(const struct link *link, uint64_t budget_ns);
/* As if rounds of so much time had gone by. */
void link_forgive(struct link *link, uint64_t time_ns);
/* Announces sleep to the peer. False: there is work after all. */
bool link_sleep(struct link *link);
void link_wake(struct link *link);
/* Takes the channel's event. */
void link_notified(struct link *link);
uint64_t link_deadline(const struct link *link);

#endif
