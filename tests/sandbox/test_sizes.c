// SPDX-License-Identifier: GPL-2.0-or-later
/* Container sizes are taken live from xenstore, and nothing that is written there does harm. */
#include "tests/sandbox/fixture.h"

#include <stdio.h>

#include "model/random.h"

#define CHANGES 60u

static void sizes_change_under_load_without_loss(void **state)
{
    struct world *world = *state;
    struct world_guest *guest = fixture_guest(world, 31, "changing", 0);
    struct traffic *traffic = fixture_traffic(world, guest, 8000);
    struct random random;

    random_init(&random, 31);
    for (unsigned i = 0; i < CHANGES; i++) {
        unsigned packets = 1 + random_below(&random, i % 2 ? 400 : 8);
        unsigned timeout_us = 50 + random_below(&random, 3000);
        fixture_set_sizes(world, guest, packets, timeout_us);
        fixture_await_sizes(world, guest, packets, timeout_us);
        fixture_await_returned(world, traffic, 100);
    }
    fixture_all_arrived(world, traffic);
    traffic_free(traffic);
    assert_int_equal(world_shut_down(world, guest), 0);
}

/* Packets and containers to the guest while the traffic runs. */
static double packets_per_container(struct world *world, const struct world_guest *guest,
                                    struct traffic *traffic)
{
    struct segment_interface before, after;

    fixture_await_returned(world, traffic, 500);
    fixture_measurements(world, guest, &before);
    fixture_await_returned(world, traffic, 3000);
    fixture_measurements(world, guest, &after);
    uint64_t containers = after.rx.pack.containers - before.rx.pack.containers;
    assert_true(containers > 0);
    return (double)(after.rx.pack.published_packets - before.rx.pack.published_packets) /
           (double)containers;
}

static void containers_are_as_large_as_the_store_says(void **state)
{
    struct world *world = *state;
    struct world_guest *guest = fixture_guest(world, 32, "sized", 0);
    struct traffic *traffic = fixture_traffic(world, guest, 6000);

    /* Timeouts that no container reaches. */
    fixture_set_sizes(world, guest, 1, 1000000);
    fixture_await_sizes(world, guest, 1, 1000000);
    assert_true(packets_per_container(world, guest, traffic) == 1.0);
    fixture_set_sizes(world, guest, 50, 1000000);
    fixture_await_sizes(world, guest, 50, 1000000);
    double mean = packets_per_container(world, guest, traffic);
    assert_true(mean > 48 && mean < 52);
    /* And a timeout that all reach. */
    fixture_set_sizes(world, guest, 5000, 2000);
    fixture_await_sizes(world, guest, 5000, 2000);
    mean = packets_per_container(world, guest, traffic);
    assert_true(mean > 2 && mean < 200);
    fixture_all_arrived(world, traffic);
    traffic_free(traffic);
    assert_int_equal(world_shut_down(world, guest), 0);
}

static void write_key(struct world *world, const struct world_guest *guest, const char *key,
                      const char *value)
{
    char path[KEYS_PATH];
    assert_int_equal(
        store_write(world_store(world), keys_backend_dir(0, guest->interface, path), key, value),
        0);
}

static void bad_values_leave_the_last_good_one(void **state)
{
    static const char *const bad[] = {"banana", "",    "0",  "-3", "65536", "99999999999999999999",
                                      "12 ",    " 12", "1e3"};
    struct world *world = *state;
    struct world_guest *guest = fixture_guest(world, 33, "spoilt", 0);
    struct traffic *traffic = fixture_traffic(world, guest, 3000);
    struct segment_interface seen;

    fixture_set_sizes(world, guest, 40, 2000);
    fixture_await_sizes(world, guest, 40, 2000);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        write_key(world, guest, "rx-container-packets", bad[i]);
        write_key(world, guest, "tx-container-packets", bad[i]);
        /* The timeouts beside it tell when it was read. */
        unsigned timeout_us = 2001 + (unsigned)i;
        char text[16];
        snprintf(text, sizeof(text), "%u", timeout_us);
        write_key(world, guest, "rx-container-timeout-us", text);
        write_key(world, guest, "tx-container-timeout-us", text);
        fixture_await_sizes(world, guest, 40, timeout_us);
    }
    fixture_await_logged(world, "netback", "rx-container-packets: \"banana\"");
    fixture_await_logged(world, guest->name, "tx-container-packets: \"banana\"");
    write_key(world, guest, "rx-container-timeout-us", "soon");
    write_key(world, guest, "rx-container-bytes", "1");
    fixture_await_logged(world, "netback", "rx-container-timeout-us: \"soon\"");
    fixture_await_logged(world, "netback", "rx-container-bytes: \"1\"");
    fixture_measurements(world, guest, &seen);
    assert_int_equal(seen.rx.tuning.packets, 40);
    /* And back to good ones. */
    fixture_set_sizes(world, guest, 7, 300);
    fixture_await_sizes(world, guest, 7, 300);
    fixture_all_arrived(world, traffic);
    traffic_free(traffic);
    assert_int_equal(world_shut_down(world, guest), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_change_under_load_without_loss),
        cmocka_unit_test(containers_are_as_large_as_the_store_says),
        cmocka_unit_test(bad_values_leave_the_last_good_one),
    };
    int status = fixture_possible();

    return status ? status
                  : cmocka_run_group_tests_name("sizes", tests, fixture_world, fixture_end);
}
