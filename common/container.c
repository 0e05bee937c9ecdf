// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/container.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the wire format is little-endian, and read in place"
#endif

#define KIND_SHIFT 14
#define LENGTH_MASK 0x3fffu

_Static_assert(CONTAINER_FRAME_MAX <= LENGTH_MASK, "a frame's length has 14 bits");
_Static_assert(offsetof(struct container_header, ethernet) == 16 &&
                   offsetof(struct container_header, stamp) == 32 &&
                   offsetof(struct container_header, open_ns) == 52,
               "offsets as documented");

void container_begin(struct container_builder *builder, uint8_t *memory)
{
    builder->memory = memory;
    builder->bytes = sizeof(struct container_header);
    builder->count = 0;
}

static uint8_t *slot_payload(const struct container_builder *builder)
{
    return builder->memory + builder->bytes + CONTAINER_ENTRY;
}

void container_slot(struct container_builder *builder, struct iovec ret_slot[2])
{
    ret_slot[0] = (struct iovec){builder->ethernet, CONTAINER_ETHERNET};
    ret_slot[1] =
        (struct iovec){slot_payload(builder), CONTAINER_FRAME_MAX - CONTAINER_ETHERNET + 1};
}

static uint8_t *shared_header(const struct container_builder *builder)
{
    return builder->memory + offsetof(struct container_header, ethernet);
}

static bool header_shared(const struct container_builder *builder)
{
    return builder->count == 0 ||
           memcmp(builder->ethernet, shared_header(builder), CONTAINER_ETHERNET) == 0;
}

bool container_fits(const struct container_builder *builder, uint32_t length, uint32_t bytes_limit)
{
    uint32_t stored = header_shared(builder) ? length - CONTAINER_ETHERNET : length;
    uint32_t limit = bytes_limit < CONTAINER_BYTES_MAX ? bytes_limit : CONTAINER_BYTES_MAX;

    return builder->count < CONTAINER_COUNT_MAX &&
           builder->bytes + CONTAINER_ENTRY + stored <= limit;
}

static void entry_write(uint8_t *at, enum container_kind kind, uint32_t length)
{
    uint16_t word = (uint16_t)((unsigned)kind << KIND_SHIFT | length);
    memcpy(at, &word, sizeof(word));
}

enum container_kind container_take(struct container_builder *builder, uint32_t length)
{
    uint8_t *payload = slot_payload(builder);
    enum container_kind kind = header_shared(builder) ? CONTAINER_SHARED : CONTAINER_OWN;
    uint32_t stored = length - CONTAINER_ETHERNET;

    if (builder->count == 0)
        memcpy(shared_header(builder), builder->ethernet, CONTAINER_ETHERNET);
    if (kind == CONTAINER_OWN) {
        memmove(payload + CONTAINER_ETHERNET, payload, stored);
        memcpy(payload, builder->ethernet, CONTAINER_ETHERNET);
        stored = length;
    }
    entry_write(builder->memory + builder->bytes, kind, stored);
    builder->bytes += CONTAINER_ENTRY + stored;
    builder->count++;
    return kind;
}

int container_take_super(struct container_builder *builder, const struct container_offload *offload,
                         const uint8_t *frame)
{
    uint8_t *at = builder->memory + builder->bytes;
    uint32_t stored = CONTAINER_ENTRY + sizeof(*offload) + offload->length;

    if (offload->length < CONTAINER_ETHERNET || offload->length > CONTAINER_SUPER_MAX ||
        builder->bytes + stored > CONTAINER_BYTES_MAX || builder->count >= CONTAINER_COUNT_MAX)
        return -E2BIG;
    if (builder->count == 0)
        memcpy(shared_header(builder), frame, CONTAINER_ETHERNET);
    entry_write(at, CONTAINER_SUPER, sizeof(*offload));
    memcpy(at + CONTAINER_ENTRY, offload, sizeof(*offload));
    memcpy(at + CONTAINER_ENTRY + sizeof(*offload), frame, offload->length);
    builder->bytes += stored;
    builder->count++;
    return 0;
}

void container_load(struct container_builder *builder, const uint8_t *frame, uint32_t length)
{
    memcpy(builder->ethernet, frame, CONTAINER_ETHERNET);
    memcpy(slot_payload(builder), frame + CONTAINER_ETHERNET, length - CONTAINER_ETHERNET);
}

void container_unload(const struct container_builder *builder, uint8_t *ret_frame, uint32_t length)
{
    memcpy(ret_frame, builder->ethernet, CONTAINER_ETHERNET);
    memcpy(ret_frame + CONTAINER_ETHERNET, slot_payload(builder), length - CONTAINER_ETHERNET);
}

void container_finish(struct container_builder *builder, const struct container_header *header)
{
    struct container_header full = *header;

    full.version = CONTAINER_VERSION;
    full.flags = 0;
    full.bytes = builder->bytes;
    full.count = builder->count;
    memcpy(full.ethernet, shared_header(builder), CONTAINER_ETHERNET);
    memset(full.reserved, 0, sizeof(full.reserved));
    full.reserved_end = 0;
    memcpy(builder->memory, &full, sizeof(full));
    /* What lies in the padding must not be an old packet of somebody else. */
    memset(builder->memory + builder->bytes, 0, container_padded(builder->bytes) - builder->bytes);
}

int container_check(const struct container_header *header)
{
    bool fits = header->version == CONTAINER_VERSION && header->flags == 0 &&
                header->bytes >= sizeof(*header) && header->bytes <= CONTAINER_BYTES_MAX &&
                header->count >= 1 && header->count <= CONTAINER_COUNT_MAX &&
                header->count <= (header->bytes - sizeof(*header)) / CONTAINER_ENTRY;

    return fits ? 0 : -EPROTO;
}

int container_open(struct container_reader *reader, const uint8_t *bytes, uint32_t length)
{
    struct container_header header;

    if (length < sizeof(header))
        return -EPROTO;
    memcpy(&header, bytes, sizeof(header));
    if (container_check(&header) < 0 || header.bytes > length)
        return -EPROTO;
    reader->header = header;
    reader->at = bytes + sizeof(header);
    reader->end = bytes + header.bytes;
    reader->left = header.count;
    return 0;
}

/* A super-frame's offload block lies at *at; moves past it. */
static int entry_super(const uint8_t **at, const uint8_t *end, struct container_entry *entry)
{
    size_t room = (size_t)(end - *at);

    if (entry->payload_bytes != sizeof(entry->offload) || room < sizeof(entry->offload))
        return -EPROTO;
    memcpy(&entry->offload, *at, sizeof(entry->offload));
    if (entry->offload.length < CONTAINER_ETHERNET || entry->offload.length > CONTAINER_SUPER_MAX)
        return -EPROTO;
    *at += sizeof(entry->offload);
    entry->payload_bytes = entry->offload.length;
    return 0;
}

/* An entry that carries its own Ethernet header: the header is cut off its front. */
static int entry_split(const uint8_t *at, struct container_entry *entry)
{
    if (entry->payload_bytes < CONTAINER_ETHERNET)
        return -EPROTO;
    entry->ethernet = at;
    entry->payload = at + CONTAINER_ETHERNET;
    entry->payload_bytes -= CONTAINER_ETHERNET;
    return 0;
}

/* The entry at *at, which moves behind it. */
static int entry_read(const struct container_reader *reader, const uint8_t **at,
                      struct container_entry *entry)
{
    uint16_t word;

    if (reader->end - *at < (ptrdiff_t)CONTAINER_ENTRY)
        return -EPROTO;
    memcpy(&word, *at, sizeof(word));
    *at += CONTAINER_ENTRY;
    entry->kind = (enum container_kind)(word >> KIND_SHIFT);
    entry->payload_bytes = word & LENGTH_MASK;
    if (entry->kind >= CONTAINER_KINDS ||
        (entry->kind == CONTAINER_SUPER && entry_super(at, reader->end, entry) < 0))
        return -EPROTO;
    uint32_t stored = entry->payload_bytes;
    if (stored > (size_t)(reader->end - *at))
        return -EPROTO;
    entry->ethernet = reader->header.ethernet;
    entry->payload = *at;
    if (entry->kind != CONTAINER_SHARED && entry_split(*at, entry) < 0)
        return -EPROTO;
    if (entry->kind != CONTAINER_SUPER &&
        entry->payload_bytes > CONTAINER_FRAME_MAX - CONTAINER_ETHERNET)
        return -EPROTO;
    *at += stored;
    return 0;
}

/* Moves only past what fits: an error stays one. */
int container_next(struct container_reader *reader, struct container_entry *ret)
{
    struct container_entry entry;
    const uint8_t *at = reader->at;

    if (reader->left == 0)
        return at == reader->end ? 0 : -EPROTO;
    if (entry_read(reader, &at, &entry) < 0)
        return -EPROTO;
    reader->at = at;
    reader->left--;
    *ret = entry;
    return 1;
}
