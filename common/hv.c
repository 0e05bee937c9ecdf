// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/hv.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/hv_ops.h"

static const struct implementation {
    const char *name;
    bool placed; /* ":PLACE" follows the name */
    const struct hv_ops *ops;
} implementations[] = {
    {"xen", false, &hv_xen_ops},
    {"local", true, &hv_local_ops},
};

int hv_open(const char *spec, uint32_t domid, struct hv **ret)
{
    size_t length = strcspn(spec, ":");

    for (size_t i = 0; i < sizeof(implementations) / sizeof(implementations[0]); i++) {
        const struct implementation *one = &implementations[i];
        if (strlen(one->name) != length || strncmp(spec, one->name, length) != 0)
            continue;
        if (one->placed != (spec[length] == ':'))
            return -EINVAL;
        return one->ops->open(one->placed ? spec + length + 1 : "", domid, ret);
    }
    return -EINVAL;
}

void hv_close(struct hv *hv)
{
    if (hv)
        hv->ops->close(hv);
}

/* --- channels ------------------------------------------------------------ */

int hv_channel_offer(struct hv *hv, uint32_t peer, struct hv_channel **ret)
{
    return hv->ops->channel_offer(hv, peer, ret);
}

int hv_channel_bind(struct hv *hv, uint32_t peer, uint32_t port, struct hv_channel **ret)
{
    return hv->ops->channel_bind(hv, peer, port, ret);
}

void hv_channel_release(struct hv_channel *channel)
{
    if (channel)
        channel->ops->channel_release(channel);
}

uint32_t hv_channel_port(const struct hv_channel *channel)
{
    return channel->port;
}

int hv_channel_fd(const struct hv_channel *channel)
{
    return channel->fd;
}

void hv_channel_notify(struct hv_channel *channel)
{
    channel->ops->channel_notify(channel);
}

int hv_channel_accept(struct hv_channel *channel)
{
    return channel->ops->channel_accept(channel);
}

/* --- pages --------------------------------------------------------------- */

static bool count_valid(uint32_t count, const struct hv_farewell *farewell)
{
    return count >= 1 && count <= HV_SHARE_MAX && (!farewell || count == 1);
}

int hv_share(struct hv *hv, uint32_t peer, uint32_t count, const struct hv_farewell *farewell,
             struct hv_pages **ret)
{
    return count_valid(count, farewell) ? hv->ops->share(hv, peer, count, farewell, ret) : -EINVAL;
}

int hv_map(struct hv *hv, uint32_t peer, const uint32_t *references, uint32_t count,
           const struct hv_farewell *farewell, struct hv_pages **ret)
{
    return count_valid(count, farewell) ? hv->ops->map(hv, peer, references, count, farewell, ret)
                                        : -EINVAL;
}

void hv_pages_release(struct hv_pages *pages)
{
    if (pages)
        pages->ops->pages_release(pages);
}

uint32_t hv_pages_count(const struct hv_pages *pages)
{
    return pages->count;
}

void *const *hv_pages_addresses(const struct hv_pages *pages)
{
    return pages->addresses;
}

const uint32_t *hv_pages_references(const struct hv_pages *pages)
{
    return pages->references;
}
