// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rounds of a link by hand: what its share of a worker's time is, and that it is no more.
 * Time is what fake_clock.c makes it.
 */
#include "tests/unit/common/testing.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "datapath/link.h"
#include "tests/unit/datapath/pair.h"

#define FRAME 600u
#define PLENTY_NS 1000000000ull

struct fixture {
    struct pair *pair;
    struct link *backend, *guest;
    uint8_t frame[CONTAINER_FRAME_MAX + 1];
    uint32_t made;
};

static void not_shown(void *context, struct link *link, const struct segment_sleep *sleep)
{
    (void)context, (void)link, (void)sleep;
}

static int link_make(struct pair_end *side, enum link_end end, struct link **ret)
{
    struct link_options options = {
        .end = end,
        .port = side->port,
        .channel = side->channel,
        .control = side->control,
        .rx = side->rx,
        .tx = side->tx,
        .tuning = &side->tuning,
        .export = not_shown,
    };

    pair_tune(side, 16, 1000, CONTAINER_BYTES_MAX);
    return link_new(&options, ret);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f || pair_setup((void **)&f->pair))
        return -1;
    *state = f;
    return link_make(&f->pair->backend, LINK_BACKEND, &f->backend) ||
           link_make(&f->pair->guest, LINK_FRONTEND, &f->guest);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    link_free(f->backend);
    link_free(f->guest);
    int error = pair_teardown((void **)&f->pair);
    free(f);
    return error;
}

/* Whether anything was done. */
static bool round_of(struct link *link, uint64_t budget_ns)
{
    uint64_t now = clock_ns();
    struct packer_view view = {.latest_ns = now, .empty_ns = now};

    return link_round(link, &view, budget_ns, now);
}

/* The guest sends so many frames, in containers that now wait in its ring. */
static void guest_sends(struct fixture *f, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        frame_make(f->frame, FRAME, f->made++);
        assert_true(wire_send(&f->pair->guest, f->frame, FRAME));
        f->guest->readable = true;
        round_of(f->guest, PLENTY_NS);
    }
    packer_flush(&f->guest->packer);
}

static uint64_t unloaded(const struct fixture *f)
{
    return f->backend->unloader.stats.packets + f->backend->unloader.stats.refused;
}

static void what_was_overdrawn_is_paid_back(void **state)
{
    struct fixture *f = *state;

    guest_sends(f, 160);
    round_of(f->backend, 1);
    uint64_t first = unloaded(f);
    assert_true(f->backend->deficit_ns < 0);
    assert_true(first > 0 && first < 160);
    /* In debt: it has work, but does none. */
    assert_true(round_of(f->backend, 1));
    assert_int_equal(unloaded(f), first);
    /* The debt is paid with what rounds bring, no sooner. */
    int64_t debt = -f->backend->deficit_ns;
    assert_true(round_of(f->backend, (uint64_t)debt - 1));
    assert_int_equal(unloaded(f), first);
    assert_int_equal(f->backend->deficit_ns, -1);
    round_of(f->backend, PLENTY_NS);
    assert_int_equal(unloaded(f), 160);
}

static void what_was_saved_is_not_kept(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 10; i++)
        assert_false(round_of(f->backend, PLENTY_NS));
    assert_int_equal(f->backend->deficit_ns, 0);
    guest_sends(f, 160);
    round_of(f->backend, 1);
    assert_true(unloaded(f) < 160);
}

/*
 * However greedy: over many rounds its containers take no more time than its
 * rounds bring, and what it overdrew the last time. By the link's own account, so
 * that it holds on a busy machine, too: being put aside counts as its own time.
 */
static void a_greedy_guest_has_its_share(void **state)
{
    static const uint64_t budget = 500; /* one look at the clock is after 16 packets: far more */
    struct fixture *f = *state;
    unsigned rounds = 0, worked = 0;

    for (; rounds < 2000; rounds++) {
        if (f->made - unloaded(f) < 64)
            guest_sends(f, 64);
        while (wire_take(&f->pair->backend, f->frame))
            ;
        uint64_t before = unloaded(f);
        assert_true(round_of(f->backend, budget));
        worked += unloaded(f) != before;
    }
    assert_true(worked > 0 && worked < rounds / 2);
    assert_true(f->backend->unloader.stats.unload.sum_t <=
                rounds * budget + (uint64_t)-f->backend->deficit_ns);
}

/* Whatever there is to unload, what came to the port is read, and the other way round. */
static void neither_half_starves(void **state)
{
    static const uint64_t budget = 20000; /* no round unloads all that waits */
    struct fixture *f = *state;
    uint64_t packets = 0;

    for (unsigned rounds = 0; rounds < 500; rounds++) {
        if (f->made - unloaded(f) < 128)
            guest_sends(f, 128);
        while (wire_take(&f->pair->backend, f->frame))
            ;
        for (; packets < f->backend->packer.stats.packets + 64; packets++) {
            frame_make(f->frame, FRAME, (uint32_t)packets);
            assert_true(wire_send(&f->pair->backend, f->frame, FRAME));
        }
        f->backend->readable = true;
        round_of(f->backend, budget);
        round_of(f->guest, PLENTY_NS);
        while (wire_take(&f->pair->guest, f->frame))
            ;
        assert_true(f->made > unloaded(f));
    }
    assert_true(unloaded(f) > 160);
    assert_true(f->backend->packer.stats.packets > 64);
}

static void frames_come(struct fixture *f, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        frame_make(f->frame, FRAME, i);
        assert_true(wire_send(&f->pair->backend, f->frame, FRAME));
    }
    f->backend->readable = true;
}

/* Of as much as there is: what is read beside nothing to unload, and unloaded beside nothing to
 * read.
 */
static void what_one_half_leaves_is_the_others(void **state)
{
    static const uint64_t budget = 40000;
    struct fixture *f = *state;

    frames_come(f, 100);
    round_of(f->backend, budget);
    uint64_t read_alone = f->backend->packer.stats.packets;
    guest_sends(f, 256);
    round_of(f->backend, budget);
    uint64_t read = f->backend->packer.stats.packets - read_alone, taken = unloaded(f);
    assert_true(read > 0 && taken > 0 && f->backend->readable);
    assert_true(2 * read_alone > 3 * read);
    while (f->backend->readable)
        round_of(f->backend, budget);
    guest_sends(f, 256);
    uint64_t before = unloaded(f);
    round_of(f->backend, budget);
    assert_true(unloaded(f) < f->made);
    assert_true(2 * (unloaded(f) - before) > 3 * taken);
}

int main(void)
{
#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        LINK_TEST(what_was_overdrawn_is_paid_back),    LINK_TEST(what_was_saved_is_not_kept),
        LINK_TEST(a_greedy_guest_has_its_share),       LINK_TEST(neither_half_starves),
        LINK_TEST(what_one_half_leaves_is_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
