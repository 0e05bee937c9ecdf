// SPDX-License-Identifier: GPL-2.0-or-later
/* The container codec: what is built is what docs/container-format.md says, and any bytes are safe
 * to read. */
#include "tests/unit/common/testing.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/container.h"
#include "common/keys.h"
#include "tests/unit/common/container_walk.h"

_Static_assert(KEYS_BYTES_MAX == CONTAINER_BYTES_MAX && KEYS_PACKETS_MAX == CONTAINER_COUNT_MAX,
               "xenstore may say what the container can hold");
_Static_assert(KEYS_BYTES_MIN >=
                   sizeof(struct container_header) + CONTAINER_ENTRY + CONTAINER_FRAME_MAX,
               "one frame always fits");

static const struct container_header no_header;

static int memory_make(void **state)
{
    return (*state = malloc(CONTAINER_MEMORY)) ? 0 : -1;
}

static int memory_free(void **state)
{
    free(*state);
    return 0;
}

/* Takes a frame as the data path does; what kind of entry it became. */
static enum container_kind frame_put(struct container_builder *builder, const uint8_t *frame,
                                     uint32_t length)
{
    container_load(builder, frame, length);
    return container_take(builder, length);
}

/* A copy that ends where the container ends, so that a sanitizer sees every step beyond. */
static uint8_t *exact_copy(const uint8_t *bytes, uint32_t length)
{
    uint8_t *copy = malloc(length ? length : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, length);
    return copy;
}

static int walk_exact(const uint8_t *bytes, uint32_t length, struct container_walk *walk)
{
    uint8_t *copy = exact_copy(bytes, length);
    int error = container_walk(copy, length, walk);

    free(copy);
    if (walk->broken)
        fail_msg("%s", walk->broken);
    return error;
}

/* --- what is built ------------------------------------------------------- */

/* A pair of digits that stands alone at *at, which moves behind it. */
static bool pair_take(const char **at, uint8_t *ret)
{
    const char *from = *at + strspn(*at, " ");
    char pair[3] = {from[0], from[0] ? from[1] : '\0', '\0'};

    if (!isxdigit(pair[0]) || !isxdigit(pair[1]) || !isspace(from[2]))
        return false;
    *ret = (uint8_t)strtoul(pair, NULL, 16);
    *at = from + 2;
    return true;
}

/* The bytes of the document's example: lines of an offset, pairs of digits, words. How many. */
static uint32_t document_read(uint8_t *ret, uint32_t room)
{
    char line[256];
    uint32_t length = 0;
    bool example = false;
    FILE *file = fopen(CONTAINER_DOCUMENT, "re");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        char *digits;
        example |= strncmp(line, "## An example in hex", 20) == 0;
        if (!example || strncmp(line, "    ", 4) != 0)
            continue;
        assert_int_equal(strtoul(line, &digits, 10), length); /* nothing is left out */
        for (const char *at = digits; length < room && pair_take(&at, &ret[length]);)
            length++;
    }
    fclose(file);
    return length;
}

static void builds_the_documented_bytes(void **state)
{
    uint8_t expected[256];
    uint32_t expected_bytes = document_read(expected, sizeof(expected));
    static const uint8_t first[] = "\2\0\0\0\0\2\2\0\0\0\0\1\x08\0abcd";
    static const uint8_t second[] = "\2\0\0\0\0\2\2\0\0\0\0\1\x86\xdd"
                                    "ef";
    static const struct container_offload offload = {.length = 14,
                                                     .flags = 1,
                                                     .segmentation = 5,
                                                     .header_length = 42,
                                                     .segment_size = 8,
                                                     .checksum_start = 34,
                                                     .checksum_offset = 6};
    const struct container_header header = {.sequence = 42,
                                            .stamp = 0x1122334455667788ull,
                                            .echo_stamp = 0x1000,
                                            .echo_hold_ns = 1000,
                                            .open_ns = 40000,
                                            .fill_ns = 20000};
    uint8_t *memory = *state;
    struct container_builder builder;

    memset(memory, 0xee, CONTAINER_MEMORY);
    container_begin(&builder, memory);
    assert_int_equal(frame_put(&builder, first, 18), CONTAINER_SHARED);
    assert_int_equal(frame_put(&builder, second, 16), CONTAINER_OWN);
    assert_int_equal(container_take_super(&builder, &offload, first), 0);
    container_finish(&builder, &header);
    assert_int_equal(builder.bytes, expected_bytes);
    assert_memory_equal(memory, expected, expected_bytes);
}

static void pads_with_zeroes(void **state)
{
    uint8_t *memory = *state, frame[CONTAINER_ETHERNET + 16] = {0};
    struct container_builder builder;

    for (uint32_t more = 0; more < 16; more++) {
        memset(memory, 0xee, 256);
        container_begin(&builder, memory);
        frame_put(&builder, frame, CONTAINER_ETHERNET + more);
        container_finish(&builder, &no_header);
        uint32_t padded = container_padded(builder.bytes);
        assert_int_equal(padded % CONTAINER_ALIGN, 0);
        assert_true(padded >= builder.bytes && padded < builder.bytes + CONTAINER_ALIGN);
        for (uint32_t i = builder.bytes; i < padded; i++)
            assert_int_equal(memory[i], 0);
        assert_int_equal(memory[padded], 0xee);
    }
}

static void slot_shows_a_frame_that_is_too_long(void **state)
{
    struct container_builder builder;
    struct iovec slot[2];

    container_begin(&builder, *state);
    container_slot(&builder, slot);
    assert_int_equal(slot[0].iov_len, CONTAINER_ETHERNET);
    assert_int_equal(slot[0].iov_len + slot[1].iov_len, CONTAINER_FRAME_MAX + 1);
}

static void loads_and_unloads_the_slot(void **state)
{
    uint8_t frame[CONTAINER_FRAME_MAX], back[CONTAINER_FRAME_MAX + 1];
    struct container_builder builder;
    uint64_t seed = 1;

    noise_fill(&seed, frame, sizeof(frame));
    container_begin(&builder, *state);
    for (uint32_t length = CONTAINER_FRAME_MIN; length <= CONTAINER_FRAME_MAX; length += 92) {
        memset(back, 0xee, sizeof(back));
        container_load(&builder, frame, length);
        container_unload(&builder, back, length);
        assert_memory_equal(back, frame, length);
        assert_int_equal(back[length], 0xee);
    }
}

/* --- round trips --------------------------------------------------------- */

static void frame_expect(const struct container_entry *entry, const uint8_t *frame, uint32_t length)
{
    assert_int_equal(entry->payload_bytes, length - CONTAINER_ETHERNET);
    assert_memory_equal(entry->ethernet, frame, CONTAINER_ETHERNET);
    assert_memory_equal(entry->payload, frame + CONTAINER_ETHERNET, length - CONTAINER_ETHERNET);
}

static void every_size_survives(void **state)
{
    uint8_t *memory = *state, frames[2][CONTAINER_FRAME_MAX];
    uint64_t seed = 2;

    noise_fill(&seed, frames, sizeof(frames));
    for (uint32_t length = CONTAINER_FRAME_MIN; length <= CONTAINER_FRAME_MAX; length++) {
        struct container_builder builder;
        struct container_reader reader;
        struct container_entry entry;

        container_begin(&builder, memory);
        assert_int_equal(frame_put(&builder, frames[0], length), CONTAINER_SHARED);
        assert_int_equal(frame_put(&builder, frames[1], length), CONTAINER_OWN);
        container_finish(&builder, &no_header);
        assert_int_equal(container_open(&reader, memory, builder.bytes), 0);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(container_next(&reader, &entry), 1);
            frame_expect(&entry, frames[i], length);
        }
        assert_int_equal(container_next(&reader, &entry), 0);
    }
}

struct sent {
    uint32_t length;
    bool super;
    uint64_t seed; /* of its bytes */
};

/* A frame whose Ethernet header is one of a few. */
static void sent_make(const struct sent *sent, uint8_t *ret_frame)
{
    uint64_t seed = sent->seed;

    noise_fill(&seed, ret_frame, sent->length);
    memset(ret_frame, 2, CONTAINER_ETHERNET);
    ret_frame[11] = sent->seed % 3;
}

static struct container_offload offload_of(const struct sent *sent)
{
    uint64_t seed = sent->seed + 1;
    struct container_offload offload;

    noise_fill(&seed, &offload, sizeof(offload));
    offload.length = sent->length;
    return offload;
}

/* Fills one container with random frames up to `limit`; returns how many. */
static uint32_t container_fill(struct container_builder *builder, uint64_t *seed, uint32_t limit,
                               struct sent *ret_sent, uint8_t *frame)
{
    for (uint32_t n = 0;; n++) {
        struct sent *sent = &ret_sent[n];
        bool small = noise_next(seed) % 2;

        sent->super = noise_next(seed) % 16 == 0;
        sent->length = noise_between(seed, CONTAINER_FRAME_MIN,
                                     small         ? 128
                                     : sent->super ? CONTAINER_SUPER_MAX
                                                   : CONTAINER_FRAME_MAX);
        sent->seed = noise_next(seed);
        sent_make(sent, frame);
        if (sent->super) {
            struct container_offload offload = offload_of(sent);
            if (container_take_super(builder, &offload, frame) < 0)
                return n;
            continue;
        }
        container_load(builder, frame, sent->length);
        if (builder->count && !container_fits(builder, sent->length, limit))
            return n;
        container_take(builder, sent->length);
        if (builder->bytes > CONTAINER_BYTES_MAX)
            fail_msg("%u bytes in a container", builder->bytes);
    }
}

static void sent_expect(const struct container_entry *entry, const struct sent *sent,
                        uint8_t *frame)
{
    sent_make(sent, frame);
    assert_int_equal(entry->kind == CONTAINER_SUPER, sent->super);
    frame_expect(entry, frame, sent->length);
    if (sent->super) {
        struct container_offload offload = offload_of(sent);
        assert_memory_equal(&entry->offload, &offload, sizeof(offload));
    }
}

static void random_containers_survive(void **state)
{
    static struct sent sent[CONTAINER_BYTES_MAX / 2];
    static uint8_t frame[CONTAINER_SUPER_MAX];
    uint8_t *memory = *state;
    uint64_t seed = 3;

    for (int i = 0; i < 600; i++) {
        struct container_builder builder;
        struct container_reader reader;
        struct container_entry entry;
        uint32_t limit = noise_between(&seed, KEYS_BYTES_MIN, KEYS_BYTES_MAX);

        container_begin(&builder, memory);
        uint32_t n = container_fill(&builder, &seed, limit, sent, frame);
        container_finish(&builder, &no_header);
        assert_int_equal(builder.count, n);
        uint8_t *copy = exact_copy(memory, builder.bytes);
        assert_int_equal(container_open(&reader, copy, builder.bytes), 0);
        for (uint32_t e = 0; e < n; e++) {
            assert_int_equal(container_next(&reader, &entry), 1);
            sent_expect(&entry, &sent[e], frame);
        }
        assert_int_equal(container_next(&reader, &entry), 0);
        free(copy);
    }
}

/* --- limits -------------------------------------------------------------- */

static void keeps_to_the_byte_limit(void **state)
{
    uint8_t frame[200] = {0}, other[200] = {1};
    struct container_builder builder;
    const uint32_t empty = sizeof(struct container_header);

    container_begin(&builder, *state);
    frame_put(&builder, frame, 200);
    uint32_t before = empty + CONTAINER_ENTRY + 200 - CONTAINER_ETHERNET;
    assert_int_equal(builder.bytes, before);
    container_load(&builder, frame, 100); /* the container's header: 86 bytes and a length */
    assert_true(container_fits(&builder, 100, before + 88));
    assert_false(container_fits(&builder, 100, before + 87));
    container_load(&builder, other, 100); /* another header: it needs its own 14 bytes */
    assert_true(container_fits(&builder, 100, before + 102));
    assert_false(container_fits(&builder, 100, before + 101));
    assert_int_equal(container_take(&builder, 100), CONTAINER_OWN);
    assert_int_equal(builder.bytes, before + 102);
}

/* A limit that nobody should have set does not take the container beyond its memory. */
static void never_exceeds_the_largest_container(void **state)
{
    uint8_t frame[CONTAINER_FRAME_MAX] = {0}, own[CONTAINER_FRAME_MAX] = {1};
    struct container_walk walk;
    struct container_builder builder;

    container_begin(&builder, *state);
    frame_put(&builder, frame, CONTAINER_FRAME_MAX);
    for (container_load(&builder, own, CONTAINER_FRAME_MAX);
         container_fits(&builder, CONTAINER_FRAME_MAX, UINT32_MAX);
         container_load(&builder, own, CONTAINER_FRAME_MAX))
        container_take(&builder, CONTAINER_FRAME_MAX);
    assert_true(builder.bytes <= CONTAINER_BYTES_MAX);
    container_finish(&builder, &no_header);
    assert_int_equal(walk_exact(*state, builder.bytes, &walk), 0);
}

/* The most packets that fit: bytes end a container before their count does. */
static void fills_up_with_the_smallest_frames(void **state)
{
    uint8_t frame[CONTAINER_FRAME_MIN] = {0};
    struct container_builder builder;
    struct container_walk walk;
    uint32_t n = 0;

    container_begin(&builder, *state);
    container_load(&builder, frame, sizeof(frame));
    for (; container_fits(&builder, sizeof(frame), CONTAINER_BYTES_MAX); n++)
        container_take(&builder, sizeof(frame));
    assert_int_equal(n, (CONTAINER_BYTES_MAX - sizeof(struct container_header)) / CONTAINER_ENTRY);
    assert_int_equal(builder.bytes, CONTAINER_BYTES_MAX);
    /* Full to the last byte, a frame can still be read into the slot. */
    struct iovec slot[2];
    container_slot(&builder, slot);
    memset(slot[1].iov_base, 1, slot[1].iov_len);
    container_finish(&builder, &no_header);
    assert_int_equal(walk_exact(*state, builder.bytes, &walk), 0);
    assert_int_equal(walk.entries, n);
}

static void refuses_a_super_frame_that_does_not_fit(void **state)
{
    static uint8_t frame[CONTAINER_SUPER_MAX + 1];
    static const uint32_t wrong[] = {0,           CONTAINER_ETHERNET - 1, CONTAINER_SUPER_MAX + 1,
                                     0x80000000u, UINT32_MAX - 15,        UINT32_MAX};
    struct container_offload offload = {.length = CONTAINER_SUPER_MAX};
    struct container_builder builder;
    struct container_walk walk;

    container_begin(&builder, *state);
    assert_int_equal(container_take_super(&builder, &offload, frame), 0);
    struct container_builder before = builder;
    /* The largest container has no room for two of the largest. */
    assert_int_equal(container_take_super(&builder, &offload, frame), -E2BIG);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        offload.length = wrong[i];
        assert_int_equal(container_take_super(&builder, &offload, frame), -E2BIG);
    }
    assert_memory_equal(&before, &builder, sizeof(before));
    offload.length =
        CONTAINER_BYTES_MAX - builder.bytes - CONTAINER_ENTRY - sizeof(struct container_offload);
    assert_int_equal(container_take_super(&builder, &offload, frame), 0);
    assert_int_equal(builder.bytes, CONTAINER_BYTES_MAX);
    container_finish(&builder, &no_header);
    assert_int_equal(walk_exact(*state, builder.bytes, &walk), 0);
}

/* --- hostile bytes ------------------------------------------------------- */

/* A container with two entries of each kind. Its length. */
static uint32_t mixed_make(uint8_t *memory)
{
    uint8_t frame[64];
    struct container_offload offload = {.length = 40, .segmentation = 1, .segment_size = 8};
    struct container_builder builder;
    uint64_t seed = 5;

    noise_fill(&seed, frame, sizeof(frame));
    container_begin(&builder, memory);
    for (int i = 0; i < 2; i++) {
        frame[0] = 2;
        frame_put(&builder, frame, 14 + (uint32_t)i);
        frame[0] = 4;
        frame_put(&builder, frame, 30 + (uint32_t)i);
        assert_int_equal(container_take_super(&builder, &offload, frame), 0);
    }
    container_finish(&builder, &no_header);
    return builder.bytes;
}

static void refuses_every_truncation(void **state)
{
    uint8_t *memory = *state;
    uint32_t whole = mixed_make(memory);
    struct container_walk walk;

    assert_int_equal(walk_exact(memory, whole, &walk), 0);
    for (uint32_t length = 0; length < whole; length++) {
        struct container_header header;
        assert_int_equal(walk_exact(memory, length, &walk), -EPROTO);
        /* And where the header tells the same lie. */
        if (length < sizeof(header))
            continue;
        uint8_t *copy = exact_copy(memory, length);
        memcpy(&header, copy, sizeof(header));
        header.bytes = length;
        memcpy(copy, &header, sizeof(header));
        assert_int_equal(walk_exact(copy, length, &walk), -EPROTO);
        free(copy);
    }
}

static void is_safe_under_every_bit_flip(void **state)
{
    uint8_t *memory = *state;
    uint32_t whole = mixed_make(memory);
    struct container_walk walk;
    uint32_t refused = 0;

    for (uint32_t bit = 0; bit < whole * 8; bit++) {
        memory[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int error = walk_exact(memory, whole, &walk);
        refused += error < 0;
        assert_true(error == 0 || error == -EPROTO);
        memory[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    /* Version, flags, bytes and count each: 96 bits, none may change unseen. */
    assert_true(refused >= 96);
    for (uint32_t bit = 0; bit < 96; bit++) {
        memory[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(walk_exact(memory, whole, &walk), -EPROTO);
        memory[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* One entry, with every 16-bit length word, in containers of every small size. */
static void is_safe_under_every_length_word(void **state)
{
    uint8_t bytes[128] = {0};
    struct container_header header = {.version = CONTAINER_VERSION, .count = 1};
    struct container_walk walk;
    (void)state;

    for (uint32_t body = 2; body <= 36; body++)
        for (uint32_t word = 0; word <= 0xffff; word++) {
            uint32_t kind = word >> 14, length = word & 0x3fff;
            header.bytes = sizeof(header) + body;
            memcpy(bytes, &header, sizeof(header));
            bytes[sizeof(header)] = (uint8_t)word;
            bytes[sizeof(header) + 1] = (uint8_t)(word >> 8);
            bytes[sizeof(header) + 2] = (uint8_t)(body - 18); /* a super-frame's length that fits */
            int error = container_walk(bytes, header.bytes, &walk);
            if (walk.broken)
                fail_msg("%s: word 0x%04x in %u bytes", walk.broken, word, body);
            bool fits = (kind == 0 && length == body - 2) ||
                        (kind == 1 && length == body - 2 && length >= CONTAINER_ETHERNET) ||
                        (kind == 2 && length == 16 && body >= 32);
            assert_int_equal(error, fits ? 0 : -EPROTO);
        }
}

static void refuses_what_a_header_may_not_say(void **state)
{
    const struct container_header good = {
        .version = CONTAINER_VERSION, .bytes = sizeof(good) + 2, .count = 1};
    struct container_header bad[] = {good, good, good, good, good, good, good, good, good};
    struct container_header odd = good;
    (void)state;

    assert_int_equal(container_check(&good), 0);
    bad[0].version = 0;
    bad[1].version = CONTAINER_VERSION + 1;
    bad[2].flags = 1;
    bad[3].bytes = sizeof(good) - 1;
    bad[4].bytes = CONTAINER_BYTES_MAX + 1;
    bad[5].count = 0;
    bad[6].count = 2; /* two entries can't be in two bytes */
    bad[7].count = UINT32_MAX;
    bad[8].bytes = UINT32_MAX;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(container_check(&bad[i]), -EPROTO);
    /* Reserved bytes, numbers and stamps are whatever the sender says. */
    memset(odd.reserved, 0xff, sizeof(odd.reserved));
    odd.sequence = UINT32_MAX;
    odd.stamp = odd.echo_stamp = UINT64_MAX;
    odd.echo_hold_ns = odd.open_ns = UINT32_MAX;
    assert_int_equal(container_check(&odd), 0);
}

static void refuses_frames_beyond_the_limit(void **state)
{
    static const struct {
        uint16_t word;
        uint32_t length;
        int answer;
    } cases[] = {
        {CONTAINER_FRAME_MAX - 14, CONTAINER_FRAME_MAX - 14, 0},
        {CONTAINER_FRAME_MAX - 13, CONTAINER_FRAME_MAX - 13, -EPROTO},
        {0x4000 | CONTAINER_FRAME_MAX, CONTAINER_FRAME_MAX, 0},
        {0x4000 | (CONTAINER_FRAME_MAX + 1), CONTAINER_FRAME_MAX + 1, -EPROTO},
        {0x3fff, 0x3fff, -EPROTO},
        {0x7fff, 0x3fff, -EPROTO},
        {0xc000, 0, -EPROTO},
    };
    struct container_walk walk;
    uint8_t *memory = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct container_header header = {.version = CONTAINER_VERSION,
                                          .count = 1,
                                          .bytes = sizeof(header) + 2 + cases[i].length};
        memset(memory, 0, header.bytes);
        memcpy(memory, &header, sizeof(header));
        memcpy(memory + sizeof(header), &cases[i].word, 2);
        assert_int_equal(walk_exact(memory, header.bytes, &walk), cases[i].answer);
    }
}

/* Bytes overwritten, cut out and doubled, several at a time. */
static void is_safe_under_random_damage(void **state)
{
    uint8_t *memory = *state, damaged[1024];
    uint32_t whole = mixed_make(memory), valid = 0;
    struct container_walk walk;
    uint64_t seed = 6;

    for (int i = 0; i < 300000; i++) {
        uint32_t length = whole + noise_between(&seed, 0, 32) - 16;
        memcpy(damaged, memory, sizeof(damaged));
        for (uint32_t n = noise_between(&seed, 1, 6); n; n--) {
            uint32_t at = noise_between(&seed, 0, length - 1);
            uint32_t from = noise_between(&seed, 0, length - 1);
            if (noise_next(&seed) % 4)
                damaged[at] = (uint8_t)noise_next(&seed);
            else
                memmove(damaged + at, damaged + from, length - (at > from ? at : from));
        }
        valid += walk_exact(damaged, length, &walk) == 0;
    }
    assert_true(valid > 0 && valid < 300000); /* both answers were tried */
}

static void is_safe_under_pure_noise(void **state)
{
    uint8_t *memory = *state;
    struct container_walk walk;
    uint64_t seed = 7;

    for (int i = 0; i < 100000; i++) {
        uint32_t length = noise_between(&seed, sizeof(struct container_header), 400);
        struct container_header header;
        noise_fill(&seed, memory, length);
        memcpy(&header, memory, sizeof(header));
        header.version = CONTAINER_VERSION;
        header.flags = 0;
        header.bytes = length;
        header.count = noise_between(&seed, 1, 8);
        memcpy(memory, &header, sizeof(header));
        for (uint32_t at = 57; at < length; at += 2)
            memory[at] &= 0xc0; /* short lengths, so that walks go on */
        walk_exact(memory, length, &walk);
    }
}

int main(void)
{
#define CONTAINER_TEST(name) cmocka_unit_test_setup_teardown(name, memory_make, memory_free)
    const struct CMUnitTest tests[] = {
        CONTAINER_TEST(builds_the_documented_bytes),
        CONTAINER_TEST(pads_with_zeroes),
        CONTAINER_TEST(slot_shows_a_frame_that_is_too_long),
        CONTAINER_TEST(loads_and_unloads_the_slot),
        CONTAINER_TEST(every_size_survives),
        CONTAINER_TEST(random_containers_survive),
        CONTAINER_TEST(keeps_to_the_byte_limit),
        CONTAINER_TEST(never_exceeds_the_largest_container),
        CONTAINER_TEST(fills_up_with_the_smallest_frames),
        CONTAINER_TEST(refuses_a_super_frame_that_does_not_fit),
        CONTAINER_TEST(refuses_every_truncation),
        CONTAINER_TEST(is_safe_under_every_bit_flip),
        CONTAINER_TEST(is_safe_under_every_length_word),
        CONTAINER_TEST(refuses_what_a_header_may_not_say),
        CONTAINER_TEST(refuses_frames_beyond_the_limit),
        CONTAINER_TEST(is_safe_under_random_damage),
        CONTAINER_TEST(is_safe_under_pure_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
