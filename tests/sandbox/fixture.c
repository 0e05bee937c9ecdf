// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sandbox/fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/losses.h"
#include "sandbox/programs.h"
#include "sandbox/route.h"

static int skip_all(const char *why)
{
    printf("skipped: %s\n", why);
    return 77;
}

int fixture_possible(void)
{
    char path[PROGRAMS_PATH];
    struct namespace *probe;

    if (access("/dev/net/tun", R_OK | W_OK))
        return skip_all("no /dev/net/tun");
    if (namespace_create(&probe))
        return skip_all("network namespaces need root");
    namespace_free(probe);
    if (programs_find_xenstored(path))
        return skip_all("no xenstored is installed (Debian: xen-utils-4.17)");
    return 0;
}

int fixture_world(void **state)
{
    struct world_options options = {0};
    struct world *world;

    if (world_create(&options, &world))
        return -1;
    *state = world;
    return world_start_backend(world) ? -1 : 0;
}

int fixture_end(void **state)
{
    world_free(*state);
    return 0;
}

struct world_guest *fixture_guest(struct world *world, uint32_t domid, const char *name,
                                  unsigned mtu)
{
    struct world_guest *guest;

    assert_int_equal(world_create_guest(world, domid, name, mtu, &guest), 0);
    assert_int_equal(world_bring_up(world, guest), 0);
    return guest;
}

static const char *backend_dir(const struct world_guest *guest, char path[static KEYS_PATH])
{
    return keys_backend_dir(0, guest->interface, path);
}

const char *fixture_key(struct world *world, const struct world_guest *guest, const char *key)
{
    static char value[256];
    char path[KEYS_PATH];

    if (store_read(world_store(world), backend_dir(guest, path), key, value, sizeof(value)) < 0)
        value[0] = '\0';
    return value;
}

enum keys_state fixture_backend_state(struct world *world, const struct world_guest *guest)
{
    char path[KEYS_PATH];
    return store_read_state(world_store(world), backend_dir(guest, path));
}

enum keys_state fixture_frontend_state(struct world *world, const struct world_guest *guest)
{
    char path[KEYS_PATH];
    return store_read_state(world_store(world), keys_frontend_dir(guest->interface, path));
}

struct expectation {
    struct world *world;
    const struct world_guest *guest;
    enum keys_state state;
    struct keys_tuning tuning;
    struct traffic *traffic;
    uint64_t packets;
    const char *program, *text;
};

static bool backend_is(void *context)
{
    const struct expectation *e = context;
    return fixture_backend_state(e->world, e->guest) == e->state;
}

void fixture_await_backend(struct world *world, const struct world_guest *guest,
                           enum keys_state state)
{
    struct expectation e = {.world = world, .guest = guest, .state = state};
    assert_int_equal(world_await(world, keys_state_name(state), backend_is, &e, WORLD_PATIENCE), 0);
}

static void write_size(struct world *world, const char *dir, const char *direction,
                       enum keys_tuning_field field, unsigned value)
{
    char name[40], text[16];

    snprintf(text, sizeof(text), "%u", value);
    assert_int_equal(
        store_write(world_store(world), dir, keys_tuning_name(direction, field, name), text), 0);
}

void fixture_set_sizes(struct world *world, const struct world_guest *guest, unsigned packets,
                       unsigned timeout_us)
{
    static const char *const directions[] = {"rx", "tx"};
    char path[KEYS_PATH];
    int error;

    backend_dir(guest, path);
    do {
        assert_int_equal(store_begin(world_store(world)), 0);
        for (int i = 0; i < 2; i++) {
            write_size(world, path, directions[i], KEYS_PACKETS, packets);
            write_size(world, path, directions[i], KEYS_TIMEOUT_US, timeout_us);
        }
        error = store_commit(world_store(world));
    } while (error == -EAGAIN);
    assert_int_equal(error, 0);
}

static int measure(struct world *world, const struct world_guest *guest,
                   struct segment_interface *ret)
{
    char path[WORLD_PATH];
    struct segment *segment;
    int error = segment_open(world_segment(world, path), &segment);

    if (error)
        return error;
    error = losses_find_interface(segment, guest->interface, ret);
    segment_close(segment);
    return error;
}

void fixture_measurements(struct world *world, const struct world_guest *guest,
                          struct segment_interface *ret)
{
    assert_int_equal(measure(world, guest, ret), 0);
}

static bool same_size(const struct segment_tuning *a, const struct keys_tuning *b)
{
    return a->packets == b->packets && a->timeout_us == b->timeout_us;
}

static bool sizes_are(void *context)
{
    const struct expectation *e = context;
    struct segment_interface seen;

    return measure(e->world, e->guest, &seen) == 0 && same_size(&seen.rx.tuning, &e->tuning) &&
           same_size(&seen.tx.tuning, &e->tuning);
}

void fixture_await_sizes(struct world *world, const struct world_guest *guest, unsigned packets,
                         unsigned timeout_us)
{
    struct expectation e = {
        .world = world, .guest = guest, .tuning = {.packets = packets, .timeout_us = timeout_us}};
    assert_int_equal(world_await(world, "the sizes in force", sizes_are, &e, WORLD_PATIENCE), 0);
}

struct traffic *fixture_traffic(struct world *world, const struct world_guest *guest, double rate)
{
    struct traffic *traffic;

    assert_int_equal(traffic_create(1, 60, &traffic), 0);
    assert_int_equal(route_add(traffic, world, guest, 64), 0);
    assert_int_equal(traffic_start(traffic), 0);
    traffic_set_rate(traffic, 0, rate);
    return traffic;
}

/* Seen in both places: the two captures hand over their packets when it suits them. */
static uint64_t returned(struct traffic *traffic)
{
    struct traffic_counts counts;

    traffic_read_counts(traffic, 0, &counts);
    uint64_t there = counts.at[TRAFFIC_IN_GUEST].arrived, back = counts.at[TRAFFIC_BACK].arrived;
    return there < back ? there : back;
}

static bool has_returned(void *context)
{
    const struct expectation *e = context;
    return returned(e->traffic) >= e->packets;
}

void fixture_await_returned(struct world *world, struct traffic *traffic, uint64_t packets)
{
    struct expectation e = {.traffic = traffic, .packets = returned(traffic) + packets};
    assert_int_equal(world_await(world, "packets back", has_returned, &e, WORLD_PATIENCE), 0);
}

void fixture_all_arrived(struct world *world, struct traffic *traffic)
{
    struct traffic_counts counts;
    struct expectation e = {.traffic = traffic};

    traffic_silence(traffic);
    traffic_read_counts(traffic, 0, &counts);
    e.packets = counts.offered - counts.refused;
    assert_int_equal(world_await(world, "all packets back", has_returned, &e, WORLD_PATIENCE), 0);
    traffic_read_counts(traffic, 0, &counts);
    for (unsigned i = 0; i < TRAFFIC_PLACES; i++) {
        assert_int_equal(counts.at[i].arrived, counts.offered - counts.refused);
        assert_int_equal(counts.at[i].damaged, 0);
        assert_int_equal(counts.at[i].reordered, 0);
    }
}

bool fixture_logged(struct world *world, const char *program, const char *text)
{
    char path[WORLD_PATH], name[64], line[1024];
    bool found = false;

    snprintf(name, sizeof(name), "%s.log", program);
    FILE *file = fopen(world_path(world, name, path), "re");
    while (file && !found && fgets(line, sizeof(line), file))
        found = strstr(line, text) != NULL;
    if (file)
        fclose(file);
    return found;
}

static bool is_logged(void *context)
{
    const struct expectation *e = context;
    return fixture_logged(e->world, e->program, e->text);
}

void fixture_await_logged(struct world *world, const char *program, const char *text)
{
    struct expectation e = {.world = world, .program = program, .text = text};
    assert_int_equal(world_await(world, text, is_logged, &e, WORLD_PATIENCE), 0);
}
