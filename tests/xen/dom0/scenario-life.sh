# SPDX-License-Identifier: GPL-2.0-or-later
# A device's life, PV and PVH: attached by configuration, detached and attached by hand, programs that
# are killed under load, guests that reboot, are saved and restored, shut down, destroyed. After each,
# packets pass again by themselves, and nothing is left behind.
guests="pv pvh"
guest_options="keep=10.83.0.2" guest_config pv pv 10.83.0.2
guest_options="keep=10.83.0.3" guest_config pvh pvh 10.83.0.3
services_start /lab/life.conf
for name in $guests; do guest_begin; done
each guest_ready
inventory_take() {
    netback=$(pid_of netback) daemon=$(pid_of xenaggd)
    inventory
}

each flow "it started, attached by configuration"
each traffic

# --- by hand, to a guest that runs ---

by_hand() {
    detached
    check "$name: attached by its number" \
        xenaggctl attach "$domid" --bridge xenbr0 --mac "00:16:3e:00:01:0$domid" --wait $((LONG * patience))s
    check "$name: the backend's interface is on the bridge" vif_bridged xenbr0
    check "$name: its interface has the address that it was attached with now" await $LONG mac_is_stored
    neighbours_forget
    flow "attached by hand"
}
each by_hand
inventory_keep
mapped=$(grants)
note "mapped grants of each domain: $mapped"

# After each step.
unchanged() { check "$1: grants, channels, nodes, interfaces and descriptors are as many as before" nothing_leaked; }

# --- killed under load ---

front_killed() {
    check "$name: its end is killed under load" guest front_kept_kill
    flow "its end was killed"
    unchanged "$name: its end was killed"
}
each load_start
each front_killed
kept_kill netback
each flow "the backend was killed"
unchanged "the backend was killed"
kept_kill xenaggd
each flow "the daemon was killed"
check "the daemon answers again" await $LONG xenaggctl status
unchanged "the daemon was killed"
each guest_tell front_kept_kill
kept_kill netback
kept_kill xenaggd
each flow "all were killed"
unchanged "all were killed"
kept_restart netback
each flow "the backend was restarted"
unchanged "the backend was restarted"
loads_stop
each connected_again
each traffic
unchanged "no load any more"
check "Xen says that as many grants of each domain are mapped as before" await $LONG grants_are "$mapped"

# --- guests that come and go ---

# Nothing of a domain that is gone.
nothing_left() {
    check "$name: nothing keeps domain $1" await $LONG domain_gone "$1"
    check "$name: its interface is gone" await $LONG path_gone "/sys/class/net/vif$1.0"
    check "$name: nothing of it is in xenstore" await $LONG not_mentioned "$1"
}
not_mentioned() { ! xenstore-ls -f / | grep -q -e "^/local/domain/$1/" -e "/vagg/$1[/ ]"; }

reboots() {
    local old=$domid
    guest_tell "reboot -f"
    check "$name: reboots" await $LONG guest_number_new
    use "$name"
    neighbours_forget # it was attached by hand with another address
    flow "it rebooted"
    nothing_left "$old"
}
each reboots
each traffic
unchanged "each was rebooted"

destroyed_under_load() {
    local old=$domid
    load_start
    xl destroy "$name"
    nothing_left "$old"
    loads_stop
}
shuts_down() {
    local old=$domid
    guest_tell "poweroff -f"
    nothing_left "$old"
}
use pv && shuts_down
use pvh && destroyed_under_load
check "no domain is left beside dom0" await $LONG only_dom0
check "no grant is mapped" [ -z "$(grants)" ]
services_stop
