# SPDX-License-Identifier: GPL-2.0-or-later
# xenagg against stock netback and netfront, in one boot; how long things take; delays over the load.
# XENAGG_XEN_LAB="kind=pv rounds=3 span=3 rates=500:1000" ./run bench xen: PV guests, else PVH; and so on.
kind=$(option kind pvh)
rounds=$(option rounds 3)
span=$(option span 3) # s of each measurement
guests="keep agg stock"
insmod /modules/late/xen-netback.ko
insmod /modules/late/pktgen.ko

# --- how long until packets pass ---

guest_options="keep=10.83.0.2" guest_config keep "$kind" 10.83.0.2
services_start /lab/life.conf
name=keep
timed() {
    flow "$2"
    figure "\"what\": \"until packets pass\", \"after\": \"$1\", \"ms\": $took"
}
for round in $(seq "$rounds"); do
    began=$(cut -d' ' -f1 /proc/uptime)
    guest_begin
    guest_ready
    flow "xl create"
    [ $boots != 1 ] || figure "\"what\": \"until packets pass\", \"after\": \"xl create\", \"ms\": $(awk -v began="$began" '{ print int(($1 - began) * 1000) }' /proc/uptime)"
    [ "$round" = "$rounds" ] || { xl destroy keep && await $LONG only_dom0; }
done
for round in $(seq "$rounds"); do
    guest front_kept_kill
    timed xenagg-netfront "its end was killed"
    kept_kill netback
    timed xenagg-netback "the backend was killed"
    kept_kill xenaggd
    timed xenaggd "the daemon was killed"
done
xl destroy keep
await $LONG only_dom0
services_stop

# --- two guests that forward ---

netback_start
guest_config agg "$kind" 10.83.0.2
guest_config stock "$kind" 10.83.0.2 \
    'vif = ["mac=00:16:3e:00:00:10,script=vif-plain", "mac=00:16:3e:00:00:11,script=vif-plain"]'
guests="agg stock"
for name in $guests; do guest_begin; done
each guest_ready
use agg
guest "front_start --handle 0 --interface xagg0"
guest "front_start --handle 1 --interface xagg1"
check "two interfaces are attached" attach_two
guest "forwarder xagg0 xagg1"
mac=$(xenstore-read "$front/mac")
check "it forwards" forwards
use stock
guest "forwarder eth0 eth1"
mac=00:16:3e:00:00:10
check "it forwards" forwards

# --- as many as go ---

use_side() {
    use "$1"
    if [ "$1" = agg ]; then mac=$(xenstore-read "$front/mac"); else mac=00:16:3e:00:00:10; fi
}
most() {
    to_guest "$span"
    figure "\"what\": \"to a guest\", \"side\": \"$name\", \"k\": $1, $cpu, \"seen\": $said"
    through_guest "$span" 0
    figure "\"what\": \"through a guest\", \"side\": \"$name\", \"k\": $1, $cpu, \"sent\": $sent, \"seen\": $said"
}
for round in $(seq "$rounds"); do
    use_side stock
    most 0
    use_side agg
    for k in 1 16 64 160; do
        sizes_set $k 100000
        most $k
    done
done

# --- the published experiment: delay, jitter and loss over the load ---

rates=$(option rates 250:500:1000:2000:4000:8000 | tr : ' ')
loads() {
    local rate
    for rate in $rates; do
        through_guest "$span" $((1000000000 / rate))
        figure "\"what\": \"over the load\", \"side\": \"stock\", \"rate\": $rate, \"sent\": $sent, \"seen\": $said"
    done
}
# With the daemon, by the configuration of that name: what it wrote, predicted and measured meanwhile,
# once it has seen this load.
loads_tuned() {
    local rate
    daemon_start "/lab/$1.conf"
    for rate in $rates; do
        through_guest $((span + 4)) $((1000000000 / rate))
        through_guest "$span" $((1000000000 / rate))
        figure "\"what\": \"over the load\", \"side\": \"$1\", \"rate\": $rate, \"sent\": $sent, \"seen\": $said, \
\"rx_packets\": $(xenstore-read "$back/rx-container-packets"), \
\"rx_timeout_us\": $(xenstore-read "$back/rx-container-timeout-us"), $(expected)"
    done
    stop "$daemon"
}
# One way into the guest: what the model said, what the worker and the guest measured.
expected() {
    ask_history "SELECT '\"predicted_us\": ' || coalesce(avg(p.total_us), 'null') ||
        ', \"measured_us\": ' || coalesce(avg(m.total_us), 'null')
        FROM prediction p JOIN measured m ON m.time = p.time AND m.interface = p.interface AND
        m.direction = p.direction WHERE p.direction = 'rx' AND p.interface IN (SELECT id FROM interface
        WHERE domid = $domid AND handle = 0) AND p.time > (SELECT max(time) FROM prediction) - $span"
}
for round in $(seq "$rounds"); do
    use_side stock
    loads
    use_side agg
    for conf in fixed fixed-200 tuned; do loads_tuned $conf; done
done
check "the measurements came to their end" true
