// SPDX-License-Identifier: GPL-2.0-or-later
/* In the place of libxenctrl: 300 domains with even numbers, of which number N takes N ms a call.
 */
#include <errno.h>
#include <stdlib.h>
#include <xenctrl.h>

#define DOMAINS 300u

static uint64_t calls;

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *builder,
                                unsigned flags)
{
    (void)builder, (void)flags;
    calls = 0;
    if (getenv("FAKE_XENCTRL_MISSING")) {
        errno = ENOENT;
        return NULL;
    }
    return (xc_interface *)logger;
}

int xc_interface_close(xc_interface *handle)
{
    (void)handle;
    return 0;
}

int xc_domain_getinfolist(xc_interface *handle, uint32_t first, unsigned int max,
                          xc_domaininfo_t *info)
{
    int n = 0;

    (void)handle;
    if (getenv("FAKE_XENCTRL_REFUSES")) {
        errno = EACCES;
        return -1;
    }
    calls += first == 0;
    for (uint32_t i = (first + 1) / 2; i < DOMAINS && n < (int)max; i++, n++)
        info[n] =
            (xc_domaininfo_t){.domain = (domid_t)(2 * i), .cpu_time = calls * 2 * i * 1000000};
    return n;
}
