# SPDX-License-Identifier: GPL-2.0-or-later
# The lab's tools, in dom0: checks that wait for conditions, Xen's own daemons, guests, our programs,
# logs. For each check it says "@@ ok: WHAT" or "@@ FAILED: WHAT", at last "@@ end"; lines of a log
# begin with "|NAME| ". tests/xen/run reads both from the console.

# option NAME DEFAULT: of the kernel's command line.
option() {
    local value
    value=$(sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline)
    echo "${value:-$2}"
}

seconds() {
    local up
    read -r up _ </proc/uptime
    echo "${up%.*}"
}

# On a host that is known to be slow everything gets so many times as long.
patience=$(option patience 1)

# await SECONDS COMMAND...: until the command succeeds. Generous limits cost nothing: they are used
# up only where something is broken. It looks ever less often, as each look takes CPU time from what
# is waited for.
await() {
    local until=$(($(seconds) + $1 * patience)) pause=100
    shift
    until "$@" 2>/dev/null; do
        [ "$(seconds)" -lt $until ] || return 1
        usleep $((pause * 1000))
        [ $pause -ge 1000 ] || pause=$((pause * 3 / 2))
    done
}
LONG=120 # s, where nothing says otherwise

failed=
check() {
    local what=$1
    shift
    if "$@"; then
        echo "@@ ok: $what ($(seconds) s)"
    else
        echo "@@ FAILED: $what: $*"
        failed=1
    fi
}

note() { echo "@@ note: $*"; }

# Without it nothing that follows means anything.
need() {
    check "$@"
    [ -z "$failed" ] || end
}

end() {
    [ -z "$failed" ] || look_all
    usleep 1500000 # the last lines of logs are on their way
    echo
    echo "@@ end"
    poweroff -f
    while true; do sleep 60; done
}

# log_follow NAME FILE: its lines go to the console, too, where they survive whatever happens here.
log_follow() {
    [ ! -e "/run/lab/follow-$1" ] || return 0
    : >"/run/lab/follow-$1"
    tail -n +1 -F "$2" 2>/dev/null | while IFS= read -r line; do
        echo "|$1| $(seconds): $line"
    done &
}

# start NAME PROGRAM ARG...: its log is /var/log/NAME.log, its number goes to $started.
start() {
    local name=$1
    shift
    "$@" >>"/var/log/$name.log" 2>&1 &
    started=$!
    log_follow "$name" "/var/log/$name.log"
}

# stop PID: it ends with status 0.
stop() { kill -TERM "$1" && wait "$1"; }

# stop_hard PID...
stop_hard() {
    kill -KILL "$@"
    wait "$@"
    true
}

# --- Xen's own ---

xen_begin() {
    ip link set lo up
    : >/etc/xen/xl.conf
    xenstored
    need "xenstored answers in dom0" await $LONG xenstore-read /tool/xenstored
    xen-init-dom0 >/var/log/xen-init-dom0.log 2>&1
    xenconsoled --log=guest --log-dir=/var/log/xen/console
    need "xl lists dom0" await $LONG sh -c 'xl list | grep -q Domain-0'
    ip link add xenbr0 type bridge
    ip addr add 10.83.0.1/24 dev xenbr0
    ip link set xenbr0 up
    echo "@@ booted"
}

# --- guests ---

# guest_config NAME KIND ADDRESS [LINE...]: KIND is pv or pvh; LINE of xl.cfg. Without a native TSC each
# look at the clock of a PV guest goes to Xen, and a PVH guest dies of RDTSCP where it is emulated. Its
# kernel must be told that it may use it, as dom0's finds out by itself.
guest_config() {
    local name=$1 kind=$2 address=$3
    shift 3
    mkdir -p "/run/lab/$name"
    echo "$address" >"/run/lab/$name/address"
    {
        cat <<END
name = "$name"
type = "$kind"
kernel = "/guest/vmlinux.gz"
ramdisk = "/guest/${guest_image:-guest}.cpio.gz"
extra = "console=hvc0 loglevel=4 clocksource=tsc tsc=reliable ${guest_options:-}"
memory = 192
vcpus = 1
on_crash = "destroy"
tsc_mode = "native"
END
        [ $# = 0 ] || printf '%s\n' "$@"
    } >"/run/lab/$name/config"
    log_follow "guest-$name" "/var/log/xen/console/guest-$name.log"
}

# The domain that runs by that name now: after a reboot it has another number.
guest_number() { xl domid "$1" >"/run/lab/$1/domid"; }
# Whether xl has made the guest in use anew.
guest_number_new() {
    local now
    now=$(xl domid "$name") && [ "$now" != "$domid" ] && guest_number "$name"
}
# xl stays, to make it anew when it reboots.
guest_create() { xl create -q "/run/lab/$1/config" && guest_number "$1"; }

# use NAME: what follows is about this guest.
use() {
    name=$1
    domid=$(cat "/run/lab/$1/domid")
    address=$(cat "/run/lab/$1/address")
    back=/local/domain/0/backend/vagg/$domid/0
    front=/local/domain/$domid/device/vagg/0
    vif=vif$domid.0
}

# each COMMAND...: with each guest of $guests in turn.
each() {
    local one
    for one in $guests; do
        use "$one"
        "$@"
    done
}

# guest COMMAND: has the guest run this line of shell, which ends with status 0.
number=0
guest() {
    guest_tell "$1"
    await $LONG guest_done || return 1
    guest_succeeded
}
# In two halves: what dom0 does between them happens meanwhile.
guest_tell() {
    number=$((number + 1))
    xenstore-write "/local/domain/$domid/data/want" "$number $1"
}
guest_done() {
    case "$(xenstore-read "/local/domain/$domid/data/done")" in
    "$number "*) ;;
    *) false ;;
    esac
}
guest_succeeded() {
    [ "$(xenstore-read "/local/domain/$domid/data/done")" = "$number 0" ] && return
    note "$name answers $(xenstore-read "/local/domain/$domid/data/done"): $(guest_said)"
    false
}
guest_said() { xenstore-read "/local/domain/$domid/data/said"; }
guest_up() { there "/local/domain/$domid/data/done"; }
guest_up_or_gone() { guest_up || domain_gone "$domid"; }

# Where the emulated CPUs' time went.
note_time() { note "CPU time: $(xl list | awk 'NR > 1 { printf "%s %s s, ", $1, $6 }')of $(seconds) s"; }

# --- our programs ---

netbacks=0
netback_start() {
    netbacks=$((netbacks + 1))
    netback_log=/var/log/netback-$netbacks.log
    start "netback-$netbacks" xenagg-netback
    netback=$started
}

# daemon_start [FILE]: with that configuration from then on.
daemons=0
daemon_start() {
    daemons=$((daemons + 1))
    [ $# = 0 ] || cp "$1" /etc/xenagg/xenaggd.conf
    daemon_log=/var/log/xenaggd-$daemons.log
    start "xenaggd-$daemons" xenaggd
    daemon=$started
}

# With what its configuration says now.
reloaded() {
    kill -HUP "$daemon" && await $LONG logged "$daemon_log" "read anew"
}

attach() { xenaggctl attach "$name" --bridge xenbr0 "$@" >>/var/log/attach.log 2>&1; }
detach() { xenaggctl detach "$name" --wait $((LONG * patience))s >>/var/log/attach.log 2>&1; }
