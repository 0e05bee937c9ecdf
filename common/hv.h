// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hypervisor, as far as the data path needs it: pages that one domain
 * shares and another maps, channels that wake the peer, and to know that the
 * peer is gone. Nothing above this header knows which implementation runs.
 *
 * The shape is that of grants and event channels. The guest's end shares and
 * offers; the backend maps and binds, by numbers read from xenstore. A handle
 * must not be used after fork().
 *
 * Errors are -errno. -ENOENT: no such domain, reference or port (yet);
 * -ECONNRESET: the peer is gone; -ENODEV: no such hypervisor here, or its
 * devices are missing.
 */
#ifndef XENAGG_COMMON_HV_H
#define XENAGG_COMMON_HV_H

#include <stdint.h>

#define HV_PAGE 4096u
/* Pages of one share. */
#define HV_SHARE_MAX 2048u
/* As many references fit one xenstore node as text. */
#define HV_SHARE_TEXT 256u

struct hv;

/*
 * `spec`: "xen"; or "local:DIR", domains are processes that meet in the folder
 * DIR. `domid`: this domain's own number. -EINVAL: no such spec.
 */
int hv_open(const char *spec, uint32_t domid, struct hv **ret);
/* Everything shared, mapped, offered and bound must have been released. */
void hv_close(struct hv *hv);

/* --- channels ------------------------------------------------------------ */

struct hv_channel;

/* Offers a channel to domain `peer`, which binds it by its port. */
int hv_channel_offer(struct hv *hv, uint32_t peer, struct hv_channel **ret);
int hv_channel_bind(struct hv *hv, uint32_t peer, uint32_t port, struct hv_channel **ret);
void hv_channel_release(struct hv_channel *channel);
/* The number that the peer binds; of an offered channel. */
uint32_t hv_channel_port(const struct hv_channel *channel);
/* Readable when the peer notified, or is gone. */
int hv_channel_fd(const struct hv_channel *channel);
void hv_channel_notify(struct hv_channel *channel);
/*
 * Takes what is pending. 0, or -ECONNRESET: the peer was there, and is gone.
 * (A destroyed domain may leave no trace here: its vanished xenstore folder
 * tells.)
 */
int hv_channel_accept(struct hv_channel *channel);

/* --- pages --------------------------------------------------------------- */

struct hv_pages;

/*
 * Two bytes of the first page that belong to this layer: how each end tells
 * the other, through `channel`, that it is gone. Only of one page (a control
 * page): the hypervisor watches one byte per mapping. Bound before its page is
 * mapped, offered before it is shared.
 */
struct hv_farewell {
    struct hv_channel *channel;
    uint32_t own_offset, peer_offset;
};

/* Zeroed pages for `peer`, 1..HV_SHARE_MAX. `farewell` may be NULL. */
int hv_share(struct hv *hv, uint32_t peer, uint32_t count, const struct hv_farewell *farewell,
             struct hv_pages **ret);
/* Maps what `peer` shared; all references of one share, in their order. */
int hv_map(struct hv *hv, uint32_t peer, const uint32_t *references, uint32_t count,
           const struct hv_farewell *farewell, struct hv_pages **ret);
/* Unmaps or ends sharing; the peer's mapping stays valid as long as it keeps it. */
void hv_pages_release(struct hv_pages *pages);
uint32_t hv_pages_count(const struct hv_pages *pages);
/* One address per page: they need not lie side by side. */
void *const *hv_pages_addresses(const struct hv_pages *pages);
/* One reference per page, of shared pages. */
const uint32_t *hv_pages_references(const struct hv_pages *pages);

#endif
