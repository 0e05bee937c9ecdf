// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/agenda.h"

#include <math.h>

#include "controller/moves.h"

/* Loads that differ by no more than these shares from those solved for need no new answer. */
#define SAME_RATE 0.02
#define SAME_TARGET 0.02
#define SAME_BYTES 0.1
#define SAME_DISPERSION 0.25

/* Why a guest should be on the agenda; the last come first. */
enum need { NEED_NONE, NEED_CHANGED, NEED_DANGER, NEED_NEW, NEEDS };

static bool differs(double a, double b, double share)
{
    if (isinf(a) || isinf(b))
        return a != b;
    return fabs(a - b) > share * fmax(fabs(a), fabs(b));
}

static bool lane_differs(const struct guest_load *a, const struct guest_load *b, enum direction d)
{
    return differs(a->rate[d], b->rate[d], SAME_RATE) ||
           differs(a->packet_bytes[d], b->packet_bytes[d], SAME_BYTES) ||
           differs(a->dispersion[d], b->dispersion[d], SAME_DISPERSION) ||
           a->fixed[d] != b->fixed[d] ||
           (a->fixed[d] && (a->fixed_size[d].packets != b->fixed_size[d].packets ||
                            a->fixed_size[d].timeout != b->fixed_size[d].timeout));
}

static bool load_differs(const struct guest_load *a, const struct guest_load *b)
{
    return lane_differs(a, b, DIRECTION_RX) || lane_differs(a, b, DIRECTION_TX) ||
           differs(a->promise.delay, b->promise.delay, SAME_TARGET) ||
           a->promise.percentile != b->promise.percentile || a->promise.scope != b->promise.scope ||
           (a->forwarded > 0) != (b->forwarded > 0) ||
           a->limits.packets_min != b->limits.packets_min ||
           a->limits.packets_max != b->limits.packets_max ||
           a->limits.timeout_min != b->limits.timeout_min ||
           a->limits.timeout_max != b->limits.timeout_max ||
           a->limits.bytes_max != b->limits.bytes_max;
}

static enum need need_of(const struct group *group, size_t i, const struct guest_load *target)
{
    const struct track *track = group->tracks[i];

    if (!track->decided || !track_sized(track))
        return NEED_NEW;
    if (moves_in_danger(group, i))
        return NEED_DANGER;
    return load_differs(target, &track->solved) ? NEED_CHANGED : NEED_NONE;
}

/* Puts guests of at least that need on the agenda until it is full. */
static size_t take(const struct group *group, const struct guest_load *targets, enum need need,
                   size_t room, bool *agenda)
{
    size_t taken = 0, n = group->n;

    /* Each tick begins where the turns of the one before ended: nobody is left out for ever. */
    for (size_t k = 0; k < n && taken < room; k++) {
        size_t i = (group->turn * AGENDA_TURNS + k) % n;
        if (agenda[i] || need_of(group, i, &targets[i]) < need)
            continue;
        agenda[i] = true;
        taken++;
    }
    return taken;
}

void agenda_make(const struct group *group, const struct guest_load *targets, bool *ret)
{
    size_t room = AGENDA_MAX - AGENDA_TURNS;

    for (size_t i = 0; i < group->n; i++)
        ret[i] = group->n <= AGENDA_MAX;
    if (group->n <= AGENDA_MAX)
        return;
    for (enum need need = NEEDS - 1; need > NEED_NONE; need--)
        room -= take(group, targets, need, room, ret);
    take(group, targets, NEED_NONE, room + AGENDA_TURNS, ret);
}
