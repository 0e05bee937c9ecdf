// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/world.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NS 1e9
#define BIN_SECONDS (SEGMENT_BIN_NS / NS)
/* The plant's clock starts at 0; a machine's was on for a while by then. */
#define ORIGIN_NS 1000000000000ull
#define PROBES 10.0 /* wake-ups measured in a second */

struct bin {
    uint64_t index, packets;
};

struct world_guest {
    struct lane_size sizes[DIRECTION_COUNT];
    struct promise promise;
    bool through, deaf;
    struct lane_size by_hand[DIRECTION_COUNT];
    double rate[DIRECTION_COUNT]; /* as the plant has it */
    struct judge judge;
    struct segment_interface delta; /* since world_forget */
    struct bin bin[DIRECTION_COUNT];
};

struct world {
    const struct scenario *scenario;
    struct world_options options;
    struct plant_sim *plant;
    struct config *config;
    struct world_guest *guests;
    double sampled, busy; /* s: when the last sample was taken; the worker's work since */
    uint32_t life;        /* of the backend */
    size_t n_seen;        /* events that had begun when promises were looked up */
    double slowness[SCENARIO_GROUPS + 1];
    struct world_work work;
    struct sample sample;
    struct sample_interface *interfaces;
    struct sample_worker worker;
};

/* ---- what the plant does, as the ends would count it ---- */

static struct segment_lane *lane_of(struct world_guest *guest, enum direction d)
{
    return d == DIRECTION_RX ? &guest->delta.rx : &guest->delta.tx;
}

static void bins_close(struct world_guest *guest, enum direction d, uint64_t index)
{
    struct segment_pack *pack = &lane_of(guest, d)->pack;
    struct bin *bin = &guest->bin[d];

    if (index <= bin->index)
        return;
    pack->bins += index - bin->index;
    pack->bin_packets += bin->packets;
    pack->bin_packets_squared += bin->packets * bin->packets;
    *bin = (struct bin){.index = index};
}

static void sample_read(struct world_guest *guest, enum direction d,
                        const struct plant_sim_work *work, uint64_t bytes)
{
    struct segment_pack *pack = &lane_of(guest, d)->pack;

    bins_close(guest, d, (uint64_t)(work->at / BIN_SECONDS));
    guest->bin[d].packets += work->packets;
    pack->packets += work->packets;
    pack->bytes += bytes * work->packets;
    pack->bytes_sq += segment_square(bytes) * work->packets;
    pack->reads += work->packets;
    pack->read_ns += (uint64_t)(work->seconds * NS);
    pack->read_sq += segment_square((uint64_t)(work->seconds * NS));
}

static void sample_publish(struct world_guest *guest, enum direction d,
                           const struct plant_sim_work *work)
{
    struct segment_pack *pack = &lane_of(guest, d)->pack;

    pack->containers++;
    pack->published_packets += work->packets;
    pack->notified += work->notified;
    pack->spared += !work->notified;
    segment_line_add(&pack->publish, work->packets, (uint64_t)(work->seconds * NS));
}

static void sample_unload(struct world_guest *guest, enum direction d,
                          const struct plant_sim_work *work, uint64_t bytes)
{
    struct segment_unload *unload = &lane_of(guest, d)->unload;

    unload->containers++;
    unload->packets += work->packets;
    unload->bytes += bytes * work->packets;
    unload->bytes_sq += segment_square(bytes) * work->packets;
    segment_line_add(&unload->unload, work->packets, (uint64_t)(work->seconds * NS));
}

static void sample_work(struct world *world, const struct plant_sim_work *work, enum direction d)
{
    struct world_guest *guest = &world->guests[work->guest];
    size_t g = scenario_group_of(world->scenario, work->guest);
    /* The frame's: an entry has its length before it, and no Ethernet header. */
    uint64_t bytes = (uint64_t)world->scenario->groups[g].bytes + 12;

    if (work->kind == PLANT_SIM_READ)
        sample_read(guest, d, work, bytes);
    else if (work->kind == PLANT_SIM_PUBLISH)
        sample_publish(guest, d, work);
    else
        sample_unload(guest, d, work, bytes);
}

static void on_work(void *context, const struct plant_sim_work *work)
{
    struct world *world = context;
    bool unloads = work->kind == PLANT_SIM_UNLOAD;
    /* The worker packs rx and unloads tx; the guest's end is its mirror. */
    enum direction d = work->by_guest == unloads ? DIRECTION_RX : DIRECTION_TX;
    struct judge *judge = &world->guests[work->guest].judge;

    if (unloads) {
        judge_container(judge, d == DIRECTION_RX ? JUDGE_RX : JUDGE_TX);
        if (d == DIRECTION_TX)
            judge_container(judge, JUDGE_THROUGH);
    }
    if (!work->by_guest) {
        world->busy += work->seconds;
        world->work.busy += work->seconds;
        world->work.packets += work->kind == PLANT_SIM_PUBLISH ? 0 : work->packets;
        world->work.containers += work->kind != PLANT_SIM_READ;
    }
    world->work.notified += work->notified;
    if (world->options.samples)
        sample_work(world, work, d);
}

static void on_packet(void *context, uint32_t guest, enum direction d, double delay)
{
    struct world *world = context;
    struct world_guest *to = &world->guests[guest];

    judge_packet(&to->judge, d == DIRECTION_RX ? JUDGE_RX : JUDGE_TX, &to->promise, delay);
    if (world->options.samples)
        histogram_add(&lane_of(to, d)->delay, (uint64_t)(delay * NS), 1);
}

static void on_forwarded(void *context, uint32_t guest, double delay)
{
    struct world_guest *to = &((struct world *)context)->guests[guest];

    judge_packet(&to->judge, JUDGE_THROUGH, &to->promise, delay);
}

/* ---- samples ---- */

/* What is known as sums only, from the plant's own means. */
static void parts_count(struct world_guest *guest, enum direction d,
                        const struct plant_sim_lane *lane)
{
    struct segment_lane *to = lane_of(guest, d);
    double ns = (double)lane->packets * NS;

    to->pack.port_wait_ns = (uint64_t)(lane->mean.port * ns);
    to->pack.fill_ns = to->unload.fill_ns = (uint64_t)(lane->mean.fill * ns);
    to->unload.place_ns = (uint64_t)(lane->mean.unload * ns);
    guest->delta.echo_n += to->unload.containers;
    guest->delta.echo_ns += (uint64_t)(2 * lane->mean.ring * NS * (double)to->unload.containers);
    to->pack.closed[CLOSING_COUNT] = lane->containers[PLANT_SIM_FULL];
    to->pack.closed[CLOSING_BYTES] = lane->containers[PLANT_SIM_BYTES];
    to->pack.closed[CLOSING_TIMEOUT] = lane->containers[PLANT_SIM_TIMEOUT];
    if (d == DIRECTION_RX) /* the guest's own drops are not seen from outside */
        guest->delta.port_dropped = lane->dropped;
    to->tuning = (struct segment_tuning){
        .packets = guest->sizes[d].packets,
        .timeout_us = (uint32_t)lround(guest->sizes[d].timeout * 1e6),
        .bytes = 65536,
    };
}

static void sleep_count(struct segment_sleep *sleep, double wakeup, double seconds)
{
    uint64_t probes = (uint64_t)ceil(PROBES * seconds);

    sleep->wake_n = probes;
    sleep->wake_ns = (uint64_t)(wakeup * NS) * probes;
    sleep->wake_sq = segment_square((uint64_t)(wakeup * NS)) * probes;
}

static void guest_sample(struct world *world, size_t i, double seconds,
                         struct sample_interface *ret)
{
    struct world_guest *guest = &world->guests[i];
    struct plant_sim_guest report;
    double now = plant_sim_now(world->plant);

    plant_sim_guest(world->plant, i, &report);
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        bins_close(guest, d, (uint64_t)(now / BIN_SECONDS));
        parts_count(guest, d, &report.lane[d]);
    }
    sleep_count(&guest->delta.guest, world->scenario->guest.wakeup, seconds);
    if (!(seconds > 0)) { /* counters began anew: there is nothing to subtract from */
        struct segment_tuning rx = guest->delta.rx.tuning, tx = guest->delta.tx.tuning;
        memset(&guest->delta, 0, sizeof(guest->delta));
        guest->delta.rx.tuning = rx;
        guest->delta.tx.tuning = tx;
    }
    guest->delta.in_use = 1;
    guest->delta.domid = (uint32_t)i + 1;
    guest->delta.generation = world->life;
    ret->seconds = seconds;
    ret->age = 0;
    ret->delta = guest->delta;
    memset(&guest->delta, 0, sizeof(guest->delta));
}

static uint32_t life_now(const struct world *world)
{
    uint32_t life = 1;

    for (size_t e = 0; e < world->n_seen; e++)
        life += world->scenario->events[e].kind == EVENT_BACKEND;
    return life;
}

const struct sample *world_sample(struct world *world)
{
    double now = plant_sim_now(world->plant), seconds = now - world->sampled;
    uint32_t life = life_now(world);
    bool restarted = world->life && life != world->life;

    world->life = life;
    if (restarted)
        seconds = 0;
    for (size_t i = 0; i < world->scenario->n_guests; i++)
        guest_sample(world, i, seconds, &world->interfaces[i]);
    world->worker = (struct sample_worker){.seconds = seconds};
    world->worker.delta.in_use = 1;
    if (seconds > 0) {
        sleep_count(&world->worker.delta.sleep, world->scenario->worker.wakeup, seconds);
        world->worker.delta.sleep.busy_ns = (uint64_t)(world->busy * NS);
    }
    world->sample = (struct sample){.at_ns = ORIGIN_NS + (uint64_t)(now * NS),
                                    .interfaces = world->interfaces,
                                    .n_interfaces = world->scenario->n_guests,
                                    .workers = &world->worker,
                                    .n_workers = 1,
                                    .restarted = restarted};
    world->busy = 0;
    world->sampled = now;
    plant_sim_forget(world->plant);
    return &world->sample;
}

void world_judged(struct world *world)
{
    for (size_t i = 0; i < world->scenario->n_guests; i++)
        memset(world->guests[i].judge.sums, 0, sizeof(world->guests[i].judge.sums));
    memset(&world->work, 0, sizeof(world->work));
}

/* ---- what happens ---- */

static struct end_costs costs_slowed(const struct end_costs *costs, double by)
{
    struct end_costs slow = *costs;

    slow.read *= by;
    slow.publish *= by;
    slow.publish_packet *= by;
    slow.unload *= by;
    slow.unload_packet *= by;
    return slow;
}

static int slow_down(struct world *world, double t)
{
    const struct scenario *scenario = world->scenario;
    int error = 0;

    for (size_t g = 0; g <= SCENARIO_GROUPS && !error; g++) {
        double by =
            g < scenario->n_groups || g == SCENARIO_ALL ? scenario_slowness(scenario, g, t) : 1;
        if (by == world->slowness[g])
            continue;
        world->slowness[g] = by;
        struct end_costs slow =
            costs_slowed(g == SCENARIO_ALL ? &scenario->worker : &scenario->guest, by);
        if (g == SCENARIO_ALL)
            error = plant_sim_worker_costs(world->plant, &slow);
        for (size_t i = 0; g < SCENARIO_ALL && !error && i < scenario->groups[g].n; i++)
            error = plant_sim_guest_costs(world->plant, scenario->groups[g].first + i, &slow);
    }
    return error;
}

static size_t events_begun(const struct scenario *scenario, double t)
{
    size_t n = 0;

    while (n < scenario->n_events && scenario->events[n].at <= t)
        n++;
    return n;
}

/* What events have made of a guest by now. */
static void guest_update(struct world *world, size_t i)
{
    const struct scenario *scenario = world->scenario;
    struct world_guest *guest = &world->guests[i];
    size_t g = scenario_group_of(scenario, i);
    char name[CONFIG_NAME];

    scenario_guest_name(scenario, i, name);
    guest->promise = config_policy(world->config, name)->promise;
    guest->through =
        guest->promise.scope == SCOPE_FORWARDING && scenario->groups[g].forwards >= 0.5;
    guest->deaf = false;
    memset(guest->by_hand, 0, sizeof(guest->by_hand));
    for (size_t e = 0; e < world->n_seen; e++) {
        const struct scenario_event *event = &scenario->events[e];
        if (event->group != g && event->group != SCENARIO_ALL)
            continue;
        if (event->kind == EVENT_DEAF || event->kind == EVENT_HEARS)
            guest->deaf = event->kind == EVENT_DEAF;
        if (event->kind == EVENT_FIX || event->kind == EVENT_FREE)
            memcpy(guest->by_hand, event->fixed, sizeof(guest->by_hand));
    }
}

/* Promises and the like change with events only. */
static int promises_update(struct world *world, double t)
{
    const struct scenario *scenario = world->scenario;
    size_t begun = events_begun(scenario, t);

    if (world->config && begun == world->n_seen)
        return 0;
    struct config *config = scenario_config(scenario, t);
    if (!config)
        return -ENOMEM;
    config_free(world->config);
    world->config = config;
    world->n_seen = begun;
    for (size_t i = 0; i < scenario->n_guests; i++)
        guest_update(world, i);
    return 0;
}

static int loads_update(struct world *world, double t)
{
    int error = 0;

    for (size_t i = 0; i < world->scenario->n_guests && !error; i++) {
        struct world_guest *guest = &world->guests[i];
        double rate[DIRECTION_COUNT];
        scenario_rates(world->scenario, i, t, rate);
        if (memcmp(rate, guest->rate, sizeof(rate)) == 0)
            continue;
        memcpy(guest->rate, rate, sizeof(rate));
        error = plant_sim_load(world->plant, i, rate);
    }
    return error;
}

static int happen(struct world *world)
{
    double t = world_now(world) + 1e-6;
    int error = promises_update(world, t);

    if (!error)
        error = loads_update(world, t);
    return error ? error : slow_down(world, t);
}

int world_run(struct world *world, double seconds)
{
    double until = plant_sim_now(world->plant) + seconds;
    int error = 0;

    while (!error && until - plant_sim_now(world->plant) > 1e-9) {
        double left = until - plant_sim_now(world->plant);
        error = happen(world);
        if (!error)
            error = plant_sim_run(world->plant, fmin(left, SCENARIO_STEP));
    }
    return error;
}

/* ---- */

int world_resize(struct world *world, size_t guest, const struct lane_size sizes[DIRECTION_COUNT])
{
    struct world_guest *to = &world->guests[guest];

    if (to->deaf || memcmp(to->sizes, sizes, sizeof(to->sizes)) == 0)
        return 0;
    int error = plant_sim_resize(world->plant, guest, sizes);
    if (!error)
        memcpy(to->sizes, sizes, sizeof(to->sizes));
    return error;
}

const struct lane_size *world_sizes(const struct world *world, size_t guest)
{
    return world->guests[guest].sizes;
}

const struct lane_size *world_by_hand(const struct world *world, size_t guest)
{
    return world->guests[guest].by_hand;
}

double world_now(const struct world *world)
{
    return world->options.start + plant_sim_now(world->plant);
}

const struct judge *world_judge(const struct world *world, size_t guest, bool *ret_through)
{
    *ret_through = world->guests[guest].through;
    return &world->guests[guest].judge;
}

const struct promise *world_promise(const struct world *world, size_t guest)
{
    return &world->guests[guest].promise;
}

const struct config *world_config(const struct world *world)
{
    return world->config;
}

struct world_work world_work(const struct world *world)
{
    return world->work;
}

void world_truth(const struct world *world, struct end_costs *ret_worker,
                 struct guest_load *ret_loads)
{
    const struct scenario *scenario = world->scenario;

    *ret_worker = costs_slowed(&scenario->worker, world->slowness[SCENARIO_ALL]);
    for (size_t i = 0; i < scenario->n_guests; i++) {
        size_t g = scenario_group_of(scenario, i);
        const struct scenario_group *group = &scenario->groups[g];
        char name[CONFIG_NAME];
        scenario_guest_name(scenario, i, name);
        const struct config_policy *policy = config_policy(world->config, name);
        struct guest_load *load = &ret_loads[i];
        *load = (struct guest_load){.forwarded = group->forwards,
                                    .costs = costs_slowed(&scenario->guest, world->slowness[g]),
                                    .promise = policy->promise,
                                    .limits = policy->limits};
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            load->rate[d] = world->guests[i].rate[d];
            load->packet_bytes[d] = group->bytes;
            load->dispersion[d] = group->dispersion;
        }
    }
}

static int plant_begin(struct world *world)
{
    const struct scenario *scenario = world->scenario;
    struct plant_sim_options plant = {.seed = world->options.seed ? world->options.seed
                                                                  : scenario->seed,
                                      .eager = world->options.eager,
                                      .on_work = on_work,
                                      .on_packet = on_packet,
                                      .on_forwarded = on_forwarded,
                                      .context = world};
    struct guest_load *loads = calloc(scenario->n_guests, sizeof(*loads));
    struct lane_size(*sizes)[DIRECTION_COUNT] = calloc(scenario->n_guests, sizeof(*sizes));
    struct end_costs worker;
    int error = loads && sizes ? promises_update(world, world->options.start + 1e-6) : -ENOMEM;

    if (!error) {
        world_truth(world, &worker, loads);
        for (size_t i = 0; i < scenario->n_guests; i++) {
            for (enum direction d = 0; d < DIRECTION_COUNT; d++)
                sizes[i][d] = (struct lane_size){.packets = 16, .timeout = 100e-6};
            loads[i].limits.bytes_max = 65536;
            memcpy(world->guests[i].sizes, sizes[i], sizeof(sizes[i]));
        }
        error = plant_sim_create(&plant, &worker, loads,
                                 (const struct lane_size(*)[DIRECTION_COUNT])sizes,
                                 scenario->n_guests, &world->plant);
    }
    free(loads);
    free(sizes);
    return error;
}

int world_create(const struct scenario *scenario, const struct world_options *options,
                 struct world **ret)
{
    struct world *world = calloc(1, sizeof(*world));

    if (!world)
        return -ENOMEM;
    world->scenario = scenario;
    world->options = *options;
    world->guests = calloc(scenario->n_guests, sizeof(*world->guests));
    world->interfaces = calloc(scenario->n_guests, sizeof(*world->interfaces));
    for (size_t g = 0; g <= SCENARIO_GROUPS; g++)
        world->slowness[g] = 1;
    int error = world->guests && world->interfaces ? plant_begin(world) : -ENOMEM;
    if (error) {
        world_destroy(world);
        return error;
    }
    *ret = world;
    return 0;
}

void world_destroy(struct world *world)
{
    if (!world)
        return;
    plant_sim_destroy(world->plant);
    config_free(world->config);
    free(world->guests);
    free(world->interfaces);
    free(world);
}
