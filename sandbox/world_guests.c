// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/world.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/device.h"
#include "common/mac.h"
#include "sandbox/losses.h"
#include "sandbox/toolstack.h"
#include "sandbox/world_private.h"

#define BACKEND_DOMID 0u

static unsigned subnet(const struct world_guest *guest)
{
    return guest->interface.domid % 256;
}

uint32_t world_near_address(const struct world_guest *guest)
{
    return 0x0a4d0001u | subnet(guest) << 8;
}

uint32_t world_far_address(const struct world_guest *guest)
{
    return 0xc6120001u | subnet(guest) << 8;
}

static void guest_free(struct world_guest *guest)
{
    process_free(guest->frontend);
    namespace_free(guest->space);
    free(guest);
}

/* What the guest's kernel does for a router; before its interface is there. */
static int guest_kernel(struct world_guest *guest)
{
    static const char *const settings[][2] = {
        {"net/ipv4/ip_forward", "1"},
        {"net/ipv4/conf/all/send_redirects", "0"},
        {"net/ipv4/conf/default/send_redirects", "0"},
        {"net/ipv4/conf/all/rp_filter", "0"},
        {"net/ipv4/conf/default/rp_filter", "0"},
    };
    int error = 0;

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && !error; i++)
        error = namespace_sysctl(guest->space, settings[i][0], settings[i][1]);
    return error;
}

int world_attach(struct world *world, const struct world_guest *guest)
{
    struct device device = {
        .interface = guest->interface, .backend_domid = BACKEND_DOMID, .mtu = guest->mtu};

    mac_format(guest->mac, device.mac);
    return device_attach(world->store, &device);
}

int world_create_guest(struct world *world, uint32_t domid, const char *name, unsigned mtu,
                       struct world_guest **ret)
{
    struct world_guest *guest = calloc(1, sizeof(*guest));

    if (!guest || world->n == WORLD_GUESTS) {
        free(guest);
        return world_complain("one more guest", -ENOMEM);
    }
    guest->interface = (struct keys_interface){.domid = domid};
    guest->mtu = mtu;
    snprintf(guest->name, sizeof(guest->name), "%s", name);
    snprintf(guest->vif, sizeof(guest->vif), "vif%u.0", domid);
    /* Xen's own prefix for guests. */
    uint8_t mac[6] = {0x00, 0x16, 0x3e, 0x77, (uint8_t)(domid >> 8), (uint8_t)domid};
    memcpy(guest->mac, mac, 6);
    int error = namespace_create(&guest->space);
    if (!error)
        error = guest_kernel(guest);
    if (!error)
        error = toolstack_create(world->store, domid, name);
    if (!error)
        error = world_attach(world, guest);
    if (error) {
        guest_free(guest);
        return world_complain(name, error);
    }
    world->guests[world->n++] = guest;
    *ret = guest;
    return 0;
}

int world_boot(struct world *world, struct world_guest *guest)
{
    char hypervisor[WORLD_PATH + 8], domid[16];
    const char *arguments[] = {"xenagg-netfront", "--hypervisor", hypervisor, "--domid", domid,
                               "--realtime",      WORLD_REALTIME, NULL};

    if (world->ordinary)
        arguments[5] = NULL;

    snprintf(hypervisor, sizeof(hypervisor), "local:%s/domains", world->folder);
    snprintf(domid, sizeof(domid), "%u", guest->interface.domid);
    return world_start_program(world, arguments, guest->space, guest->name, &guest->frontend);
}

struct guest_states {
    struct world *world;
    const struct world_guest *guest;
};

/* A killed backend leaves its segment behind, and its folder says Connected still. */
static bool backend_carries(struct world *world, const struct world_guest *guest)
{
    char path[WORLD_PATH];
    struct segment_interface seen;
    struct segment *segment;

    if (!world->backend || segment_open(world_segment(world, path), &segment))
        return false;
    bool carries = segment_head(segment)->pid == (uint32_t)process_pid(world->backend) &&
                   losses_find_interface(segment, guest->interface, &seen) == 0;
    segment_close(segment);
    return carries;
}

static bool both_connected(void *context)
{
    struct guest_states *states = context;
    struct device device = {.interface = states->guest->interface, .backend_domid = BACKEND_DOMID};
    struct device_states ends;

    device_states(states->world->store, &device, &ends);
    return ends.backend == KEYS_STATE_CONNECTED && ends.frontend == KEYS_STATE_CONNECTED &&
           backend_carries(states->world, states->guest);
}

int world_await_connected(struct world *world, struct world_guest *guest)
{
    struct guest_states states = {.world = world, .guest = guest};
    char what[80];

    snprintf(what, sizeof(what), "both ends of guest %s Connected", guest->name);
    return world_await(world, what, both_connected, &states, WORLD_PATIENCE);
}

static int read_mac(struct namespace *space, const char *interface, uint8_t ret_mac[6])
{
    struct ifreq request = {0};
    int fd = namespace_socket(space, AF_INET, SOCK_DGRAM, 0);

    if (fd < 0)
        return fd;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    int error = ioctl(fd, SIOCGIFHWADDR, &request) ? -errno : 0;
    close(fd);
    if (!error)
        memcpy(ret_mac, request.ifr_hwaddr.sa_data, 6);
    return error;
}

int world_set_up_network(struct world *world, struct world_guest *guest)
{
    char commands[640], mac[MAC_TEXT];
    unsigned n = subnet(guest);
    int error = read_mac(world->dom0, guest->vif, guest->vif_mac);

    if (error)
        return world_complain(guest->vif, error);
    snprintf(commands, sizeof(commands),
             "link set %s up\n"
             "addr replace 10.77.%u.1/24 dev %s\n"
             "neigh replace 10.77.%u.2 lladdr %s dev %s nud permanent\n",
             guest->vif, n, guest->vif, n, mac_format(guest->mac, mac), guest->vif);
    error = namespace_ip(world->dom0, commands);
    if (error)
        return world_complain(guest->vif, error);
    snprintf(commands, sizeof(commands),
             "link set " WORLD_GUEST_INTERFACE " up\n"
             "addr replace 10.77.%u.2/24 dev " WORLD_GUEST_INTERFACE "\n"
             "neigh replace 10.77.%u.1 lladdr %s dev " WORLD_GUEST_INTERFACE " nud permanent\n"
             "route replace 198.18.%u.0/24 via 10.77.%u.1\n",
             n, n, mac_format(guest->vif_mac, mac), n, n);
    error = namespace_ip(guest->space, commands);
    return error ? world_complain(guest->name, error) : 0;
}

int world_bring_up(struct world *world, struct world_guest *guest)
{
    int error = guest->frontend ? 0 : world_boot(world, guest);

    if (!error)
        error = world_await_connected(world, guest);
    return error ? error : world_set_up_network(world, guest);
}

int world_halt(struct world *world, struct world_guest *guest, bool kill)
{
    return world_stop_program(world, &guest->frontend, guest->name, kill);
}

void world_forget_guest(struct world *world, struct world_guest *guest)
{
    for (unsigned i = 0; i < world->n; i++)
        if (world->guests[i] == guest) {
            memmove(&world->guests[i], &world->guests[i + 1],
                    (world->n - i - 1) * sizeof(world->guests[0]));
            world->n--;
            break;
        }
    guest_free(guest);
}

int world_shut_down(struct world *world, struct world_guest *guest)
{
    struct device device = {.interface = guest->interface, .backend_domid = BACKEND_DOMID};
    struct device_states states;
    int error = device_close(world->store, &device);

    if (!error && world->backend)
        error = device_await_closed(world->store, &device, WORLD_PATIENCE, &states);
    if (error)
        world_complain("closing an interface", error);
    int halted = world_halt(world, guest, false);
    if (!error)
        error = halted;
    toolstack_destroy(world->store, guest->interface.domid);
    world_forget_guest(world, guest);
    return error;
}

void world_destroy(struct world *world, struct world_guest *guest)
{
    world_halt(world, guest, true);
    toolstack_destroy(world->store, guest->interface.domid);
    world_forget_guest(world, guest);
}

unsigned world_guests(const struct world *world)
{
    return world->n;
}

struct world_guest *world_guest(struct world *world, unsigned index)
{
    return world->guests[index];
}
