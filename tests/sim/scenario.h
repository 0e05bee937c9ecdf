// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A scenario: guests, their loads over time, what they were promised, what goes
 * wrong, and what must come of it. A small text file (README.md has the
 * grammar), read strictly: whatever is not understood is an error with its line.
 */
#ifndef XENAGG_TESTS_SIM_SCENARIO_H
#define XENAGG_TESTS_SIM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "controller/report.h"
#include "plant/dimension.h"

#define SCENARIO_GUESTS 256
#define SCENARIO_GROUPS 16
#define SCENARIO_EVENTS 64
#define SCENARIO_CLAIMS 32
#define SCENARIO_RUNS 20
#define SCENARIO_NAME 16
#define SCENARIO_TEXT 96
#define SCENARIO_ALL SCENARIO_GROUPS /* instead of a group: all of them */
#define SCENARIO_STEP 0.05           /* s between changes of a load */

/* What kind of life it is. Only STEADY means something to the figures: promises_kept_steady. */
enum scenario_kind {
    SCENARIO_STEADY,
    SCENARIO_MOVING, /* ramps, jumps, day curves */
    SCENARIO_BURSTY,
    SCENARIO_FAULT, /* something breaks on the way */
    SCENARIO_LIMIT, /* promises that cannot all be kept */
    SCENARIO_KINDS
};
const char *scenario_kind_name(enum scenario_kind kind);

/* Guests that are alike. */
struct scenario_group {
    char name[SCENARIO_NAME]; /* guests are NAME0, NAME1, ... */
    size_t first, n;
    double rate[DIRECTION_COUNT]; /* packets/s, at the start */
    double forwards, dispersion, bytes;
    double skew;      /* the last guest's rate over the first's */
    double wiggle;    /* rates vary by up to this share, from tick to tick */
    bool deaf;        /* takes no sizes */
    size_t n_promise; /* keys of its section in the daemon's configuration */
    char promise[8][SCENARIO_TEXT];
};

enum scenario_event_kind {
    EVENT_LOAD,    /* rates from now on */
    EVENT_RAMP,    /* towards these, over `span` */
    EVENT_DAY,     /* between `low` times and once these, as a cosine of that period */
    EVENT_BURSTS,  /* on: these; off: `low` times these */
    EVENT_FLOWS,   /* flows come and go, their lengths heavy-tailed; these are the means */
    EVENT_PROMISE, /* other keys for the section */
    EVENT_SLOW,    /* costs times `factor`, reached over `span` */
    EVENT_LOSE,    /* no samples for so many ticks */
    EVENT_CLOCK,   /* the wall clock steps */
    EVENT_RESTART, /* of the daemon: it forgets everything */
    EVENT_BACKEND, /* the backend's: it begins to count anew */
    EVENT_DEAF,
    EVENT_HEARS,
    EVENT_FIX,  /* sizes by hand */
    EVENT_FREE, /* and no more */
    EVENT_KINDS
};

struct scenario_event {
    enum scenario_event_kind kind;
    double at;    /* s */
    size_t group; /* SCENARIO_ALL: all, or the worker for EVENT_SLOW */
    double rate[DIRECTION_COUNT];
    double span, low, on, off, factor, step;
    unsigned ticks;
    struct lane_size fixed[DIRECTION_COUNT];
    size_t n_promise;
    char promise[8][SCENARIO_TEXT];
};

enum scenario_claim_kind {
    CLAIM_KEPT,     /* share of the windows that keep the promise >= value */
    CLAIM_BROKEN,   /* share of the windows that keep the promise <= value */
    CLAIM_TIGHT,    /* mean of what was measured over the promise >= value */
    CLAIM_WORST,    /* the worst window over the promise <= value */
    CLAIM_CHANGES,  /* size changes of each guest <= value */
    CLAIM_CALM,     /* no guest's size changed twice within `value` ticks */
    CLAIM_SETTLED,  /* within `value` ticks after `from`, until `to`, ticks keep the promise */
    CLAIM_STATE,    /* all ticks are in `state` */
    CLAIM_SAYS,     /* the last reason contains `text` */
    CLAIM_LARGER,   /* the last rx size >= value packets */
    CLAIM_SMALLER,  /* the last rx size <= value packets */
    CLAIM_FORWARDS, /* it is believed to forward >= value of its rx packets, at the end */
    CLAIM_KEEPS,    /* ... <= value */
    CLAIM_BUSY,     /* the worker's utilisation, over all, <= value */
    CLAIM_ERROR,    /* mean of |predicted - measured| / measured <= value */
    CLAIM_KINDS
};

struct scenario_claim {
    enum scenario_claim_kind kind;
    unsigned line;
    size_t group;
    double value, from, to; /* s */
    enum tuning_state state;
    char text[SCENARIO_TEXT];
};

struct scenario {
    char title[SCENARIO_TEXT];
    enum scenario_kind kind;
    uint64_t seed; /* of the first run, of the second one more, and so on */
    unsigned runs;
    uint64_t identity; /* a hash of all that makes it what it is, not of what is asserted */
    double interval, length, settle; /* s; what is before `settle` is not judged */
    struct end_costs worker, guest;
    size_t n_groups, n_guests, n_events, n_claims;
    struct scenario_group groups[SCENARIO_GROUPS];
    struct scenario_event events[SCENARIO_EVENTS]; /* by time */
    struct scenario_claim claims[SCENARIO_CLAIMS];
};

/* "PATH:LINE: WHAT" goes to `ret_why`, of `size` bytes. 0 or -EINVAL, -errno. */
int scenario_load(const char *path, struct scenario *ret, char *ret_why, size_t size);
/* The same from text. */
int scenario_parse(const char *path, char *text, struct scenario *ret, char *ret_why, size_t size);

size_t scenario_group_of(const struct scenario *scenario, size_t guest);
/* "web0". */
void scenario_guest_name(const struct scenario *scenario, size_t guest, char ret[CONFIG_NAME]);
/* Packets/s at time t (s), constant for SCENARIO_STEP. */
void scenario_rates(const struct scenario *scenario, size_t guest, double t,
                    double ret[DIRECTION_COUNT]);
/* By what costs are multiplied: the worker's for SCENARIO_ALL, else of a group's guests. */
double scenario_slowness(const struct scenario *scenario, size_t group, double t);
/* What the operator has promised by then, as a configuration. NULL: bad keys (or no memory). */
struct config *scenario_config(const struct scenario *scenario, double t);
/* Whether load, costs or promises may change between the two, and not only by wiggling. */
bool scenario_changes(const struct scenario *scenario, double from, double to);

#endif
