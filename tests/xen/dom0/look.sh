# SPDX-License-Identifier: GPL-2.0-or-later
# What checks look at, and what is shown of everything when one of them failed.

there() { xenstore-exists "$1"; }
not_there() { ! xenstore-exists "$1"; }
there_file() { [ -e "$1" ]; }
path_gone() { [ ! -e "$1" ]; }
logged() { grep -q "$2" "$1"; }

state_is() { [ "$(xenstore-read "$1/state")" = "$2" ]; }
states_are() { state_is "$back" "$1" && state_is "$front" "$2"; }
connected() { states_are 4 4; }
only_dom0() { [ "$(xl list | wc -l)" = 2 ]; }
domain_gone() { ! xl list "$1" >/dev/null 2>&1; }

# packets COUNT RATE: datagrams to the guest and back; each arrives as it was sent.
packets() {
    xen-packets send "$address" 7 "$1" "$2" >/tmp/packets 2>&1
    note "$name: $(cat /tmp/packets)"
    grep -q "^sent $1 there $1 there_damaged 0 back $1 back_damaged 0\$" /tmp/packets
}
answers() { ping -c 1 -W 3 "$address" >/dev/null 2>&1; }
# None else than ours answers at this address.
neighbours_forget() { ip neigh flush dev xenbr0; }

# --- sizes ---

sizes() {
    local direction
    for direction in rx tx; do
        xenstore-read "$back/$direction-container-packets" "$back/$direction-container-timeout-us" ||
            return 1
    done
}
sizes_there() { sizes >/dev/null; }
# timeouts_below US: of both directions, in xenstore.
timeouts_below() {
    local direction
    for direction in rx tx; do
        [ "$(xenstore-read "$back/$direction-container-timeout-us")" -lt "$1" ] || return 1
    done
}

# sizes_keep; sizes_other: whether the daemon decided otherwise since, be it only for as long as there
# was traffic.
decided() { ask_history "SELECT $1 FROM decision WHERE $(of_guest) $2"; }
sizes_keep() {
    decided "coalesce(max(time), 0)" >"/run/lab/$name/kept-time"
    decided "$size_columns" "ORDER BY time DESC LIMIT 1" >"/run/lab/$name/kept-sizes"
}
kept_time() { cat "/run/lab/$name/kept-time"; }
sizes_kept() { cat "/run/lab/$name/kept-sizes"; }
sizes_other() { [ -n "$(sizes_since)" ]; }
sizes_since() { decided "$size_columns" "AND time > $(kept_time) AND $size_columns <> '$(sizes_kept)'"; }
size_columns="rx_packets || ' ' || CAST(rx_timeout_us AS INTEGER) || ', ' || tx_packets || ' ' || CAST(tx_timeout_us AS INTEGER)"

ask_history() { sqlite3 -readonly /var/lib/xenagg/history.db "$1"; }
# For a WHERE: what is about the guest in use.
of_guest() { echo "interface IN (SELECT id FROM interface WHERE domid = $domid)"; }
# counted N: at least so many packets in each direction.
counted() {
    [ "$(ask_history "SELECT count(*) FROM (SELECT direction, sum(packets) AS n FROM sample
        WHERE $(of_guest) GROUP BY direction) WHERE n >= $1")" = 2 ]
}
# Both ends report the size that they pack by, the guest's through the control page: one that was
# decided since sizes_keep. (The last one may have been changed again before an end has told.)
in_force() {
    local direction
    for direction in rx tx; do
        [ "$(ask_history "SELECT count(*) > 0 FROM sample s JOIN decision d USING (interface)
            WHERE interface IN (SELECT id FROM interface WHERE domid = $domid) AND
            s.direction = '$direction' AND d.time > $(kept_time) AND s.time >= d.time AND
            s.size_packets = d.${direction}_packets")" = 1 ] || return 1
    done
}

# In the status and in the history.
cpu_known() {
    xenaggctl status --json "$name" | grep -q '"domain_cpu": *[0-9]' &&
        [ "$(ask_history "SELECT count(*) > 0 FROM domain WHERE $(of_guest) AND cpu > 0")" = 1 ]
}

# --- interfaces ---

vif_bridged() { grep -qx "INTERFACE=$1" "/sys/class/net/$vif/master/uevent"; }
mac_is_stored() {
    guest "cat /sys/class/net/xagg0/address" &&
        [ "$(guest_said)" = "$(xenstore-read "$front/mac")" ]
}

# --- what must not leak ---

# Of this process: mappings of grants, event channels, descriptors.
mappings() { grep -c /dev/xen/gntdev "/proc/$1/maps"; }
descriptors() { ls "/proc/$1/fd" | wc -l; }
channels() { grep -c evtchn: /proc/interrupts; }
nodes() { xenstore-ls / | grep -vc -e ' data ' -e ' want ' -e ' done ' -e ' said '; }
inventory() {
    echo "domains $(xl list | tail -n +2 | wc -l) mappings $(mappings "$netback")" \
        "channels $(channels) nodes $(nodes) interfaces $(ls /sys/class/net | wc -l)" \
        "descriptors $(descriptors "$netback") $(descriptors "$daemon")"
}

# Xen's own account of the grants that are mapped, by domain. Slow: Xen writes them to the console.
grants() {
    xl dmesg -c >/dev/null
    xl debug-keys g
    xl dmesg -c | awk '/grant-table for remote/ { domain = $5 } $2 ~ /^\[0x/ { n[domain]++ }
        END { for (domain in n) printf "%s:%d ", domain, n[domain] }'
}
grants_are() { [ "$(grants)" = "$1" ]; }
# Where our programs are services, their numbers change.
inventory_take() { inventory; }
inventory_keep() {
    inventory_take >/tmp/inventory
    note "inventory: $(cat /tmp/inventory)"
}
inventory_same() { [ "$(inventory_take)" = "$(cat /tmp/inventory)" ]; }
nothing_leaked() {
    await $LONG inventory_same && return
    note "before: $(cat /tmp/inventory)"
    note "now:    $(inventory_take)"
    false
}

# --- everything ---

look_all() {
    echo "--- what was said"
    tail -n 40 /var/log/*.log /var/log/xen/*.log 2>/dev/null
    echo "--- xenstore"
    xenstore-ls -f -p /local/domain/0/backend/vagg
    echo "--- dom0"
    xl list
    xenaggctl status
    cat /proc/net/dev /proc/net/arp
    ip addr
    grep -e CPU -e evtchn /proc/interrupts
    dmesg | tail -n 12
    each look_guest
}

look_guest() {
    echo "--- guest $name"
    xenstore-ls -f -p "/local/domain/$domid/device/vagg"
    LONG=30
    domain_gone "$domid" || guest look ||
        echo "no answer: $(xenstore-read "/local/domain/$domid/data/done")"
    tail -n 60 "/var/log/xen/console/guest-$name.log"
}
