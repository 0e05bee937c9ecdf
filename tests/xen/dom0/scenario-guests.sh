# SPDX-License-Identifier: GPL-2.0-or-later
# Three guests, PV and PVH, with three promises: loads that change, sizes that follow, the history of
# it, and what each guest may see and write in xenstore.
guests="strict middle relaxed"
guest_config strict pv 10.83.0.2
guest_config middle pvh 10.83.0.3
guest_config relaxed pv 10.83.0.4
netback_start
daemon_start /lab/guests.conf
for name in $guests; do guest_begin; done
each guest_ready
each connect

# --- loads that change ---

calm() {
    check "$name: 100 datagrams, few a second" packets 100 50
    check "$name: the daemon has decided" await $LONG sizes_there
}
busy() {
    sizes_keep
    check "$name: 3000 datagrams, many a second" packets 3000 2000
    check "$name: the daemon sizes containers anew" await $LONG sizes_other
    note "$name: rx, tx packets and timeouts: $(sizes_kept) -> $(sizes_since | tail -n 1)"
    check "$name: both ends pack by sizes decided since" await $LONG in_force
}
each calm
each busy

# --- what is in the history ---

# of_promise FIELD: of the promise in force.
of_promise() {
    ask_history "SELECT $1 FROM promise WHERE $(of_guest) ORDER BY time DESC LIMIT 1"
}
promised() { check "$name: its own promise is recorded: $1 us" [ "$(of_promise 'CAST(delay_us AS INTEGER)')" = "$1" ]; }
use strict && promised 50000
use middle && promised 500000
use relaxed && promised 2000000

recorded() {
    check "$name: samples, predictions, measured delays and decisions are recorded" \
        [ "$(ask_history "SELECT (SELECT count(*) > 5 FROM sample WHERE $(of_guest)) +
            (SELECT count(*) > 0 FROM prediction WHERE $(of_guest)) +
            (SELECT count(*) > 0 FROM measured WHERE $(of_guest)) +
            (SELECT count(*) > 1 FROM decision WHERE $(of_guest))")" = 4 ]
    check "$name: the load that changed is" \
        [ "$(ask_history "SELECT max(packets) > 10 * min(packets) FROM sample
            WHERE $(of_guest) AND direction = 'rx' AND packets > 0")" = 1 ]
}
each recorded
longest_timeout() {
    ask_history "SELECT CAST(max(max(rx_timeout_us), max(tx_timeout_us)) AS INTEGER) FROM decision
        WHERE $(of_guest)"
}
use strict && strict=$(longest_timeout)
use relaxed && relaxed=$(longest_timeout)
check "who may wait longer is given longer: $strict us, $relaxed us" [ "$strict" -lt "$relaxed" ]

# --- who sees what ---

xenstore-ls -f -p /local/domain/0/backend/vagg | sed 's/^/|xenstore-dom0| /'
seen_from_dom0() {
    check "$name: dom0 sees both its folders" [ "$(xenstore-ls "$back" | wc -l)" -ge 15 -a "$(xenstore-ls "$front" | wc -l)" -ge 8 ]
}
each seen_from_dom0

seen_from_guest() {
    local other other_domid own=$domid
    check "$name: reads its sizes, cannot write them" guest "own_only $domid"
    check "$name: cannot give itself an interface" guest "no_folder_of_its_own $domid"
    for other in $guests; do
        [ "$other" != "$name" ] || continue
        other_domid=$(cat "/run/lab/$other/domid")
        check "$name: sees nothing of $other" guest "others_hidden $other_domid"
    done
    check "$name: xenstore-ls shows it its own" guest "xenstore-ls $back"
    guest_said | sed "s/^/|xenstore-$name| /"
}
each seen_from_guest
each traffic

# --- the end ---

each detached
for name in $guests; do xl destroy "$name"; done
check "no domain is left beside dom0" await $LONG only_dom0
check "the daemon stops, status 0" stop "$daemon"
check "the backend stops, status 0" stop "$netback"
