// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/losses.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/socket.h>

int losses_find_interface(const struct segment *segment, struct keys_interface interface,
                          struct segment_interface *ret)
{
    for (uint32_t slot = 0; slot < segment_head(segment)->interfaces; slot++)
        if (segment_read_interface(segment, slot, ret) == 0 && ret->domid == interface.domid &&
            ret->handle == interface.handle)
            return 0;
    return -ENOENT;
}

struct drops {
    uint64_t received, sent;
};

/* By netlink: sysfs shows another namespace. */
static int interface_drops(struct namespace *space, const char *name, struct drops *ret)
{
    struct ifaddrs *all;
    int error = namespace_enter(space);

    if (error)
        return error;
    error = getifaddrs(&all) ? -errno : 0;
    namespace_leave(space);
    if (error)
        return error;
    error = -ENODEV;
    for (struct ifaddrs *at = all; at; at = at->ifa_next) {
        if (!at->ifa_addr || at->ifa_addr->sa_family != AF_PACKET || strcmp(at->ifa_name, name))
            continue;
        const struct rtnl_link_stats *stats = at->ifa_data;
        *ret = (struct drops){.received = stats->rx_dropped, .sent = stats->tx_dropped};
        error = 0;
    }
    freeifaddrs(all);
    return error;
}

static uint64_t beyond(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static void way_close(struct losses_way *way)
{
    way->lost = beyond(way->sent, way->arrived);
    way->uncounted =
        beyond(way->lost, way->queue + way->ring + way->size + way->refused + way->unseen);
}

int losses_read(struct world *world, const struct world_guest *guest,
                const struct traffic_counts *counts, const struct segment_interface *seen,
                struct losses *ret)
{
    const struct traffic_arrivals *there = &counts->at[TRAFFIC_IN_GUEST],
                                  *back = &counts->at[TRAFFIC_BACK];
    struct drops near, far;
    int error = interface_drops(world_dom0(world), guest->vif, &near);

    if (!error)
        error = interface_drops(guest->space, WORLD_GUEST_INTERFACE, &far);
    if (error)
        return error;
    ret->out = (struct losses_way){.sent = counts->offered,
                                   .arrived = there->arrived,
                                   .queue = near.sent,
                                   .ring = seen->rx.pack.dropped_ring_full,
                                   .size = seen->rx.pack.dropped_size,
                                   .refused = seen->rx.unload.refused + far.received,
                                   .unseen = there->unseen};
    ret->back = (struct losses_way){.sent = there->arrived,
                                    .arrived = back->arrived,
                                    .queue = far.sent,
                                    .ring = seen->tx.pack.dropped_ring_full,
                                    .size = seen->tx.pack.dropped_size,
                                    .refused = seen->tx.unload.refused + near.received,
                                    .unseen = back->unseen};
    way_close(&ret->out);
    /* What the generator did not look at in the guest was there all the same. */
    ret->back.sent += there->unseen < ret->out.lost ? there->unseen : ret->out.lost;
    way_close(&ret->back);
    return 0;
}
