# SPDX-License-Identifier: GPL-2.0-or-later
# Where our units are tried, in dom0 and in a guest.

# unit_log UNIT FILE: where its output goes, since there is no journal here.
unit_log() {
    mkdir -p "/etc/systemd/system/$1.service.d"
    printf '[Service]\nStandardOutput=append:%s\nStandardError=inherit\n' "$2" \
        >"/etc/systemd/system/$1.service.d/log.conf"
}

# systemd_become FILE: this process, which is the first, becomes systemd, with one service: this shell
# file. When that ends, so does the machine.
systemd_become() {
    mkdir -p /etc/systemd/system /var/tmp /home /run/user
    cat >/etc/systemd/system/lab.service <<END
[Unit]
DefaultDependencies=no
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate
[Service]
Type=oneshot
Environment=PATH=$PATH
ExecStart=/bin/sh -c 'exec /bin/sh $1 >/dev/console 2>&1'
TimeoutStartSec=infinity
END
    exec /usr/lib/systemd/systemd --unit=lab.service --show-status=0 --log-target=kmsg --log-level=notice
}
