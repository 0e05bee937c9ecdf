// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/timeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct bin {
    uint64_t number; /* time / TIMELINE_BIN_NS; tells a bin from one a whole ring earlier */
    struct histogram histogram;
};

struct timeline {
    uint64_t capacity;
    struct bin bins[];
};

int timeline_create(double seconds, struct timeline **ret)
{
    uint64_t capacity = (uint64_t)(seconds * 1e9 / (double)TIMELINE_BIN_NS) + 2;
    struct timeline *timeline = calloc(1, sizeof(*timeline) + capacity * sizeof(struct bin));

    if (!timeline)
        return -ENOMEM;
    timeline->capacity = capacity;
    *ret = timeline;
    return 0;
}

void timeline_free(struct timeline *timeline)
{
    free(timeline);
}

void timeline_add(struct timeline *timeline, uint64_t sent_ns, uint64_t delay_ns)
{
    uint64_t number = sent_ns / TIMELINE_BIN_NS;
    struct bin *bin = &timeline->bins[number % timeline->capacity];

    if (bin->number > number)
        return;
    if (bin->number != number) {
        memset(bin, 0, sizeof(*bin));
        bin->number = number;
    }
    histogram_add(&bin->histogram, delay_ns, 1);
}

void timeline_sum(const struct timeline *timeline, uint64_t from_ns, uint64_t to_ns,
                  struct histogram *ret)
{
    uint64_t first = (from_ns + TIMELINE_BIN_NS - 1) / TIMELINE_BIN_NS;
    uint64_t end = (to_ns + TIMELINE_BIN_NS - 1) / TIMELINE_BIN_NS;

    memset(ret, 0, sizeof(*ret));
    if (end > first + timeline->capacity)
        end = first + timeline->capacity;
    for (uint64_t number = first; number < end; number++) {
        const struct bin *bin = &timeline->bins[number % timeline->capacity];
        if (bin->number == number)
            histogram_merge(ret, &bin->histogram);
    }
}
