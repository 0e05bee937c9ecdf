// SPDX-License-Identifier: GPL-2.0-or-later
/* Which of many clocks strikes next: a tournament tree, O(log n) per change. */
#ifndef XENAGG_MODEL_TOURNAMENT_H
#define XENAGG_MODEL_TOURNAMENT_H

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

struct tournament {
    uint32_t leaves;  /* a power of two */
    double *times;    /* of the players; INFINITY: never */
    uint32_t *winner; /* node i has the children 2i and 2i+1; 1 is the root */
};

/* For n >= 1 clocks that never strike. 0 or -ENOMEM; tournament_free either way. */
static inline int tournament_init(struct tournament *t, uint32_t n)
{
    t->leaves = 2;
    while (t->leaves < n)
        t->leaves *= 2;
    t->times = malloc(t->leaves * sizeof(*t->times));
    t->winner = calloc(2 * (size_t)t->leaves, sizeof(*t->winner));
    if (!t->times || !t->winner)
        return -ENOMEM;
    for (uint32_t i = 0; i < t->leaves; i++) {
        t->times[i] = INFINITY;
        t->winner[t->leaves + i] = i;
    }
    for (uint32_t node = t->leaves - 1; node >= 1; node--)
        t->winner[node] = t->winner[2 * node];
    return 0;
}

static inline void tournament_free(struct tournament *t)
{
    free(t->times);
    free(t->winner);
}

static inline void tournament_set(struct tournament *t, uint32_t player, double time)
{
    t->times[player] = time;
    for (uint32_t node = (t->leaves + player) / 2; node >= 1; node /= 2) {
        uint32_t a = t->winner[2 * node], b = t->winner[2 * node + 1];
        t->winner[node] = t->times[b] < t->times[a] ? b : a;
    }
}

static inline uint32_t tournament_first(const struct tournament *t)
{
    return t->winner[1];
}

#endif
