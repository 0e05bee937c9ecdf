// SPDX-License-Identifier: GPL-2.0-or-later
/* Ends come and go, in order and without a word; whoever stays is not disturbed. */
#include "tests/sandbox/fixture.h"
#include "tests/sandbox/wire.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The guest that stays, with traffic through it; each test's own comes and goes. */
struct bystander {
    struct world_guest *guest;
    struct traffic *traffic;
};

static struct bystander bystander_start(struct world *world)
{
    struct bystander bystander = {.guest = fixture_guest(world, 40, "bystander", 0)};

    bystander.traffic = fixture_traffic(world, bystander.guest, 3000);
    fixture_await_returned(world, bystander.traffic, 100);
    return bystander;
}

static void bystander_end(struct world *world, struct bystander *bystander)
{
    fixture_all_arrived(world, bystander->traffic);
    traffic_free(bystander->traffic);
    assert_int_equal(world_shut_down(world, bystander->guest), 0);
}

/* Some packets through it: there and back, all of them. */
static void assert_carries(struct world *world, struct world_guest *guest)
{
    struct traffic *traffic = fixture_traffic(world, guest, 4000);

    fixture_await_returned(world, traffic, 500);
    fixture_all_arrived(world, traffic);
    traffic_free(traffic);
}

struct interface_place {
    struct namespace *space;
    const char *name;
};

static bool interface_gone(void *context)
{
    struct interface_place *place = context;

    if (namespace_enter(place->space))
        return false;
    unsigned index = if_nametoindex(place->name);
    namespace_leave(place->space);
    return index == 0;
}

static void await_interface_gone(struct world *world, const char *name)
{
    struct interface_place place = {.space = world_dom0(world), .name = name};
    assert_int_equal(world_await(world, name, interface_gone, &place, WORLD_PATIENCE), 0);
}

static void guests_come_and_go(void **state)
{
    struct world *world = *state;
    struct bystander bystander = bystander_start(world);
    char vif[16];

    for (uint32_t domid = 41; domid < 44; domid++) {
        struct world_guest *guest = fixture_guest(world, domid, "guest", 0);
        assert_carries(world, guest);
        strcpy(vif, guest->vif);
        assert_int_equal(world_shut_down(world, guest), 0);
        await_interface_gone(world, vif);
    }
    bystander_end(world, &bystander);
}

static void a_killed_frontend_comes_back(void **state)
{
    struct world *world = *state;
    struct bystander bystander = bystander_start(world);
    struct world_guest *guest = fixture_guest(world, 44, "killed", 0);
    struct traffic *traffic = fixture_traffic(world, guest, 3000);

    for (int i = 0; i < 3; i++) {
        fixture_await_returned(world, traffic, 50);
        world_halt(world, guest, true);
        fixture_await_backend(world, guest, KEYS_STATE_INIT_WAIT);
        assert_int_equal(world_bring_up(world, guest), 0);
        traffic_free(traffic);
        traffic = fixture_traffic(world, guest, 3000);
    }
    traffic_free(traffic);
    assert_carries(world, guest);
    assert_int_equal(world_shut_down(world, guest), 0);
    bystander_end(world, &bystander);
}

/* Several times: what races with the removal of its folders must not bring them back. */
static void a_destroyed_guest_leaves_nothing(void **state)
{
    struct world *world = *state;
    struct bystander bystander = bystander_start(world);
    char vif[16], path[KEYS_PATH];

    for (int i = 0; i < 6; i++) {
        struct world_guest *guest = fixture_guest(world, 45, "destroyed", 0);
        assert_carries(world, guest);
        strcpy(vif, guest->vif);
        keys_backend_dir(0, guest->interface, path);
        world_destroy(world, guest);
        await_interface_gone(world, vif);
        assert_false(store_exists(world_store(world), path));
    }
    bystander_end(world, &bystander);
}

static void a_killed_backend_comes_back(void **state)
{
    struct world *world = *state;
    struct world_guest *a = fixture_guest(world, 46, "a", 0), *b = fixture_guest(world, 47, "b", 0);

    assert_carries(world, a);
    assert_int_equal(world_stop_backend(world, true), 0);
    assert_int_equal(world_start_backend(world), 0);
    /* Its interfaces are new ones, with new addresses. */
    assert_int_equal(world_bring_up(world, a), 0);
    assert_int_equal(world_bring_up(world, b), 0);
    assert_carries(world, a);
    assert_carries(world, b);
    assert_int_equal(world_shut_down(world, a), 0);
    assert_int_equal(world_shut_down(world, b), 0);
}

/* Packets that wait in open containers, a long while from their deadline. */
#define WAITING 25u

static void put_in_containers(struct world *world, struct world_guest *guest, int near, int far)
{
    uint8_t frame[64] = {2, 0, 0, 0, 0, 0x99, 2, 0, 0, 0, 1, 0, 0x88, 0xb5};
    struct segment_interface seen;

    fixture_set_sizes(world, guest, 1000, 4000000);
    fixture_await_sizes(world, guest, 1000, 4000000);
    for (unsigned i = 0; i < WAITING; i++) {
        assert_int_equal(wire_send(near, frame, sizeof(frame)), 0);
        assert_int_equal(wire_send(far, frame, sizeof(frame)), 0);
    }
    do
        fixture_measurements(world, guest, &seen);
    while (seen.rx.pack.packets < WAITING && world_pause(world, 0.01) == 0);
    assert_int_equal(seen.rx.pack.published_packets, 0);
}

static void assert_receives_waiting(int wire)
{
    uint8_t frame[WIRE_FRAME_MAX + 4];

    for (unsigned i = 0; i < WAITING; i++)
        assert_int_equal(wire_receive(wire, 3, frame), 64);
    assert_int_equal(wire_receive(wire, 0, frame), -EAGAIN);
}

static void a_stopped_backend_flushes_and_closes(void **state)
{
    struct world *world = *state;
    struct world_guest *guest = fixture_guest(world, 48, "flushed", 0);
    int near = wire_open(world_dom0(world), guest->vif);
    int far = wire_open(guest->space, WORLD_GUEST_INTERFACE);

    put_in_containers(world, guest, near, far);
    assert_int_equal(world_stop_backend(world, false), 0);
    assert_receives_waiting(far);
    assert_int_equal(fixture_backend_state(world, guest), KEYS_STATE_CLOSED);
    close(near);
    close(far);
    assert_int_equal(world_start_backend(world), 0);
    assert_int_equal(world_bring_up(world, guest), 0);
    fixture_set_sizes(world, guest, 8, 200);
    fixture_await_sizes(world, guest, 8, 200);
    assert_carries(world, guest);
    assert_int_equal(world_shut_down(world, guest), 0);
}

static void a_stopped_frontend_flushes_and_closes(void **state)
{
    struct world *world = *state;
    struct world_guest *guest = fixture_guest(world, 49, "leaving", 0);
    int near = wire_open(world_dom0(world), guest->vif);
    int far = wire_open(guest->space, WORLD_GUEST_INTERFACE);

    put_in_containers(world, guest, near, far);
    assert_int_equal(world_halt(world, guest, false), 0);
    assert_receives_waiting(near);
    assert_int_equal(fixture_frontend_state(world, guest), KEYS_STATE_CLOSED);
    fixture_await_backend(world, guest, KEYS_STATE_INIT_WAIT);
    close(near);
    close(far);
    assert_int_equal(world_bring_up(world, guest), 0);
    fixture_set_sizes(world, guest, 8, 200);
    fixture_await_sizes(world, guest, 8, 200);
    assert_carries(world, guest);
    assert_int_equal(world_shut_down(world, guest), 0);
}

static void a_restarted_store_does_not_stop_packets(void **state)
{
    struct world *world = *state;
    struct world_guest *guest = fixture_guest(world, 50, "steady", 0);
    struct traffic *traffic = fixture_traffic(world, guest, 3000);

    fixture_set_sizes(world, guest, 9, 400);
    fixture_await_sizes(world, guest, 9, 400);
    assert_int_equal(world_restart_store(world, true), 0);
    fixture_await_logged(world, "netback", "the data path goes on");
    fixture_await_returned(world, traffic, 500);
    /* The toolstack's part is written again: both ends say so, and sizes are taken again. */
    assert_int_equal(world_attach(world, guest), 0);
    assert_int_equal(world_await_connected(world, guest), 0);
    fixture_set_sizes(world, guest, 11, 500);
    fixture_await_sizes(world, guest, 11, 500);
    fixture_all_arrived(world, traffic);
    traffic_free(traffic);
    assert_int_equal(world_shut_down(world, guest), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests_come_and_go),
        cmocka_unit_test(a_killed_frontend_comes_back),
        cmocka_unit_test(a_destroyed_guest_leaves_nothing),
        cmocka_unit_test(a_killed_backend_comes_back),
        cmocka_unit_test(a_stopped_backend_flushes_and_closes),
        cmocka_unit_test(a_stopped_frontend_flushes_and_closes),
        cmocka_unit_test(a_restarted_store_does_not_stop_packets),
    };
    int status = fixture_possible();

    return status ? status
                  : cmocka_run_group_tests_name("links", tests, fixture_world, fixture_end);
}
