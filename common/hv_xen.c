// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hypervisor interface on Xen: grants by libxengnttab (the guest's end
 * shares through /dev/xen/gntalloc, the backend's maps through
 * /dev/xen/gntdev), event channels by libxenevtchn.
 *
 * Each channel has a handle of its own: its descriptor then says whose event it
 * is, and the kernel's queue behind it, of one port, cannot overflow.
 *
 * Farewell: the kernel clears our byte of the control page and sends an event
 * when our mapping of that page ends, however it ends. A byte that is 0 again
 * after it was not means that the peer is gone. A domain that is destroyed ends
 * no mapping, so neither happens then: its xenstore folder tells.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xentoollog.h>

#include "common/hv_ops.h"
#include "common/log.h"

#define WRITABLE 1

/* What bounds grants, each a file with one number. */
#define LIMIT_GNTALLOC "/sys/module/xen_gntalloc/parameters/limit"
#define LIMIT_GNTDEV "/sys/module/xen_gntdev/parameters/limit"

struct xen {
    struct hv base;
    xentoollog_logger *logger; /* the libraries': silent, callers say what failed and where */
    pthread_mutex_t lock;
    xengntshr_handle *gntshr; /* opened where first needed: a guest has no use for gntdev, */
    xengnttab_handle *gnttab; /* a backend none for gntalloc */
    bool missing_said, limit_said;
};

struct xen_pages;

struct xen_channel {
    struct hv_channel base; /* its port is the one here, of a bound channel too */
    xenevtchn_handle *handle;
    struct xen_pages *control; /* whose farewell comes by this channel; NULL: none's */
    const uint8_t *peer_here;  /* the peer's byte there */
    bool peer_seen;
};

struct xen_pages {
    struct hv_pages base;
    struct xen *hv;
    bool shared; /* else mapped */
    void *memory;
    struct xen_channel *channel; /* of the farewell; NULL: none, or released before */
};

/* --- the handle ---------------------------------------------------------- */

/* Errno after `device` could not be opened, as ours. Says once what is missing. */
static int device_error(struct xen *hv, const char *device)
{
    int error = errno ? -errno : -EIO;

    if (!hv->missing_said)
        log_line(LOG_ERR, "hypervisor",
                 "/dev/xen/%s: %s. Does Xen run here, is the module xen-%s loaded?", device,
                 strerror(-error), device);
    hv->missing_said = true;
    return error == -ENOENT ? -ENODEV : error;
}

/* Whether Xen is there at all: found out before anything depends on it. */
static int xen_probe(struct xen *hv)
{
    errno = 0;
    xenevtchn_handle *handle = xenevtchn_open(hv->logger, 0);
    if (!handle)
        return device_error(hv, "evtchn");
    xenevtchn_close(handle);
    return 0;
}

static void xen_close(struct hv *base)
{
    struct xen *hv = (struct xen *)base;

    if (hv->gntshr)
        xengntshr_close(hv->gntshr);
    if (hv->gnttab)
        xengnttab_close(hv->gnttab);
    xtl_logger_destroy(hv->logger);
    pthread_mutex_destroy(&hv->lock);
    free(hv);
}

/* Its own number is nothing that a domain has to tell Xen. */
static int xen_open(const char *place, uint32_t domid, struct hv **ret)
{
    struct xen *hv = calloc(1, sizeof(*hv));

    (void)place, (void)domid;
    if (!hv)
        return -ENOMEM;
    hv->base.ops = &hv_xen_ops;
    pthread_mutex_init(&hv->lock, NULL);
    hv->logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
    int error = hv->logger ? xen_probe(hv) : -ENOMEM;
    if (error)
        xen_close(&hv->base);
    else
        *ret = &hv->base;
    return error;
}

static int gntshr_ensure(struct xen *hv)
{
    int error = 0;

    pthread_mutex_lock(&hv->lock);
    errno = 0;
    if (!hv->gntshr)
        hv->gntshr = xengntshr_open(hv->logger, 0);
    if (!hv->gntshr)
        error = device_error(hv, "gntalloc");
    pthread_mutex_unlock(&hv->lock);
    return error;
}

static int gnttab_ensure(struct xen *hv)
{
    int error = 0;

    pthread_mutex_lock(&hv->lock);
    errno = 0;
    if (!hv->gnttab)
        hv->gnttab = xengnttab_open(hv->logger, 0);
    if (!hv->gnttab)
        error = device_error(hv, "gntdev");
    pthread_mutex_unlock(&hv->lock);
    return error;
}

/* The number in a file; 0: it cannot be read. */
static unsigned long limit_read(const char *path)
{
    unsigned long limit = 0;
    FILE *file = fopen(path, "re");

    if (!file)
        return 0;
    if (fscanf(file, "%lu", &limit) != 1)
        limit = 0;
    fclose(file);
    return limit;
}

/*
 * Sharing found no room. gntalloc counts the pages of all its users, also those
 * that a peer has not yet unmapped, and only says that there are too many; the
 * domain's grant table can be full as well.
 */
static void share_limit_say(struct xen *hv, uint32_t count)
{
    if (!hv->limit_said)
        log_line(LOG_ERR, "hypervisor",
                 "no room to share %u more pages: raise " LIMIT_GNTALLOC " (now %lu), or, where "
                 "that is not reached, this domain's max_grant_frames (xl.cfg)",
                 count, limit_read(LIMIT_GNTALLOC));
    hv->limit_said = true;
}

/* Mapping found no room: too many pages at once for gntdev, or Xen's table of mappings is full. */
static void map_limit_say(struct xen *hv, uint32_t count)
{
    unsigned long limit = limit_read(LIMIT_GNTDEV);

    if (hv->limit_said)
        return;
    if (limit && count > limit)
        log_line(LOG_ERR, "hypervisor",
                 "%u pages are more than can be mapped at once: raise " LIMIT_GNTDEV " (now %lu)",
                 count, limit);
    else
        log_line(LOG_ERR, "hypervisor",
                 "no room to map %u more pages: raise this domain's max_maptrack_frames (for dom0 "
                 "gnttab_max_maptrack_frames on Xen's command line)",
                 count);
    hv->limit_said = true;
}

/* Whether it was gntdev's limit on one mapping that refused: it says EINVAL, as for a bad one. */
static bool map_limited(int error, uint32_t count)
{
    unsigned long limit = limit_read(LIMIT_GNTDEV);

    return error == ENOSPC || error == ENOMEM || (error == EINVAL && limit && count > limit);
}

/* What Xen says of a domain, reference or port that it does not know. */
static int lookup_error(void)
{
    return errno == EINVAL || errno == ESRCH ? -ENOENT : errno ? -errno : -EIO;
}

/* --- channels ------------------------------------------------------------ */

static void xen_channel_release(struct hv_channel *base)
{
    struct xen_channel *channel = (struct xen_channel *)base;

    if (channel->control)
        channel->control->channel = NULL;
    xenevtchn_close(channel->handle);
    free(channel);
}

static int channel_open(struct xen *hv, struct xen_channel **ret)
{
    struct xen_channel *channel = calloc(1, sizeof(*channel));

    if (!channel)
        return -ENOMEM;
    errno = 0;
    channel->handle = xenevtchn_open(hv->logger, 0);
    if (!channel->handle) {
        free(channel);
        return device_error(hv, "evtchn");
    }
    channel->base.ops = &hv_xen_ops;
    channel->base.fd = xenevtchn_fd(channel->handle);
    /* Else taking an event that is not there would wait for one. */
    if (fcntl(channel->base.fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0) {
        int error = -errno;
        xen_channel_release(&channel->base);
        return error;
    }
    *ret = channel;
    return 0;
}

/* Takes the port that a bind returned. */
static int channel_finish(struct xen_channel *channel, int port, struct hv_channel **ret)
{
    if (port < 0) {
        int error = lookup_error();
        xen_channel_release(&channel->base);
        return error;
    }
    channel->base.port = (uint32_t)port;
    *ret = &channel->base;
    return 0;
}

static int xen_channel_offer(struct hv *base, uint32_t peer, struct hv_channel **ret)
{
    struct xen_channel *channel;
    int error = channel_open((struct xen *)base, &channel);

    if (error)
        return error;
    errno = 0;
    return channel_finish(channel, xenevtchn_bind_unbound_port(channel->handle, peer), ret);
}

static int xen_channel_bind(struct hv *base, uint32_t peer, uint32_t port, struct hv_channel **ret)
{
    struct xen_channel *channel;
    int error = channel_open((struct xen *)base, &channel);

    if (error)
        return error;
    errno = 0;
    return channel_finish(channel, xenevtchn_bind_interdomain(channel->handle, peer, port), ret);
}

/* The peer may be gone: then nobody is there to be told. */
static void xen_channel_notify(struct hv_channel *base)
{
    struct xen_channel *channel = (struct xen_channel *)base;

    xenevtchn_notify(channel->handle, channel->base.port);
}

static void events_take(struct xen_channel *channel)
{
    int port = xenevtchn_pending(channel->handle);
    if (port >= 0)
        xenevtchn_unmask(channel->handle, (evtchn_port_t)port);
}

static int xen_channel_accept(struct hv_channel *base)
{
    struct xen_channel *channel = (struct xen_channel *)base;

    events_take(channel);
    if (!channel->peer_here)
        return 0;
    bool here = __atomic_load_n(channel->peer_here, __ATOMIC_ACQUIRE) != 0;
    if (!here && channel->peer_seen)
        return -ECONNRESET;
    channel->peer_seen |= here;
    return 0;
}

/* --- pages --------------------------------------------------------------- */

static struct xen_pages *pages_new(struct xen *hv, uint32_t count)
{
    struct xen_pages *pages = calloc(1, sizeof(*pages));

    if (pages) {
        pages->base.ops = &hv_xen_ops;
        pages->base.count = count;
        pages->hv = hv;
    }
    return pages;
}

static void addresses_set(struct xen_pages *pages)
{
    for (uint32_t i = 0; i < pages->base.count; i++)
        pages->base.addresses[i] = (uint8_t *)pages->memory + (size_t)i * HV_PAGE;
}

/* From here on each end can tell that the other was there. */
static void farewell_arm(struct xen_pages *pages, const struct hv_farewell *farewell)
{
    uint8_t *page = pages->memory;

    pages->channel = (struct xen_channel *)farewell->channel;
    pages->channel->control = pages;
    pages->channel->peer_here = &page[farewell->peer_offset % HV_PAGE];
    pages->channel->peer_seen = false;
    __atomic_store_n(&page[farewell->own_offset % HV_PAGE], 1, __ATOMIC_RELEASE);
}

static void xen_pages_release(struct hv_pages *base)
{
    struct xen_pages *pages = (struct xen_pages *)base;

    if (pages->channel) {
        pages->channel->control = NULL;
        pages->channel->peer_here = NULL;
    }
    if (pages->shared)
        xengntshr_unshare(pages->hv->gntshr, pages->memory, pages->base.count);
    else
        xengnttab_unmap(pages->hv->gnttab, pages->memory, pages->base.count);
    free(pages);
}

static void *memory_share(struct xen_pages *pages, uint32_t peer,
                          const struct hv_farewell *farewell)
{
    xengntshr_handle *handle = pages->hv->gntshr;
    uint32_t *references = pages->base.references;

    if (farewell)
        return xengntshr_share_page_notify(handle, peer, references, WRITABLE,
                                           farewell->own_offset % HV_PAGE, farewell->channel->port);
    return xengntshr_share_pages(handle, peer, (int)pages->base.count, references, WRITABLE);
}

static int xen_share(struct hv *base, uint32_t peer, uint32_t count,
                     const struct hv_farewell *farewell, struct hv_pages **ret)
{
    struct xen *hv = (struct xen *)base;
    int error = gntshr_ensure(hv);

    if (error)
        return error;
    struct xen_pages *pages = pages_new(hv, count);
    if (!pages)
        return -ENOMEM;
    errno = 0;
    pages->shared = true;
    pages->memory = memory_share(pages, peer, farewell);
    if (!pages->memory) {
        error = errno ? -errno : -EIO;
        if (error == -ENOSPC)
            share_limit_say(hv, count);
        free(pages);
        return error;
    }
    addresses_set(pages);
    if (farewell)
        farewell_arm(pages, farewell);
    *ret = &pages->base;
    return 0;
}

static void *memory_map(struct xen_pages *pages, uint32_t peer, const struct hv_farewell *farewell)
{
    xengnttab_handle *handle = pages->hv->gnttab;
    uint32_t *references = pages->base.references;
    int protection = PROT_READ | PROT_WRITE;

    if (farewell)
        return xengnttab_map_grant_ref_notify(handle, peer, references[0], protection,
                                              farewell->own_offset % HV_PAGE,
                                              farewell->channel->port);
    return xengnttab_map_domain_grant_refs(handle, pages->base.count, peer, references, protection);
}

/* The sharing end said that it is there before it told anybody the reference. */
static int peer_check(struct xen_pages *pages)
{
    struct xen_channel *channel = pages->channel;

    channel->peer_seen = true;
    return __atomic_load_n(channel->peer_here, __ATOMIC_ACQUIRE) ? 0 : -ECONNRESET;
}

/* Errno after a mapping failed, as ours. */
static int map_error(struct xen *hv, uint32_t count)
{
    int error = errno;

    if (map_limited(error, count)) {
        map_limit_say(hv, count);
        return -ENOSPC;
    }
    errno = error;
    return lookup_error();
}

static int xen_map(struct hv *base, uint32_t peer, const uint32_t *references, uint32_t count,
                   const struct hv_farewell *farewell, struct hv_pages **ret)
{
    struct xen *hv = (struct xen *)base;
    int error = gnttab_ensure(hv);

    if (error)
        return error;
    struct xen_pages *pages = pages_new(hv, count);
    if (!pages)
        return -ENOMEM;
    memcpy(pages->base.references, references, count * sizeof(*references));
    errno = 0;
    pages->memory = memory_map(pages, peer, farewell);
    if (!pages->memory) {
        error = map_error(hv, count);
        free(pages);
        return error;
    }
    addresses_set(pages);
    if (farewell) {
        farewell_arm(pages, farewell);
        error = peer_check(pages);
    }
    if (error)
        xen_pages_release(&pages->base);
    else
        *ret = &pages->base;
    return error;
}

const struct hv_ops hv_xen_ops = {
    .open = xen_open,
    .close = xen_close,
    .channel_offer = xen_channel_offer,
    .channel_bind = xen_channel_bind,
    .channel_release = xen_channel_release,
    .channel_notify = xen_channel_notify,
    .channel_accept = xen_channel_accept,
    .share = xen_share,
    .map = xen_map,
    .pages_release = xen_pages_release,
};
