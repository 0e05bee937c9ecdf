// SPDX-License-Identifier: GPL-2.0-or-later
/* What the two ends tell each other of their rings, through the real xenstored. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sandbox/fixture.h"

#include "datapath/handshake.h"
#include "sandbox/xenstored.h"

#define GUEST 7u
#define FOLDER "/local/domain/7/device/vagg/0"

struct bench {
    char folder[64], spec[80];
    struct process *xenstored;
    struct store *store;
    struct hv *hv;
    struct handshake_offer offer, read;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    strcpy(bench->folder, "/tmp/xenagg-handshake-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->spec, sizeof(bench->spec), "local:%s", bench->folder);
    assert_int_equal(xenstored_start(bench->folder, &bench->xenstored), 0);
    assert_int_equal(xenstored_use(bench->folder), 0);
    assert_int_equal(store_open(&bench->store), 0);
    assert_int_equal(hv_open(bench->spec, GUEST, &bench->hv), 0);
    assert_int_equal(store_write(bench->store, FOLDER, "state", "1"), 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    char command[96];

    hv_close(bench->hv);
    store_close(bench->store);
    process_free(bench->xenstored);
    snprintf(command, sizeof(command), "rm -rf %s", bench->folder);
    assert_int_equal(system(command), 0);
    free(bench);
    return 0;
}

/* References as Xen gives them: small, in no order. */
static void offer_fill(struct handshake_offer *offer, uint32_t order)
{
    offer->order = order;
    offer->control_reference = 8;
    offer->channel_port = 5;
    for (uint32_t i = 0; i < 1u << order; i++) {
        offer->rx[i] = 9 + 7 * i % 5003;
        offer->tx[i] = 12000 + 3 * i;
    }
}

static int read_back(struct bench *bench, const char **ret_key)
{
    return handshake_read(bench->store, FOLDER, &bench->read, ret_key);
}

static void same_rings(const struct bench *bench)
{
    size_t bytes = sizeof(uint32_t) << bench->offer.order;

    assert_int_equal(bench->read.order, bench->offer.order);
    assert_memory_equal(bench->read.rx, bench->offer.rx, bytes);
    assert_memory_equal(bench->read.tx, bench->offer.tx, bytes);
}

static void small_rings_stand_in_the_store(void **state)
{
    struct bench *bench = *state;
    const char *key;

    for (uint32_t order = RING_ORDER_MIN; order <= HANDSHAKE_ORDER_TEXT; order++) {
        assert_int_equal(handshake_directory_pages(order), 0);
        offer_fill(&bench->offer, order);
        assert_int_equal(handshake_write(bench->store, FOLDER, &bench->offer), 0);
        assert_int_equal(read_back(bench, &key), 0);
        same_rings(bench);
        assert_int_equal(bench->read.control_reference, 8);
        assert_int_equal(bench->read.channel_port, 5);
        assert_int_equal(store_read_state(bench->store, FOLDER), KEYS_STATE_INITIALISED);
    }
}

static void large_rings_stand_in_shared_pages(void **state)
{
    static const uint32_t pages[] = {1, 2, 4};
    struct bench *bench = *state;
    struct hv_pages *directory;
    const char *key;

    for (uint32_t order = HANDSHAKE_ORDER_TEXT + 1; order <= RING_ORDER_MAX; order++) {
        uint32_t count = handshake_directory_pages(order);
        assert_int_equal(count, pages[order - HANDSHAKE_ORDER_TEXT - 1]);
        assert_int_equal(hv_share(bench->hv, 0, count, NULL, &directory), 0);
        offer_fill(&bench->offer, order);
        handshake_directory_fill(&bench->offer, directory);
        assert_int_equal(handshake_write(bench->store, FOLDER, &bench->offer), 0);
        assert_int_equal(read_back(bench, &key), 0);
        assert_memory_equal(bench->read.directory, hv_pages_references(directory),
                            count * sizeof(uint32_t));
        handshake_directory_take(&bench->read, directory);
        same_rings(bench);
        hv_pages_release(directory);
    }
}

static void what_does_not_fit_is_named(void **state)
{
    static const struct {
        const char *key, *value;
    } bad[] = {
        {"ring-directory-refs", "1 2 3"},   {"ring-directory-refs", "1 2 3 4 5"},
        {"ring-directory-refs", "1 2 3 x"}, {"ring-page-order", "12"},
        {"ring-page-order", "5"},
    };
    struct bench *bench = *state;
    const char *key = NULL;

    offer_fill(&bench->offer, RING_ORDER_MAX);
    for (uint32_t i = 0; i < HANDSHAKE_DIRECTORY_MAX; i++)
        bench->offer.directory[i] = 20 + i;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(handshake_write(bench->store, FOLDER, &bench->offer), 0);
        assert_int_equal(store_write(bench->store, FOLDER, bad[i].key, bad[i].value), 0);
        assert_int_equal(read_back(bench, &key), -EINVAL);
        assert_string_equal(key, bad[i].key);
    }
}

#define HANDSHAKE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HANDSHAKE_TEST(small_rings_stand_in_the_store),
        HANDSHAKE_TEST(large_rings_stand_in_shared_pages),
        HANDSHAKE_TEST(what_does_not_fit_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
