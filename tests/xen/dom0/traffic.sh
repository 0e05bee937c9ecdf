# SPDX-License-Identifier: GPL-2.0-or-later
# Packets for measurements: pktgen in dom0, sizes that stay, figures for tests/xen/figures.py. And a
# load beside whatever else happens.

# To the guest in use and back, until loads_stop, whatever becomes of them: few, as they do not wait
# for a slow machine.
loads=
load_start() {
    xen-packets load "$address" 7 20 &
    loads="$loads $!"
}
loads_stop() {
    kill $loads
    wait $loads
    loads=
}

# figure JSON-MEMBERS: one line of the results.
figure() { echo "@@ figure: {$1}"; }

pktgen() { echo "$1" >"/proc/net/pktgen/$2"; }

# packets_begin DEVICE MAC ADDRESS DELAY: 60 bytes each (64 with the checksum on a wire), DELAY ns
# between two, 0: as fast as it goes.
packets_begin() {
    pktgen rem_device_all kpktgend_0
    pktgen "add_device $1" kpktgend_0
    pktgen "count 0" "$1"
    pktgen "pkt_size 60" "$1"
    pktgen "delay $4" "$1"
    pktgen "dst_mac $2" "$1"
    pktgen "dst $3" "$1"
    pktgen "src_min 10.83.0.9" "$1"
    pktgen "src_max 10.83.0.9" "$1"
    pktgen "udp_dst_min 9" "$1"
    pktgen "udp_dst_max 9" "$1"
    cpu_times >/tmp/cpu
    pktgen start pgctrl &
    sending=$!
}
# Sets $cpu, once there is time to look.
packets_end() {
    pktgen stop pgctrl
    wait $sending
    cpu=$(cpu_shares)
}
packets_sent() { sed -n 's/^ *pkts-sofar: *\([0-9]*\).*/\1/p' "/proc/net/pktgen/$1"; }

# sizes_set PACKETS TIMEOUT_US: of both interfaces, both ways; where no daemon writes others.
sizes_set() {
    local handle direction
    for handle in 0 1; do
        for direction in rx tx; do
            xenstore-write "${back%/*}/$handle/$direction-container-packets" "$1" \
                "${back%/*}/$handle/$direction-container-timeout-us" "$2" \
                "${back%/*}/$handle/$direction-container-bytes" 65536
        done
    done
}

# The time, and CPU time so far, s: of dom0, of the guest in use, of the backend's program.
cpu_times() {
    cut -d' ' -f1 /proc/uptime
    xl list | awk -v guest="$domid" '$2 == 0 { dom0 = $6 } $2 == guest { other = $6 } END { print dom0; print other }'
    awk '{ print ($14 + $15) / 100 }' "/proc/$netback/stat"
}
# As members of a figure: shares of a CPU since packets_begin.
cpu_shares() {
    cpu_times | paste /tmp/cpu - | awk 'NR == 1 { seconds = $2 - $1; next } { share[NR] = ($2 - $1) / seconds }
        END { printf "\"dom0_cpu\": %.3f, \"guest_cpu\": %.3f, \"netback_cpu\": %.3f", share[2], share[3], share[4] }'
}

# to_guest SECONDS: as many as go to a socket in the guest. Sets $said.
to_guest() {
    guest_tell "xen-flow count 9 $1"
    usleep 300000 # it has to listen first; the figure begins with its first packet
    packets_begin "vif$domid.0" "$mac" "$address" 0
    await $LONG guest_done
    packets_end
    said=$(guest_said)
}

# through_guest SECONDS DELAY: into the guest's first interface and out of its second. Sets $said, $sent.
through_guest() {
    xen-flow delays "vif$domid.1" "$1" >/tmp/flow &
    local flow=$!
    usleep 300000
    packets_begin "vif$domid.0" "$mac" 10.84.0.9 "$2"
    wait $flow
    packets_end
    said=$(cat /tmp/flow)
    sent=$(packets_sent "vif$domid.0")
}
