// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/moves.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/correction.h"

/*
 * The sizes in use are in danger once the margin is used up, but for what ticks
 * come out worse than expected anyway: above this share of the promise that is
 * no noise, but a load that changes all the time.
 */
#define SURPRISE_NONE 0.01
/* Where no size keeps the promise: the least delay may be missed by this share. */
#define LEAST_SLACK 0.1
#define DANGER_ROUNDS 4
/* A risen rate is followed at once where it makes containers larger by so much. */
#define RISE 1.1
/* Sizes that differ by more than this (a logarithm) are far from right: no need to wait so long. */
#define GAP_LARGE 0.15
/* Share of the margin that a move into room must leave. */
#define ROOM_MARGIN 0.7
/* Counts above so many times what comes in a timeout are as good as none. */
#define COUNT_MATTERS 1.5

/* Model's delay above which the sizes in use are changed at once. */
static double danger_limit(const struct track *track, const struct sizing *sizing)
{
    double reserve = correction_surprise(track) - SURPRISE_NONE;
    double limit = correction_target(track, fmax(0, reserve) * track->policy.promise.delay);

    return fmax(limit, sizing->least * (1 + LEAST_SLACK));
}

bool moves_in_danger(const struct group *group, size_t i)
{
    const struct track *track = group->tracks[i];

    return !(group->forecasts[i].promised <= danger_limit(track, &group->sizings[i]));
}

static void move_to(struct group *group, size_t i, const struct lane_size sizes[DIRECTION_COUNT],
                    enum move move)
{
    struct track *track = group->tracks[i];

    if (memcmp(group->sizes[i], sizes, sizeof(group->sizes[i])) == 0 && track->decided)
        return;
    memcpy(group->sizes[i], sizes, sizeof(group->sizes[i]));
    track->move = move;
    steady_reset(&track->steady);
}

static bool is_default(const struct lane_size sizes[DIRECTION_COUNT])
{
    struct keys_tuning tuning = KEYS_TUNING_DEFAULT;

    return sizes[0].packets == tuning.packets && sizes[1].packets == tuning.packets;
}

/* Sizes that decisions start from: the last ones, or after a restart those that are in force. */
static void sizes_begin(struct group *group)
{
    for (size_t i = 0; i < group->n; i++) {
        struct track *track = group->tracks[i];
        track->move = MOVE_NONE;
        if (track->decided)
            memcpy(group->sizes[i], track->current, sizeof(group->sizes[i]));
        else
            track_at_work(track, group->sizes[i]);
        if (!track->decided && is_default(group->sizes[i]))
            move_to(group, i, group->sizings[i].size, MOVE_FIRST);
        for (enum direction d = 0; d < DIRECTION_COUNT; d++)
            if (track->policy.fixed[d]) {
                group->sizes[i][d] = track->policy.fixed_size[d];
                group_round(&group->sizes[i][d]);
            }
    }
}

/* At once where a promise would be broken, until nothing is in danger that can be helped. */
static int move_endangered(struct group *group)
{
    bool moved = true;

    for (int round = 0; moved && round < DANGER_ROUNDS; round++) {
        int error = group_forecast(group);
        if (error)
            return error;
        moved = false;
        for (size_t i = 0; i < group->n; i++) {
            bool there = !memcmp(group->sizes[i], group->sizings[i].size, sizeof(group->sizes[i]));
            if (there || !moves_in_danger(group, i))
                continue;
            move_to(group, i, group->sizings[i].size, MOVE_DANGER);
            moved = true;
        }
    }
    return 0;
}

/* Takes back the moves that only had room. */
static void roomy_undo(struct group *group, const struct lane_size (*before)[DIRECTION_COUNT])
{
    for (size_t i = 0; i < group->n; i++)
        if (group->tracks[i]->move == MOVE_ROOM || group->tracks[i]->move == MOVE_RISE) {
            group->tracks[i]->move = MOVE_NONE;
            memcpy(group->sizes[i], before[i], sizeof(group->sizes[i]));
        }
}

/* How far apart sizes are, but not counts that no rate of late makes of the timeout. */
static double gap(const struct group *group, size_t i)
{
    struct lane_size sizes[2][DIRECTION_COUNT];

    memcpy(sizes[0], group->sizes[i], sizeof(sizes[0]));
    memcpy(sizes[1], group->sizings[i].size, sizeof(sizes[1]));
    for (int s = 0; s < 2; s++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            double rate = fmax(group->loads[i].rate[d], group->tracks[i]->range[d].high);
            double most = 1 + COUNT_MATTERS * rate * sizes[s][d].timeout;
            sizes[s][d].packets = (uint32_t)fmin(sizes[s][d].packets, ceil(most));
        }
    return steady_gap(sizes[0], sizes[1]);
}

/* Packets that a container comes to, roughly. */
static double packets_of(const struct group *group, size_t i, const struct lane_size *sizes,
                         enum direction d)
{
    return fmin(sizes[d].packets, 1 + group->loads[i].rate[d] * sizes[d].timeout);
}

/* A rate that has clearly risen is no noise, and the timeout guards against its falling again. */
static bool has_risen(const struct group *group, size_t i)
{
    const struct track *track = group->tracks[i];

    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (track->in_use[d] && track->rate[d].rose &&
            packets_of(group, i, group->sizings[i].size, d) >
                RISE * packets_of(group, i, group->sizes[i], d))
            return true;
    return false;
}

static bool has_room(struct group *group, size_t i, struct lane_size ret[DIRECTION_COUNT])
{
    struct track *track = group->tracks[i];
    const struct lane_size *wanted = group->sizings[i].size;
    bool large = gap(group, i) > GAP_LARGE;
    double hold = large ? group_hold(group) : group_rest(group);
    bool rested = large || group->now - track->moved >= group_rest(group);

    return steady_room(&track->steady, group->sizes[i], wanted, group->now, hold, ret) && rested;
}

static bool roomy_do(struct group *group)
{
    bool moved = false;

    for (size_t i = 0; i < group->n; i++) {
        struct track *track = group->tracks[i];
        struct lane_size sizes[DIRECTION_COUNT];
        if (track->move != MOVE_NONE)
            continue;
        if (has_risen(group, i))
            move_to(group, i, group->sizings[i].size, MOVE_RISE);
        else if (has_room(group, i, sizes))
            move_to(group, i, sizes, MOVE_ROOM);
        moved |= track->move != MOVE_NONE;
    }
    return moved;
}

/* The room was there over all the time that sizes were wanted for, but is it now? */
static bool has_no_room(const struct group *group, size_t i)
{
    const struct track *track = group->tracks[i];
    double margin = ROOM_MARGIN * correction_margin(track);

    return track->move == MOVE_ROOM &&
           !(group->forecasts[i].promised <= correction_target(track, margin));
}

/* Takes back moves for which there is no room. True: there were any. */
static bool roomless_undo(struct group *group, const struct lane_size (*before)[DIRECTION_COUNT])
{
    bool any = false;

    for (size_t i = 0; i < group->n; i++)
        if (has_no_room(group, i) && group->sizings[i].attainable) {
            group->tracks[i]->move = MOVE_NONE;
            memcpy(group->sizes[i], before[i], sizeof(group->sizes[i]));
            any = true;
        }
    return any;
}

/* Slowly where there is room; taken back where the mixture would endanger somebody. */
static int move_roomy(struct group *group)
{
    struct lane_size(*before)[DIRECTION_COUNT] = group->steps.before;
    bool *danger = group->steps.danger, endangers = false;
    int error = 0;

    for (size_t i = 0; i < group->n; i++) {
        memcpy(before[i], group->sizes[i], sizeof(before[i]));
        danger[i] = moves_in_danger(group, i);
    }
    if (!roomy_do(group))
        return 0;
    error = group_forecast(group);
    if (!error && roomless_undo(group, (const struct lane_size(*)[DIRECTION_COUNT])before))
        error = group_forecast(group);
    for (size_t i = 0; i < group->n && !error; i++)
        endangers |= moves_in_danger(group, i) && !danger[i];
    if (!error && endangers) {
        roomy_undo(group, (const struct lane_size(*)[DIRECTION_COUNT])before);
        error = group_forecast(group);
    }
    return error;
}

int moves_make(struct group *group)
{
    sizes_begin(group);
    int error = move_endangered(group);
    return error ? error : move_roomy(group);
}
