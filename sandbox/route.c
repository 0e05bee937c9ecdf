// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/route.h"

#include <string.h>

int route_add(struct traffic *traffic, struct world *world, const struct world_guest *guest,
              uint32_t size)
{
    struct traffic_route route = {.near = world_dom0(world),
                                  .far = guest->space,
                                  .near_name = guest->vif,
                                  .far_name = WORLD_GUEST_INTERFACE,
                                  .from = world_near_address(guest),
                                  .to = world_far_address(guest),
                                  .size = size};

    memcpy(route.near_mac, guest->vif_mac, 6);
    memcpy(route.far_mac, guest->mac, 6);
    return traffic_add(traffic, &route);
}
