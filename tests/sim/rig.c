// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NS 1e9
#define BIN_SECONDS (SEGMENT_BIN_NS / NS)
/* The plant's clock starts at 0; ours a while after the machine did. */
#define ORIGIN_NS 1000000000000ull

const struct end_costs rig_costs = {
    .read = 1.4e-6,
    .publish = 1.5e-6,
    .publish_packet = 10e-9,
    .unload = 0.5e-6,
    .unload_packet = 1.9e-6,
    .scv = 1,
    .wakeup = 50e-6,
    .timer_late = 1e-6,
};

struct bin {
    uint64_t index, packets;
};

struct rig_guest {
    char name[16];
    bool deaf;
    struct lane_size in_force[DIRECTION_COUNT], wanted[DIRECTION_COUNT];
    struct segment_interface delta; /* of the tick in progress */
    struct bin bin[DIRECTION_COUNT];
    struct rig_tally tally;
};

struct rig {
    struct plant_sim *plant;
    struct controller *controller;
    struct config *config;
    double interval;
    bool blind;
    size_t n;
    struct rig_guest guests[RIG_GUESTS];
    struct controller_guest inputs[RIG_GUESTS];
    struct sample_interface interfaces[RIG_GUESTS];
    struct sample_worker worker;
    struct end_costs costs;
    struct tick_report report;
};

/* ---- configuration ---- */

static void complain(void *context, const char *path, unsigned line, const char *what)
{
    (void)context;
    print_error("%s:%u: %s\n", path, line, what);
}

void rig_configure(struct rig *rig, const char *text)
{
    char path[] = "/tmp/xenagg-rig-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    config_free(rig->config);
    rig->config = NULL;
    int error = config_load(path, complain, NULL, &rig->config);
    unlink(path);
    assert_int_equal(error, 0);
}

/* ---- what the plant does, as the ends would count it ---- */

static struct segment_lane *lane_of(struct rig_guest *guest, enum direction d)
{
    return d == DIRECTION_RX ? &guest->delta.rx : &guest->delta.tx;
}

static void line_count(struct segment_line *line, uint64_t packets, double seconds)
{
    uint64_t ns = (uint64_t)(seconds * NS);

    line->n++;
    line->sum_b += packets;
    line->sum_bb += packets * packets;
    line->sum_t += ns;
    line->sum_bt += packets * ns;
    line->sum_tt_us += ns * ns / 1000000;
}

static void bins_close(struct rig_guest *guest, enum direction d, uint64_t index)
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

static void on_read(struct rig_guest *guest, enum direction d, const struct plant_sim_work *work)
{
    struct segment_pack *pack = &lane_of(guest, d)->pack;

    bins_close(guest, d, (uint64_t)(work->at / BIN_SECONDS));
    guest->bin[d].packets += work->packets;
    pack->packets += work->packets;
    pack->bytes += 64ull * work->packets;
    pack->reads += work->packets;
    pack->read_ns += (uint64_t)(work->seconds * NS);
}

static void on_publish(struct rig_guest *guest, enum direction d, const struct plant_sim_work *work)
{
    struct segment_pack *pack = &lane_of(guest, d)->pack;

    pack->containers++;
    pack->published_packets += work->packets;
    pack->notified += work->notified;
    pack->spared += !work->notified;
    line_count(&pack->publish, work->packets, work->seconds);
}

static void on_unload(struct rig_guest *guest, enum direction d, const struct plant_sim_work *work)
{
    struct segment_unload *unload = &lane_of(guest, d)->unload;

    unload->containers++;
    unload->packets += work->packets;
    unload->bytes += 64ull * work->packets;
    line_count(&unload->unload, work->packets, work->seconds);
}

static void on_work(void *context, const struct plant_sim_work *work)
{
    struct rig *rig = context;
    struct rig_guest *guest = &rig->guests[work->guest];
    bool unloads = work->kind == PLANT_SIM_UNLOAD;
    /* The worker packs rx and unloads tx; the guest's end is its mirror. */
    enum direction d = work->by_guest == unloads ? DIRECTION_RX : DIRECTION_TX;

    if (work->kind == PLANT_SIM_READ)
        on_read(guest, d, work);
    else if (work->kind == PLANT_SIM_PUBLISH)
        on_publish(guest, d, work);
    else
        on_unload(guest, d, work);
}

static void on_packet(void *context, uint32_t guest, enum direction d, double delay)
{
    struct rig *rig = context;

    histogram_add(&lane_of(&rig->guests[guest], d)->delay, (uint64_t)(delay * NS), 1);
}

/* What is known as sums only, from the plant's own means. */
static void parts_count(struct rig_guest *guest, enum direction d,
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
    to->pack.dropped_ring_full = lane->dropped;
    to->tuning = (struct segment_tuning){
        .packets = guest->in_force[d].packets,
        .timeout_us = (uint32_t)lround(guest->in_force[d].timeout * 1e6),
        .bytes = 65536,
    };
}

static void sleep_count(const struct rig *rig, struct segment_sleep *sleep)
{
    const uint64_t probes = 10; /* a second */

    sleep->wake_n = probes;
    sleep->wake_ns = (uint64_t)(rig->costs.wakeup * NS) * probes;
}

static void guest_sample(struct rig *rig, size_t i, struct sample_interface *ret)
{
    struct rig_guest *guest = &rig->guests[i];
    struct plant_sim_guest report;

    plant_sim_guest(rig->plant, i, &report);
    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        bins_close(guest, d, (uint64_t)(plant_sim_now(rig->plant) / BIN_SECONDS));
        parts_count(guest, d, &report.lane[d]);
    }
    sleep_count(rig, &guest->delta.guest);
    guest->delta.in_use = 1;
    guest->delta.domid = rig->inputs[i].interface.domid;
    guest->delta.handle = rig->inputs[i].interface.handle;
    guest->delta.generation = 1;
    ret->seconds = rig->interval;
    ret->age = 0;
    ret->delta = guest->delta;
    memset(&guest->delta, 0, sizeof(guest->delta));
}

static void worker_sample(struct rig *rig)
{
    struct plant_sim_worker report;

    plant_sim_worker(rig->plant, &report);
    rig->worker = (struct sample_worker){.seconds = rig->interval};
    rig->worker.delta.in_use = 1;
    sleep_count(rig, &rig->worker.delta.sleep);
    rig->worker.delta.sleep.busy_ns = (uint64_t)(report.utilisation * report.seconds * NS);
}

/* ---- what the controller decides ---- */

static void tally_window(struct rig_tally *tally, const struct guest_report *report)
{
    tally->windows++;
    tally->windows_kept += (unsigned)report->kept;
    tally->worst = fmax(tally->worst, report->window_measured / report->promise.delay);
    tally->measured_sum += report->window_measured;
    if (isfinite(report->window_predicted)) {
        tally->predicted++;
        tally->error_sum +=
            fabs(report->window_predicted - report->window_measured) / report->window_measured;
    }
}

static void sizes_take(struct rig *rig, size_t i)
{
    struct rig_guest *guest = &rig->guests[i];
    const struct guest_report *report = &rig->report.guests[i];
    bool changed = false;

    for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
        const struct lane_size *wanted = &report->lanes[d].wanted;
        if (wanted->packets == 0)
            return;
        changed |= memcmp(wanted, &guest->wanted[d], sizeof(*wanted)) != 0;
        guest->wanted[d] = *wanted;
        if (!guest->deaf)
            guest->in_force[d] = *wanted;
    }
    assert_int_equal(plant_sim_resize(rig->plant, i, guest->in_force), 0);
    guest->tally.changes += changed;
}

static void decisions_take(struct rig *rig)
{
    for (size_t i = 0; i < rig->n; i++) {
        const struct guest_report *report = &rig->report.guests[i];
        struct rig_tally *tally = &rig->guests[i].tally;
        tally->ticks++;
        tally->in_state[report->state]++;
        if (report->kept >= 0)
            tally_window(tally, report);
        sizes_take(rig, i);
        if (getenv("RIG_TRACE"))
            print_message("%8.2f %s rx %.0f k %u/%.0f tx %.0f k %u/%.0f pred %.1f meas %.1f exp "
                          "%.1f least %.1f %s | %s\n",
                          plant_sim_now(rig->plant), report->name, report->lanes[0].rate.value,
                          report->lanes[0].wanted.packets, report->lanes[0].wanted.timeout * 1e6,
                          report->lanes[1].rate.value, report->lanes[1].wanted.packets,
                          report->lanes[1].wanted.timeout * 1e6, report->predicted * 1e6,
                          report->measured * 1e6, report->expected * 1e6, report->least * 1e6,
                          tuning_state_name(report->state), report->reason);
    }
}

static void tick(struct rig *rig)
{
    assert_int_equal(plant_sim_run(rig->plant, rig->interval), 0);
    for (size_t i = 0; i < rig->n; i++)
        guest_sample(rig, i, &rig->interfaces[i]);
    worker_sample(rig);
    plant_sim_forget(rig->plant);
    double now = plant_sim_now(rig->plant);
    struct sample sample = {.at_ns = ORIGIN_NS + (uint64_t)(now * NS),
                            .interfaces = rig->interfaces,
                            .n_interfaces = rig->n,
                            .workers = &rig->worker,
                            .n_workers = 1};
    struct controller_input input = {.now = (double)sample.at_ns / NS,
                                     .time = now,
                                     .interval = rig->interval,
                                     .config = rig->config,
                                     .guests = rig->inputs,
                                     .n_guests = rig->n,
                                     .sample = rig->blind ? NULL : &sample};
    assert_int_equal(controller_tick(rig->controller, &input, &rig->report), 0);
    decisions_take(rig);
}

/* ---- */

static void plant_begin(struct rig *rig, const struct rig_options *options)
{
    struct plant_sim_options plant = {
        .seed = options->seed, .on_work = on_work, .on_packet = on_packet, .context = rig};
    struct guest_load *loads = calloc(rig->n, sizeof(*loads));
    struct lane_size(*sizes)[DIRECTION_COUNT] = calloc(rig->n, sizeof(*sizes));

    assert_non_null(loads);
    assert_non_null(sizes);
    for (size_t i = 0; i < rig->n; i++) {
        loads[i].forwarded = options->forwarded;
        loads[i].costs = rig->costs;
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            loads[i].packet_bytes[d] = 52;
            loads[i].dispersion[d] = 1;
            sizes[i][d] = (struct lane_size){.packets = 16, .timeout = 100e-6};
            rig->guests[i].in_force[d] = sizes[i][d];
        }
    }
    assert_int_equal(plant_sim_create(&plant, &rig->costs, loads,
                                      (const struct lane_size(*)[DIRECTION_COUNT])sizes, rig->n,
                                      &rig->plant),
                     0);
    free(loads);
    free(sizes);
}

struct rig *rig_create(const struct rig_options *options)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    assert_in_range(options->n_guests, 1, RIG_GUESTS);
    rig->n = options->n_guests;
    rig->interval = options->interval > 0 ? options->interval : 1;
    rig->costs = options->costs.read > 0 ? options->costs : rig_costs;
    for (size_t i = 0; i < rig->n; i++) {
        snprintf(rig->guests[i].name, sizeof(rig->guests[i].name), "g%zu", i);
        rig->inputs[i] = (struct controller_guest){.interface = {.domid = (uint32_t)i + 1},
                                                   .name = rig->guests[i].name};
    }
    assert_int_equal(controller_create(&rig->controller), 0);
    rig_configure(rig, options->config);
    plant_begin(rig, options);
    return rig;
}

void rig_destroy(struct rig *rig)
{
    plant_sim_destroy(rig->plant);
    controller_destroy(rig->controller);
    config_free(rig->config);
    free(rig);
}

void rig_load(struct rig *rig, size_t guest, double rx_rate, double tx_rate)
{
    double rates[DIRECTION_COUNT] = {rx_rate, tx_rate};

    assert_int_equal(plant_sim_load(rig->plant, guest, rates), 0);
}

void rig_blind(struct rig *rig, bool blind)
{
    rig->blind = blind;
}

void rig_deaf(struct rig *rig, size_t guest, bool deaf)
{
    rig->guests[guest].deaf = deaf;
}

void rig_run(struct rig *rig, double seconds)
{
    for (double left = seconds; left > rig->interval / 2; left -= rig->interval)
        tick(rig);
}

void rig_forget(struct rig *rig)
{
    for (size_t i = 0; i < rig->n; i++)
        memset(&rig->guests[i].tally, 0, sizeof(rig->guests[i].tally));
}

const struct rig_tally *rig_tally(const struct rig *rig, size_t guest)
{
    return &rig->guests[guest].tally;
}

const struct guest_report *rig_report(const struct rig *rig, size_t guest)
{
    return &rig->report.guests[guest];
}

const struct worker_report *rig_worker(const struct rig *rig)
{
    return &rig->report.workers[0];
}
