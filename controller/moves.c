// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/moves.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "controller/correction.h"
#include "controller/shape.h"
#include "model/closing.h"

/*
 * The sizes in use are in danger once the margin is used up, but for what ticks
 * come out worse than expected anyway: above this share of the promise that is
 * no noise, but a load that changes all the time.
 */
#define SURPRISE_NONE 0.01
/* Where no size keeps the promise: the least delay may be missed by this share. */
#define LEAST_SLACK 0.1
/* Share of the margin that must be left when the worker's load has just changed. */
#define CHANGED_MARGIN 0.5
#define DANGER_ROUNDS 4
/* A risen rate is followed at once where it makes containers larger by so much. */
#define RISE 1.1
#define RISE_UNGUARDED 1.5
/* Sizes that differ by more than this (a logarithm) are far from right: no need to wait so long. */
#define GAP_LARGE 0.15
/* Share of the margin that a move into room must leave. */
#define ROOM_MARGIN 0.7
/* ... and these are not worth a move. */
#define GAP_NONE 0.025

/* Model's delay above which the sizes in use are changed at once. */
static double danger_limit(const struct group *group, size_t i)
{
    const struct track *track = group->tracks[i];
    const struct sizing *sizing = &group->sizings[i];
    double reserve = correction_surprise(track) - SURPRISE_NONE;
    double kept = group->changed ? CHANGED_MARGIN * correction_margin(track) : 0;
    double limit =
        correction_target(track, fmax(kept, fmax(0, reserve) * track->policy.promise.delay));

    return fmax(limit, sizing->least * (1 + LEAST_SLACK));
}

bool moves_in_danger(const struct group *group, size_t i)
{
    return !(group->forecasts[i].promised <= danger_limit(group, i));
}

static void move_to(struct group *group, size_t i, const struct lane_size sizes[DIRECTION_COUNT],
                    enum move move)
{
    struct track *track = group->tracks[i];

    if (memcmp(group->sizes[i], sizes, sizeof(group->sizes[i])) == 0 && track->decided)
        return;
    memcpy(group->sizes[i], sizes, sizeof(group->sizes[i]));
    track->move = move;
    track->roomy = move == MOVE_ROOM && !track->provisional;
    track->provisional =
        move == MOVE_FIRST || move == MOVE_PROMISE || (move != MOVE_ROOM && group->changed);
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
        track->provisional |= track->rate[DIRECTION_RX].jumped || track->rate[DIRECTION_TX].jumped;
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

/* Takes back all moves since. */
static void roomy_undo(struct group *group, const struct lane_size (*before)[DIRECTION_COUNT])
{
    for (size_t i = 0; i < group->n; i++)
        if (memcmp(group->sizes[i], before[i], sizeof(group->sizes[i])) != 0) {
            group->tracks[i]->move = MOVE_NONE;
            memcpy(group->sizes[i], before[i], sizeof(group->sizes[i]));
        }
}

/* Logarithm of how much larger containers of size b are, at a rate; -INFINITY where it is unknown.
 */
static double growth(double rate, const struct lane_size *a, const struct lane_size *b)
{
    struct closing_law with_a, with_b;

    if (closing_solve(rate, a->packets, a->timeout, &with_a) ||
        closing_solve(rate, b->packets, b->timeout, &with_b))
        return -INFINITY;
    return log(with_b.packets / with_a.packets);
}

/* Whether they make larger containers, in no direction smaller ones. */
static bool is_larger(const struct group *group, size_t i, const struct lane_size *wanted)
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (group->tracks[i]->in_use[d] &&
            growth(group->loads[i].rate[d], &group->sizes[i][d], &wanted[d]) < 0)
            return false;
    return true;
}

/* How much larger or smaller containers would be, at a rate. */
static double gap_at(double rate, const struct lane_size *a, const struct lane_size *b)
{
    return fabs(growth(rate, a, b));
}

/* The same in all directions, at the present rate and the highest of late. */
static double gap(const struct group *group, size_t i)
{
    double most = 0;

    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        const struct lane_size *now = &group->sizes[i][d], *wanted = &group->sizings[i].size[d];
        double rate = group->loads[i].rate[d], high = group->tracks[i]->range[d].high;
        if (!group->tracks[i]->in_use[d])
            return steady_gap(group->sizes[i], group->sizings[i].size);
        most = fmax(most, gap_at(rate, now, wanted));
        if (high > RISE * rate)
            most = fmax(most, gap_at(high, now, wanted));
    }
    return most;
}

/*
 * A rate that has clearly risen is no noise, and the timeout guards against its falling
 * again. It does not where bursts are forwarded: a rate that comes and goes there must
 * have risen far.
 */
static bool has_risen(const struct group *group, size_t i)
{
    const struct track *track = group->tracks[i];

    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        bool unguarded = group->loads[i].forwarded > 0 && rate_range_low(&track->range[d]) > 0;
        double rise = unguarded ? RISE_UNGUARDED : RISE;
        if (track->in_use[d] && track->rate[d].rose &&
            shape_packets(&group->sizings[i].size[d], group->loads[i].rate[d]) >
                rise * shape_packets(&group->sizes[i][d], group->loads[i].rate[d]))
            return true;
    }
    return false;
}

/* Half of a small way: the model is less sure of the change than of either end. */
static void halve(const struct lane_size now[DIRECTION_COUNT],
                  struct lane_size wanted[DIRECTION_COUNT])
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (now[d].packets == wanted[d].packets) {
            wanted[d].timeout = sqrt(now[d].timeout * wanted[d].timeout);
            group_round(&wanted[d]);
        }
}

/* Bursts that are forwarded leave as they came, if sizes are equal. */
static void keep_whole(const struct lane_size wanted[DIRECTION_COUNT],
                       struct lane_size ret[DIRECTION_COUNT])
{
    struct lane_size *rx = &ret[DIRECTION_RX], *tx = &ret[DIRECTION_TX];

    if (wanted[DIRECTION_RX].packets == wanted[DIRECTION_TX].packets)
        rx->packets = tx->packets = rx->packets < tx->packets ? rx->packets : tx->packets;
}

static bool has_room(struct group *group, size_t i, struct lane_size ret[DIRECTION_COUNT])
{
    struct track *track = group->tracks[i];
    const struct lane_size *wanted = group->sizings[i].size;
    double far = gap(group, i);
    bool sooner = track->provisional && is_larger(group, i, wanted);
    bool large = sooner || far > GAP_LARGE;
    double hold = large ? group_hold(group) : group_rest(group);
    bool rested =
        sooner || (large && !track->roomy) || group->now - track->moved >= group_rest(group);

    if (far < GAP_NONE)
        steady_reset(&track->steady);
    if (far < GAP_NONE ||
        !steady_room(&track->steady, group->sizes[i], wanted, group->now, hold, ret) || !rested)
        return false;
    if (!large)
        halve(group->sizes[i], ret);
    if (group->loads[i].forwarded > 0)
        keep_whole(wanted, ret);
    return true;
}

static bool roomy_do(struct group *group)
{
    bool moved = false;

    for (size_t i = 0; i < group->n; i++) {
        struct track *track = group->tracks[i];
        struct lane_size sizes[DIRECTION_COUNT];
        if (track->move != MOVE_NONE)
            continue;
        if (track->promise_changed && track->decided)
            move_to(group, i, group->sizings[i].size, MOVE_PROMISE);
        else if (has_risen(group, i))
            move_to(group, i, group->sizings[i].size, MOVE_RISE);
        else if (has_room(group, i, sizes))
            move_to(group, i, sizes, MOVE_ROOM);
        moved |= track->move != MOVE_NONE;
    }
    return moved;
}

/* Less than that share of the margin is left, by the forecast. */
static bool has_no_room(const struct group *group, size_t i, double share)
{
    const struct track *track = group->tracks[i];
    double margin = share * correction_margin(track);

    return group->sizings[i].attainable &&
           !(group->forecasts[i].promised <= correction_target(track, margin));
}

/*
 * Takes back moves for which there is no room now: there was over all the time that
 * sizes were wanted for. True: there were any.
 */
static bool roomless_undo(struct group *group, const struct lane_size (*before)[DIRECTION_COUNT])
{
    bool any = false;

    for (size_t i = 0; i < group->n; i++)
        if (group->tracks[i]->move == MOVE_ROOM && has_no_room(group, i, ROOM_MARGIN)) {
            group->tracks[i]->move = MOVE_NONE;
            memcpy(group->sizes[i], before[i], sizeof(group->sizes[i]));
            any = true;
        }
    return any;
}

/* Whom a risen rate's larger containers leave too little goes where the model wants all. */
static int rise_makes_way(struct group *group)
{
    bool rises = false, any = false;

    for (size_t i = 0; i < group->n; i++)
        rises |= group->tracks[i]->move == MOVE_RISE;
    for (size_t i = 0; i < group->n && rises; i++)
        if (group->tracks[i]->move == MOVE_NONE && has_no_room(group, i, 1)) {
            move_to(group, i, group->sizings[i].size, MOVE_DANGER);
            any |= group->tracks[i]->move != MOVE_NONE;
        }
    return any ? group_forecast(group) : 0;
}

/* Somebody is in danger who was not. */
static bool endangers(const struct group *group, const bool *danger)
{
    for (size_t i = 0; i < group->n; i++)
        if (moves_in_danger(group, i) && !danger[i])
            return true;
    return false;
}

/*
 * Slowly where there is room; taken back where the mixture would endanger somebody.
 */
static int move_roomy(struct group *group)
{
    struct lane_size(*before)[DIRECTION_COUNT] = group->steps.before;
    bool *danger = group->steps.danger;
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
    if (!error)
        error = rise_makes_way(group);
    if (!error && endangers(group, danger)) {
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
