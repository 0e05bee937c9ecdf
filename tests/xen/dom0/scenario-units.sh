# SPDX-License-Identifier: GPL-2.0-or-later
# Our units as systemd runs them, with all that they are denied, in dom0 and a PVH guest. This file is
# read twice: by dom0's first process, which becomes systemd, and then by a service of it.
guests=pvh

if [ $$ = 1 ]; then
    . /lab/systemd.sh
    unit_log xenaggd /var/log/xenaggd.log
    unit_log xenagg-netback /var/log/xenagg-netback.log
    systemd_become /lab/scenario.sh
fi

active() { [ "$(systemctl is-active "$1")" = active ]; }
unit_is() { [ "$(systemctl is-active "$1")" = "$2" ]; }
unit_show() { systemctl show --value --property "$2" "$1"; }
unit_pid() { unit_show "$1" MainPID; }
# again UNIT PID: it runs, and not as PID.
again() { active "$1" && [ "$(unit_pid "$1")" != "$2" ] && [ "$(unit_pid "$1")" != 0 ]; }
mode_is() { [ "$(stat -c %a "$1")" = "$2" ]; }
decided_for() { ask_history "SELECT 1 FROM promise WHERE delay_us = $1" | grep -q 1; }

# revived UNIT SIGNAL WHY
revived() {
    local pid
    pid=$(unit_pid "$1")
    kill "-$2" "$pid"
    check "$1: $3: systemd starts it again" await $LONG again "$1" "$pid"
    check "$name: both ends are Connected" await $LONG connected
    traffic
}

daemon_log=/var/log/xenaggd.log
log_follow xenaggd $daemon_log
log_follow xenagg-netback /var/log/xenagg-netback.log
need "systemd is the first process" grep -q systemd /proc/1/comm
need "systemd starts the backend, which says that it is ready" systemctl start xenagg-netback
need "systemd starts the daemon, which says that it is ready" systemctl start xenaggd
check "systemd finds nothing in the units to complain about" \
    sh -c '! dmesg | grep -E "(xenaggd|xenagg-netback)\.service.*(nknown|gnoring|ailed)"'
check "the history's folder is for root alone" mode_is /var/lib/xenagg 700
check "the backend's folder can be looked into" mode_is /run/xenagg 755

guest_image=guest-units guest_options=units
guest_config pvh pvh 10.83.0.3 'memory = 384'
for name in $guests; do guest_begin; done
guest_ready
need "$name: systemd starts its end, which says that it is ready" guest "systemctl start xenagg-netfront@0"
connect_further
traffic
check "the daemon writes sizes to xenstore" await $LONG sizes_there
check "Xen tells the daemon its domain's CPU time" await $LONG cpu_known

check "$name: its end is killed" guest "systemctl kill -s KILL xenagg-netfront@0"
check "$name: systemd starts it again" await $LONG guest "interface_up $address"
check "$name: both ends are Connected" await $LONG connected
traffic
revived xenagg-netback KILL "killed"
revived xenaggd KILL "killed"
revived xenaggd STOP "silent for longer than its watchdog allows"

sed -i 's/^delay = .*/delay = 400ms/' /etc/xenagg/xenaggd.conf
check "systemctl reload: status 0" systemctl reload xenaggd
check "the new promise is in force" await $LONG decided_for 400000

echo nonsense >>/etc/xenagg/xenaggd.conf
systemctl restart xenaggd 2>/dev/null
check "a bad configuration: it has failed" await $LONG unit_is xenaggd failed
check "by status 2, for which it is not started again" [ "$(unit_show xenaggd ExecMainStatus)" = 2 ]
check "what is wrong is in its log" logged $daemon_log "xenaggd.conf:[0-9]*: 'nonsense'"
sed -i '/nonsense/d' /etc/xenagg/xenaggd.conf
check "mended: it starts" systemctl start xenaggd

check "$name: systemctl stop: its end ends" guest "systemctl stop xenagg-netfront@0"
check "$name: it is Closed, the backend waits for another" await $LONG states_are 2 6
check "systemctl stop: the daemon ends" systemctl stop xenaggd
check "with success" [ "$(unit_show xenaggd Result)" = success ]
check "systemctl stop: the backend ends" systemctl stop xenagg-netback
check "with success" [ "$(unit_show xenagg-netback Result)" = success ]
