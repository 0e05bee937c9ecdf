# SPDX-License-Identifier: GPL-2.0-or-later
# Rings that are larger than a node of xenstore can name, and what is said where a limit is too low.
guests="pv pvh"
guest_config pv pv 10.83.0.2
guest_config pvh pvh 10.83.0.3
netback_start
daemon_start
for name in $guests; do guest_begin; done
each guest_ready

LIMIT=/sys/module/xen_gntalloc/parameters/limit
front_log() { cat "/var/log/xen/console/guest-$name.log"; }
says_limit() { front_log | grep -q "no room to share .* raise $LIMIT (now 1024).*max_grant_frames"; }
has_pages() { grep -q "guest $domid.0: connected, $1 pages in each ring" "$netback_log"; }

too_low() {
    check "$name: starts its end with more pages than gntalloc allows" guest "front_start --ring-order 9"
    check "$name: xenaggctl attach" attach
    check "$name: it says which limit to raise, and how far it is" await $LONG says_limit
    check "$name: that is raised" guest "echo 8192 >$LIMIT"
    check "$name: it connects by itself" await $LONG connected
    check "$name: with rings of 512 pages" has_pages 512
    check "$name: its interface comes up" guest "interface_up $address"
    traffic
}
each too_low

# 2 x 2048 pages, named by 4 more.
largest() {
    check "$name: its end stops" guest front_stop
    check "$name: starts with the largest rings" guest "front_start --ring-order 11"
    interface_again
    check "$name: with rings of 2048 pages" await $LONG has_pages 2048
    check "$name: 1000 datagrams there and back" packets 1000 1000
}
each largest
note "mapped grants of each domain: $(grants)"
each detached
for name in $guests; do xl destroy "$name"; done
check "no domain is left beside dom0" await $LONG only_dom0
check "no grant is mapped" [ -z "$(grants)" ]
check "the daemon stops, status 0" stop "$daemon"
check "the backend stops, status 0" stop "$netback"
