# SPDX-License-Identifier: GPL-2.0-or-later
# Our programs as services: started again whenever they end, as systemd does. And how long it takes
# until packets pass again.

# keep NAME PROGRAM ARG...: its log is /var/log/NAME.log.
keepers=
keep() {
    local name=$1
    shift
    while true; do
        sh -c 'echo $$ >"/run/lab/$0.pid"; exec "$@"' "$name" "$@"
        usleep 100000
    done >>"/var/log/$name.log" 2>&1 &
    keepers="$keepers $!"
    log_follow "$name" "/var/log/$name.log"
    await $LONG there_file "/run/lab/$name.pid"
}
pid_of() { cat "/run/lab/$1.pid"; }
kept_kill() { kill -KILL "$(pid_of "$1")"; }
kept_restart() { kill -TERM "$(pid_of "$1")"; }

services_start() {
    cp "$1" /etc/xenagg/xenaggd.conf
    keep netback xenagg-netback
    keep xenaggd xenaggd
}
# Both end when they are asked to.
services_stop() {
    local one
    for one in $keepers; do kill "$one"; done
    for one in xenaggd netback; do
        kept_restart $one
        check "$one stops" await $LONG path_gone "/proc/$(pid_of $one)"
    done
}

# Interfaces 0 and 1, on no bridge.
attach_two() {
    xenaggctl attach "$name" --handle 0 --wait $((LONG * patience))s >>/var/log/attach.log 2>&1 &&
        xenaggctl attach "$name" --handle 1 --wait $((LONG * patience))s >>/var/log/attach.log 2>&1
}
# A packet goes into the guest's first interface and out of its second.
forwards() {
    through_guest 1 10000000
    note "$name: $said"
    [ -n "$said" ]
}

# flow WHAT: packets pass, to the guest and back; $took: after so many ms.
flow() {
    took=$(xen-packets until "$address" 7 $((LONG * patience)))
    check "$name: $1: packets pass ($took ms)" [ $? = 0 ]
}
