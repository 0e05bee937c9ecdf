// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/common/container_walk.h"

#include <errno.h>
#include <stddef.h>

struct bounds {
    const uint8_t *at, *end;
    const struct container_reader *reader;
    struct container_walk *walk;
};

static void touch(struct container_walk *walk, const uint8_t *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        walk->touched += bytes[i];
}

/* Where the entry should lie, given where the last one ended. */
static const char *place_check(struct bounds *b, const struct container_entry *entry)
{
    const uint8_t *at = b->at + CONTAINER_ENTRY;

    if (entry->kind == CONTAINER_SUPER)
        at += sizeof(struct container_offload);
    if (entry->kind != CONTAINER_SHARED) {
        if (entry->ethernet != at)
            return "an own Ethernet header is not where the entry is";
        at += CONTAINER_ETHERNET;
    } else if (entry->ethernet != b->reader->header.ethernet) {
        return "a shared Ethernet header is not the container's";
    }
    if (entry->payload != at)
        return "an entry is not where the last one ended";
    if (at > b->end || entry->payload_bytes > (size_t)(b->end - at))
        return "an entry reaches beyond the container";
    b->at = at + entry->payload_bytes;
    return NULL;
}

static const char *size_check(const struct container_entry *entry)
{
    uint32_t frame = CONTAINER_ETHERNET + entry->payload_bytes;

    if ((unsigned)entry->kind >= CONTAINER_KINDS)
        return "an entry has no kind";
    if (entry->kind != CONTAINER_SUPER)
        return frame > CONTAINER_FRAME_MAX ? "a frame is too long" : NULL;
    if (entry->offload.length != frame)
        return "a super-frame has two lengths";
    return frame > CONTAINER_SUPER_MAX ? "a super-frame is too long" : NULL;
}

static int entries_walk(struct container_reader *reader, struct bounds *b)
{
    struct container_entry entry;
    int more;

    while ((more = container_next(reader, &entry)) == 1) {
        const char *broken = size_check(&entry);
        if (!broken)
            broken = place_check(b, &entry);
        if (!broken && ++b->walk->entries > reader->header.count)
            broken = "more entries than counted";
        if (broken) {
            b->walk->broken = broken;
            return -EPROTO;
        }
        touch(b->walk, entry.ethernet, CONTAINER_ETHERNET);
        touch(b->walk, entry.payload, entry.payload_bytes);
    }
    if (more == 0 && (b->at != b->end || b->walk->entries != reader->header.count))
        b->walk->broken = "the end came early";
    if (more != 0 && more != -EPROTO)
        b->walk->broken = "an error that is not documented";
    return more;
}

int container_walk(const uint8_t *bytes, uint32_t length, struct container_walk *ret)
{
    struct container_reader reader;
    struct container_entry entry;

    *ret = (struct container_walk){0};
    int error = container_open(&reader, bytes, length);
    if (error < 0) {
        ret->broken = error == -EPROTO ? NULL : "an error that is not documented";
        return error;
    }
    if (reader.header.bytes > length || reader.header.bytes > CONTAINER_BYTES_MAX)
        ret->broken = "a container longer than its memory was opened";
    struct bounds bounds = {.at = bytes + sizeof(struct container_header),
                            .end = bytes + reader.header.bytes,
                            .reader = &reader,
                            .walk = ret};
    if (!ret->broken)
        error = entries_walk(&reader, &bounds);
    if (error == 0 && container_next(&reader, &entry) != 0)
        ret->broken = "the end is not the end";
    if (error < 0 && container_next(&reader, &entry) != -EPROTO)
        ret->broken = "an error went away";
    return error;
}
