// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/domains.h"

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include <xentoollog.h>

#include "common/keys.h"
#include "common/log.h"

const char domains_library[] = XENAGG_LIBXENCTRL;

/* Domains asked for in one call. */
#define PIECE 256u

struct library {
    void *handle;
    __typeof__(xc_interface_open) *open;
    __typeof__(xc_interface_close) *close;
    __typeof__(xc_domain_getinfolist) *list;
};

struct domain {
    uint32_t domid;
    uint64_t cpu_ns; /* since it was made */
};

struct snapshot {
    double time; /* s */
    struct domain *list;
    size_t n, room;
};

struct domains {
    struct library library;
    xentoollog_logger *logger; /* silent: what fails is said here */
    xc_interface *xen;
    struct snapshot now, before;
    bool failed; /* has been said */
};

static int library_load(const char *name, struct library *ret)
{
    ret->handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!ret->handle)
        return -ENOSYS;
    ret->open = (__typeof__(ret->open))dlsym(ret->handle, "xc_interface_open");
    ret->close = (__typeof__(ret->close))dlsym(ret->handle, "xc_interface_close");
    ret->list = (__typeof__(ret->list))dlsym(ret->handle, "xc_domain_getinfolist");
    return ret->open && ret->close && ret->list ? 0 : -ENOSYS;
}

static int begin(struct domains *domains, const char *library)
{
    int error = library_load(library, &domains->library);

    if (error) {
        log_line(LOG_NOTICE, "domains", "%s is not there: no CPU time of domains", library);
        return error;
    }
    domains->logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
    if (!domains->logger)
        return -ENOMEM;
    errno = 0;
    domains->xen = domains->library.open(domains->logger, domains->logger, 0);
    if (domains->xen)
        return 0;
    log_line(LOG_NOTICE, "domains", "Xen does not answer (%s): no CPU time of domains",
             strerror(errno));
    return -ENODEV;
}

int domains_open(const char *library, struct domains **ret)
{
    struct domains *domains = calloc(1, sizeof(*domains));

    if (!domains)
        return -ENOMEM;
    int error = begin(domains, library);
    if (error)
        domains_close(domains);
    else
        *ret = domains;
    return error;
}

void domains_close(struct domains *domains)
{
    if (!domains)
        return;
    if (domains->xen)
        domains->library.close(domains->xen);
    if (domains->logger)
        xtl_logger_destroy(domains->logger);
    if (domains->library.handle)
        dlclose(domains->library.handle);
    free(domains->now.list);
    free(domains->before.list);
    free(domains);
}

static int snapshot_add(struct snapshot *snapshot, const xc_domaininfo_t *info)
{
    if (snapshot->n == snapshot->room) {
        size_t room = snapshot->room ? 2 * snapshot->room : 64;
        struct domain *list = reallocarray(snapshot->list, room, sizeof(*list));
        if (!list)
            return -ENOMEM;
        snapshot->list = list;
        snapshot->room = room;
    }
    snapshot->list[snapshot->n++] =
        (struct domain){.domid = info->domain, .cpu_ns = info->cpu_time};
    return 0;
}

/* All domains, in the order of their numbers. */
static int snapshot_take(struct domains *domains, struct snapshot *ret)
{
    static const uint32_t first_reserved = KEYS_DOMID_MAX + 1;
    xc_domaininfo_t info[PIECE];
    int n = (int)PIECE, error = 0;

    ret->n = 0;
    for (uint32_t first = 0; n == (int)PIECE && first < first_reserved && !error;) {
        errno = 0;
        n = domains->library.list(domains->xen, first, PIECE, info);
        if (n < 0)
            return errno ? -errno : -EIO;
        for (int i = 0; i < n && !error; i++)
            error = snapshot_add(ret, &info[i]);
        first = n ? info[n - 1].domain + 1u : first;
    }
    return error;
}

int domains_take(struct domains *domains, double now)
{
    struct snapshot before = domains->before;

    domains->before = domains->now;
    domains->now = before;
    domains->now.time = now;
    int error = snapshot_take(domains, &domains->now);
    if (error) {
        domains->now.n = 0;
        if (!domains->failed)
            log_line(LOG_WARNING, "domains", "Xen does not list its domains: %s", strerror(-error));
    }
    domains->failed = error != 0;
    return error;
}

static int by_domid(const void *a, const void *b)
{
    const struct domain *x = a, *y = b;

    return (x->domid > y->domid) - (x->domid < y->domid);
}

static const struct domain *find(const struct snapshot *snapshot, uint32_t domid)
{
    struct domain wanted = {.domid = domid};

    return snapshot->n ? bsearch(&wanted, snapshot->list, snapshot->n, sizeof(wanted), by_domid)
                       : NULL;
}

double domains_cpu(const struct domains *domains, uint32_t domid)
{
    const struct domain *now = find(&domains->now, domid), *before = find(&domains->before, domid);
    double seconds = domains->now.time - domains->before.time;

    /* Less than before: another domain by the same number. */
    if (!now || !before || seconds <= 0 || now->cpu_ns < before->cpu_ns)
        return NAN;
    return (double)(now->cpu_ns - before->cpu_ns) * 1e-9 / seconds;
}
