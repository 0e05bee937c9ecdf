// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What an implementation of common/hv.h provides: a table of its functions, and
 * objects that begin with the structures below. Only hv.c and implementations
 * include this.
 *
 * common/hv.h says what each function does; hv.c has checked counts before it
 * calls one, and never passes NULL to release or close.
 */
#ifndef XENAGG_COMMON_HV_OPS_H
#define XENAGG_COMMON_HV_OPS_H

#include "common/hv.h"

struct hv_ops {
    /* `place`: what follows the implementation's name in the spec, "" for nothing. */
    int (*open)(const char *place, uint32_t domid, struct hv **ret);
    void (*close)(struct hv *hv);
    int (*channel_offer)(struct hv *hv, uint32_t peer, struct hv_channel **ret);
    int (*channel_bind)(struct hv *hv, uint32_t peer, uint32_t port, struct hv_channel **ret);
    void (*channel_release)(struct hv_channel *channel);
    void (*channel_notify)(struct hv_channel *channel);
    int (*channel_accept)(struct hv_channel *channel);
    int (*share)(struct hv *hv, uint32_t peer, uint32_t count, const struct hv_farewell *farewell,
                 struct hv_pages **ret);
    int (*map)(struct hv *hv, uint32_t peer, const uint32_t *references, uint32_t count,
               const struct hv_farewell *farewell, struct hv_pages **ret);
    void (*pages_release)(struct hv_pages *pages);
};

extern const struct hv_ops hv_local_ops, hv_xen_ops;

struct hv {
    const struct hv_ops *ops;
};

struct hv_channel {
    const struct hv_ops *ops;
    uint32_t port;
    int fd;
};

struct hv_pages {
    const struct hv_ops *ops;
    uint32_t count;
    void *addresses[HV_SHARE_MAX];
    uint32_t references[HV_SHARE_MAX];
};

#endif
