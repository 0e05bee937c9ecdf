# SPDX-License-Identifier: GPL-2.0-or-later
# Guests that are saved and restored: another domain. What it shared would be dead, and its kernel
# could not close a channel any more, hence it is detached before.
guests="pv pvh"
guest_options="keep=10.83.0.2" guest_config pv pv 10.83.0.2
guest_options="keep=10.83.0.3" guest_config pvh pvh 10.83.0.3
services_start /lab/life.conf
for name in $guests; do guest_begin; done
each guest_ready
each flow "it started"

saved_and_restored() {
    local old=$domid
    detached
    check "$name: xl save" xl save "$name" "/tmp/$name.saved"
    check "$name: nothing keeps domain $old" await $LONG domain_gone "$old"
    check "$name: its interface is gone" await $LONG path_gone "/sys/class/net/vif$old.0"
    check "$name: xl restore" xl restore "/tmp/$name.saved"
    rm -f "/tmp/$name.saved"
    guest_number "$name"
    use "$name"
    check "$name: it runs, and obeys" guest true
    check "$name: attached by configuration" await $LONG there "$front/state"
    flow "it was restored"
}
each saved_and_restored
each traffic
services_stop
