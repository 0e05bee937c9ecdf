// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The container: packets under one Ethernet header, as docs/container-format.md
 * gives it byte by byte. A builder makes one in private memory; a reader walks
 * one that somebody else made, and believes nothing in it.
 */
#ifndef XENAGG_COMMON_CONTAINER_H
#define XENAGG_COMMON_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define CONTAINER_VERSION 1u
#define CONTAINER_ETHERNET 14u
#define CONTAINER_ENTRY 2u /* the length before each packet */
#define CONTAINER_ALIGN 8u /* containers begin at multiples of this */
#define CONTAINER_FRAME_MIN CONTAINER_ETHERNET
#define CONTAINER_FRAME_MAX 9018u /* 9000 bytes, an Ethernet header and a VLAN tag */
#define CONTAINER_COUNT_MAX 65535u
#define CONTAINER_SUPER_MAX                                                                        \
    65553u /* a super-frame: 65535 bytes, an Ethernet header and a VLAN tag */

/* All little-endian. */
struct container_header {
    uint16_t version;
    uint16_t flags;    /* 0 */
    uint32_t bytes;    /* of the whole container, this header included, padding not */
    uint32_t count;    /* entries */
    uint32_t sequence; /* of containers in this direction, from 0; wraps around */
    uint8_t ethernet[CONTAINER_ETHERNET];
    uint8_t reserved[2];   /* 0 */
    uint64_t stamp;        /* the sender's clock when it published; means nothing elsewhere */
    uint64_t echo_stamp;   /* stamp of the last container that the sender took; 0: none */
    uint32_t echo_hold_ns; /* how long ago the sender took that one */
    uint32_t open_ns;      /* first packet to closing, in the sender's clock; saturates */
    uint32_t fill_ns;      /* mean over its packets: read until closing; saturates */
    uint32_t reserved_end; /* 0 */
};
_Static_assert(sizeof(struct container_header) == 64, "the header is 64 bytes on the wire");

/* Largest container in bytes, of any kind, padding included. */
#define CONTAINER_BYTES_MAX 131072u

/* The two top bits of an entry's length. */
enum container_kind {
    CONTAINER_SHARED, /* packet without its Ethernet header: the container's holds */
    CONTAINER_OWN,    /* packet with its own Ethernet header */
    CONTAINER_SUPER,  /* super-frame: struct container_offload, then the frame */
    CONTAINER_KINDS
};

/* Feature key (1 where understood) of an end that takes super-frames. */
#define CONTAINER_FEATURE_SUPER "feature-super-frame"

/* Before a super-frame: its length, and what a virtio net header says. Little-endian. */
struct container_offload {
    uint32_t length;      /* of the frame, Ethernet header included */
    uint8_t flags;        /* 1: checksum still to be made */
    uint8_t segmentation; /* 0 none, 1 TCPv4, 4 TCPv6, 5 UDP */
    uint16_t header_length, segment_size, checksum_start, checksum_offset;
    uint16_t reserved; /* 0 */
};
_Static_assert(sizeof(struct container_offload) == 16, "the offload block is 16 bytes on the wire");

/* --- building ------------------------------------------------------------ */

/* Memory that a builder needs: the largest container, and a frame read before it is known to fit.
 */
#define CONTAINER_MEMORY (CONTAINER_BYTES_MAX + CONTAINER_FRAME_MAX + CONTAINER_ALIGN)

struct container_builder {
    uint8_t *memory; /* CONTAINER_MEMORY bytes, the caller's */
    uint32_t bytes;  /* so far, header included */
    uint32_t count;
    uint8_t ethernet[CONTAINER_ETHERNET]; /* of the frame being read */
};

void container_begin(struct container_builder *builder, uint8_t *memory);
/*
 * Where the next frame is to be read to: its Ethernet header apart, the rest in
 * its place. A frame longer than CONTAINER_FRAME_MAX shows as one byte more.
 */
void container_slot(struct container_builder *builder, struct iovec ret_slot[2]);
/*
 * Whether the frame of `length` bytes that lies in the slot would keep the
 * container within `bytes_limit`. `length` is CONTAINER_FRAME_MIN..MAX.
 */
bool container_fits(const struct container_builder *builder, uint32_t length, uint32_t bytes_limit);
/* Takes the frame in the slot as the next entry; the first one gives the container its header. */
enum container_kind container_take(struct container_builder *builder, uint32_t length);
/* Appends a super-frame: 0, -E2BIG (too long, or no room). */
int container_take_super(struct container_builder *builder, const struct container_offload *offload,
                         const uint8_t *frame);
/* Puts a whole frame of `length` bytes into the slot, as if it had been read there. */
void container_load(struct container_builder *builder, const uint8_t *frame, uint32_t length);
/* Copies the frame of `length` bytes that lies in the slot, before it is overwritten. */
void container_unload(const struct container_builder *builder, uint8_t *ret_frame, uint32_t length);
/* Writes the header; `header` gives sequence, stamps, open_ns and fill_ns, the rest is filled in.
 */
void container_finish(struct container_builder *builder, const struct container_header *header);

static inline uint32_t container_padded(uint32_t bytes)
{
    return (bytes + CONTAINER_ALIGN - 1) & ~(CONTAINER_ALIGN - 1);
}

/* --- reading ------------------------------------------------------------- */

struct container_reader {
    struct container_header header; /* checked */
    const uint8_t *at, *end;
    uint32_t left;
};

struct container_entry {
    enum container_kind kind;
    const uint8_t *ethernet; /* CONTAINER_ETHERNET bytes */
    const uint8_t *payload;
    uint32_t payload_bytes;
    struct container_offload offload; /* CONTAINER_SUPER only; fields not checked further */
};

/* Whether a header, copied out of shared memory, can be a container's. 0 or -EPROTO. */
int container_check(const struct container_header *header);
/* `bytes` is private memory with at least header->bytes bytes. 0 or -EPROTO. */
int container_open(struct container_reader *reader, const uint8_t *bytes, uint32_t length);
/* 1 and the next entry (pointing into the container), 0 at the end, -EPROTO. */
int container_next(struct container_reader *reader, struct container_entry *ret);

#endif
