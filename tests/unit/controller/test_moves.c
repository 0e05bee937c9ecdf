// SPDX-License-Identifier: GPL-2.0-or-later
/* From the sizes in use to those that the model wants: when, and how far. */
#include "tests/unit/common/testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "controller/moves.h"

static const struct end_costs costs = {1e-6, 4e-6, 5e-9, 2e-6, 1e-6, 1, 40e-6, 1e-9};

struct bench {
    struct group group;
    struct track tracks[2];
    struct segment_interface delta;
};

static void size_both(struct lane_size sizes[DIRECTION_COUNT], uint32_t packets, double timeout)
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        sizes[d] = (struct lane_size){packets, timeout};
}

static void wants(struct bench *bench, size_t i, uint32_t packets, double timeout)
{
    size_both(bench->group.sizings[i].size, packets, timeout);
}

static void has(struct bench *bench, size_t i, uint32_t packets, double timeout)
{
    size_both(bench->tracks[i].current, packets, timeout);
}

/* A guest of that rate both ways that has kept its sizes for long. */
static void enter(struct bench *bench, double rate, double delay)
{
    size_t i = bench->group.n;
    struct track *track = &bench->tracks[i];

    track_begin(track, (struct keys_interface){.domid = (uint32_t)i + 1}, "web");
    track->policy.promise = (struct promise){.delay = delay, .scope = SCOPE_ONE_WAY};
    track->decided = track->judged = track->attainable = true;
    group_add(&bench->group, track, &bench->delta);
    struct guest_load *load = &bench->group.loads[i];
    *load = (struct guest_load){.dispersion = {1, 1},
                                .promise = track->policy.promise,
                                .costs = costs,
                                .limits = {1, 1024, 1e-6, 1, 65536}};
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        track->in_use[d] = true;
        load->rate[d] = rate;
    }
    bench->group.sizings[i] =
        (struct sizing){.attainable = true, .reason = SIZING_PROMISE, .least = 100e-6};
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    if (!bench || group_begin(&bench->group, 2))
        return -1;
    bench->group.costs = costs;
    bench->group.now = 100;
    bench->group.interval = 1;
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    group_free(&bench->group);
    free(bench);
    return 0;
}

/* Decides, and puts it into force as the group does. */
static void tick(struct bench *bench)
{
    struct group *group = &bench->group;

    group->now += group->interval;
    assert_int_equal(moves_make(group), 0);
    for (size_t i = 0; i < group->n; i++) {
        struct track *track = &bench->tracks[i];
        memcpy(track->current, group->sizes[i], sizeof(track->current));
        if (track->move != MOVE_NONE)
            track->moved = group->now;
    }
}

static void stays_for(struct bench *bench, unsigned ticks)
{
    for (unsigned t = 0; t < ticks; t++) {
        tick(bench);
        assert_int_equal(bench->tracks[0].move, MOVE_NONE);
    }
}

static double timeout_of(const struct bench *bench, size_t i)
{
    return bench->tracks[i].current[DIRECTION_RX].timeout;
}

static void of_a_little_room_half_is_taken_after_ten_ticks(void **state)
{
    struct bench *bench = *state;

    enter(bench, 20e3, 1e-3);
    has(bench, 0, 200, 800e-6);
    wants(bench, 0, 200, 880e-6);
    stays_for(bench, 10);
    tick(bench);
    assert_int_equal(bench->tracks[0].move, MOVE_ROOM);
    assert_float_equal(timeout_of(bench, 0), sqrt(800e-6 * 880e-6), 1e-6);
    stays_for(bench, 10);
}

static void much_room_is_taken_whole_after_three(void **state)
{
    struct bench *bench = *state;

    enter(bench, 20e3, 1e-3);
    has(bench, 0, 200, 800e-6);
    wants(bench, 0, 200, 1000e-6);
    stays_for(bench, 3);
    tick(bench);
    assert_int_equal(bench->tracks[0].move, MOVE_ROOM);
    assert_float_equal(timeout_of(bench, 0), 1000e-6, 1e-9);
}

static void so_is_any_room_after_a_load_has_changed_but_once(void **state)
{
    struct bench *bench = *state;

    enter(bench, 20e3, 1e-3);
    has(bench, 0, 200, 800e-6);
    wants(bench, 0, 200, 880e-6);
    bench->tracks[0].rate[DIRECTION_RX].jumped = true;
    stays_for(bench, 1);
    bench->tracks[0].rate[DIRECTION_RX].jumped = false;
    stays_for(bench, 2);
    tick(bench);
    assert_int_equal(bench->tracks[0].move, MOVE_ROOM);
    assert_float_equal(timeout_of(bench, 0), 880e-6, 1e-9);
    wants(bench, 0, 200, 960e-6);
    stays_for(bench, 10);
}

static void smaller_containers_that_nobody_needs_can_wait(void **state)
{
    struct bench *bench = *state;

    enter(bench, 20e3, 1e-3);
    has(bench, 0, 200, 800e-6);
    wants(bench, 0, 200, 730e-6);
    bench->tracks[0].provisional = true;
    stays_for(bench, 10);
    tick(bench);
    assert_int_equal(bench->tracks[0].move, MOVE_ROOM);
}

static void a_promise_in_danger_is_helped_at_once(void **state)
{
    struct bench *bench = *state;

    enter(bench, 20e3, 400e-6);
    has(bench, 0, 200, 800e-6);
    wants(bench, 0, 200, 300e-6);
    tick(bench);
    assert_int_equal(bench->tracks[0].move, MOVE_DANGER);
    assert_float_equal(timeout_of(bench, 0), 300e-6, 1e-9);
}

static void another_promise_is_followed_at_once(void **state)
{
    struct bench *bench = *state;

    enter(bench, 20e3, 1e-3);
    has(bench, 0, 200, 800e-6);
    wants(bench, 0, 200, 880e-6);
    bench->tracks[0].promise_changed = true;
    tick(bench);
    assert_int_equal(bench->tracks[0].move, MOVE_PROMISE);
    assert_float_equal(timeout_of(bench, 0), 880e-6, 1e-9);
}

/* A neighbour of twenty times the rate, whose containers would be thirty times as large. */
static void enter_risen(struct bench *bench)
{
    enter(bench, 200e3, 4e-3);
    has(bench, 1, 20, 20e-3);
    wants(bench, 1, 600, 20e-3);
    bench->tracks[1].rate[DIRECTION_RX].rose = true;
}

/* What the first guest's delay comes to with sizes as they are, or as wanted. */
static double forecast_with(struct bench *bench, bool wanted)
{
    struct group *group = &bench->group;

    for (size_t i = 0; i < group->n; i++)
        memcpy(group->sizes[i], wanted && i > 0 ? group->sizings[i].size : bench->tracks[i].current,
               sizeof(group->sizes[i]));
    assert_int_equal(group_forecast(group), 0);
    return group->forecasts[0].promised;
}

static void promises(struct bench *bench, double delay)
{
    bench->tracks[0].policy.promise.delay = bench->group.loads[0].promise.delay = delay;
}

static void a_neighbour_makes_way_for_a_risen_rate(void **state)
{
    struct bench *bench = *state;

    enter(bench, 10e3, 1);
    has(bench, 0, 10, 5e-3);
    wants(bench, 0, 8, 5e-3);
    enter_risen(bench);
    double after = forecast_with(bench, true);
    assert_true(after > 1.05 * forecast_with(bench, false));
    promises(bench, 1.01 * after); /* kept, but of the margin nothing is left */
    tick(bench);
    assert_int_equal(bench->tracks[1].move, MOVE_RISE);
    assert_int_equal(bench->tracks[1].current[DIRECTION_RX].packets, 600);
    assert_int_equal(bench->tracks[0].move, MOVE_DANGER);
    assert_int_equal(bench->tracks[0].current[DIRECTION_RX].packets, 8);
}

static void a_rise_that_breaks_a_neighbours_promise_is_taken_back(void **state)
{
    struct bench *bench = *state;

    enter(bench, 10e3, 1);
    has(bench, 0, 10, 5e-3);
    wants(bench, 0, 10, 5e-3); /* nothing that would help */
    enter_risen(bench);
    promises(bench, (forecast_with(bench, true) + forecast_with(bench, false)) / 2);
    tick(bench);
    assert_int_equal(bench->tracks[1].move, MOVE_NONE);
    assert_int_equal(bench->tracks[1].current[DIRECTION_RX].packets, 20);
}

static void a_small_rise_of_forwarded_bursts_that_come_and_go_is_not_followed(void **state)
{
    struct bench *bench = *state;
    struct track *track = &bench->tracks[0];

    enter(bench, 20e3, 10e-3);
    bench->group.loads[0].forwarded = 1;
    has(bench, 0, 20, 5e-3);
    wants(bench, 0, 26, 5e-3);
    track->rate[DIRECTION_RX].rose = true;
    track->range[DIRECTION_RX] = (struct rate_range){.low = 15e3, .high = 20e3, .falls = 1};
    stays_for(bench, 1);
    wants(bench, 0, 40, 5e-3);
    tick(bench);
    assert_int_equal(track->move, MOVE_RISE);
    /* A rate that never fell is followed. */
    track->range[DIRECTION_RX].falls = 0;
    wants(bench, 0, 48, 5e-3);
    tick(bench);
    assert_int_equal(track->move, MOVE_RISE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(of_a_little_room_half_is_taken_after_ten_ticks),
        TEST(much_room_is_taken_whole_after_three),
        TEST(so_is_any_room_after_a_load_has_changed_but_once),
        TEST(smaller_containers_that_nobody_needs_can_wait),
        TEST(a_promise_in_danger_is_helped_at_once),
        TEST(another_promise_is_followed_at_once),
        TEST(a_neighbour_makes_way_for_a_risen_rate),
        TEST(a_rise_that_breaks_a_neighbours_promise_is_taken_back),
        TEST(a_small_rise_of_forwarded_bursts_that_come_and_go_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
