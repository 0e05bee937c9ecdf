// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where frames come from and go to: a TAP device, in batches where the
 * kernel allows it. Never blocks. A frame moves as two parts, its Ethernet header and the rest,
 * because a container stores only the rest.
 */
#ifndef XENAGG_DATAPATH_PORT_H
#define XENAGG_DATAPATH_PORT_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "datapath/batch.h"

struct port;

struct port_options {
    const char *name;   /* of the TAP, at most 15 characters */
    const uint8_t *mac; /* 6 bytes; NULL: the kernel's choice */
    unsigned mtu;       /* 68..9000 */
    const char *bridge; /* to join; NULL: none */
};

/* Makes the TAP and brings it up. 0 or -errno (-EBUSY: another process holds it). */
int port_open_tap(const struct port_options *options, struct port **ret);
/* Over a descriptor that keeps message boundaries (a SEQPACKET socket); takes it over. */
int port_open_fd(int fd, struct port **ret);
void port_close(struct port *port);
/* Gives the TAP another address, also while it is up. 0 or -errno. */
int port_mac_set(struct port *port, const uint8_t mac[static 6]);

/* Readable when there is a frame. */
int port_fd(const struct port *port);
/* Length of the frame that was read into the two parts, 0: none waits, -errno. */
ssize_t port_read(struct port *port, const struct iovec frame[2]);
/* Queues a frame, whose parts must stay as they are until the next port_flush. */
void port_write(struct port *port, const struct iovec frame[2]);
/* Writes what is queued. Frames that were not taken since the last flush. */
struct batch_refused port_flush(struct port *port);
/* Frames for us that the port's queue could not hold, since the device was made; 0 where unknown.
 */
uint64_t port_dropped(const struct port *port);

#endif
