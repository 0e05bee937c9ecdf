// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/ticking.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int scenario_read(const char *text, struct scenario *ret)
{
    char why[200] = "no memory", *own = strdup(text); /* parsing cuts it into words */
    int error = own && ret ? scenario_parse("built in", own, ret, why, sizeof(why)) : -ENOMEM;

    free(own);
    if (error)
        fprintf(stderr, "%s\n", why);
    return error;
}

int ticking_begin(const char *text, struct ticking *ret)
{
    struct world_options options = {.samples = true};

    *ret = (struct ticking){.scenario = calloc(1, sizeof(*ret->scenario))};
    int error = scenario_read(text, ret->scenario);
    if (!error)
        error = world_create(ret->scenario, &options, &ret->world);
    if (!error)
        error = controller_create(&ret->controller);
    for (size_t i = 0; !error && i < ret->scenario->n_guests; i++) {
        scenario_guest_name(ret->scenario, i, ret->names[i]);
        ret->guests[i] = (struct controller_guest){.interface = {.domid = (uint32_t)i + 1},
                                                   .name = ret->names[i]};
    }
    return error;
}

void ticking_end(struct ticking *ticking)
{
    controller_destroy(ticking->controller);
    world_destroy(ticking->world);
    free(ticking->scenario);
}

int ticking_pass(struct ticking *ticking, struct controller_input *ret)
{
    int error = world_run(ticking->world, ticking->scenario->interval);

    *ret = (struct controller_input){.interval = ticking->scenario->interval,
                                     .guests = ticking->guests,
                                     .n_guests = ticking->scenario->n_guests,
                                     .now = 1000 + world_now(ticking->world),
                                     .config = world_config(ticking->world),
                                     .sample = world_sample(ticking->world)};
    return error;
}

int ticking_apply(struct ticking *ticking, const struct tick_report *report)
{
    int error = 0;

    for (size_t i = 0; i < report->n_guests && !error; i++) {
        struct lane_size sizes[] = {report->guests[i].lanes[DIRECTION_RX].wanted,
                                    report->guests[i].lanes[DIRECTION_TX].wanted};
        if (sizes[0].packets > 0 && sizes[1].packets > 0)
            error = world_resize(ticking->world, i, sizes);
    }
    return error;
}
