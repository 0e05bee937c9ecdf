# SPDX-License-Identifier: GPL-2.0-or-later
# One PV and one PVH guest: packets, sizes, ends that die and ends that stop.
guests="pv pvh"
guest_config pv pv 10.83.0.2
guest_config pvh pvh 10.83.0.3
netback_start
daemon_start
for name in $guests; do guest_begin; done
each guest_ready

each connect
each tuned
promised_less
note "decisions: $(ask_history 'SELECT group_concat(interface || " " || sizing || " " || rx_packets || "/" || tx_packets, ", ") FROM decision')"
inventory_keep

each front_dies
stop_hard "$netback"
netback_start
each connected_again
each traffic

each front_stops
check "the backend stops, status 0" stop "$netback"
each closed
netback_start
each connected_again
each traffic
check "grants, channels, nodes, interfaces and descriptors are as many as before" nothing_leaked

note_time
use pv
detached
check "$name: attached again: both ends are Connected" attach --wait $((LONG * patience))s
each destroyed
check "no domain is left beside dom0" await $LONG only_dom0
check "the daemon stops, status 0" stop "$daemon"
check "the backend stops, status 0" stop "$netback"
