// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/plant_sim.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "model/law.h"
#include "model/tally.h"
#include "model/tournament.h"

#define BUDGET_DEFAULT 200e-6
#define PORT_DEFAULT 4096
#define RING_DEFAULT (1u << 20)
#define BYTES_DEFAULT 64.0 /* of a packet whose size is not known */
#define HEADER_BYTES 14.0  /* per container */
#define LENGTH_BYTES 2.0   /* per packet in a container */
#define TALLY_UNIT 1e-6

/* ---- queues that grow ---- */

struct queue {
    unsigned char *data;
    size_t width, head, count, capacity; /* capacity: a power of two */
};

static inline void *queue_at(const struct queue *queue, size_t i)
{
    return queue->data + ((queue->head + i) & (queue->capacity - 1)) * queue->width;
}

static bool queue_grow(struct queue *queue)
{
    struct queue larger = *queue;
    larger.capacity = queue->capacity ? 2 * queue->capacity : 64;
    larger.head = 0;
    larger.data = malloc(larger.capacity * queue->width);
    if (!larger.data)
        return false;
    for (size_t i = 0; i < queue->count; i++)
        memcpy(queue_at(&larger, i), queue_at(queue, i), queue->width);
    free(queue->data);
    *queue = larger;
    return true;
}

/* The new last element, not initialised; NULL without memory. */
static inline void *queue_push(struct queue *queue)
{
    if (queue->count == queue->capacity && !queue_grow(queue))
        return NULL;
    return queue_at(queue, queue->count++);
}

static inline void queue_drop(struct queue *queue, size_t n)
{
    queue->head += n;
    queue->count -= n;
}

/* ---- what moves, and through what ---- */

#define NOT_FORWARDED (-1.0)

struct packet {
    double arrived; /* at the port */
    double read;    /* appended to the container */
    double origin;  /* arrival at the first port of one that was forwarded */
};

struct container {
    double closed, published;
    uint32_t packets;
};

struct measured {
    struct plant_sim_lane counts; /* its times are not used: below */
    struct delay_parts sum;
    double jitter, jitter_sum, last_delay;
    bool seen;
    struct tally delay;
};

/* One direction of one guest: port, open container, ring. */
struct lane {
    double rate, burst;  /* of packets that arrive by themselves */
    double next;         /* the next of them */
    uint64_t left;       /* packets still to come of a burst */
    struct queue port;   /* struct packet */
    struct queue packed; /* struct packet: first those in the ring, then the open container's */
    struct queue ring;   /* struct container */
    uint32_t open;       /* packets in the open container */
    double opened, closed;
    bool full; /* to be published; nothing is added to it */
    enum plant_sim_closing reason;
    struct lane_size size;
    uint32_t byte_packets; /* packets that fit its byte limit */
    double packet_bytes;
    double ring_used; /* bytes */
    uint32_t guest;
    struct measured measured;
};

/* An interface as an end sees it. */
struct visit {
    struct lane *out, *in;
    double reading, unloading; /* s left, negative after an overdraft */
    bool unloaded, read;       /* neither is done again in this visit */
};

enum task { TASK_NONE, TASK_READ, TASK_PUBLISH, TASK_UNLOAD, TASK_IDLE };

/* A thread: the worker, or a guest's. */
struct end {
    const struct end_costs *costs;
    struct law publish, unload;
    struct visit *visits;
    uint32_t n_visits, visit, idle_visits;
    bool is_guest;
    enum task task;
    double began, fixed; /* of the task; its fixed cost as drawn */
    uint32_t packets;    /* of the task */
    double polls_until;  /* TASK_IDLE: from then on it sleeps */
    double called;       /* TASK_IDLE: when a notification will have woken it */
    double busy;
    uint64_t wakeups;
};

struct plant_sim {
    struct plant_sim_options options;
    struct random random;
    struct end_costs worker_costs;
    size_t n;
    struct guest_load *loads;
    struct lane (*lanes)[DIRECTION_COUNT];
    struct end *ends; /* 0: the worker; i + 1: guest i's */
    struct visit *visits;
    struct tally *forwarding; /* per guest */
    double *forwarding_sum;
    uint64_t *forwarded;
    struct tournament clock;
    double now, measured_from;
    bool no_memory;
};

/* ---- packets arriving at a port ---- */

static double arrival_after(struct plant_sim *plant, struct lane *lane, double t)
{
    if (lane->left > 0) {
        lane->left--;
        return t;
    }
    if (lane->rate == 0)
        return INFINITY;
    if (lane->burst > 1)
        lane->left = (uint64_t)(random_exponential(&plant->random) / -log1p(-1 / lane->burst));
    return t + random_exponential(&plant->random) * lane->burst / lane->rate;
}

static void port_push(struct plant_sim *plant, struct lane *lane, double arrived, double origin)
{
    lane->measured.counts.arrived++;
    if (lane->port.count >= plant->options.port_packets) {
        lane->measured.counts.dropped++;
        return;
    }
    struct packet *packet = queue_push(&lane->port);
    if (packet)
        *packet = (struct packet){.arrived = arrived, .origin = origin};
    else
        plant->no_memory = true;
}

/* Everything that arrived by itself up to time t. */
static inline void port_pull(struct plant_sim *plant, struct lane *lane, double t)
{
    while (lane->next <= t) {
        port_push(plant, lane, lane->next, NOT_FORWARDED);
        lane->next = arrival_after(plant, lane, lane->next);
    }
}

/* ---- containers ---- */

static uint32_t container_room(const struct lane *lane)
{
    return lane->byte_packets < lane->size.packets ? lane->byte_packets : lane->size.packets;
}

static double container_bytes(const struct lane *lane, uint32_t packets)
{
    return HEADER_BYTES + packets * (lane->packet_bytes + LENGTH_BYTES);
}

static bool ring_has_room(const struct plant_sim *plant, const struct lane *lane)
{
    double bytes = container_bytes(lane, lane->open);
    return lane->ring_used == 0 || lane->ring_used + bytes <= plant->options.ring_bytes;
}

static void container_close(struct lane *lane, double now, enum plant_sim_closing reason)
{
    lane->full = true;
    lane->closed = now;
    lane->reason = reason;
}

static void container_check(struct lane *lane, double now)
{
    if (lane->open == 0 || lane->full)
        return;
    if (lane->open >= lane->size.packets)
        container_close(lane, now, PLANT_SIM_FULL);
    else if (lane->open >= lane->byte_packets)
        container_close(lane, now, PLANT_SIM_BYTES);
    else if (now >= lane->opened + lane->size.timeout)
        container_close(lane, now, PLANT_SIM_TIMEOUT);
}

/* ---- sleeping and waking ---- */

static bool blocked(const struct plant_sim *plant, const struct lane *lane)
{
    return lane->full && !ring_has_room(plant, lane);
}

static void end_events(const struct plant_sim *plant, const struct end *end, double *ret_arrival,
                       double *ret_deadline)
{
    *ret_arrival = *ret_deadline = INFINITY;
    for (uint32_t i = 0; i < end->n_visits; i++) {
        const struct lane *lane = end->visits[i].out;
        if (blocked(plant, lane))
            continue;
        *ret_arrival = fmin(*ret_arrival, lane->next);
        if (lane->port.count > 0)
            *ret_arrival = fmin(*ret_arrival, ((struct packet *)queue_at(&lane->port, 0))->arrived);
        if (lane->open > 0)
            *ret_deadline = fmin(*ret_deadline, lane->opened + lane->size.timeout);
    }
}

/* When an idle end runs again, by what it can foresee and by notifications. */
static double end_wakes(const struct plant_sim *plant, const struct end *end)
{
    double arrival, deadline;
    end_events(plant, end, &arrival, &deadline);
    if (arrival > end->polls_until)
        arrival += end->costs->wakeup;
    if (deadline > end->polls_until)
        deadline += end->costs->timer_late;
    return fmax(plant->now, fmin(end->called, fmin(arrival, deadline)));
}

static void end_schedule(struct plant_sim *plant, struct end *end, double at)
{
    tournament_set(&plant->clock, (uint32_t)(end - plant->ends), at);
}

static void end_idle(struct plant_sim *plant, struct end *end)
{
    end->task = TASK_IDLE;
    end->idle_visits = 0;
    end->polls_until = plant->now + plant->options.spin;
    end->called = INFINITY;
    end_schedule(plant, end, end_wakes(plant, end));
}

/* The other side has something for it. True where it slept and had to be notified. */
static bool end_call(struct plant_sim *plant, struct end *end)
{
    if (end->task != TASK_IDLE)
        return false;
    bool sleeps = plant->now > end->polls_until;
    end->called = fmin(end->called, plant->now + (sleeps ? end->costs->wakeup : 0));
    end_schedule(plant, end, end_wakes(plant, end));
    return sleeps;
}

static struct end *other_end(struct plant_sim *plant, const struct end *end, uint32_t guest)
{
    return end->is_guest ? &plant->ends[0] : &plant->ends[guest + 1];
}

/* ---- finishing a task ---- */

static void tell_work(struct plant_sim *plant, const struct end *end, const struct lane *lane,
                      bool notified)
{
    static const enum plant_sim_kind kinds[] = {[TASK_READ] = PLANT_SIM_READ,
                                                [TASK_PUBLISH] = PLANT_SIM_PUBLISH,
                                                [TASK_UNLOAD] = PLANT_SIM_UNLOAD};
    if (!plant->options.on_work)
        return;
    struct plant_sim_work work = {.at = plant->now,
                                  .seconds = plant->now - end->began,
                                  .guest = lane->guest,
                                  .packets = end->packets,
                                  .kind = kinds[end->task],
                                  .by_guest = end->is_guest,
                                  .notified = notified};
    plant->options.on_work(plant->options.context, &work);
}

static void finish_read(struct plant_sim *plant, struct end *end, struct visit *visit)
{
    struct lane *lane = visit->out;
    if (lane->open == 0)
        lane->opened = end->began + end->costs->read;
    for (uint32_t i = 0; i < end->packets; i++) {
        const struct packet *from = queue_at(&lane->port, i);
        struct packet *to = queue_push(&lane->packed);
        if (!to) {
            plant->no_memory = true;
            return;
        }
        *to = *from;
        to->read = end->began + (i + 1) * end->costs->read;
    }
    queue_drop(&lane->port, end->packets);
    lane->open += end->packets;
    container_check(lane, plant->now);
    tell_work(plant, end, lane, false);
}

static void finish_publish(struct plant_sim *plant, struct end *end, struct visit *visit)
{
    struct lane *lane = visit->out;
    struct container *container = queue_push(&lane->ring);
    if (!container) {
        plant->no_memory = true;
        return;
    }
    *container = (struct container){lane->closed, plant->now, lane->open};
    lane->ring_used += container_bytes(lane, lane->open);
    lane->measured.counts.containers[lane->reason]++;
    lane->open = 0;
    lane->full = false;
    bool notified = end_call(plant, other_end(plant, end, lane->guest));
    if (notified)
        lane->measured.counts.notified++;
    else
        lane->measured.counts.spared++;
    tell_work(plant, end, lane, notified);
}

static void measure(struct measured *m, const struct packet *packet,
                    const struct container *container, double began, double leaves)
{
    double delay = leaves - packet->arrived;
    m->counts.packets++;
    m->counts.max = fmax(m->counts.max, delay);
    m->sum.port += packet->read - packet->arrived;
    m->sum.fill += container->closed - packet->read;
    m->sum.publish += container->published - container->closed;
    m->sum.ring += began - container->published;
    m->sum.unload += leaves - began;
    m->sum.total += delay;
    tally_add(&m->delay, delay, 1);
    if (m->seen)
        m->jitter += (fabs(delay - m->last_delay) - m->jitter) / 16;
    m->seen = true;
    m->last_delay = delay;
    m->jitter_sum += m->jitter;
    m->counts.jitter_max = fmax(m->counts.jitter_max, m->jitter);
}

static void tell_packet(struct plant_sim *plant, const struct lane *lane, double delay)
{
    bool tx = lane == &plant->lanes[lane->guest][DIRECTION_TX];
    if (plant->options.on_packet)
        plant->options.on_packet(plant->options.context, lane->guest,
                                 tx ? DIRECTION_TX : DIRECTION_RX, delay);
}

/* A packet has left at the far side: the guest's stack may send it back. */
static void packet_leaves(struct plant_sim *plant, const struct end *end, struct visit *visit,
                          const struct packet *packet, double leaves)
{
    uint32_t guest = visit->in->guest;
    if (!end->is_guest && packet->origin >= 0) {
        if (plant->options.on_forwarded)
            plant->options.on_forwarded(plant->options.context, guest, leaves - packet->origin);
        plant->forwarded[guest]++;
        plant->forwarding_sum[guest] += leaves - packet->origin;
        tally_add(&plant->forwarding[guest], leaves - packet->origin, 1);
    }
    double share = plant->loads[guest].forwarded;
    if (end->is_guest && share > 0 && (share >= 1 || random_uniform(&plant->random) < share)) {
        port_pull(plant, visit->out, leaves);
        port_push(plant, visit->out, leaves, packet->arrived);
    }
}

/* Before the guest reads what it has just unloaded. */
static void pause_maybe(struct plant_sim *plant, const struct end *end, struct lane *out)
{
    double patience = plant->options.patience;
    if (end->is_guest && patience > 0 && out->open > 0 && !out->full &&
        plant->loads[out->guest].forwarded > 0 && random_uniform(&plant->random) * patience < 1)
        container_close(out, plant->now, PLANT_SIM_EAGER);
}

static void finish_unload(struct plant_sim *plant, struct end *end, struct visit *visit)
{
    struct lane *lane = visit->in;
    struct container container = *(struct container *)queue_at(&lane->ring, 0);
    for (uint32_t i = 0; i < container.packets; i++) {
        const struct packet *packet = queue_at(&lane->packed, i);
        double leaves = end->began + end->fixed + (i + 1) * end->costs->unload_packet;
        measure(&lane->measured, packet, &container, end->began, leaves);
        tell_packet(plant, lane, leaves - packet->arrived);
        packet_leaves(plant, end, visit, packet, leaves);
    }
    pause_maybe(plant, end, visit->out);
    queue_drop(&lane->packed, container.packets);
    queue_drop(&lane->ring, 1);
    bool was_blocked = blocked(plant, lane);
    lane->ring_used -= container_bytes(lane, container.packets);
    if (lane->ring.count == 0)
        lane->ring_used = 0; /* no rounding is left behind */
    if (was_blocked)
        end_call(plant, other_end(plant, end, lane->guest));
    tell_work(plant, end, lane, false);
}

static void end_finish(struct plant_sim *plant, struct end *end)
{
    struct visit *visit = &end->visits[end->visit];
    double took = plant->now - end->began;
    if (end->task == TASK_IDLE) {
        end->wakeups += plant->now > end->polls_until;
        return;
    }
    if (end->task == TASK_NONE)
        return;
    end->busy += took;
    if (end->task == TASK_UNLOAD)
        visit->unloading -= took;
    else
        visit->reading -= took;
    if (end->task == TASK_READ)
        finish_read(plant, end, visit);
    else if (end->task == TASK_PUBLISH)
        finish_publish(plant, end, visit);
    else
        finish_unload(plant, end, visit);
}

/* ---- choosing the next task ---- */

static void end_start(struct plant_sim *plant, struct end *end, enum task task, uint32_t packets,
                      double fixed, double per_packet)
{
    end->task = task;
    end->packets = packets;
    end->fixed = fixed;
    end->began = plant->now;
    end->idle_visits = 0;
    end_schedule(plant, end, plant->now + fixed + packets * per_packet);
}

static bool start_publish(struct plant_sim *plant, struct end *end, struct lane *lane)
{
    if (!lane->full || !ring_has_room(plant, lane))
        return false;
    end_start(plant, end, TASK_PUBLISH, lane->open, law_draw(&end->publish, &plant->random),
              end->costs->publish_packet);
    return true;
}

static bool start_unload(struct plant_sim *plant, struct end *end, struct visit *visit)
{
    if (visit->unloaded || visit->unloading <= 0 || visit->in->ring.count == 0) {
        visit->unloaded = true;
        return false;
    }
    const struct container *container = queue_at(&visit->in->ring, 0);
    end_start(plant, end, TASK_UNLOAD, container->packets, law_draw(&end->unload, &plant->random),
              end->costs->unload_packet);
    return true;
}

static bool start_read(struct plant_sim *plant, struct end *end, struct visit *visit)
{
    struct lane *lane = visit->out;
    container_check(lane, plant->now);
    if (lane->full || visit->read || visit->reading <= 0 || lane->port.count == 0) {
        visit->read = true;
        return false;
    }
    double n = fmin(lane->port.count, container_room(lane) - lane->open);
    if (end->costs->read > 0)
        n = fmin(n, ceil(visit->reading / end->costs->read));
    end_start(plant, end, TASK_READ, (uint32_t)n, 0, end->costs->read);
    return true;
}

/* What the interface at hand still has to do in this visit. */
static bool visit_start(struct plant_sim *plant, struct end *end, struct visit *visit)
{
    port_pull(plant, visit->out, plant->now);
    return start_publish(plant, end, visit->out) || start_unload(plant, end, visit) ||
           start_read(plant, end, visit) || start_publish(plant, end, visit->out);
}

static bool visit_wants_more(const struct plant_sim *plant, const struct visit *visit)
{
    return visit->in->ring.count > 0 || (visit->out->port.count > 0 && !blocked(plant, visit->out));
}

static void end_next_visit(struct plant_sim *plant, struct end *end)
{
    end->visit = end->visit + 1 < end->n_visits ? end->visit + 1 : 0;
    struct visit *visit = &end->visits[end->visit];
    visit->reading = fmin(visit->reading, 0) + plant->options.budget / 2;
    visit->unloading = fmin(visit->unloading, 0) + plant->options.budget / 2;
    visit->unloaded = visit->read = false;
}

/* Closes the next open container, for the visit that is to publish it. False: there is none. */
static bool end_hurry(struct plant_sim *plant, struct end *end)
{
    for (uint32_t i = 0; i < end->n_visits; i++) {
        struct lane *lane = end->visits[end->visit].out;
        if (lane->open > 0 && !lane->full && ring_has_room(plant, lane)) {
            container_close(lane, plant->now, PLANT_SIM_EAGER);
            return true;
        }
        end_next_visit(plant, end);
    }
    return false;
}

static void end_choose(struct plant_sim *plant, struct end *end)
{
    for (;;) {
        struct visit *visit = &end->visits[end->visit];
        if (visit_start(plant, end, visit))
            return;
        end->idle_visits = visit_wants_more(plant, visit) ? 0 : end->idle_visits + 1;
        end_next_visit(plant, end);
        if (end->idle_visits > end->n_visits) {
            if (plant->options.eager && end_hurry(plant, end))
                continue;
            end_idle(plant, end);
            return;
        }
    }
}

int plant_sim_run(struct plant_sim *plant, double seconds)
{
    double until = plant->now + seconds;
    for (;;) {
        uint32_t first = tournament_first(&plant->clock);
        if (plant->clock.times[first] > until || plant->no_memory)
            break;
        plant->now = plant->clock.times[first];
        end_finish(plant, &plant->ends[first]);
        end_choose(plant, &plant->ends[first]);
    }
    plant->now = until;
    return plant->no_memory ? -ENOMEM : 0;
}

double plant_sim_now(const struct plant_sim *plant)
{
    return plant->now;
}

/* ---- making and changing ---- */

static bool not_negative(double x)
{
    return isfinite(x) && x >= 0;
}

static bool costs_valid(const struct end_costs *costs)
{
    return not_negative(costs->read) && not_negative(costs->publish) &&
           not_negative(costs->publish_packet) && not_negative(costs->unload) &&
           not_negative(costs->unload_packet) && not_negative(costs->scv) &&
           not_negative(costs->wakeup) && not_negative(costs->timer_late);
}

static bool size_valid(const struct lane_size *size)
{
    return size->packets >= 1 && size->packets <= 65535 && size->timeout > 0;
}

static bool load_valid(const struct guest_load *load)
{
    for (int d = 0; d < DIRECTION_COUNT; d++)
        if (!not_negative(load->rate[d]) || !not_negative(load->packet_bytes[d]) ||
            !not_negative(load->dispersion[d]))
            return false;
    return load->forwarded >= 0 && load->forwarded <= 1 && costs_valid(&load->costs);
}

static void lane_load(struct plant_sim *plant, size_t guest)
{
    struct guest_load *load = &plant->loads[guest];
    double own = load->rate[DIRECTION_TX] - load->forwarded * load->rate[DIRECTION_RX];
    double rates[DIRECTION_COUNT] = {load->rate[DIRECTION_RX], fmax(0, own)};
    for (int d = 0; d < DIRECTION_COUNT; d++) {
        struct lane *lane = &plant->lanes[guest][d];
        port_pull(plant, lane, plant->now);
        lane->rate = rates[d];
        lane->burst = fmax(1, (load->dispersion[d] + 1) / 2);
        lane->left = 0;
        lane->next = arrival_after(plant, lane, plant->now);
    }
}

static void lane_init(struct lane *lane, const struct guest_load *load, int direction,
                      uint32_t guest)
{
    double bytes = load->packet_bytes[direction], limit = load->limits.bytes_max;
    lane->port.width = lane->packed.width = sizeof(struct packet);
    lane->ring.width = sizeof(struct container);
    lane->next = INFINITY;
    lane->guest = guest;
    lane->packet_bytes = bytes > 0 ? bytes : BYTES_DEFAULT;
    double fit = limit > 0 ? floor(limit / (lane->packet_bytes + LENGTH_BYTES)) : UINT32_MAX;
    lane->byte_packets = (uint32_t)fmin(UINT32_MAX, fmax(1, fit));
    tally_init(&lane->measured.delay, TALLY_UNIT);
}

static void end_init(struct end *end, const struct end_costs *costs, struct visit *visits,
                     uint32_t n, bool is_guest)
{
    *end = (struct end){.costs = costs,
                        .publish = law_make(costs->publish, costs->scv),
                        .unload = law_make(costs->unload, costs->scv),
                        .visits = visits,
                        .n_visits = n,
                        .is_guest = is_guest};
}

static void plant_wire(struct plant_sim *plant)
{
    uint32_t n = (uint32_t)plant->n;
    end_init(&plant->ends[0], &plant->worker_costs, plant->visits, n, false);
    for (uint32_t i = 0; i < n; i++) {
        struct lane *rx = &plant->lanes[i][DIRECTION_RX], *tx = &plant->lanes[i][DIRECTION_TX];
        plant->visits[i] = (struct visit){.out = rx, .in = tx};
        plant->visits[n + i] = (struct visit){.out = tx, .in = rx};
        end_init(&plant->ends[i + 1], &plant->loads[i].costs, &plant->visits[n + i], 1, true);
        for (int d = 0; d < DIRECTION_COUNT; d++)
            lane_init(&plant->lanes[i][d], &plant->loads[i], d, i);
        tally_init(&plant->forwarding[i], TALLY_UNIT);
        lane_load(plant, i);
    }
}

static int plant_alloc(struct plant_sim *plant, size_t n)
{
    plant->n = n;
    plant->loads = calloc(n, sizeof(*plant->loads));
    plant->lanes = calloc(n, sizeof(*plant->lanes));
    plant->ends = calloc(n + 1, sizeof(*plant->ends));
    plant->visits = calloc(2 * n, sizeof(*plant->visits));
    plant->forwarding = calloc(n, sizeof(*plant->forwarding));
    plant->forwarding_sum = calloc(n, sizeof(*plant->forwarding_sum));
    plant->forwarded = calloc(n, sizeof(*plant->forwarded));
    int err = tournament_init(&plant->clock, (uint32_t)n + 1);
    return !err && plant->loads && plant->lanes && plant->ends && plant->visits &&
                   plant->forwarding && plant->forwarding_sum && plant->forwarded
               ? 0
               : -ENOMEM;
}

static struct plant_sim_options with_defaults(const struct plant_sim_options *options)
{
    struct plant_sim_options o = options ? *options : (struct plant_sim_options){0};
    o.budget = o.budget > 0 ? o.budget : BUDGET_DEFAULT;
    o.port_packets = o.port_packets ? o.port_packets : PORT_DEFAULT;
    o.ring_bytes = o.ring_bytes ? o.ring_bytes : RING_DEFAULT;
    return o;
}

int plant_sim_create(const struct plant_sim_options *options, const struct end_costs *worker,
                     const struct guest_load *guests,
                     const struct lane_size (*sizes)[DIRECTION_COUNT], size_t n,
                     struct plant_sim **ret)
{
    if (n == 0 || n > 1u << 20 || !costs_valid(worker))
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!load_valid(&guests[i]) || !size_valid(&sizes[i][DIRECTION_RX]) ||
            !size_valid(&sizes[i][DIRECTION_TX]))
            return -EINVAL;
    struct plant_sim *plant = calloc(1, sizeof(*plant));
    if (!plant || plant_alloc(plant, n)) {
        plant_sim_destroy(plant);
        return -ENOMEM;
    }
    plant->options = with_defaults(options);
    plant->worker_costs = *worker;
    memcpy(plant->loads, guests, n * sizeof(*guests));
    random_init(&plant->random, plant->options.seed);
    plant_wire(plant);
    for (size_t i = 0; i < n; i++)
        for (int d = 0; d < DIRECTION_COUNT; d++)
            plant->lanes[i][d].size = sizes[i][d];
    for (size_t i = 0; i <= n; i++)
        end_choose(plant, &plant->ends[i]);
    *ret = plant;
    return 0;
}

void plant_sim_destroy(struct plant_sim *plant)
{
    if (!plant)
        return;
    for (size_t i = 0; plant->lanes && i < plant->n; i++)
        for (int d = 0; d < DIRECTION_COUNT; d++) {
            free(plant->lanes[i][d].port.data);
            free(plant->lanes[i][d].packed.data);
            free(plant->lanes[i][d].ring.data);
        }
    free(plant->loads);
    free(plant->lanes);
    free(plant->ends);
    free(plant->visits);
    free(plant->forwarding);
    free(plant->forwarding_sum);
    free(plant->forwarded);
    tournament_free(&plant->clock);
    free(plant);
}

/* Something that an idle end had foreseen has changed. */
static void end_replan(struct plant_sim *plant, struct end *end)
{
    if (end->task == TASK_IDLE)
        end_schedule(plant, end, end_wakes(plant, end));
}

int plant_sim_resize(struct plant_sim *plant, size_t guest,
                     const struct lane_size sizes[DIRECTION_COUNT])
{
    if (guest >= plant->n || !size_valid(&sizes[DIRECTION_RX]) || !size_valid(&sizes[DIRECTION_TX]))
        return -EINVAL;
    for (int d = 0; d < DIRECTION_COUNT; d++)
        plant->lanes[guest][d].size = sizes[d];
    /* as in the real loop, an open container that is now too large closes when it is next seen */
    for (int e = 0; e < 2; e++) {
        struct end *end = e ? &plant->ends[guest + 1] : &plant->ends[0];
        end_replan(plant, end);
    }
    return 0;
}

int plant_sim_load(struct plant_sim *plant, size_t guest, const double rates[DIRECTION_COUNT])
{
    if (guest >= plant->n || !not_negative(rates[DIRECTION_RX]) ||
        !not_negative(rates[DIRECTION_TX]))
        return -EINVAL;
    for (int d = 0; d < DIRECTION_COUNT; d++)
        plant->loads[guest].rate[d] = rates[d];
    lane_load(plant, guest);
    end_replan(plant, &plant->ends[0]);
    end_replan(plant, &plant->ends[guest + 1]);
    return 0;
}

static int costs_change(struct plant_sim *plant, struct end *end, struct end_costs *old,
                        const struct end_costs *costs)
{
    if (!costs_valid(costs))
        return -EINVAL;
    *old = *costs;
    end->publish = law_make(costs->publish, costs->scv);
    end->unload = law_make(costs->unload, costs->scv);
    end_replan(plant, end);
    return 0;
}

int plant_sim_worker_costs(struct plant_sim *plant, const struct end_costs *costs)
{
    return costs_change(plant, &plant->ends[0], &plant->worker_costs, costs);
}

int plant_sim_guest_costs(struct plant_sim *plant, size_t guest, const struct end_costs *costs)
{
    if (guest >= plant->n)
        return -EINVAL;
    return costs_change(plant, &plant->ends[guest + 1], &plant->loads[guest].costs, costs);
}

/* ---- reporting ---- */

static void lane_report(const struct measured *m, struct plant_sim_lane *ret)
{
    double n = m->counts.packets > 0 ? (double)m->counts.packets : 1;
    *ret = m->counts;
    ret->mean = (struct delay_parts){m->sum.port / n, m->sum.fill / n,   m->sum.publish / n,
                                     m->sum.ring / n, m->sum.unload / n, m->sum.total / n};
    ret->p50 = tally_quantile(&m->delay, 0.5);
    ret->p99 = tally_quantile(&m->delay, 0.99);
    ret->jitter_mean = m->jitter_sum / n;
}

static double elapsed(const struct plant_sim *plant)
{
    return plant->now - plant->measured_from;
}

static double share_of_time(const struct plant_sim *plant, double seconds)
{
    return elapsed(plant) > 0 ? seconds / elapsed(plant) : 0;
}

void plant_sim_guest(const struct plant_sim *plant, size_t guest, struct plant_sim_guest *ret)
{
    for (int d = 0; d < DIRECTION_COUNT; d++)
        lane_report(&plant->lanes[guest][d].measured, &ret->lane[d]);
    uint64_t n = plant->forwarded[guest];
    ret->forwarded = n;
    ret->forwarding_mean = n > 0 ? plant->forwarding_sum[guest] / (double)n : 0;
    ret->forwarding_p50 = tally_quantile(&plant->forwarding[guest], 0.5);
    ret->forwarding_p99 = tally_quantile(&plant->forwarding[guest], 0.99);
    ret->utilisation = share_of_time(plant, plant->ends[guest + 1].busy);
}

void plant_sim_worker(const struct plant_sim *plant, struct plant_sim_worker *ret)
{
    *ret = (struct plant_sim_worker){.seconds = elapsed(plant),
                                     .utilisation = share_of_time(plant, plant->ends[0].busy),
                                     .wakeups = plant->ends[0].wakeups};
}

static void measured_forget(struct measured *m)
{
    m->counts = (struct plant_sim_lane){0};
    m->sum = (struct delay_parts){0};
    m->jitter_sum = 0;
    tally_init(&m->delay, TALLY_UNIT);
}

void plant_sim_forget(struct plant_sim *plant)
{
    for (size_t i = 0; i < plant->n; i++) {
        for (int d = 0; d < DIRECTION_COUNT; d++)
            measured_forget(&plant->lanes[i][d].measured);
        tally_init(&plant->forwarding[i], TALLY_UNIT);
        plant->forwarding_sum[i] = 0;
        plant->forwarded[i] = 0;
    }
    for (size_t i = 0; i <= plant->n; i++) {
        plant->ends[i].busy = 0;
        plant->ends[i].wakeups = 0;
    }
    plant->measured_from = plant->now;
}
