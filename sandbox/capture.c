// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/capture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK_SIZE (1u << 17)
#define BLOCKS 64u       /* over two seconds of 16000 packets/s */
#define FRAME_SIZE 2048u /* a unit of accounting only, in version 3 */

struct capture {
    int fd;
    uint8_t *ring;
    unsigned next; /* block */
    uint64_t dropped;
};

static int ring_set_up(int fd)
{
    int version = TPACKET_V3, ignore = 1;
    struct tpacket_req3 request = {
        .tp_block_size = BLOCK_SIZE,
        .tp_block_nr = BLOCKS,
        .tp_frame_size = FRAME_SIZE,
        .tp_frame_nr = BLOCK_SIZE / FRAME_SIZE * BLOCKS,
        .tp_retire_blk_tov = CAPTURE_LATE_MS,
    };

    if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &ignore, sizeof(ignore)) ||
        setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)))
        return -errno;
    return 0;
}

/* The protocol given to bind() starts the delivery: before it the ring must be there. */
static int bind_to(struct namespace *space, int fd, const char *interface)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int error = namespace_enter(space);

    if (error)
        return error;
    address.sll_ifindex = (int)if_nametoindex(interface);
    error = address.sll_ifindex ? 0 : -errno;
    namespace_leave(space);
    if (!error && bind(fd, (struct sockaddr *)&address, sizeof(address)))
        error = -errno;
    return error;
}

static int capture_start(struct capture *capture, struct namespace *space, const char *interface)
{
    capture->fd = namespace_socket(space, AF_PACKET, SOCK_RAW, 0);
    if (capture->fd < 0)
        return capture->fd;
    int error = ring_set_up(capture->fd);
    if (error)
        return error;
    void *ring =
        mmap(NULL, (size_t)BLOCK_SIZE * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, capture->fd, 0);
    if (ring == MAP_FAILED)
        return -errno;
    capture->ring = ring;
    return bind_to(space, capture->fd, interface);
}

int capture_open(struct namespace *space, const char *interface, struct capture **ret)
{
    struct capture *capture = calloc(1, sizeof(*capture));

    if (!capture)
        return -ENOMEM;
    int error = capture_start(capture, space, interface);
    if (error) {
        capture_close(capture);
        return error;
    }
    *ret = capture;
    return 0;
}

void capture_close(struct capture *capture)
{
    if (!capture)
        return;
    if (capture->ring)
        munmap(capture->ring, (size_t)BLOCK_SIZE * BLOCKS);
    if (capture->fd >= 0)
        close(capture->fd);
    free(capture);
}

static unsigned block_show(const struct tpacket_hdr_v1 *block, const uint8_t *base,
                           capture_seen *seen, void *context)
{
    const uint8_t *place = base + block->offset_to_first_pkt;

    for (unsigned i = 0; i < block->num_pkts; i++) {
        const struct tpacket3_hdr *packet = (const struct tpacket3_hdr *)place;
        seen(context, place + packet->tp_mac, packet->tp_snaplen,
             packet->tp_sec * 1000000000ull + packet->tp_nsec);
        place += packet->tp_next_offset;
    }
    return block->num_pkts;
}

unsigned capture_drain(struct capture *capture, capture_seen *seen, void *context)
{
    unsigned packets = 0;

    for (unsigned n = 0; n < BLOCKS; n++) {
        uint8_t *base = capture->ring + (size_t)capture->next * BLOCK_SIZE;
        struct tpacket_block_desc *block = (struct tpacket_block_desc *)base;
        if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
            break;
        packets += block_show(&block->hdr.bh1, base, seen, context);
        __atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        capture->next = (capture->next + 1) % BLOCKS;
    }
    return packets;
}

/* Asking the kernel sets its own count to zero. */
uint64_t capture_dropped(struct capture *capture)
{
    struct tpacket_stats_v3 stats;
    socklen_t size = sizeof(stats);

    if (getsockopt(capture->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
        capture->dropped += stats.tp_drops;
    return capture->dropped;
}
