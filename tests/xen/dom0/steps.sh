# SPDX-License-Identifier: GPL-2.0-or-later
# Steps that several scenarios take with the guest in use ($name), each with its checks.

guest_begin() {
    need "$name: xl creates it" guest_create "$name"
    use "$name"
}
# A guest that is gone before any program of ours runs in it says nothing of them: at times the emulated
# CPU mixes up a guest's state and Xen's, and it boots again. Sets $boots.
guest_ready() {
    boots=1
    while await $LONG guest_up_or_gone && domain_gone "$domid" && [ $boots -lt 3 ]; do
        note "$name: the emulation lost it at boot, attempt $boots of 3"
        boots=$((boots + 1))
        await 30 guest_number_new || guest_create "$name"
        use "$name"
    done
    need "$name: it is up and may write its part of xenstore" await $LONG guest_up
}

# The guest's end first or the folders first: both must do.
connect() {
    need "$name: starts xenagg-netfront, which reads its number itself" guest front_start
    connect_further
}
# Its end is there.
connect_further() {
    need "$name: xenaggctl attach: both ends are Connected" attach --wait $((LONG * patience))s
    check "$name: xenstore says Connected for both" connected
    check "$name: its interface comes up" guest "interface_up $address"
    check "$name: it has the address that it was attached with" mac_is_stored
    check "$name: the backend's interface is on the bridge" vif_bridged xenbr0
    need "$name: answers a ping" await $LONG answers
}

connected_again() {
    check "$name: both are Connected again" await $LONG connected
}

# A guest's end that was started anew has a new interface.
interface_again() {
    connected_again
    check "$name: its interface comes up" guest "interface_up $address"
}

traffic() {
    check "$name: 200 datagrams there and back" packets 200 400
}

tuned() {
    need "$name: the daemon writes sizes to xenstore" await $LONG sizes_there
    echo 0 >"/run/lab/$name/kept-time"
    check "$name: 1000 datagrams there and back, each byte as sent" packets 1000 400
    check "$name: all are counted, both ways" await $LONG counted 1000
    check "$name: both ends pack by sizes that it decided" await $LONG in_force
    check "$name: Xen tells the daemon its domain's CPU time, which is in the history" await $LONG cpu_known
}

# A promise that no packet can keep that waits longer, however slow or fast the machine is: mean delays
# of 10 ms leave no room for a timeout of more than twice that. Nothing is sent meanwhile that does not
# wait for answers: one packet in each container is more than a slow machine carries.
promised_less() {
    each sizes_keep
    sed -i 's/^delay = .*/delay = 10ms/' /etc/xenagg/xenaggd.conf
    check "the daemon reads a shorter promise" reloaded
    each retuned
}
retuned() {
    check "$name: it sizes containers for that promise" await $LONG timeouts_below 20000
    note "$name: rx, tx packets and timeouts: $(sizes_kept) -> $(sizes_since | tail -n 1)"
    check "$name: both ends pack by sizes decided since" await $LONG in_force
    traffic
}

front_dies() {
    check "$name: its end is killed" guest front_kill
    check "$name: the backend is told by the channel, and waits for another" \
        await $LONG state_is "$back" 2
    check "$name: it says that the peer is gone" logged "$netback_log" "guest $domid.0: .*the peer is gone"
    check "$name: its end starts again" guest front_start
    interface_again
    traffic
}

front_stops() {
    check "$name: its end stops, status 0" guest front_stop
    check "$name: it is Closed, the backend waits for another" await $LONG states_are 2 6
    check "$name: its end starts again" guest front_start
    interface_again
}

closed() {
    check "$name: both are Closed" await $LONG states_are 6 6
}

detached() {
    check "$name: xenaggctl detach closes and removes" detach
    check "$name: its folders are gone" not_there "$back"
    check "$name: so is the backend's interface" await $LONG path_gone "/sys/class/net/$vif"
}

destroyed() {
    xl destroy "$name"
    check "$name: destroyed while connected: nothing keeps it" await $LONG domain_gone "$domid"
    check "$name: its interface is gone" await $LONG path_gone "/sys/class/net/$vif"
    check "$name: so is its folder at the backend" \
        await $LONG not_there "/local/domain/0/backend/vagg/$domid"
}
