// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define EVENTS 64
#define WORKER_NICE -15
#define WORKER_SLICE_NS 100000ull
/* Once a timer has fired, containers this close to their deadline are closed. */
#define GRACE_MAX_NS 30000ull
/* Shorter sleeps end at once on some hosts, and tell nothing of how late timers are. */
#define NAP_NS 5000ull
/*
 * What lateness is taken as before the first was seen, and at most: a host so busy that timers are
 * later than that would only be made busier by waking early.
 */
#define LATE_START_NS 50000ull
#define LATE_MAX_NS 200000ull
/* Figures are shown at least this often, so that a silent guest is not taken for a dead backend. */
#define HEARTBEAT_NS 500000000ull
/* Longest time given to the last unloading of a link that is let go. */
#define FLUSH_NS 50000000ull

enum command_kind { COMMAND_NONE, COMMAND_ADD, COMMAND_REMOVE, COMMAND_STOP };

struct worker {
    struct worker_options options;
    pthread_t thread;
    int epoll_fd, kick_fd, failures_fd;
    /* The command, handed over under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t done;
    _Atomic int command;       /* enum command_kind */
    _Atomic uint64_t probe_ns; /* when a probe was sent; 0: none is on its way */
    struct link *command_link;
    int command_result;
    /* The thread's own. */
    struct link *links;
    struct segment_sleep sleep;
    uint64_t held;      /* packets of links that were removed */
    uint64_t looked_ns; /* start of the last look at the ports */
    uint64_t late_ns;   /* recent mean lateness of timers */
    uint64_t grace_ns;  /* how much before its deadline a container is closed in this round */
    uint64_t wake_ns;   /* recent mean of how long an event takes to wake the thread */
    uint64_t awake_since_ns, exported_ns;
    struct packer_view view;
};

/* --- descriptors --------------------------------------------------------- */

/* An event's pointer names a link; its low bit says which of its two descriptors. */
#define EVENT_CHANNEL 1u

/*
 * Edge-triggered: a port that may not be read now (its ring is full) must not
 * keep the worker awake. A link stays readable until a read found nothing.
 */
static int descriptor_add(struct worker *worker, int fd, uintptr_t tag)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = tag};

    return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void descriptor_remove(struct worker *worker, int fd)
{
    epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void event_take(struct worker *worker, const struct epoll_event *event)
{
    struct link *link = (struct link *)(uintptr_t)(event->data.u64 & ~(uint64_t)EVENT_CHANNEL);
    uint64_t kicks;

    if (!link) {
        if (read(worker->kick_fd, &kicks, sizeof(kicks)) < 0)
            return;
    } else if (event->data.u64 & EVENT_CHANNEL) {
        link->notified = true;
        link_notified(link);
    } else {
        link->readable = true;
    }
}

/* --- links --------------------------------------------------------------- */

static int link_attach(struct worker *worker, struct link *link)
{
    int error = descriptor_add(worker, port_fd(link->port), (uintptr_t)link);

    if (!error)
        error =
            descriptor_add(worker, hv_channel_fd(link->channel), (uintptr_t)link | EVENT_CHANNEL);
    if (error) {
        descriptor_remove(worker, port_fd(link->port));
        return error;
    }
    link->next = worker->links;
    worker->links = link;
    return 0;
}

static void link_detach(struct worker *worker, struct link *link)
{
    for (struct link **at = &worker->links; *at; at = &(*at)->next)
        if (*at == link) {
            *at = link->next;
            descriptor_remove(worker, port_fd(link->port));
            descriptor_remove(worker, hv_channel_fd(link->channel));
            return;
        }
}

static void link_show(struct worker *worker, struct link *link, uint64_t now_ns)
{
    link->export(link->export_context, link, &worker->sleep);
    link->exported_ns = now_ns;
    link->dirty = false;
}

/* A failed link stays quiet, its descriptors out of the way, until it is removed. */
static void failure_report(struct worker *worker, struct link *link)
{
    uint64_t one = 1;

    link_show(worker, link, clock_ns());
    link_detach(worker, link);
    if (write(worker->failures_fd, &one, sizeof(one)) < 0)
        return; /* full: it is readable as it is */
}

/* What a peer sent before it went is still there, and is delivered; what it broke is not looked at.
 */
static void link_flush(struct worker *worker, struct link *link)
{
    uint64_t until = clock_ns() + FLUSH_NS;
    enum link_failure failure = link_failure(link, NULL);

    if (failure == LINK_PEER_BROKE)
        return;
    if (failure == LINK_FINE)
        packer_flush(&link->packer);
    while (!link->unloader.broken && unloader_run(&link->unloader, link->port, until) &&
           clock_ns() < until)
        ;
    link_show(worker, link, clock_ns());
}

/* --- commands ------------------------------------------------------------ */

/* True: stop. */
static bool command_run(struct worker *worker)
{
    int command = atomic_load(&worker->command);

    if (command == COMMAND_NONE)
        return false;
    pthread_mutex_lock(&worker->lock);
    worker->command_result = 0;
    if (command == COMMAND_ADD)
        worker->command_result = link_attach(worker, worker->command_link);
    if (command == COMMAND_REMOVE) {
        link_flush(worker, worker->command_link);
        link_detach(worker, worker->command_link);
        worker->held += packer_held(&worker->command_link->packer);
    }
    atomic_store(&worker->command, COMMAND_NONE);
    pthread_cond_signal(&worker->done);
    pthread_mutex_unlock(&worker->lock);
    return command == COMMAND_STOP;
}

static int command_send(struct worker *worker, enum command_kind command, struct link *link)
{
    uint64_t one = 1;

    pthread_mutex_lock(&worker->lock);
    worker->command_link = link;
    atomic_store(&worker->command, command);
    if (write(worker->kick_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        abort(); /* our own eventfd */
    while (atomic_load(&worker->command) != COMMAND_NONE)
        pthread_cond_wait(&worker->done, &worker->lock);
    int result = worker->command_result;
    pthread_mutex_unlock(&worker->lock);
    return result;
}

/* --- rounds -------------------------------------------------------------- */

static uint64_t show_due(const struct link *link)
{
    return link->exported_ns + (link->dirty ? LINK_EXPORT_NS : HEARTBEAT_NS);
}

static void figures_show(struct worker *worker, uint64_t now_ns)
{
    worker->sleep.busy_ns += now_ns - worker->awake_since_ns;
    worker->awake_since_ns = now_ns;
    if (now_ns - worker->exported_ns >= LINK_EXPORT_NS) {
        if (worker->options.export)
            worker->options.export(worker->options.export_context, &worker->sleep, worker->held);
        worker->exported_ns = now_ns;
    }
    for (struct link *link = worker->links; link; link = link->next)
        if (now_ns >= show_due(link))
            link_show(worker, link, now_ns);
}

/* Whether a link was served that had work. `ret_debt`: the least of those that were not served, or
 * 0. */
static bool links_serve(struct worker *worker, uint64_t due_ns, uint64_t *ret_debt)
{
    struct link *next;
    bool worked = false;

    *ret_debt = 0;
    for (struct link *link = worker->links; link; link = next) {
        next = link->next;
        uint64_t debt = link_debt(link, WORKER_BUDGET_NS);
        if (debt && (!*ret_debt || debt < *ret_debt))
            *ret_debt = debt;
        if (link_failure(link, NULL) == LINK_FINE)
            worked |= link_round(link, &worker->view, WORKER_BUDGET_NS, due_ns) && !debt;
        if (link_failure(link, NULL) != LINK_FINE)
            failure_report(worker, link);
    }
    return worked;
}

/*
 * Debts are paid with time that others need. Where nobody else has work, the
 * rounds that it would take would only pass the time while packets wait: a
 * thread that was put aside for a while in the middle of a round owes a lot.
 */
static bool links_round(struct worker *worker, uint64_t due_ns)
{
    uint64_t debt;
    bool worked = links_serve(worker, due_ns, &debt);

    if (worked || !debt)
        return worked;
    for (struct link *link = worker->links; link; link = link->next)
        link_forgive(link, debt);
    return links_serve(worker, due_ns, &debt) || debt;
}

/* Announces sleep on all links, or on none where one has work. */
static bool links_sleep(struct worker *worker)
{
    for (struct link *link = worker->links; link; link = link->next)
        if (!link_sleep(link)) {
            for (struct link *back = worker->links; back != link->next; back = back->next)
                link_wake(back);
            return false;
        }
    return true;
}

static void links_wake(struct worker *worker)
{
    for (struct link *link = worker->links; link; link = link->next)
        link_wake(link);
}

/* --- sleeping ------------------------------------------------------------ */

static void lateness_note(struct worker *worker, uint64_t late_ns)
{
    uint64_t us = late_ns / 1000;

    worker->sleep.late_n++;
    worker->sleep.late_ns += late_ns;
    worker->sleep.late_us2 += us * us;
    if (late_ns > LATE_MAX_NS)
        late_ns = LATE_MAX_NS;
    worker->late_ns = worker->late_ns - worker->late_ns / 16 + late_ns / 16;
}

/* A probe that came while the worker slept shows how long an event takes to wake it. */
static void probe_take(struct worker *worker, uint64_t slept_ns, uint64_t now_ns)
{
    uint64_t probe = atomic_exchange(&worker->probe_ns, 0);

    if (!probe || probe < slept_ns || now_ns < probe)
        return;
    uint64_t took = now_ns - probe < LATE_MAX_NS ? now_ns - probe : LATE_MAX_NS;
    worker->sleep.wake_n++;
    worker->sleep.wake_ns += now_ns - probe;
    worker->sleep.wake_sq += segment_square(now_ns - probe);
    worker->wake_ns = worker->wake_ns - worker->wake_ns / 16 + took / 16;
}

/*
 * A timer is set early by how late timers are, so it is early as often as late: what is early by
 * no more than usual is not waited for. Who is awake for another reason can wait for a
 * deadline exactly: a container whose timeout is not much longer than timers are late
 * would always be closed early, and be smaller than it was made.
 */
static uint64_t grace(const struct worker *worker)
{
    return worker->late_ns / 2 < GRACE_MAX_NS ? worker->late_ns / 2 : GRACE_MAX_NS;
}

/*
 * When to be woken so that, as late as timers are, the first deadline is met. `now_ns`:
 * it is so near that it is waited for awake. One that is not, but nearer than timers are late,
 * is slept for nevertheless, and missed by a little: who stays awake sees each packet at
 * once, so delays would leap where the timeout becomes worth a sleep, and short timeouts
 * would take more of the CPU than the containers they fill save.
 */
static uint64_t wake_target(const struct worker *worker, uint64_t now_ns)
{
    uint64_t deadline = UINT64_MAX;

    for (const struct link *link = worker->links; link; link = link->next)
        if (link_deadline(link) < deadline)
            deadline = link_deadline(link);
    if (deadline == UINT64_MAX)
        return deadline;
    if (deadline <= now_ns + grace(worker))
        return now_ns;
    uint64_t early = deadline - worker->late_ns;
    return early > now_ns + NAP_NS ? early : now_ns + NAP_NS;
}

/* What is new must be seen in time even if nothing more comes. */
static uint64_t export_target(const struct worker *worker)
{
    uint64_t target = worker->exported_ns + HEARTBEAT_NS;

    for (const struct link *link = worker->links; link; link = link->next)
        if (show_due(link) < target)
            target = show_due(link);
    return target;
}

/* Waits until `target_ns` (0: only looks). Number of events taken. */
static int events_wait(struct worker *worker, uint64_t target_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t now = clock_ns();
    uint64_t wait = target_ns > now ? target_ns - now : 0;
    struct timespec limit = {.tv_sec = (time_t)(wait / CLOCK_SECOND),
                             .tv_nsec = (long)(wait % CLOCK_SECOND)};
    int n = epoll_pwait2(worker->epoll_fd, events, EVENTS, target_ns == UINT64_MAX ? NULL : &limit,
                         NULL);

    for (int i = 0; i < n; i++)
        event_take(worker, &events[i]);
    return n;
}

/* A look at the ports without waiting: what is there came since the last look. */
static void look(struct worker *worker)
{
    uint64_t now = clock_ns();

    worker->view = (struct packer_view){.latest_ns = now, .empty_ns = worker->looked_ns};
    worker->looked_ns = now;
    worker->grace_ns = 0;
    events_wait(worker, 0);
}

static void sleep_until(struct worker *worker, uint64_t target_ns)
{
    uint64_t before = clock_ns();

    worker->sleep.sleeps++;
    worker->sleep.busy_ns += before - worker->awake_since_ns;
    int n = events_wait(worker, target_ns);
    uint64_t now = clock_ns();
    worker->awake_since_ns = now;
    worker->view = (struct packer_view){
        .latest_ns = now, .empty_ns = before, .woken_late_ns = worker->wake_ns};
    if (worker->view.woken_late_ns > now - before)
        worker->view.woken_late_ns = now - before;
    worker->looked_ns = now;
    worker->grace_ns = n == 0 ? grace(worker) : 0;
    probe_take(worker, before, now);
    if (n == 0 && target_ns > before && now > target_ns)
        lateness_note(worker, now - target_ns);
}

/* Nothing was done in the last round: sleep, if no peer has been quicker. */
static void rest(struct worker *worker)
{
    uint64_t now = clock_ns(), shown = export_target(worker), target = wake_target(worker, now);

    if (shown < target)
        target = shown;
    if (target <= now || !links_sleep(worker)) {
        look(worker);
        return;
    }
    sleep_until(worker, target);
    links_wake(worker);
}

/* The kernel's struct, which the C library does not have. */
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

/*
 * The worker sleeps and wakes for each container, and what it waits for the CPU
 * is delay. A short slice and a high weight let it run soon when woken, while
 * the scheduler stays fair to the others; real-time priority lets it run at
 * once, and a flood of packets may then take the CPU from everything else.
 */
static void urgency_ask(int realtime)
{
    struct scheduling scheduling = {
        .size = sizeof(scheduling), .nice = WORKER_NICE, .runtime = WORKER_SLICE_NS};

    if (realtime)
        scheduling = (struct scheduling){
            .size = sizeof(scheduling), .policy = SCHED_RR, .priority = (uint32_t)realtime};
    prctl(PR_SET_TIMERSLACK, 1);
    if (syscall(SYS_sched_setattr, 0, &scheduling, 0) < 0)
        log_line(LOG_WARNING, "worker", "no %s for the data path's thread (%s): delays will vary",
                 realtime ? "real-time priority" : "raised priority", strerror(errno));
}

static void *worker_thread(void *context)
{
    struct worker *worker = context;

    urgency_ask(worker->options.realtime);
    worker->awake_since_ns = worker->looked_ns = clock_ns();
    while (!command_run(worker)) {
        bool worked = links_round(worker, clock_ns() + worker->grace_ns);
        worker->sleep.rounds++;
        figures_show(worker, clock_ns());
        if (worked)
            look(worker);
        else
            rest(worker);
    }
    return NULL;
}

/* --- starting and stopping ----------------------------------------------- */

static void worker_free(struct worker *worker)
{
    close(worker->epoll_fd);
    close(worker->kick_fd);
    close(worker->failures_fd);
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->done);
    free(worker);
}

/* Signals are for the control thread. */
static int thread_start(struct worker *worker)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = -pthread_create(&worker->thread, NULL, worker_thread, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

int worker_start(const struct worker_options *options, struct worker **ret)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (!worker)
        return -ENOMEM;
    worker->options = *options;
    worker->late_ns = worker->wake_ns = LATE_START_NS;
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    worker->failures_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->done, NULL);
    int error =
        worker->epoll_fd < 0 || worker->kick_fd < 0 || worker->failures_fd < 0 ? -EMFILE : 0;
    if (!error)
        error = descriptor_add(worker, worker->kick_fd, 0);
    if (!error)
        error = thread_start(worker);
    if (error) {
        worker_free(worker);
        return error;
    }
    *ret = worker;
    return 0;
}

void worker_stop(struct worker *worker)
{
    if (!worker)
        return;
    command_send(worker, COMMAND_STOP, NULL);
    pthread_join(worker->thread, NULL);
    worker_free(worker);
}

int worker_add(struct worker *worker, struct link *link)
{
    return command_send(worker, COMMAND_ADD, link);
}

void worker_remove(struct worker *worker, struct link *link)
{
    command_send(worker, COMMAND_REMOVE, link);
}

void worker_probe(struct worker *worker)
{
    uint64_t one = 1, none = 0;

    if (!atomic_compare_exchange_strong(&worker->probe_ns, &none, clock_ns()))
        return; /* the last one has not been taken yet */
    if (write(worker->kick_fd, &one, sizeof(one)) < 0)
        return; /* full: it is awake */
}

int worker_failures_fd(const struct worker *worker)
{
    return worker->failures_fd;
}

void worker_failures_accept(struct worker *worker)
{
    uint64_t failures;

    if (read(worker->failures_fd, &failures, sizeof(failures)) < 0)
        return;
}
