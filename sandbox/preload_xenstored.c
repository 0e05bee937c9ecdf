// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lets the real xenstored run on a machine without Xen: a preload library that
 * stands in for the few hypervisor calls it makes. Event channels never fire,
 * a guest's ring is a zeroed page (an idle guest), every domain asked for
 * exists, and the two files by which Linux tells xenstored about domain 0's own
 * ring are memory files. What remains, clients on the unix socket, is all that
 * a sandbox needs; they count as privileged.
 *
 * Used as LD_PRELOAD for xenstored only; see sandbox/xenstored.h.
 */
#undef _FILE_OFFSET_BITS /* would make open() and open64() here one and the same */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#define EXPORT __attribute__((visibility("default")))
#define PAGE 4096u

/* Any port will do, as no channel ever fires; ports of an own number each keep xenstored happy. */
struct xenevtchn_handle {
    int fd;
    int next_port;
};

static xenevtchn_handle *channel_new(int fd)
{
    xenevtchn_handle *handle = malloc(sizeof(*handle));

    if (!handle)
        return NULL;
    *handle = (xenevtchn_handle){.fd = fd, .next_port = 2};
    return handle;
}

EXPORT xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
    (void)logger;
    (void)flags;
    return channel_new(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

EXPORT xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *logger, int fd, unsigned flags)
{
    (void)logger;
    (void)flags;
    return channel_new(fd);
}

EXPORT int xenevtchn_close(xenevtchn_handle *handle)
{
    if (handle)
        close(handle->fd);
    free(handle);
    return 0;
}

EXPORT int xenevtchn_fd(xenevtchn_handle *handle)
{
    return handle->fd;
}

EXPORT int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t port)
{
    (void)handle;
    (void)port;
    return 0;
}

EXPORT xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *handle,
                                                            uint32_t domid,
                                                            evtchn_port_t remote_port)
{
    (void)domid;
    (void)remote_port;
    return handle->next_port++;
}

EXPORT xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *handle, unsigned int virq)
{
    (void)virq;
    return handle->next_port++;
}

EXPORT xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *handle)
{
    (void)handle;
    errno = EAGAIN;
    return -1;
}

EXPORT int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t port)
{
    (void)handle;
    (void)port;
    return 0;
}

EXPORT int xenevtchn_unbind(xenevtchn_handle *handle, evtchn_port_t port)
{
    (void)handle;
    (void)port;
    return 0;
}

/* Handles that are never looked into, only compared with NULL. */
static char dummy_handle;

EXPORT xc_interface *xc_interface_open(xentoollog_logger *logger,
                                       xentoollog_logger *dombuild_logger, unsigned flags)
{
    (void)logger;
    (void)dombuild_logger;
    (void)flags;
    return (xc_interface *)&dummy_handle;
}

EXPORT int xc_interface_close(xc_interface *handle)
{
    (void)handle;
    return 0;
}

/* A domain that exists and runs: xenstored gives nodes only to owners that do. */
EXPORT int xc_domain_getinfo(xc_interface *handle, uint32_t first, unsigned int max,
                             xc_dominfo_t *info)
{
    (void)handle;
    if (max == 0)
        return 0;
    memset(info, 0, sizeof(*info));
    info->domid = first;
    info->running = 1;
    return 1;
}

EXPORT xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    return (xengnttab_handle *)&dummy_handle;
}

EXPORT int xengnttab_close(xengnttab_handle *handle)
{
    (void)handle;
    return 0;
}

EXPORT int xengnttab_set_max_grants(xengnttab_handle *handle, uint32_t grants)
{
    (void)handle;
    (void)grants;
    return 0;
}

EXPORT void *xengnttab_map_grant_ref(xengnttab_handle *handle, uint32_t domid, uint32_t ref,
                                     int prot)
{
    (void)handle;
    (void)domid;
    (void)ref;
    void *page = mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? NULL : page;
}

EXPORT int xengnttab_unmap(xengnttab_handle *handle, void *start, uint32_t count)
{
    (void)handle;
    return munmap(start, (size_t)count * PAGE);
}

static int memory_file(const void *content, size_t length, size_t size)
{
    int fd = memfd_create("xenstored", MFD_CLOEXEC);

    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)size) || pwrite(fd, content, length, 0) != (ssize_t)length) {
        close(fd);
        errno = EIO;
        return -1;
    }
    return fd;
}

static bool is_file(const char *path, const char *name)
{
    const char *end = strrchr(path, '/');

    return end && strcmp(end + 1, name) == 0;
}

static int open_file(const char *path, int flags, mode_t mode)
{
    if (is_file(path, "xsd_kva"))
        return memory_file("", 1, PAGE);
    if (is_file(path, "xsd_port"))
        return memory_file("1", 1, 1);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static mode_t open_mode(int flags, va_list arguments)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

EXPORT int open(const char *path, int flags, ...)
{
    va_list arguments;

    va_start(arguments, flags);
    mode_t mode = open_mode(flags, arguments);
    va_end(arguments);
    return open_file(path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
    va_list arguments;

    va_start(arguments, flags);
    mode_t mode = open_mode(flags, arguments);
    va_end(arguments);
    return open_file(path, flags, mode);
}
