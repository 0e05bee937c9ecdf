// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hill climbing over a short list of profiles, each lane on its own, in the
 * manner of Linux's dynamic interrupt moderation (lib/dim/net_dim.c): a step in
 * the direction that did good the last time, where good is more packets, or as
 * many with fewer containers; it turns round where a step did harm, parks at a
 * summit after two turns, and sets out again when the traffic changes. It knows
 * no promise.
 */
#include <math.h>
#include <stdlib.h>

#include "tests/sim/rule.h"

static const struct lane_size profiles[] = {
    {256, 1e-6}, {256, 8e-6}, {256, 64e-6}, {256, 128e-6}, {256, 256e-6}};
#define PROFILES (int)(sizeof(profiles) / sizeof(profiles[0]))
#define START 2
#define SIGNIFICANT 0.1
#define TURNS_TO_PARK 2
#define PARKED_FOR 10 /* ticks, then it tries again */

struct climber {
    int profile, step, turns, parked;
    double packets, containers; /* of the tick before */
    bool seen;
};

struct climbers {
    struct climber lanes[SCENARIO_GUESTS][DIRECTION_COUNT];
};

static void *begin(const struct scenario *scenario, const void *argument)
{
    struct climbers *climbers = calloc(1, sizeof(*climbers));

    (void)scenario;
    (void)argument;
    for (size_t i = 0; climbers && i < SCENARIO_GUESTS; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            climbers->lanes[i][d] = (struct climber){.profile = START, .step = 1};
    return climbers;
}

static int compare(double now, double before)
{
    if (fabs(now - before) <= SIGNIFICANT * before)
        return 0;
    return now > before ? 1 : -1;
}

/* 1: better than before, -1: worse, 0: the same. */
static int better(const struct climber *climber, double packets, double containers)
{
    int by_packets = compare(packets, climber->packets);

    return by_packets ? by_packets : -compare(containers, climber->containers);
}

static void move(struct climber *climber)
{
    int to = climber->profile + climber->step;

    if (to < 0 || to >= PROFILES) { /* at an edge: turn round, or stay if that was it */
        climber->step = -climber->step;
        climber->turns++;
        climber->parked = PARKED_FOR;
        return;
    }
    climber->profile = to;
}

static void climb(struct climber *climber, double packets, double containers)
{
    int verdict = climber->seen ? better(climber, packets, containers) : 1;

    if (climber->parked > 0) {
        climber->parked -= 1;
        if (verdict != 0 || climber->parked == 0) {
            climber->parked = climber->turns = 0;
            move(climber);
        }
    } else if (verdict < 0) {
        climber->step = -climber->step;
        climber->turns++;
        move(climber);
        if (climber->turns >= TURNS_TO_PARK)
            climber->parked = PARKED_FOR;
    } else if (verdict == 0) {
        climber->parked = PARKED_FOR;
    } else {
        move(climber);
    }
    climber->packets = packets;
    climber->containers = containers;
    climber->seen = true;
}

static int tick(void *state, const struct rule_input *input,
                struct lane_size (*sizes)[DIRECTION_COUNT], struct tick_report *ret_report)
{
    struct climbers *climbers = state;

    (void)ret_report;
    for (size_t i = 0; i < input->scenario->n_guests; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            struct climber *climber = &climbers->lanes[i][d];
            if (input->sample && input->sample->interfaces[i].seconds > 0) {
                const struct sample_interface *taken = &input->sample->interfaces[i];
                const struct segment_pack *pack =
                    d == DIRECTION_RX ? &taken->delta.rx.pack : &taken->delta.tx.pack;
                climb(climber, (double)pack->packets / taken->seconds,
                      (double)pack->containers / taken->seconds);
            }
            sizes[i][d] = profiles[climber->profile];
        }
    return 0;
}

const struct rule rule_climber = {.name = "hill_climbing",
                                  .title = "hill climbing (net_dim)",
                                  .create = begin,
                                  .tick = tick,
                                  .destroy = free};
