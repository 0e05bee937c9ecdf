// SPDX-License-Identifier: GPL-2.0-or-later
/* Leads a traffic lane through a guest of a world. */
#ifndef XENAGG_SANDBOX_ROUTE_H
#define XENAGG_SANDBOX_ROUTE_H

#include "sandbox/traffic.h"
#include "sandbox/world.h"

/* The guest's network is set up. `size`: bytes of a frame. The lane's number or -errno. */
int route_add(struct traffic *traffic, struct world *world, const struct world_guest *guest,
              uint32_t size);

#endif
