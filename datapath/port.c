// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/port.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct port {
    int fd;
    char name[IFNAMSIZ];          /* "": not a device */
    struct batch *batch;          /* NULL: frame by frame */
    struct batch_refused refused; /* where there is no batch */
};

/* A TAP can stay attached for a moment after its process died. */
#define ATTACH_TRIES 50
#define ATTACH_PAUSE_US 10000

static int port_new(int fd, const char *name, struct port **ret)
{
    struct port *port = calloc(1, sizeof(*port));

    if (!port)
        return -ENOMEM;
    port->fd = fd;
    snprintf(port->name, sizeof(port->name), "%s", name);
    if (batch_new(fd, &port->batch) < 0)
        port->batch = NULL; /* io_uring may be switched off: plain calls do as well, slower */
    *ret = port;
    return 0;
}

int port_open_fd(int fd, struct port **ret)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return port_new(fd, "", ret);
}

static int tap_attach(int fd, const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    for (int tries = 0; tries < ATTACH_TRIES; tries++) {
        if (ioctl(fd, TUNSETIFF, &request) == 0)
            return 0;
        if (errno != EBUSY)
            break;
        usleep(ATTACH_PAUSE_US);
    }
    return -errno;
}

static int bridge_join(int control, const char *bridge, const char *name)
{
    struct ifreq request = {.ifr_ifindex = (int)if_nametoindex(name)};

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", bridge);
    return ioctl(control, SIOCBRADDIF, &request) < 0 ? -errno : 0;
}

static int tap_configure(int control, const struct port_options *options)
{
    struct ifreq request = {0};

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", options->name);
    if (options->mac) {
        request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
        memcpy(request.ifr_hwaddr.sa_data, options->mac, 6);
        if (ioctl(control, SIOCSIFHWADDR, &request) < 0)
            return -errno;
    }
    request.ifr_mtu = (int)options->mtu;
    if (ioctl(control, SIOCSIFMTU, &request) < 0)
        return -errno;
    int error = options->bridge ? bridge_join(control, options->bridge, options->name) : 0;
    if (error)
        return error;
    if (ioctl(control, SIOCGIFFLAGS, &request) < 0)
        return -errno;
    request.ifr_flags |= IFF_UP;
    return ioctl(control, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

int port_open_tap(const struct port_options *options, struct port **ret)
{
    if (strlen(options->name) >= IFNAMSIZ ||
        (options->bridge && strlen(options->bridge) >= IFNAMSIZ))
        return -ENAMETOOLONG;
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int error = control < 0 ? -errno : tap_attach(fd, options->name);
    if (!error)
        error = tap_configure(control, options);
    if (!error)
        error = port_new(fd, options->name, ret);
    if (control >= 0)
        close(control);
    if (error)
        close(fd);
    return error;
}

void port_close(struct port *port)
{
    if (!port)
        return;
    batch_free(port->batch);
    close(port->fd);
    free(port);
}

/* By the descriptor: the device may be in another network namespace. */
int port_mac_set(struct port *port, const uint8_t mac[static 6])
{
    struct ifreq request = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};

    memcpy(request.ifr_hwaddr.sa_data, mac, 6);
    return ioctl(port->fd, SIOCSIFHWADDR, &request) < 0 ? -errno : 0;
}

int port_fd(const struct port *port)
{
    return port->fd;
}

ssize_t port_read(struct port *port, const struct iovec frame[2])
{
    if (port->batch)
        return batch_read(port->batch, frame);
    ssize_t length = readv(port->fd, frame, 2);
    if (length >= 0)
        return length;
    return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

void port_write(struct port *port, const struct iovec frame[2])
{
    if (port->batch)
        batch_write(port->batch, frame);
    else if (writev(port->fd, frame, 2) < 0)
        batch_refused_add(&port->refused, frame);
}

struct batch_refused port_flush(struct port *port)
{
    if (port->batch)
        return batch_flush(port->batch);
    struct batch_refused refused = port->refused;
    port->refused = (struct batch_refused){0};
    return refused;
}

uint64_t port_dropped(const struct port *port)
{
    struct ifaddrs *all;
    uint64_t dropped = 0;

    /* By netlink: sysfs may show another network namespace. */
    if (!port->name[0] || getifaddrs(&all) < 0)
        return 0;
    for (struct ifaddrs *at = all; at; at = at->ifa_next)
        if (at->ifa_addr && at->ifa_addr->sa_family == AF_PACKET && at->ifa_data &&
            strcmp(at->ifa_name, port->name) == 0)
            dropped = ((const struct rtnl_link_stats *)at->ifa_data)->tx_dropped;
    freeifaddrs(all);
    return dropped;
}
