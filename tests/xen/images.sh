# SPDX-License-Identifier: GPL-2.0-or-later
# What the machine boots from, in $work: hypervisor, kernel, an initramfs for dom0 and one for its
# guests. Of this machine are Xen's tools, with the libraries that ldd names, and our programs in
# $build; hypervisor and kernel are unpacked from $packages.

# Unpacks into unpacked/ what was not unpacked yet.
packages_unpack() {
    local deb
    mkdir -p "$work/unpacked"
    for deb in "$packages"/*.deb; do
        [ -e "$work/unpacked/${deb##*/}.done" ] && continue
        dpkg-deb -x "$deb" "$work/unpacked" || fail "cannot unpack $deb"
        : >"$work/unpacked/${deb##*/}.done"
    done
}

# program ROOT PLACE FILE...: into ROOT/PLACE, with the libraries that they need.
program() {
    local root=$1 place=$2 file
    shift 2
    for file in "$@"; do
        install -D "$file" "$root/$place/${file##*/}" || fail "$file is missing"
        ldd "$file" 2>/dev/null | awk '$2 == "=>" { print $3 } $1 ~ "^/" { print $1 }'
    done | sort -u | while read -r file; do
        [ -e "$root/$file" ] || install -D "$file" "$root/$file" || fail "$file is missing"
    done
}

# modules ROOT NAME...: numbered in the order in which they are loaded.
modules() {
    local root=$1 name file n=10
    shift
    for name in "$@"; do
        module "$name" "$root/modules/$n-$name.ko"
        n=$((n + 1))
    done
}

# module NAME FILE: of the kernel that is booted; nothing where it is built in. Newer ones are packed.
module() {
    local file
    file=$(find "$work/unpacked" -path "*/modules/$version/*" \( -name "$1.ko" -o -name "$1.ko.xz" \) | head -n 1)
    [ -n "$file" ] || return 0
    mkdir -p "${2%/*}"
    case $file in
    *.xz) xz -dc "$file" >"$2" ;;
    *) cp "$file" "$2" ;;
    esac || fail "cannot take $file"
}

# image ROOT FILE: an initramfs.
image() {
    (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$2" || fail "cannot make $2"
}

# root_begin ROOT INIT. libxenstore ends a thread, for which the C library loads libgcc_s.so.1 only then.
root_begin() {
    rm -rf "$1" && install -D /bin/busybox "$1/bin/busybox" && install "$2" "$1/init" &&
        install -D -t "$1/lib/x86_64-linux-gnu" /lib/x86_64-linux-gnu/libgcc_s.so.1 ||
        fail "cannot begin $1"
}

guest_make() {
    local root=$work/guest
    root_begin "$root" "$here/guest/init"
    program "$root" bin "$build/frontend/xenagg-netfront" "$build"/tests/xen/xen-{packets,flow}
    program "$root" usr/bin /usr/bin/xenstore-{read,write,ls,watch,rm,chmod}
    modules "$root" xen-evtchn xen-gntalloc tun xen-netfront
    image "$root" "$work/guest.cpio"
    gzip -1 -k -f "$work/guest.cpio"
}

dom0_make() {
    local late root=$work/dom0 tools=/usr/lib/xen-4.17/bin
    root_begin "$root" "$here/dom0/init"
    program "$root" bin "$build"/{backend/xenagg-netback,daemon/xenaggd,ctl/xenaggctl,tests/xen/xen-{packets,flow}}
    program "$root" usr/bin /usr/bin/xenstore-{read,write,exists,ls,rm,list} /usr/bin/sqlite3
    program "$root" "${tools#/}" $tools/{xenstored,xen-init-dom0,xenconsoled,xl,libxl-save-helper}
    for late in xen-netback pktgen; do
        module $late "$root/modules/late/$late.ko"
    done
    install -D -t "$root/etc/xen/scripts" "$here/dom0/vif-plain"
    modules "$root" xen-privcmd xenfs xen-evtchn xen-gntdev xen-gntalloc llc stp bridge tun
    install -D -m 644 -t "$root/lab" "$here"/dom0/*.sh
    install -D -m 644 -t "$root/lab" "$here"/dom0/*.conf
    install -D -m 644 "$here/dom0/xenaggd.conf" "$root/etc/xenagg/xenaggd.conf"
    install -D -m 644 -t "$root/guest" "$work/vmlinux.gz" "$work/guest.cpio.gz"
    image "$root" "$work/dom0.cpio"
}

# Both once more for the scenario units, with systemd.
units_make() {
    local guest=$work/guest dom0=$work/dom0
    units_begin "$guest-units" xenagg-netfront@
    image_extend "$guest.cpio" "$guest-units" "$guest-units.cpio"
    gzip -1 -f "$guest-units.cpio"
    units_begin "$dom0-units" xenaggd xenagg-netback
    install -D -m 644 -t "$dom0-units/guest" "$guest-units.cpio.gz"
    image_extend "$dom0.cpio" "$dom0-units" "$dom0-units.cpio"
}

# units_begin ROOT UNIT...: what they have besides: systemd, and our units as installed.
units_begin() {
    local unit program root=$1
    shift
    rm -rf "$root"
    program "$root" usr/lib/systemd /usr/lib/systemd/systemd
    program "$root" usr/bin /usr/bin/systemctl
    (cd / && cp -a --parents -t "$root" usr/lib/systemd/system/*.target usr/lib/systemd/system/modprobe@.service) &&
        install -D -m 644 -t "$root/lab" "$here/systemd.sh" &&
        install -D -m 644 "$here/passwd" "$root/etc/passwd" || fail "cannot take systemd's units"
    for unit; do
        program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$build/systemd/$unit.service")
        install -D -m 644 -t "$root/usr/lib/systemd/system" "$build/systemd/$unit.service" &&
            mkdir -p "$root/${program%/*}" && ln -s "/bin/${program##*/}" "$root/$program" || fail "cannot place $unit"
    done
}

# image_extend FILE ROOT EXTENDED: the initramfs, and what is in ROOT.
image_extend() {
    image "$2" "$3.own" && cat "$1" "$3.own" >"$3" && rm "$3.own"
}

# image_of SCENARIO: dom0's.
image_of() {
    local own=$work/dom0-$1.cpio
    if [ -e "$own" ]; then echo "$own"; else echo "$work/dom0.cpio"; fi
}

# images_make SCENARIO...: what these need.
images_make() {
    local kernel hypervisor # and $version
    packages_unpack
    kernel=$(find "$work/unpacked/boot" -name "vmlinuz-$kernel_wanted*" | sort -V | tail -n 1)
    version=${kernel##*/vmlinuz-}
    hypervisor=$(find "$work/unpacked/boot" -name 'xen-4.17-*.gz' | tail -n 1)
    [ -n "$kernel" ] && [ -n "$hypervisor" ] || fail "no kernel $kernel_wanted or no hypervisor in $packages"
    if ! [ "$work/vmlinux-$version.gz" -nt "$kernel" ]; then
        python3 "$here/vmlinux.py" "$kernel" "$work/vmlinux-$version.gz" || fail "cannot unpack $kernel"
    fi
    ln -f "$work/vmlinux-$version.gz" "$work/vmlinux.gz"
    zcat "$hypervisor" >"$work/xen.elf" || fail "cannot unpack $hypervisor"
    guest_make
    dom0_make
    [[ " $* " != *" units "* ]] || units_make
}
