// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/traffic.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <math.h>
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "model/random.h"
#include "sandbox/capture.h"
#include "sandbox/packet.h"
#include "sandbox/timeline.h"

#define SECOND 1000000000ull
#define STALL_NS 20000000ull /* later than this, a packet is given up: a burst would follow */
#define LOOK_NS 5000000ull   /* how often a sleeping sender looks for a change of rates */
#define DRAIN_NS 25000000
#define RECEIVER_NICE (-10)
#define PORT 7777u

/* Packets of a flow between the two looks at them: a second's worth at least. */
#define PASSAGES 4096u

/* When a packet was in the guest and when it was back; 0: not seen yet. Either comes first. */
struct passage {
    uint32_t sequence;
    uint64_t seen_ns[TRAFFIC_PLACES];
};

/* What one capture of a lane sees. Guarded by the traffic's lock. */
struct arrivals {
    struct capture *capture;
    struct traffic_arrivals counts;
    uint32_t next[TRAFFIC_FLOWS]; /* lowest sequence number that is in order */
};

struct lane {
    int fd;
    uint32_t size;
    struct packet_flow flows[TRAFFIC_FLOWS];
    struct arrivals arrivals[TRAFFIC_PLACES];
    struct timeline *delays[TRAFFIC_DELAYS];
    struct passage *passages; /* PASSAGES of each flow */
    _Atomic double rate;
    atomic_uint_fast64_t offered, refused, stalls, max_late_ns;
    /* the sender's own */
    double drawn_rate;
    uint64_t due_ns; /* CLOCK_MONOTONIC; UINT64_MAX: silent */
    uint32_t sequence[TRAFFIC_FLOWS];
    unsigned flow;
};

struct traffic {
    struct lane lanes[TRAFFIC_LANES];
    unsigned n;
    double seconds;
    struct random random;
    pthread_mutex_t lock;
    pthread_t sender, receiver;
    bool sending, receiving;
    atomic_bool stop_sending, stop_receiving;
};

static uint64_t clock_read(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

uint64_t traffic_now(void)
{
    return clock_read(CLOCK_REALTIME);
}

int traffic_create(uint64_t seed, double seconds, struct traffic **ret)
{
    struct traffic *traffic = calloc(1, sizeof(*traffic));

    if (!traffic)
        return -ENOMEM;
    random_init(&traffic->random, seed);
    traffic->seconds = seconds;
    pthread_mutex_init(&traffic->lock, NULL);
    *ret = traffic;
    return 0;
}

static void lane_close(struct lane *lane)
{
    for (unsigned i = 0; i < TRAFFIC_PLACES; i++)
        capture_close(lane->arrivals[i].capture);
    for (unsigned i = 0; i < TRAFFIC_DELAYS; i++)
        timeline_free(lane->delays[i]);
    free(lane->passages);
    if (lane->fd >= 0)
        close(lane->fd);
}

void traffic_free(struct traffic *traffic)
{
    if (!traffic)
        return;
    traffic_stop(traffic);
    for (unsigned i = 0; i < traffic->n; i++)
        lane_close(&traffic->lanes[i]);
    pthread_mutex_destroy(&traffic->lock);
    free(traffic);
}

/* Straight to the driver: its queue is the one whose overflow gets counted. */
static int sender_socket(struct namespace *space, const char *interface)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET};
    int bypass = 1, fd = namespace_socket(space, AF_PACKET, SOCK_RAW, 0);

    if (fd < 0)
        return fd;
    int error = namespace_enter(space);
    if (!error) {
        address.sll_ifindex = (int)if_nametoindex(interface);
        error = address.sll_ifindex ? 0 : -errno;
        namespace_leave(space);
    }
    if (!error && (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof(bypass)) ||
                   bind(fd, (struct sockaddr *)&address, sizeof(address))))
        error = -errno;
    if (error) {
        close(fd);
        return error;
    }
    return fd;
}

static void lane_flows(struct lane *lane, const struct traffic_route *route)
{
    for (unsigned i = 0; i < TRAFFIC_FLOWS; i++) {
        struct packet_flow *flow = &lane->flows[i];
        *flow = (struct packet_flow){.from = route->from,
                                     .to = route->to,
                                     .from_port = (uint16_t)(PORT + 1 + i),
                                     .to_port = PORT,
                                     .number = (uint16_t)i};
        memcpy(flow->source, route->near_mac, 6);
        memcpy(flow->destination, route->far_mac, 6);
    }
}

static int lane_memory(struct lane *lane, double seconds)
{
    int error = 0;

    lane->passages = calloc((size_t)PASSAGES * TRAFFIC_FLOWS, sizeof(struct passage));
    for (unsigned i = 0; i < TRAFFIC_DELAYS && !error; i++)
        error = timeline_create(seconds, &lane->delays[i]);
    return lane->passages ? error : -ENOMEM;
}

int traffic_add(struct traffic *traffic, const struct traffic_route *route)
{
    struct lane *lane = &traffic->lanes[traffic->n];

    if (traffic->n == TRAFFIC_LANES || traffic->sending)
        return -ENOSPC;
    if (route->size < PACKET_MIN || route->size > PACKET_MAX)
        return -EINVAL;
    *lane = (struct lane){.size = route->size, .due_ns = UINT64_MAX};
    lane_flows(lane, route);
    lane->fd = sender_socket(route->near, route->near_name);
    int error = lane->fd < 0 ? lane->fd : lane_memory(lane, traffic->seconds);
    if (!error)
        error =
            capture_open(route->far, route->far_name, &lane->arrivals[TRAFFIC_IN_GUEST].capture);
    if (!error)
        error = capture_open(route->near, route->near_name, &lane->arrivals[TRAFFIC_BACK].capture);
    if (error) {
        lane_close(lane);
        return error;
    }
    return (int)traffic->n++;
}

/* --- sending ------------------------------------------------------------- */

static void lane_send(struct lane *lane)
{
    uint8_t frame[PACKET_MAX];
    struct packet_flow *flow = &lane->flows[lane->flow];
    struct packet_mark mark = {.flow = flow->number, .sequence = lane->sequence[lane->flow]++};

    lane->flow = (lane->flow + 1) % TRAFFIC_FLOWS;
    mark.time_ns = traffic_now();
    packet_build(flow, &mark, 0, lane->size, frame);
    atomic_fetch_add_explicit(&lane->offered, 1, memory_order_relaxed);
    if (send(lane->fd, frame, lane->size, MSG_DONTWAIT) != (ssize_t)lane->size)
        atomic_fetch_add_explicit(&lane->refused, 1, memory_order_relaxed);
}

/* The gap to the next packet; exponential gaps have no memory, so a new rate holds at once. */
static void lane_draw(struct lane *lane, struct random *random, uint64_t from_ns)
{
    lane->drawn_rate = atomic_load_explicit(&lane->rate, memory_order_relaxed);
    lane->due_ns = UINT64_MAX;
    if (lane->drawn_rate > 0) {
        double gap = random_exponential(random) / lane->drawn_rate * (double)SECOND;
        lane->due_ns = from_ns + (uint64_t)llround(gap);
    }
}

static void lane_note_late(struct lane *lane, uint64_t late_ns)
{
    if (late_ns > atomic_load_explicit(&lane->max_late_ns, memory_order_relaxed))
        atomic_store_explicit(&lane->max_late_ns, late_ns, memory_order_relaxed);
}

/* Sends what is due. The schedule goes on from when a packet was due, not from when it left. */
static void lane_serve(struct lane *lane, struct random *random, uint64_t now_ns)
{
    if (lane->drawn_rate != atomic_load_explicit(&lane->rate, memory_order_relaxed))
        lane_draw(lane, random, now_ns);
    while (lane->due_ns <= now_ns) {
        uint64_t late_ns = now_ns - lane->due_ns;
        lane_note_late(lane, late_ns);
        if (late_ns > STALL_NS) {
            atomic_fetch_add_explicit(&lane->stalls, 1, memory_order_relaxed);
            lane_draw(lane, random, now_ns);
            return;
        }
        lane_send(lane);
        lane_draw(lane, random, lane->due_ns);
    }
}

static void sleep_until(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND)};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Else a busy machine makes bursts of what should be Poisson. Without the right to, so it is. */
static void urgency_ask(void)
{
    struct sched_param priority = {.sched_priority = 1};
    pthread_setschedparam(pthread_self(), SCHED_RR, &priority);
}

static void *sender_run(void *argument)
{
    struct traffic *traffic = argument;

    prctl(PR_SET_NAME, "sender");
    prctl(PR_SET_TIMERSLACK, 1ul);
    urgency_ask();
    while (!atomic_load_explicit(&traffic->stop_sending, memory_order_relaxed)) {
        uint64_t now_ns = clock_read(CLOCK_MONOTONIC), next_ns = now_ns + LOOK_NS;
        for (unsigned i = 0; i < traffic->n; i++) {
            lane_serve(&traffic->lanes[i], &traffic->random, now_ns);
            if (traffic->lanes[i].due_ns < next_ns)
                next_ns = traffic->lanes[i].due_ns;
        }
        sleep_until(next_ns);
    }
    return NULL;
}

/* --- arrivals ------------------------------------------------------------ */

struct look {
    struct lane *lane;
    enum traffic_place place;
};

static void arrivals_order(struct arrivals *arrivals, const struct packet_mark *mark)
{
    uint32_t *next = &arrivals->next[mark->flow];

    if (mark->sequence < *next)
        arrivals->counts.reordered++;
    else
        *next = mark->sequence + 1;
}

static void delay_note(struct lane *lane, enum traffic_delay which, const struct packet_mark *mark,
                       uint64_t from_ns, uint64_t to_ns)
{
    timeline_add(lane->delays[which], mark->time_ns, to_ns > from_ns ? to_ns - from_ns : 0);
}

/* The two captures hand over their packets when it suits them: the later one knows both times. */
static void passage_note(struct lane *lane, enum traffic_place place,
                         const struct packet_mark *mark, uint64_t time_ns)
{
    struct passage *passage = &lane->passages[mark->flow * PASSAGES + mark->sequence % PASSAGES];

    if (passage->sequence != mark->sequence)
        *passage = (struct passage){.sequence = mark->sequence};
    passage->seen_ns[place] = time_ns;
    if (passage->seen_ns[TRAFFIC_IN_GUEST] && passage->seen_ns[TRAFFIC_BACK])
        delay_note(lane, TRAFFIC_FROM_GUEST, mark, passage->seen_ns[TRAFFIC_IN_GUEST],
                   passage->seen_ns[TRAFFIC_BACK]);
}

static void look_at(void *context, const uint8_t *frame, uint32_t size, uint64_t time_ns)
{
    struct look *look = context;
    struct arrivals *arrivals = &look->lane->arrivals[look->place];
    struct packet_mark mark;
    int error = packet_read(frame, size, &mark);

    if (error == -ENOMSG)
        return;
    arrivals->counts.arrived++;
    if (error || mark.flow >= TRAFFIC_FLOWS || size != look->lane->size ||
        packet_verify(&look->lane->flows[mark.flow], &mark, look->place == TRAFFIC_BACK, frame,
                      size)) {
        arrivals->counts.damaged++;
        return;
    }
    arrivals_order(arrivals, &mark);
    passage_note(look->lane, look->place, &mark, time_ns);
    delay_note(look->lane, look->place == TRAFFIC_BACK ? TRAFFIC_ROUND_TRIP : TRAFFIC_TO_GUEST,
               &mark, mark.time_ns, time_ns);
}

static void drain_all(struct traffic *traffic)
{
    pthread_mutex_lock(&traffic->lock);
    for (unsigned i = 0; i < traffic->n; i++) {
        for (unsigned place = 0; place < TRAFFIC_PLACES; place++) {
            struct look look = {.lane = &traffic->lanes[i], .place = place};
            struct arrivals *arrivals = &look.lane->arrivals[place];
            capture_drain(arrivals->capture, look_at, &look);
            arrivals->counts.unseen = capture_dropped(arrivals->capture);
        }
    }
    pthread_mutex_unlock(&traffic->lock);
}

static void *receiver_run(void *argument)
{
    struct traffic *traffic = argument;
    struct timespec pause = {.tv_nsec = DRAIN_NS};

    prctl(PR_SET_NAME, "receiver");
    /* Soon, but never before those whose packets it looks at. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), RECEIVER_NICE);
    while (!atomic_load_explicit(&traffic->stop_receiving, memory_order_relaxed)) {
        drain_all(traffic);
        nanosleep(&pause, NULL);
    }
    drain_all(traffic);
    return NULL;
}

/* --- control ------------------------------------------------------------- */

int traffic_start(struct traffic *traffic)
{
    int error = -pthread_create(&traffic->receiver, NULL, receiver_run, traffic);

    if (error)
        return error;
    traffic->receiving = true;
    error = -pthread_create(&traffic->sender, NULL, sender_run, traffic);
    traffic->sending = !error;
    return error;
}

void traffic_silence(struct traffic *traffic)
{
    if (!traffic->sending)
        return;
    atomic_store(&traffic->stop_sending, true);
    pthread_join(traffic->sender, NULL);
    traffic->sending = false;
}

void traffic_stop(struct traffic *traffic)
{
    traffic_silence(traffic);
    if (!traffic->receiving)
        return;
    atomic_store(&traffic->stop_receiving, true);
    pthread_join(traffic->receiver, NULL);
    traffic->receiving = false;
}

void traffic_set_rate(struct traffic *traffic, unsigned lane, double rate)
{
    atomic_store_explicit(&traffic->lanes[lane].rate, rate, memory_order_relaxed);
}

void traffic_read_counts(struct traffic *traffic, unsigned lane, struct traffic_counts *ret)
{
    struct lane *l = &traffic->lanes[lane];

    pthread_mutex_lock(&traffic->lock);
    *ret = (struct traffic_counts){.offered = l->offered,
                                   .refused = l->refused,
                                   .stalls = l->stalls,
                                   .max_late_ns = l->max_late_ns};
    for (unsigned i = 0; i < TRAFFIC_PLACES; i++)
        ret->at[i] = l->arrivals[i].counts;
    pthread_mutex_unlock(&traffic->lock);
}

void traffic_read_delays(struct traffic *traffic, unsigned lane, enum traffic_delay which,
                         uint64_t from_ns, uint64_t to_ns, struct histogram *ret)
{
    pthread_mutex_lock(&traffic->lock);
    timeline_sum(traffic->lanes[lane].delays[which], from_ns, to_ns, ret);
    pthread_mutex_unlock(&traffic->lock);
}
