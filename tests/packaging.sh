#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# usage: packaging.sh FOLDER: whether the packages in FOLDER hold what they should, unpacked into a scratch root.
set -u
cd "$1" || exit 1
root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
failed=0

check() {
    what=$1
    shift
    if "$@"; then echo "  ok: $what"; else echo "  FAILED: $what" && failed=1; fi
}

package() { echo "$1"_*.deb; }
control() { dpkg-deb --info "$(package "$1")" "$2" 2>/dev/null; }
runs() { "$root/$1" --help >/dev/null; }
has() { [ -f "$root/$1" ]; }
is_conffile() { control xenagg-daemon conffiles | grep -qx /etc/xenagg/xenaggd.conf; }
# Units are enabled where they were before, and a unit that is not enabled is not started.
enables_nothing() { ! control "$1" postinst | grep -q was-enabled || control "$1" postinst | grep -q debian-installed; }
unit_runs() { sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$root/lib/systemd/system/$1.service" | grep -qx "/usr/sbin/$2"; }
shares_no_file() {
    for deb in *.deb; do
        case $deb in *-dbgsym_*) ;; *) dpkg-deb --contents "$deb" | awk '$1 !~ /^d/ { print $6 }' ;; esac
    done | sort | uniq -d | grep -q . && return 1
    return 0
}

for name in netback netfront daemon sandbox; do
    check "xenagg-$name is built, and unpacks" dpkg-deb -x "$(package xenagg-$name)" "$root"
    check "xenagg-$name enables nothing by itself" enables_nothing xenagg-$name
done
check "no two packages have the same file" shares_no_file
for program in sbin/xenagg-netback sbin/xenagg-netfront sbin/xenaggd sbin/xenaggctl bin/xenagg-sandbox; do
    check "$program runs" runs usr/$program
    check "${program#*/} has its manual page" has "usr/share/man/man8/${program#*/}.8.gz"
done
check "the configuration has its manual page" has usr/share/man/man5/xenaggd.conf.5.gz
check "the configuration is one that an administrator may change" is_conffile
check "the configuration is right" "$root/usr/sbin/xenaggctl" check-config "$root/etc/xenagg/xenaggd.conf"
check "xenaggd's unit starts it" unit_runs xenaggd xenaggd
check "the backend's unit starts it" unit_runs xenagg-netback xenagg-netback
check "the frontend's unit starts it" unit_runs xenagg-netfront@ xenagg-netfront
exit $failed
