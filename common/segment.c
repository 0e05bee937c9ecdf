// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/epoch.h"

struct layout {
    struct segment_header header;
    _Alignas(64) struct segment_worker workers[SEGMENT_WORKERS];
    _Alignas(64) struct segment_interface interfaces[SEGMENT_INTERFACES];
};

struct segment {
    struct layout *map;
    char *path;
    struct stat identity;
    bool writer;
};

static int segment_map(const char *path, int fd, bool writer, struct segment **ret)
{
    struct segment *segment = calloc(1, sizeof(*segment));
    void *map =
        mmap(NULL, sizeof(struct layout), PROT_READ | (writer ? PROT_WRITE : 0), MAP_SHARED, fd, 0);

    if (!segment || map == MAP_FAILED || fstat(fd, &segment->identity) < 0 ||
        !(segment->path = strdup(path))) {
        int error = errno ? -errno : -ENOMEM;
        if (map != MAP_FAILED)
            munmap(map, sizeof(struct layout));
        free(segment);
        return error;
    }
    segment->map = map;
    segment->writer = writer;
    *ret = segment;
    return 0;
}

static void header_fill(struct segment_header *header, uint32_t owner_domid)
{
    *header = (struct segment_header){
        .version = SEGMENT_VERSION,
        .workers = SEGMENT_WORKERS,
        .interfaces = SEGMENT_INTERFACES,
        .header_size = sizeof(struct segment_header),
        .worker_size = sizeof(struct segment_worker),
        .interface_size = sizeof(struct segment_interface),
        .owner_domid = owner_domid,
        .pid = (uint32_t)getpid(),
        .start_ns = clock_ns(),
    };
    /* The magic comes last: a reader that sees it sees the rest. */
    atomic_thread_fence(memory_order_release);
    header->magic = SEGMENT_MAGIC;
}

int segment_create(const char *path, uint32_t owner_domid, struct segment **ret)
{
    char fresh[4096];
    int error = 0;

    /* A new file under the old name: readers of the old one keep a file that no longer moves. */
    if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
        return -ENAMETOOLONG;
    unlink(fresh);
    int fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    struct segment *segment = NULL;
    /* Whatever the umask says: everybody may read. */
    if (fchmod(fd, 0644) < 0 || ftruncate(fd, sizeof(struct layout)) < 0)
        error = -errno;
    else
        error = segment_map(path, fd, true, &segment);
    if (!error) {
        header_fill(&segment->map->header, owner_domid);
        if (rename(fresh, path) < 0)
            error = -errno;
    }
    close(fd);
    if (error) {
        unlink(fresh);
        if (segment) {
            segment->writer = false;
            segment_close(segment);
        }
        return error;
    }
    *ret = segment;
    return 0;
}

static bool header_fits(const struct segment_header *header)
{
    return header->magic == SEGMENT_MAGIC && header->version == SEGMENT_VERSION &&
           header->workers == SEGMENT_WORKERS && header->interfaces == SEGMENT_INTERFACES &&
           header->header_size == sizeof(struct segment_header) &&
           header->worker_size == sizeof(struct segment_worker) &&
           header->interface_size == sizeof(struct segment_interface);
}

int segment_open(const char *path, struct segment **ret)
{
    struct segment *segment;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    int error = fstat(fd, &st) < 0 ? -errno : 0;
    if (!error && (!S_ISREG(st.st_mode) || st.st_size != (off_t)sizeof(struct layout)))
        error = -EPROTO;
    if (!error)
        error = segment_map(path, fd, false, &segment);
    close(fd);
    if (!error && !header_fits(&segment->map->header)) {
        segment_close(segment);
        error = -EPROTO;
    }
    if (!error)
        *ret = segment;
    return error;
}

bool segment_is_current(const struct segment *segment)
{
    struct stat st;
    return stat(segment->path, &st) == 0 && st.st_ino == segment->identity.st_ino &&
           st.st_dev == segment->identity.st_dev;
}

void segment_close(struct segment *segment)
{
    if (!segment)
        return;
    if (segment->writer && segment_is_current(segment))
        unlink(segment->path);
    munmap(segment->map, sizeof(struct layout));
    free(segment->path);
    free(segment);
}

const struct segment_header *segment_head(const struct segment *segment)
{
    return &segment->map->header;
}

void segment_write_interface(struct segment *segment, uint32_t slot,
                             const struct segment_interface *value)
{
    epoch_write(&segment->map->interfaces[slot], value, sizeof(*value));
}

void segment_write_worker(struct segment *segment, uint32_t slot,
                          const struct segment_worker *value)
{
    epoch_write(&segment->map->workers[slot], value, sizeof(*value));
}

int segment_read_interface(const struct segment *segment, uint32_t slot,
                           struct segment_interface *ret)
{
    if (slot >= SEGMENT_INTERFACES)
        return -ENOENT;
    int error = epoch_read(&segment->map->interfaces[slot], ret, sizeof(*ret));
    return error ? error : ret->in_use ? 0 : -ENOENT;
}

int segment_read_worker(const struct segment *segment, uint32_t slot, struct segment_worker *ret)
{
    if (slot >= SEGMENT_WORKERS)
        return -ENOENT;
    int error = epoch_read(&segment->map->workers[slot], ret, sizeof(*ret));
    return error ? error : ret->in_use ? 0 : -ENOENT;
}
