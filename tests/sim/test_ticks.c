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

#include "tests/sim/ticking.h"

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

/* How many allocations the controller's tick made. */
static unsigned tick(struct ticking *ticking)
{
    struct tick_report report;
    struct controller_input input;

    assert_int_equal(ticking_pass(ticking, &input), 0);
    unsigned before = allocations;
    assert_int_equal(controller_tick(ticking->controller, &input, &report), 0);
    unsigned made = allocations - before;
    assert_int_equal(ticking_apply(ticking, &report), 0);
    return made;
}

static void ticks_allocate_nothing(void **state)
{
    static const char text[] =
        "title guests of all kinds\n"
        "guests mean 6 rx=4000 tx=3000 skew=3 wiggle=20%\n"
        "guests tail 3 rx=6000 tx=2000 wiggle=20%\n"
        "guests router 2 rx=9000 forwards=1 wiggle=20%\n"
        "guests hasty 2 rx=5000 tx=5000 wiggle=20%\n"
        "promise mean delay=3ms scope=one-way\n"
        "promise tail delay=4ms scope=one-way percentile=99\n"
        "promise router delay=2ms\n"
        "promise hasty delay=5ms scope=one-way objective=delay utilisation=0.7\n"
        "assert kept mean >= 0\n";
    struct ticking ticking;
    (void)state;

    assert_int_equal(ticking_begin(text, &ticking), 0);
    for (int t = 0; t < TICKS; t++) {
        unsigned made = tick(&ticking);
        if (t == 0)
            assert_true(made > 0); /* they are counted */
        else if (t >= TICKS_BEFORE && made)
            fail_msg("tick %d allocated %u times", t, made);
    }
    ticking_end(&ticking);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ticks_allocate_nothing)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
