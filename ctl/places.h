// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where things are unless an option says otherwise; the daemon's own defaults
 * are the same (etc/xenaggd.conf).
 */
#ifndef XENAGG_CTL_PLACES_H
#define XENAGG_CTL_PLACES_H

#define PLACES_CONFIG "/etc/xenagg/xenaggd.conf"

#define PLACES_CONTROL "/run/xenagg/control"
#define PLACES_DATABASE "/var/lib/xenagg/history.db"

#endif
