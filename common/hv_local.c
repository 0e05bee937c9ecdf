// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hypervisor interface without a hypervisor: domains are processes on one
 * host that find each other by common/local_socket.h, pages are memfds, a
 * channel is a pair of sockets, one byte a notification. A reference or port
 * carries the slot in its upper part, so several processes can speak for one
 * domain. Each binding keeps its connection for life: when it hangs up, the
 * peer is gone.
 *
 * A process says itself which domain it is: this keeps guests' mistakes and
 * malice off the data path as Xen does (a peer can neither take pages away nor
 * make a notification block), but it is no wall between users.
 *
 * One thread per handle answers requests and sees hang-ups.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/hv_ops.h"
#include "common/local_socket.h"

/* Numbers have at most 7 digits, so that HV_SHARE_TEXT of them fit a node as text. */
#define SLOT_SHIFT 16
#define NUMBERS (1u << SLOT_SHIFT)
_Static_assert((uint64_t)LOCAL_SOCKET_SLOTS << SLOT_SHIFT < 10000000, "7 digits");

/* Connections that have not asked anything yet; the oldest makes room for the next. */
#define PENDING_MAX 32u
#define ACCEPT_PAUSE_MS 10

struct local_pages {
    struct hv_pages base;
    struct local *hv;
    struct local_pages *next; /* shared ones, under the handle's lock */
    int memfd;                /* -1: mapped, not shared */
    uint32_t peer;
    uint8_t *memory;
    uint8_t *farewell; /* our byte; NULL: none */
};

struct local_channel {
    struct hv_channel base; /* its descriptor is our end of the pair */
    struct local *hv;
    struct local_channel *next; /* all of the handle's, under its lock */
    uint32_t peer;
    int other;      /* the peer's end, to give away; -1 where we are the peer */
    int connection; /* to the peer, once bound; -1 before */
    atomic_bool gone;
};

struct local {
    struct hv base;
    char *dir;
    uint32_t domid, slot, next_number;
    int listener, kick_fd;
    pthread_t thread;
    pthread_mutex_t lock;
    bool stop;
    struct local_pages *shared;
    struct local_channel *channels;
    uint64_t changes; /* of the channels' connections: what was polled before is stale */
    int pending[PENDING_MAX];
    unsigned n_pending; /* the thread's own */
    struct pollfd *polled;
    unsigned polled_max;
};

/* --- the handle's thread ------------------------------------------------- */

static void answer_map(struct local *hv, int connection, const struct local_request *request)
{
    for (struct local_pages *pages = hv->shared; pages; pages = pages->next)
        if (pages->peer == request->domid && pages->base.references[0] == request->number &&
            pages->base.count == request->count) {
            local_socket_answer(connection, 0, pages->memfd);
            return;
        }
    local_socket_answer(connection, -ENOENT, -1);
}

/* True: the connection now belongs to the channel. */
static bool answer_bind(struct local *hv, int connection, const struct local_request *request)
{
    for (struct local_channel *channel = hv->channels; channel; channel = channel->next)
        if (channel->other >= 0 && channel->peer == request->domid &&
            channel->base.port == request->number) {
            if (channel->connection >= 0) /* the peer came back before its hang-up was seen */
                close(channel->connection);
            channel->connection = connection;
            hv->changes++;
            atomic_store(&channel->gone, false);
            local_socket_answer(connection, 0, channel->other);
            return true;
        }
    local_socket_answer(connection, -ENOENT, -1);
    return false;
}

/* True: done with the connection, it is closed or a channel's. */
static bool connection_serve(struct local *hv, int connection)
{
    struct local_request request;
    bool kept = false;
    int taken = local_socket_take(connection, &request);

    if (taken == 0)
        return false;
    if (taken > 0) {
        pthread_mutex_lock(&hv->lock);
        if (request.operation == LOCAL_MAP)
            answer_map(hv, connection, &request);
        else if (request.operation == LOCAL_BIND)
            kept = answer_bind(hv, connection, &request);
        pthread_mutex_unlock(&hv->lock);
    }
    if (!kept)
        close(connection);
    return true;
}

static void pending_remove(struct local *hv, unsigned i)
{
    memmove(&hv->pending[i], &hv->pending[i + 1], (--hv->n_pending - i) * sizeof(hv->pending[0]));
}

static void pending_serve(struct local *hv)
{
    for (unsigned i = 0; i < hv->n_pending;)
        if (connection_serve(hv, hv->pending[i]))
            pending_remove(hv, i);
        else
            i++;
}

static void connection_accept(struct local *hv)
{
    if (hv->n_pending == PENDING_MAX) {
        close(hv->pending[0]);
        pending_remove(hv, 0);
    }
    int connection = local_socket_accept(hv->listener);
    if (connection >= 0)
        hv->pending[hv->n_pending++] = connection;
    else if (connection != -EAGAIN)
        poll(NULL, 0, ACCEPT_PAUSE_MS); /* no descriptors left: it waits, and so do we */
}

/* Makes the descriptor readable anew, for one who waits for edges too. */
static void channel_hang_up(struct local *hv, struct local_channel *channel)
{
    close(channel->connection);
    channel->connection = -1;
    hv->changes++;
    atomic_store(&channel->gone, true);
    if (channel->other < 0)
        shutdown(channel->base.fd, SHUT_RDWR);
    else if (send(channel->other, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        shutdown(channel->other, SHUT_RDWR); /* flooded: nobody will bind this one again */
}

static bool polled_reserve(struct local *hv, unsigned n)
{
    if (n <= hv->polled_max)
        return true;
    struct pollfd *polled = reallocarray(hv->polled, 2 * n, sizeof(*polled));
    if (!polled)
        return false;
    hv->polled = polled;
    hv->polled_max = 2 * n;
    return true;
}

static void polled_put(struct local *hv, unsigned *n, int fd)
{
    /* Where memory is short, some hang-ups are seen later. */
    if (polled_reserve(hv, *n + 1))
        hv->polled[(*n)++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* Under the handle's lock. How many; those from *ret_channels on are channels' connections. */
static unsigned polled_collect(struct local *hv, unsigned *ret_channels)
{
    unsigned n = 0;

    polled_put(hv, &n, hv->kick_fd);
    polled_put(hv, &n, hv->listener);
    for (unsigned i = 0; i < hv->n_pending; i++)
        polled_put(hv, &n, hv->pending[i]);
    *ret_channels = n;
    for (struct local_channel *channel = hv->channels; channel; channel = channel->next)
        if (channel->connection >= 0)
            polled_put(hv, &n, channel->connection);
    return n;
}

/* Under the handle's lock. */
static void hang_ups_take(struct local *hv, unsigned first, unsigned n)
{
    for (unsigned i = first; i < n; i++) {
        if (!hv->polled[i].revents)
            continue;
        for (struct local_channel *channel = hv->channels; channel; channel = channel->next)
            if (channel->connection == hv->polled[i].fd)
                channel_hang_up(hv, channel);
    }
}

/* One wait and what it brought. False: stop. */
static bool handle_turn(struct local *hv)
{
    uint64_t kicks, changes;
    unsigned channels;

    pthread_mutex_lock(&hv->lock);
    bool stop = hv->stop;
    unsigned n = polled_collect(hv, &channels);
    changes = hv->changes;
    pthread_mutex_unlock(&hv->lock);
    if (stop)
        return false;
    if (poll(hv->polled, n, -1) < 0)
        return true;
    if (hv->polled[0].revents && read(hv->kick_fd, &kicks, sizeof(kicks)) < 0)
        return true;
    pthread_mutex_lock(&hv->lock);
    /* A descriptor that was polled may be another channel's by now: then look again. */
    if (hv->changes == changes)
        hang_ups_take(hv, channels, n);
    pthread_mutex_unlock(&hv->lock);
    pending_serve(hv);
    if (hv->polled[1].revents)
        connection_accept(hv);
    return true;
}

static void *handle_thread(void *context)
{
    while (handle_turn(context))
        ;
    return NULL;
}

static void handle_kick(struct local *hv)
{
    uint64_t one = 1;

    if (write(hv->kick_fd, &one, sizeof(one)) < 0)
        return; /* full: the thread is on its way */
}

/* --- the handle ---------------------------------------------------------- */

static void handle_free(struct local *hv)
{
    if (hv->listener >= 0) {
        local_socket_remove(hv->dir, hv->domid, hv->slot);
        close(hv->listener);
    }
    if (hv->kick_fd >= 0)
        close(hv->kick_fd);
    while (hv->n_pending)
        close(hv->pending[--hv->n_pending]);
    pthread_mutex_destroy(&hv->lock);
    free(hv->polled);
    free(hv->dir);
    free(hv);
}

/* Signals are the program's: its threads may wait for them anywhere but here. */
static int thread_start(struct local *hv)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&hv->thread, NULL, handle_thread, hv);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

static int handle_init(struct local *hv, const char *dir)
{
    hv->dir = strdup(dir);
    hv->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    hv->listener = -1;
    if (hv->kick_fd < 0)
        return -errno;
    if (!hv->dir || !polled_reserve(hv, PENDING_MAX + 2))
        return -ENOMEM;
    hv->listener = local_socket_listen(dir, hv->domid, &hv->slot);
    return hv->listener < 0 ? hv->listener : thread_start(hv);
}

static int local_open(const char *dir, uint32_t domid, struct hv **ret)
{
    struct local *hv = calloc(1, sizeof(*hv));

    if (!hv)
        return -ENOMEM;
    hv->base.ops = &hv_local_ops;
    hv->domid = domid;
    hv->next_number = 1;
    pthread_mutex_init(&hv->lock, NULL);
    int error = handle_init(hv, dir);
    if (error) {
        handle_free(hv);
        return error;
    }
    *ret = &hv->base;
    return 0;
}

static void local_close(struct hv *base)
{
    struct local *hv = (struct local *)base;

    pthread_mutex_lock(&hv->lock);
    hv->stop = true;
    pthread_mutex_unlock(&hv->lock);
    handle_kick(hv);
    pthread_join(hv->thread, NULL);
    handle_free(hv);
}

/* The first number of [number, number + count) that is in use, or 0. Under the handle's lock. */
static uint32_t number_used(const struct local *hv, uint32_t number, uint32_t count)
{
    for (const struct local_pages *pages = hv->shared; pages; pages = pages->next)
        if (pages->base.references[0] < number + count &&
            number < pages->base.references[0] + pages->base.count)
            return pages->base.references[pages->base.count - 1];
    for (const struct local_channel *channel = hv->channels; channel; channel = channel->next)
        if (channel->other >= 0 && channel->base.port >= number &&
            channel->base.port < number + count)
            return channel->base.port;
    return 0;
}

/*
 * Numbers of one share follow each other, and are not used again soon: a peer
 * may still hold old ones. 0: all are in use. Under the handle's lock.
 */
static uint32_t number_take(struct local *hv, uint32_t count)
{
    uint32_t base = hv->slot << SLOT_SHIFT, used;

    for (int laps = 0; laps < 2;) {
        if (hv->next_number + count > NUMBERS) {
            hv->next_number = 1;
            laps++;
            continue;
        }
        uint32_t number = base | hv->next_number;
        used = number_used(hv, number, count);
        hv->next_number = used ? used - base + 1 : hv->next_number + count;
        if (!used)
            return number;
    }
    return 0;
}

/* --- channels ------------------------------------------------------------ */

static struct local_channel *channel_new(struct local *hv, uint32_t peer, int fd)
{
    struct local_channel *channel = calloc(1, sizeof(*channel));

    if (channel) {
        channel->base.ops = &hv_local_ops;
        channel->hv = hv;
        channel->peer = peer;
        channel->base.fd = fd;
        channel->other = -1;
        channel->connection = -1;
    }
    return channel;
}

/* Under the handle's lock. */
static void channel_add(struct local *hv, struct local_channel *channel)
{
    channel->next = hv->channels;
    hv->channels = channel;
    hv->changes++;
    handle_kick(hv);
}

static int local_channel_offer(struct hv *base, uint32_t peer, struct hv_channel **ret)
{
    struct local *hv = (struct local *)base;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    struct local_channel *channel = channel_new(hv, peer, pair[0]);
    pthread_mutex_lock(&hv->lock);
    uint32_t port = channel ? number_take(hv, 1) : 0;
    if (port) {
        channel->base.port = port;
        channel->other = pair[1];
        channel_add(hv, channel);
    }
    pthread_mutex_unlock(&hv->lock);
    if (!port) {
        free(channel);
        close(pair[0]);
        close(pair[1]);
        return -ENOMEM;
    }
    *ret = &channel->base;
    return 0;
}

static int local_channel_bind(struct hv *base, uint32_t peer, uint32_t port,
                              struct hv_channel **ret)
{
    struct local *hv = (struct local *)base;
    struct local_request request = {.operation = LOCAL_BIND, .domid = hv->domid, .number = port};
    int fd, connection = local_socket_ask(hv->dir, peer, port >> SLOT_SHIFT, &request, &fd);

    if (connection < 0)
        return connection;
    struct local_channel *channel = channel_new(hv, peer, fd);
    if (!channel) {
        close(fd);
        close(connection);
        return -ENOMEM;
    }
    channel->base.port = port;
    channel->connection = connection;
    pthread_mutex_lock(&hv->lock);
    channel_add(hv, channel);
    pthread_mutex_unlock(&hv->lock);
    *ret = &channel->base;
    return 0;
}

static void local_channel_release(struct hv_channel *base)
{
    struct local_channel *channel = (struct local_channel *)base;
    struct local *hv = channel->hv;

    pthread_mutex_lock(&hv->lock);
    for (struct local_channel **at = &hv->channels; *at; at = &(*at)->next)
        if (*at == channel) {
            *at = channel->next;
            break;
        }
    hv->changes++;
    if (channel->connection >= 0)
        close(channel->connection);
    pthread_mutex_unlock(&hv->lock);
    handle_kick(hv);
    close(channel->base.fd);
    if (channel->other >= 0)
        close(channel->other);
    free(channel);
}

/* Of a socket, each call says for itself that it does not block; a peer can't take that back. */
static void local_channel_notify(struct hv_channel *channel)
{
    if (send(channel->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return; /* full: the peer has more to read than it ever will */
}

static int local_channel_accept(struct hv_channel *base)
{
    struct local_channel *channel = (struct local_channel *)base;
    char pending[4096];

    /* One call takes all that an honest peer can have sent; a hostile one is heard again. */
    ssize_t length = recv(channel->base.fd, pending, sizeof(pending), MSG_DONTWAIT);
    bool gone = length == 0 || (length < 0 && errno != EAGAIN);
    return gone || atomic_load(&channel->gone) ? -ECONNRESET : 0;
}

/* --- pages --------------------------------------------------------------- */

static struct local_pages *pages_map(struct local *hv, uint32_t peer, int memfd, uint32_t count)
{
    struct local_pages *pages = calloc(1, sizeof(*pages));
    void *memory =
        mmap(NULL, (size_t)count * HV_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);

    if (!pages || memory == MAP_FAILED) {
        if (memory != MAP_FAILED)
            munmap(memory, (size_t)count * HV_PAGE);
        free(pages);
        return NULL;
    }
    pages->base.ops = &hv_local_ops;
    pages->hv = hv;
    pages->memfd = -1;
    pages->peer = peer;
    pages->base.count = count;
    pages->memory = memory;
    for (uint32_t i = 0; i < count; i++)
        pages->base.addresses[i] = pages->memory + (size_t)i * HV_PAGE;
    return pages;
}

/* The bytes are shown for whoever looks; here it is the connection that tells. */
static void farewell_arm(struct local_pages *pages, const struct hv_farewell *farewell)
{
    if (!farewell)
        return;
    pages->farewell = &pages->memory[farewell->own_offset % HV_PAGE];
    *pages->farewell = 1;
}

/* Sealed, so that a peer can't shrink it under our feet. */
static int memfd_make(uint32_t count)
{
    int fd = memfd_create("xenagg-pages", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)count * HV_PAGE) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static void pages_free(struct local_pages *pages)
{
    munmap(pages->memory, (size_t)pages->base.count * HV_PAGE);
    if (pages->memfd >= 0)
        close(pages->memfd);
    free(pages);
}

/* Numbers the pages and offers them to the peer. */
static int pages_offer(struct local *hv, struct local_pages *pages)
{
    pthread_mutex_lock(&hv->lock);
    uint32_t first = number_take(hv, pages->base.count);
    if (first) {
        for (uint32_t i = 0; i < pages->base.count; i++)
            pages->base.references[i] = first + i;
        pages->next = hv->shared;
        hv->shared = pages;
    }
    pthread_mutex_unlock(&hv->lock);
    return first ? 0 : -ENOSPC;
}

static int local_share(struct hv *base, uint32_t peer, uint32_t count,
                       const struct hv_farewell *farewell, struct hv_pages **ret)
{
    struct local *hv = (struct local *)base;
    int memfd = memfd_make(count);

    if (memfd < 0)
        return memfd;
    struct local_pages *pages = pages_map(hv, peer, memfd, count);
    if (!pages) {
        close(memfd);
        return -ENOMEM;
    }
    pages->memfd = memfd;
    farewell_arm(pages, farewell);
    int error = pages_offer(hv, pages);
    if (error)
        pages_free(pages);
    else
        *ret = &pages->base;
    return error;
}

static bool references_follow(const uint32_t *references, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        if (references[i] != references[0] + i)
            return false;
    return true;
}

/* The size and the seals say that the whole mapping will stay there. */
static int memfd_check(int memfd, uint32_t count)
{
    off_t size = lseek(memfd, 0, SEEK_END);
    int seals = fcntl(memfd, F_GET_SEALS);

    return size == (off_t)count * HV_PAGE && seals >= 0 && (seals & F_SEAL_SHRINK) ? 0 : -EPROTO;
}

static int local_map(struct hv *base, uint32_t peer, const uint32_t *references, uint32_t count,
                     const struct hv_farewell *farewell, struct hv_pages **ret)
{
    struct local *hv = (struct local *)base;

    if (!references_follow(references, count))
        return -EINVAL;
    struct local_request request = {
        .operation = LOCAL_MAP, .domid = hv->domid, .number = references[0], .count = count};
    int memfd;
    int connection = local_socket_ask(hv->dir, peer, references[0] >> SLOT_SHIFT, &request, &memfd);
    if (connection < 0)
        return connection;
    close(connection);
    int error = memfd_check(memfd, count);
    struct local_pages *pages = error ? NULL : pages_map(hv, peer, memfd, count);
    close(memfd);
    if (!pages)
        return error ? error : -ENOMEM;
    farewell_arm(pages, farewell);
    *ret = &pages->base;
    return 0;
}

static void local_pages_release(struct hv_pages *base)
{
    struct local_pages *pages = (struct local_pages *)base;
    struct local *hv = pages->hv;

    pthread_mutex_lock(&hv->lock);
    for (struct local_pages **at = &hv->shared; *at; at = &(*at)->next)
        if (*at == pages) {
            *at = pages->next;
            break;
        }
    pthread_mutex_unlock(&hv->lock);
    if (pages->farewell)
        *pages->farewell = 0;
    pages_free(pages);
}

const struct hv_ops hv_local_ops = {
    .open = local_open,
    .close = local_close,
    .channel_offer = local_channel_offer,
    .channel_bind = local_channel_bind,
    .channel_release = local_channel_release,
    .channel_notify = local_channel_notify,
    .channel_accept = local_channel_accept,
    .share = local_share,
    .map = local_map,
    .pages_release = local_pages_release,
};
