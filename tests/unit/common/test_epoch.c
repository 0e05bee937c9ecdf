// SPDX-License-Identifier: GPL-2.0-or-later
/* A value in shared memory: readers see all of an update or nothing of it. */
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/epoch.h"

#define WORDS 1500u
#define GOOD_READS 3000u

struct value {
    uint32_t epoch;
    uint32_t words[WORDS];
};

static void value_fill(struct value *value, uint32_t number)
{
    for (uint32_t i = 0; i < WORDS; i++)
        value->words[i] = number + i;
}

static void reads_what_was_written(void **state)
{
    static struct value shared, value, read;
    (void)state;

    for (uint32_t number = 1; number < 5; number++) {
        value_fill(&value, number);
        epoch_write(&shared, &value, sizeof(value));
        assert_int_equal(epoch_read(&shared, &read, sizeof(read)), 0);
        assert_memory_equal(read.words, value.words, sizeof(value.words));
        assert_int_equal(read.epoch, 2 * number);
    }
}

static void zeroed_memory_reads_as_zeroes(void **state)
{
    static struct value shared, read;
    (void)state;

    memset(&read, 0xff, sizeof(read));
    assert_int_equal(epoch_read(&shared, &read, sizeof(read)), 0);
    assert_memory_equal(&read, &shared, sizeof(read));
}

/* A writer that died in the middle: readers give up, the next writer mends it. */
static void an_unfinished_update_is_never_read(void **state)
{
    static struct value shared, value, read;
    (void)state;

    value_fill(&value, 1);
    epoch_write(&shared, &value, sizeof(value));
    shared.epoch |= 1;
    assert_int_equal(epoch_read(&shared, &read, sizeof(read)), -EAGAIN);
    value_fill(&value, 2);
    epoch_write(&shared, &value, sizeof(value));
    assert_int_equal(epoch_read(&shared, &read, sizeof(read)), 0);
    assert_int_equal(read.words[0], 2);
}

static void the_epoch_wraps_around(void **state)
{
    static struct value shared = {.epoch = 0xfffffffeu}, value, read;
    (void)state;

    value_fill(&value, 3);
    epoch_write(&shared, &value, sizeof(value));
    assert_int_equal(shared.epoch, 0);
    assert_int_equal(epoch_read(&shared, &read, sizeof(read)), 0);
    assert_int_equal(read.words[0], 3);
}

static void keeps_to_the_value(void **state)
{
    uint32_t shared[4] = {0, 1, 2, 0xeeeeeeee}, value[3] = {0, 5, 6}, read[4] = {9, 9, 9, 9};
    (void)state;

    epoch_write(shared, value, sizeof(value));
    assert_int_equal(shared[3], 0xeeeeeeee);
    assert_int_equal(epoch_read(shared, read, sizeof(value)), 0);
    assert_int_equal(read[2], 6);
    assert_int_equal(read[3], 9);
}

struct duel {
    struct value shared;
    atomic_bool stop;
};

static void *write_on(void *context)
{
    struct duel *duel = context;
    struct value *value = calloc(1, sizeof(*value));

    for (uint32_t number = 1; value && !atomic_load(&duel->stop); number++) {
        value_fill(value, number * WORDS);
        epoch_write(&duel->shared, value, sizeof(*value));
    }
    free(value);
    return NULL;
}

static bool is_whole(const struct value *value)
{
    for (uint32_t i = 1; i < WORDS; i++)
        if (value->words[i] != value->words[0] + i)
            return false;
    return true;
}

/* A writer that never pauses. A reader may go away empty-handed, but not with half an update. */
static void never_shows_half_an_update(void **state)
{
    static struct duel duel;
    static struct value read;
    uint32_t good = 0, last = 0;
    uint64_t tries = 0;
    pthread_t writer;
    (void)state;

    value_fill(&read, 0);
    epoch_write(&duel.shared, &read, sizeof(read));
    assert_int_equal(pthread_create(&writer, NULL, write_on, &duel), 0);
    for (; good < GOOD_READS; tries++) {
        if (epoch_read(&duel.shared, &read, sizeof(read)) < 0)
            continue;
        good++;
        if (!is_whole(&read) || read.epoch < last)
            break;
        last = read.epoch;
    }
    atomic_store(&duel.stop, true);
    pthread_join(writer, NULL);
    assert_int_equal(good, GOOD_READS);
    print_message("%u of %llu reads found the writer pausing\n", good, (unsigned long long)tries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written),
        cmocka_unit_test(zeroed_memory_reads_as_zeroes),
        cmocka_unit_test(an_unfinished_update_is_never_read),
        cmocka_unit_test(the_epoch_wraps_around),
        cmocka_unit_test(keeps_to_the_value),
        cmocka_unit_test(never_shows_half_an_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
