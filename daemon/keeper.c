// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/keeper.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/session.h"
#include "daemon/attach.h"
#include "daemon/tune.h"

/* Store events are acted on together, this long after the first. */
#define REFRESH_US 5000
/* Between two pieces of work, and how much one is: then watches and signs of life have a turn. */
#define PIECE_US 1000
#define PIECE_NS 20000000ull
#define PIECE_GUESTS 16u
#define ALIVE_US 200000
#define STOP_SECONDS 2

#define DOMAINS_TOKEN "domains"

/* What the store shall say of one interface. */
struct wish {
    struct keys_interface interface;
    char name[CONFIG_NAME];
    struct tune_wanted wanted;
};

struct wishes {
    struct wish *list;
    size_t n, room;
};

struct fix {
    struct keys_interface interface;
    enum direction direction;
    struct lane_size size;
};

struct keeper {
    pthread_t thread;
    int wake; /* eventfd: there is something for the thread */
    atomic_ullong alive_ns;
    atomic_bool stopping, connected;
    atomic_uint parted; /* the thread has, or whoever stopped it and did not wait */

    pthread_mutex_t lock; /* never held while the store is asked */
    struct keeper_guests guests;
    struct wishes fresh; /* newer than the thread's own */
    bool any_fresh;
    struct fix *fixes; /* that the thread has not taken yet */
    size_t n_fixes;

    /* The thread's own. */
    uint32_t backend_domid;
    struct event_base *base;
    struct event *woken, *refresh, *alive;
    struct session *session;
    struct guests *found;
    struct attacher *attacher;
    struct wishes wishes;
    size_t next;      /* guest that the next piece begins with */
    bool tune_failed; /* has been logged */
};

static bool same_interface(struct keys_interface a, struct keys_interface b)
{
    return a.domid == b.domid && a.handle == b.handle;
}

/* Room for `n` of `size` in a list that only grows. */
static int room_make(void **list, size_t *room, size_t n, size_t size)
{
    if (n <= *room)
        return 0;
    void *more = reallocarray(*list, n, size);
    if (!more)
        return -ENOMEM;
    *list = more;
    *room = n;
    return 0;
}

/* ---- between the threads ---- */

static void guests_patch(struct keeper_guests *guests, const struct fix *fix)
{
    for (size_t i = 0; i < guests->n; i++)
        if (same_interface(guests->list[i].interface, fix->interface))
            guests->list[i].by_hand[fix->direction] = fix->size;
}

/* Says what was found. What has been fixed since the thread looked holds over it. */
static void guests_publish(struct keeper *keeper)
{
    size_t n = guests_count(keeper->found);

    pthread_mutex_lock(&keeper->lock);
    struct keeper_guests *out = &keeper->guests;
    if (room_make((void **)&out->list, &out->room, n, sizeof(*out->list)) == 0) {
        for (out->n = 0; out->n < n; out->n++) {
            const struct guest *guest = guests_at(keeper->found, out->n);
            struct keeper_guest *copy = &out->list[out->n];
            copy->interface = guest->interface;
            memcpy(copy->name, guest->name, sizeof(copy->name));
            memcpy(copy->by_hand, guest->by_hand, sizeof(copy->by_hand));
        }
        for (size_t i = 0; i < keeper->n_fixes; i++)
            guests_patch(out, &keeper->fixes[i]);
    }
    pthread_mutex_unlock(&keeper->lock);
}

/* Takes what was asked for since the last time. */
static void orders_take(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    if (keeper->any_fresh) {
        struct wishes before = keeper->wishes;
        keeper->wishes = keeper->fresh;
        keeper->fresh = before;
        keeper->any_fresh = false;
    }
    for (size_t i = 0; i < keeper->n_fixes; i++)
        guests_fix(keeper->found, keeper->fixes[i].interface, keeper->fixes[i].direction,
                   &keeper->fixes[i].size);
    keeper->n_fixes = 0;
    pthread_mutex_unlock(&keeper->lock);
}

static void wake(struct keeper *keeper)
{
    uint64_t one = 1;

    if (write(keeper->wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
        log_line(LOG_ERR, "store", "eventfd: %s", strerror(errno));
}

int keeper_guests(struct keeper *keeper, struct keeper_guests *ret)
{
    pthread_mutex_lock(&keeper->lock);
    const struct keeper_guests *from = &keeper->guests;
    int error = room_make((void **)&ret->list, &ret->room, from->n, sizeof(*ret->list));
    if (!error) {
        if (from->n)
            memcpy(ret->list, from->list, from->n * sizeof(*ret->list));
        ret->n = from->n;
    }
    pthread_mutex_unlock(&keeper->lock);
    return error;
}

int keeper_want(struct keeper *keeper, const struct tick_report *report)
{
    pthread_mutex_lock(&keeper->lock);
    struct wishes *fresh = &keeper->fresh;
    int error =
        room_make((void **)&fresh->list, &fresh->room, report->n_guests, sizeof(*fresh->list));
    for (size_t i = 0; i < report->n_guests && !error; i++) {
        fresh->list[i].interface = report->guests[i].interface;
        memcpy(fresh->list[i].name, report->guests[i].name, sizeof(fresh->list[i].name));
        tune_wanted(&report->guests[i], &fresh->list[i].wanted);
    }
    if (!error) {
        fresh->n = report->n_guests;
        keeper->any_fresh = true;
    }
    pthread_mutex_unlock(&keeper->lock);
    if (!error)
        wake(keeper);
    return error;
}

static bool guests_have(const struct keeper_guests *guests, struct keys_interface interface)
{
    for (size_t i = 0; i < guests->n; i++)
        if (same_interface(guests->list[i].interface, interface))
            return true;
    return false;
}

int keeper_fix(struct keeper *keeper, struct keys_interface interface, enum direction direction,
               const struct lane_size *size)
{
    struct fix fix = {.interface = interface, .direction = direction, .size = *size};
    int error = -ENOENT;

    pthread_mutex_lock(&keeper->lock);
    if (guests_have(&keeper->guests, interface)) {
        struct fix *fixes =
            reallocarray(keeper->fixes, keeper->n_fixes + 1, sizeof(*keeper->fixes));
        error = fixes ? 0 : -ENOMEM;
        if (fixes) {
            keeper->fixes = fixes;
            fixes[keeper->n_fixes++] = fix;
            guests_patch(&keeper->guests, &fix);
        }
    }
    pthread_mutex_unlock(&keeper->lock);
    if (!error)
        wake(keeper);
    return error;
}

int keeper_configure(struct keeper *keeper, const struct config *config)
{
    int error = attacher_configure(keeper->attacher, config);

    if (!error)
        wake(keeper);
    return error;
}

void keeper_look(struct keeper *keeper, struct keeper_state *ret)
{
    uint64_t now = clock_ns(), alive = atomic_load(&keeper->alive_ns);

    ret->connected = atomic_load(&keeper->connected);
    ret->silent = now > alive ? (double)(now - alive) * 1e-9 : 0;
}

/* ---- the thread's work ---- */

static bool is_about(const struct wish *wish, const struct guest *guest)
{
    return same_interface(wish->interface, guest->interface) &&
           strcmp(wish->name, guest->name) == 0;
}

/* What is wanted of guest `i`: in the same place, unless guests came or went since. */
static const struct wish *wish_of(const struct keeper *keeper, size_t i, const struct guest *guest)
{
    const struct wishes *wishes = &keeper->wishes;

    if (i < wishes->n && is_about(&wishes->list[i], guest))
        return &wishes->list[i];
    for (size_t k = 0; k < wishes->n; k++)
        if (is_about(&wishes->list[k], guest))
            return &wishes->list[k];
    return NULL;
}

static void tune_one(struct keeper *keeper, struct store *store, struct guest *guest,
                     const struct wish *wish)
{
    int error = tune_fixed(store, keeper->backend_domid, guest);

    if (error >= 0 && wish)
        error = tune_apply(store, keeper->backend_domid, guest, &wish->wanted);
    if (error < 0 && error != -EAGAIN && !keeper->tune_failed) {
        log_guest(LOG_WARNING, "tune", guest->interface.domid, guest->interface.handle,
                  "sizes could not be written: %s; trying on", strerror(-error));
        keeper->tune_failed = true;
    }
    if (error > 0)
        keeper->tune_failed = false;
}

/* Whatever differs between the store and what is wanted. True: there is more. */
static bool tune_some(struct keeper *keeper)
{
    struct store *store = session_store(keeper->session);
    size_t n = guests_count(keeper->found);
    uint64_t end = clock_ns() + PIECE_NS;

    for (size_t done = 0; store && done < n; done++) {
        size_t i = (keeper->next + done) % n;
        struct guest *guest = guests_at(keeper->found, i);
        if (clock_ns() >= end) {
            keeper->next = i;
            return true;
        }
        if (!guest->stale)
            tune_one(keeper, store, guest, wish_of(keeper, i, guest));
    }
    return false;
}

/* True: there is more to read. */
static bool guests_update(struct keeper *keeper)
{
    struct store *store = session_store(keeper->session);

    if (!store || !guests_pending(keeper->found))
        return false;
    int error = guests_refresh(keeper->found, store, PIECE_GUESTS);
    if (error == -ENOMEM)
        log_line(LOG_ERR, "guests", "no memory");
    guests_publish(keeper);
    return !error && guests_pending(keeper->found);
}

/* Brings store and decisions together, piece by piece, so that a long list holds up nothing. */
static void store_work(struct keeper *keeper)
{
    struct timeval soon = {.tv_usec = PIECE_US};
    struct store *store = session_store(keeper->session);

    if (store)
        attacher_run(keeper->attacher, store);
    bool more = guests_update(keeper);
    more |= tune_some(keeper);
    if (more)
        event_add(keeper->refresh, &soon);
}

/* ---- events ---- */

/* A folder that was made anew gets its sizes at once, not at the next tick. */
static void on_refresh(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    store_work(context);
}

static void refresh_soon(struct keeper *keeper)
{
    struct timeval delay = {.tv_usec = REFRESH_US};

    if (!event_pending(keeper->refresh, EV_TIMEOUT, NULL))
        event_add(keeper->refresh, &delay);
}

static void on_connect(void *context)
{
    struct keeper *keeper = context;

    guests_connected(keeper->found);
    attacher_event(keeper->attacher);
    refresh_soon(keeper);
}

static void on_watch(void *context, const char *path, const char *token)
{
    struct keeper *keeper = context;

    if (strcmp(token, DOMAINS_TOKEN) == 0)
        attacher_event(keeper->attacher);
    else
        guests_event(keeper->found, path);
    refresh_soon(keeper);
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct keeper *keeper = context;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        log_line(LOG_ERR, "store", "eventfd: %s", strerror(errno));
    if (atomic_load(&keeper->stopping)) {
        event_base_loopbreak(keeper->base);
        return;
    }
    orders_take(keeper);
    store_work(keeper);
}

static void on_alive(evutil_socket_t fd, short what, void *context)
{
    struct keeper *keeper = context;

    (void)fd, (void)what;
    atomic_store(&keeper->alive_ns, clock_ns());
    atomic_store(&keeper->connected, keeper->session && session_store(keeper->session));
}

/* Asks the store from its first line on: only the thread may run it. */
static int session_begin(struct keeper *keeper)
{
    struct session_options options = {
        .base = keeper->base,
        .subsystem = "store",
        .watches = {{guests_root(keeper->found), "guests"},
                    {"@introduceDomain", DOMAINS_TOKEN},
                    {"@releaseDomain", DOMAINS_TOKEN}},
        .on_connect = on_connect,
        .on_watch = on_watch,
        .context = keeper,
    };

    return session_new(&options, &keeper->session);
}

/* ---- starting and stopping ---- */

static void event_drop(struct event *event)
{
    if (event)
        event_free(event);
}

static void keeper_free(struct keeper *keeper)
{
    event_drop(keeper->woken);
    event_drop(keeper->refresh);
    event_drop(keeper->alive);
    if (keeper->base)
        event_base_free(keeper->base);
    if (keeper->wake >= 0)
        close(keeper->wake);
    guests_destroy(keeper->found);
    attacher_destroy(keeper->attacher);
    free(keeper->guests.list);
    free(keeper->fresh.list);
    free(keeper->wishes.list);
    free(keeper->fixes);
    pthread_mutex_destroy(&keeper->lock);
    free(keeper);
}

/* The thread and who does not wait for it any more: the second of them frees. */
static void keeper_part(struct keeper *keeper)
{
    if (atomic_fetch_add(&keeper->parted, 1) == 1)
        keeper_free(keeper);
}

static void *keeper_thread(void *context)
{
    struct keeper *keeper = context;

    if (session_begin(keeper)) {
        log_line(LOG_ERR, "store", "no memory");
    } else {
        on_alive(-1, 0, keeper);
        event_base_dispatch(keeper->base);
        session_free(keeper->session);
    }
    keeper_part(keeper);
    return NULL;
}

static int events_create(struct keeper *keeper)
{
    struct timeval often = {.tv_usec = ALIVE_US};

    keeper->base = event_base_new();
    keeper->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!keeper->base || keeper->wake < 0)
        return keeper->base ? -errno : -ENOMEM;
    keeper->woken = event_new(keeper->base, keeper->wake, EV_READ | EV_PERSIST, on_wake, keeper);
    keeper->refresh = evtimer_new(keeper->base, on_refresh, keeper);
    keeper->alive = event_new(keeper->base, -1, EV_PERSIST, on_alive, keeper);
    if (!keeper->woken || !keeper->refresh || !keeper->alive || event_add(keeper->woken, NULL) ||
        event_add(keeper->alive, &often))
        return -ENOMEM;
    return 0;
}

/* Signals are for the loop. */
static int thread_start(struct keeper *keeper)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = -pthread_create(&keeper->thread, NULL, keeper_thread, keeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

int keeper_start(uint32_t backend_domid, struct keeper **ret)
{
    struct keeper *keeper = calloc(1, sizeof(*keeper));

    if (!keeper)
        return -ENOMEM;
    keeper->wake = -1;
    keeper->backend_domid = backend_domid;
    atomic_store(&keeper->alive_ns, clock_ns());
    pthread_mutex_init(&keeper->lock, NULL);
    int error = events_create(keeper);
    if (!error)
        error = guests_create(backend_domid, &keeper->found);
    if (!error)
        error = attacher_create(backend_domid, &keeper->attacher);
    if (!error)
        error = thread_start(keeper);
    if (error) {
        keeper_free(keeper);
        return error;
    }
    *ret = keeper;
    return 0;
}

void keeper_stop(struct keeper *keeper)
{
    struct timespec until;

    if (!keeper)
        return;
    atomic_store(&keeper->stopping, true);
    wake(keeper);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_SECONDS;
    if (pthread_timedjoin_np(keeper->thread, NULL, &until)) {
        log_line(LOG_WARNING, "store", "xenstored does not answer; it is not waited for");
        pthread_detach(keeper->thread);
        keeper_part(keeper);
        return;
    }
    keeper_free(keeper);
}
