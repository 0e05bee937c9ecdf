// SPDX-License-Identifier: GPL-2.0-or-later
/* What the two ends tell each other through the real xenstored, and what is refused. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/common/store_fixture.h"
#include "tests/unit/common/testing.h"

#include "datapath/handshake.h"

#define FRONT "/local/domain/5/device/vagg/0"
#define BACK "/local/domain/0/backend/vagg/5/0"

static const struct keys_interface guest = {5, 0};

static struct handshake_offer *offer_make(uint32_t order)
{
    struct handshake_offer *offer = calloc(1, sizeof(*offer));

    assert_non_null(offer);
    offer->order = order;
    offer->control_reference = 17;
    offer->channel_port = UINT32_MAX;
    for (uint32_t i = 0; i < 1u << order; i++) {
        offer->rx[i] = 1000 + i;
        offer->tx[i] = UINT32_MAX - i;
    }
    for (uint32_t i = 0; i < handshake_directory_pages(order); i++)
        offer->directory[i] = 70 + i;
    return offer;
}

static int read_back(struct store_fixture *f, struct handshake_offer *ret, const char **ret_key)
{
    return handshake_read(f->store, FRONT, ret, ret_key);
}

static void an_offer_is_read_as_it_was_written(void **state)
{
    struct store_fixture *f = *state;
    const char *key;

    for (uint32_t order = RING_ORDER_MIN; order <= HANDSHAKE_ORDER_TEXT; order++) {
        struct handshake_offer *offer = offer_make(order), *read = calloc(1, sizeof(*read));
        /* What an earlier frontend left, of another order, is written over. */
        assert_int_equal(handshake_write(f->store, FRONT, offer), 0);
        assert_int_equal(store_read_state(f->store, FRONT), KEYS_STATE_INITIALISED);
        assert_int_equal(read_back(f, read, &key), 0);
        assert_memory_equal(read, offer, sizeof(*offer));
        free(offer);
        free(read);
    }
}

/* Too many references for the store: it has those of the directory. */
static void large_rings_have_a_directory(void **state)
{
    struct store_fixture *f = *state;
    struct handshake_offer *offer = offer_make(RING_ORDER_MAX), *read = calloc(1, sizeof(*read));
    char text[64];
    const char *key;

    assert_true(handshake_directory_pages(RING_ORDER_MAX) > 0);
    assert_true(handshake_directory_pages(RING_ORDER_MAX) <= HANDSHAKE_DIRECTORY_MAX);
    assert_int_equal(handshake_directory_pages(HANDSHAKE_ORDER_TEXT), 0);
    assert_int_equal(handshake_write(f->store, FRONT, offer), 0);
    assert_true(store_read(f->store, FRONT, "rx-ring-refs", text, sizeof(text)) < 0);
    assert_int_equal(read_back(f, read, &key), 0);
    assert_int_equal(read->order, RING_ORDER_MAX);
    assert_memory_equal(read->directory, offer->directory, sizeof(offer->directory));
    free(offer);
    free(read);
}

static void an_offer_that_is_not_complete_is_waited_for(void **state)
{
    static const char *const keys[] = {"ring-page-order", "control-ref", "event-channel",
                                       "rx-ring-refs", "tx-ring-refs"};
    struct store_fixture *f = *state;
    struct handshake_offer *offer = offer_make(RING_ORDER_MIN), *read = calloc(1, sizeof(*read));
    char path[96];
    const char *key;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_int_equal(handshake_write(f->store, FRONT, offer), 0);
        snprintf(path, sizeof(path), "%s/%s", FRONT, keys[i]);
        assert_int_equal(store_remove(f->store, path), 0);
        assert_int_equal(read_back(f, read, &key), -ENOENT);
    }
    free(offer);
    free(read);
}

/* The guest's word: every number is checked, and the key that does not fit is named. */
static void what_does_not_fit_is_named(void **state)
{
    static const struct {
        const char *key, *value;
    } bad[] = {
        {"ring-page-order", "5"},
        {"ring-page-order", "99"},
        {"ring-page-order", "-6"},
        {"ring-page-order", "six"},
        {"ring-page-order", ""},
        {"control-ref", "4294967296"},
        {"control-ref", " 5"},
        {"control-ref", "5 "},
        {"event-channel", "0x10"},
        {"event-channel", "1.5"},
        {"rx-ring-refs", ""},
        {"rx-ring-refs", "1 2 3"},
        {"tx-ring-refs", "many of them"},
        {"tx-ring-refs", "1,2"},
    };
    struct store_fixture *f = *state;
    struct handshake_offer *offer = offer_make(RING_ORDER_MIN), *read = calloc(1, sizeof(*read));
    const char *key;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(handshake_write(f->store, FRONT, offer), 0);
        assert_int_equal(store_write(f->store, FRONT, bad[i].key, bad[i].value), 0);
        assert_int_equal(read_back(f, read, &key), -EINVAL);
        assert_string_equal(key, bad[i].key);
    }
    free(offer);
    free(read);
}

/* One reference too many, too few, or of more than 32 bits. */
static void lists_have_their_length(void **state)
{
    struct store_fixture *f = *state;
    struct handshake_offer *offer = offer_make(RING_ORDER_MIN), *read = calloc(1, sizeof(*read));
    char text[1024];
    const char *key;

    for (int more = -1; more <= 2; more++) {
        int count = (1 << RING_ORDER_MIN) + (more == 2 ? 0 : more), length = 0;
        for (int i = 0; i < count; i++)
            length += snprintf(text + length, sizeof(text) - (size_t)length, "%s%lu", i ? " " : "",
                               more == 2 && i == 7 ? 4294967296ul : 5ul);
        assert_int_equal(handshake_write(f->store, FRONT, offer), 0);
        assert_int_equal(store_write(f->store, FRONT, "tx-ring-refs", text), 0);
        assert_int_equal(read_back(f, read, &key), more == 0 ? 0 : -EINVAL);
    }
    free(offer);
    free(read);
}

static void tuning(struct store_fixture *f, struct keys_tuning *ret)
{
    static struct handshake_said said;

    handshake_tuning(f->store, BACK, "rx", guest, ret, &said);
}

static void sizes_that_are_no_sizes_change_nothing(void **state)
{
    struct store_fixture *f = *state;
    struct keys_tuning sizes = {.packets = 7, .timeout_us = 70, .bytes = 10000};

    tuning(f, &sizes); /* nothing is there */
    assert_int_equal(sizes.packets, 7);
    assert_int_equal(store_write(f->store, BACK, "rx-container-packets", "20"), 0);
    assert_int_equal(store_write(f->store, BACK, "rx-container-timeout-us", "0"), 0);
    assert_int_equal(store_write(f->store, BACK, "rx-container-bytes", "lots"), 0);
    assert_int_equal(store_write(f->store, BACK, "tx-container-packets", "99"), 0);
    tuning(f, &sizes);
    assert_int_equal(sizes.packets, 20);
    assert_int_equal(sizes.timeout_us, 70);
    assert_int_equal(sizes.bytes, 10000);
    assert_int_equal(store_write(f->store, BACK, "rx-container-timeout-us", "4000000"), 0);
    assert_int_equal(
        store_write(f->store, BACK, "rx-container-bytes", "00000000000000000000000000000000065536"),
        0);
    tuning(f, &sizes);
    assert_int_equal(sizes.timeout_us, 4000000);
    assert_int_equal(sizes.bytes, 10000);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_offer_is_read_as_it_was_written),
        TEST(large_rings_have_a_directory),
        TEST(an_offer_that_is_not_complete_is_waited_for),
        TEST(what_does_not_fit_is_named),
        TEST(lists_have_their_length),
        TEST(sizes_that_are_no_sizes_change_nothing),
    };
    int impossible = store_fixture_possible();

    return impossible ? impossible : cmocka_run_group_tests(tests, NULL, NULL);
}
