// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/common/ring_stream.h"

#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/common/testing.h"

/* The record that starts after `done` bytes: its length first, then noise. Returns its length. */
static uint32_t record_make(struct ring_stream *stream, uint64_t *words, uint64_t done)
{
    uint64_t left = (stream->bytes - done) / 8;
    uint32_t n = noise_between(&stream->seed, 1, stream->longest);

    n = n < left ? n : (uint32_t)left;
    words[0] = n;
    for (uint32_t i = 1; i < n; i++)
        words[i] = noise_next(&stream->seed);
    return n * 8;
}

static void stream_wake(struct ring_stream *stream, bool wanted)
{
    if (!wanted)
        return;
    stream->wakes++;
    stream->wake_peer(stream->context);
}

/* Now and then at the worst moment: between finding nothing to do and saying so. */
static void peer_let_in(struct ring_stream *stream)
{
    if (++stream->looks % 4 == 0)
        sched_yield();
}

static const char *room_await(struct ring_stream *stream, uint32_t length)
{
    for (;;) {
        int64_t room = ring_room(&stream->ring);
        if (room < 0)
            return "the consumer's index is impossible";
        if (room >= length)
            return NULL;
        peer_let_in(stream);
        if (ring_want_room(&stream->ring))
            continue;
        stream->sleeps++;
        if (stream->wait(stream->context) < 0)
            return "nobody woke the producer";
    }
}

const char *ring_stream_send(struct ring_stream *stream)
{
    uint64_t *words = malloc(stream->longest * 8u);
    const char *wrong = words ? NULL : "no memory";

    for (uint64_t done = 0; !wrong && done < stream->bytes;) {
        uint32_t length = record_make(stream, words, done);
        wrong = room_await(stream, length);
        if (wrong)
            break;
        ring_write(&stream->ring, words, length);
        stream_wake(stream, ring_publish(&stream->ring));
        done += length;
    }
    free(words);
    return wrong;
}

static const char *bytes_await(struct ring_stream *stream)
{
    for (;;) {
        int64_t available = ring_available(&stream->ring);
        if (available)
            return available < 0 ? "the producer's index is impossible" : NULL;
        peer_let_in(stream);
        if (!ring_sleep(&stream->ring))
            continue;
        stream->sleeps++;
        if (stream->wait(stream->context) < 0)
            return "nobody woke the consumer";
        ring_wake(&stream->ring);
    }
}

static const char *record_take(struct ring_stream *stream, uint64_t *words, uint32_t length)
{
    uint64_t head;

    ring_copy(&stream->ring, &head, sizeof(head));
    if (head * 8 != length || ring_available(&stream->ring) < length)
        return "a record's length is wrong";
    ring_copy(&stream->ring, words + stream->longest, length);
    stream_wake(stream, ring_release(&stream->ring, length));
    return memcmp(words, words + stream->longest, length) ? "a record's bytes are wrong" : NULL;
}

const char *ring_stream_take(struct ring_stream *stream)
{
    uint64_t *words = malloc(2 * stream->longest * 8u);
    const char *wrong = words ? NULL : "no memory";

    for (uint64_t done = 0; !wrong && done < stream->bytes;) {
        uint32_t length = record_make(stream, words, done);
        wrong = bytes_await(stream);
        if (!wrong)
            wrong = record_take(stream, words, length);
        done += length;
    }
    free(words);
    return wrong;
}
