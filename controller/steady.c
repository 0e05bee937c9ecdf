// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/steady.h"

#include <math.h>
#include <string.h>

/* Changes below these shares are left alone. */
#define NEAR_PACKETS 0.025
#define NEAR_TIMEOUT 0.03

static bool lane_near(const struct lane_size *a, const struct lane_size *b)
{
    double packets = fabs((double)a->packets - (double)b->packets);
    double timeout = fabs(a->timeout - b->timeout);

    return packets <= NEAR_PACKETS * fmax(a->packets, b->packets) &&
           timeout <= NEAR_TIMEOUT * fmax(a->timeout, b->timeout);
}

bool steady_near(const struct lane_size a[DIRECTION_COUNT],
                 const struct lane_size b[DIRECTION_COUNT])
{
    return lane_near(&a[DIRECTION_RX], &b[DIRECTION_RX]) &&
           lane_near(&a[DIRECTION_TX], &b[DIRECTION_TX]);
}

/* Either may be what closes the containers. */
static double larger_by(const struct lane_size *size, const struct lane_size *current)
{
    return log((double)size->packets / (double)current->packets) +
           log(size->timeout / current->timeout);
}

static int side(const struct lane_size *size, const struct lane_size *current)
{
    double by = larger_by(size, current);

    return (by > 0) - (by < 0);
}

static double distance(const struct lane_size *size, const struct lane_size *current)
{
    return fabs(larger_by(size, current));
}

double steady_gap(const struct lane_size a[DIRECTION_COUNT],
                  const struct lane_size b[DIRECTION_COUNT])
{
    double gap = 0;

    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        gap = fmax(gap, fabs(log((double)a[d].packets / (double)b[d].packets)));
        gap = fmax(gap, fabs(log(a[d].timeout / b[d].timeout)));
    }
    return gap;
}

static bool same_sides(const struct steady *steady, const struct lane_size *current,
                       const struct lane_size *wanted)
{
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (side(&steady->nearest[d], &current[d]) * side(&wanted[d], &current[d]) < 0)
            return false;
    return true;
}

bool steady_room(struct steady *steady, const struct lane_size current[DIRECTION_COUNT],
                 const struct lane_size wanted[DIRECTION_COUNT], double now, double hold,
                 struct lane_size ret[DIRECTION_COUNT])
{
    if (steady_near(current, wanted)) {
        steady_reset(steady);
        return false;
    }
    if (!steady->pending || !same_sides(steady, current, wanted)) {
        steady->pending = true;
        steady->since = now;
        memcpy(steady->nearest, wanted, sizeof(steady->nearest));
    }
    for (enum direction d = 0; d < DIRECTION_COUNT; d++)
        if (distance(&wanted[d], &current[d]) < distance(&steady->nearest[d], &current[d]))
            steady->nearest[d] = wanted[d];
    if (now - steady->since < hold)
        return false;
    memcpy(ret, steady->nearest, sizeof(steady->nearest));
    steady_reset(steady);
    return true;
}

void steady_reset(struct steady *steady)
{
    memset(steady, 0, sizeof(*steady));
}
