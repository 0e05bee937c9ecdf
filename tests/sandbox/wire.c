// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sandbox/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BUFFER (16 << 20)

static int wire_bind(struct namespace *space, int fd, const char *interface)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int one = 1, size = BUFFER, error = namespace_enter(space);

    if (error)
        return error;
    address.sll_ifindex = (int)if_nametoindex(interface);
    namespace_leave(space);
    if (!address.sll_ifindex)
        return -ENODEV;
    if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
        setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) ||
        setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)))
        return -errno;
    return 0;
}

int wire_open(struct namespace *space, const char *interface)
{
    int fd = namespace_socket(space, AF_PACKET, SOCK_RAW, 0);

    if (fd < 0)
        return fd;
    int error = wire_bind(space, fd, interface);
    if (error) {
        close(fd);
        return error;
    }
    return fd;
}

int wire_send(int wire, const uint8_t *frame, size_t size)
{
    return send(wire, frame, size, MSG_DONTWAIT) == (ssize_t)size ? 0 : -errno;
}

/* The kernel takes a VLAN tag out of a frame and hands it over beside it: put it back. */
static int tag_restore(struct msghdr *message, uint8_t *frame, int size)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        struct tpacket_auxdata aux;
        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
            continue;
        memcpy(&aux, CMSG_DATA(c), sizeof(aux));
        if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
            continue;
        uint16_t tag[2] = {
            htons(aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q),
            htons(aux.tp_vlan_tci)};
        memmove(frame + 16, frame + 12, (size_t)size - 12);
        memcpy(frame + 12, tag, sizeof(tag));
        size += 4;
    }
    return size;
}

int wire_receive(int wire, double seconds, uint8_t ret_frame[static WIRE_FRAME_MAX + 4])
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
    struct iovec place = {.iov_base = ret_frame, .iov_len = WIRE_FRAME_MAX};
    struct msghdr message = {.msg_iov = &place,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct pollfd item = {.fd = wire, .events = POLLIN};

    if (poll(&item, 1, (int)(seconds * 1000)) == 0)
        return -EAGAIN;
    ssize_t size = recvmsg(wire, &message, MSG_DONTWAIT);
    if (size < 0)
        return -errno;
    return tag_restore(&message, ret_frame, (int)size);
}
