// SPDX-License-Identifier: GPL-2.0-or-later
/* A tick of the controller asks for no memory, once it has seen as many guests as there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/controller.h"
#include "tests/sim/world.h"

/* Until then windows and estimates begin. */
#define TICKS_BEFORE 3
#define TICKS 25

/* The linker puts these in the place of the C library's, in all that is linked into the test. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_reallocarray(void *memory, size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_reallocarray(void *memory, size_t n, size_t size);

static unsigned allocations;

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    allocations++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    allocations++;
    return __real_realloc(memory, size);
}

void *__wrap_reallocarray(void *memory, size_t n, size_t size)
{
    allocations++;
    return __real_reallocarray(memory, n, size);
}

struct bench {
    struct scenario scenario;
    struct world *world;
    struct controller *controller;
    struct controller_guest guests[SCENARIO_GUESTS];
    char names[SCENARIO_GUESTS][CONFIG_NAME];
};

static struct bench *bench_make(char *text)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct world_options options = {.samples = true};
    char why[200];

    assert_non_null(bench);
    if (scenario_parse("built in", text, &bench->scenario, why, sizeof(why)))
        fail_msg("%s", why);
    assert_int_equal(world_create(&bench->scenario, &options, &bench->world), 0);
    assert_int_equal(controller_create(&bench->controller), 0);
    for (size_t i = 0; i < bench->scenario.n_guests; i++) {
        scenario_guest_name(&bench->scenario, i, bench->names[i]);
        bench->guests[i] = (struct controller_guest){.interface = {.domid = (uint32_t)i + 1},
                                                     .name = bench->names[i]};
    }
    return bench;
}

static void bench_free(struct bench *bench)
{
    controller_destroy(bench->controller);
    world_destroy(bench->world);
    free(bench);
}

/* How many allocations the controller's tick made. */
static unsigned tick(struct bench *bench)
{
    struct tick_report report;
    struct controller_input input = {.interval = bench->scenario.interval,
                                     .guests = bench->guests,
                                     .n_guests = bench->scenario.n_guests};

    assert_int_equal(world_run(bench->world, bench->scenario.interval), 0);
    input.now = 1000 + world_now(bench->world);
    input.config = world_config(bench->world);
    input.sample = world_sample(bench->world);
    unsigned before = allocations;
    assert_int_equal(controller_tick(bench->controller, &input, &report), 0);
    unsigned made = allocations - before;
    for (size_t i = 0; i < report.n_guests; i++) {
        struct lane_size sizes[] = {report.guests[i].lanes[DIRECTION_RX].wanted,
                                    report.guests[i].lanes[DIRECTION_TX].wanted};
        if (sizes[0].packets > 0 && sizes[1].packets > 0)
            assert_int_equal(world_resize(bench->world, i, sizes), 0);
    }
    return made;
}

static void ticks_allocate_nothing(void **state)
{
    char text[] = "title guests of all kinds\n"
                  "guests mean 6 rx=4000 tx=3000 skew=3 wiggle=20%\n"
                  "guests tail 3 rx=6000 tx=2000 wiggle=20%\n"
                  "guests router 2 rx=9000 forwards=1 wiggle=20%\n"
                  "guests hasty 2 rx=5000 tx=5000 wiggle=20%\n"
                  "promise mean delay=3ms scope=one-way\n"
                  "promise tail delay=4ms scope=one-way percentile=99\n"
                  "promise router delay=2ms\n"
                  "promise hasty delay=5ms scope=one-way objective=delay utilisation=0.7\n"
                  "assert kept mean >= 0\n";
    struct bench *bench = bench_make(text);
    (void)state;

    for (int t = 0; t < TICKS; t++) {
        unsigned made = tick(bench);
        if (t == 0)
            assert_true(made > 0); /* they are counted */
        else if (t >= TICKS_BEFORE && made)
            fail_msg("tick %d allocated %u times", t, made);
    }
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ticks_allocate_nothing)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
