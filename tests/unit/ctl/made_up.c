// SPDX-License-Identifier: GPL-2.0-or-later
#include "made_up.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "controller/controller.h"
#include "daemon/database.h"

#define GUESTS 3

static const double rates[GUESTS] = {20e3, 8e3, 3e3};
static const char *const names[GUESTS] = {"router", "voice", "web"};

struct made_up {
    struct config *config;
    struct controller *controller;
    struct database *database;
    struct controller_guest guests[GUESTS];
    struct sample_interface interfaces[GUESTS];
    struct sample_worker worker;
    struct tick_report report;
};

static void complain(void *context, const char *path, unsigned line, const char *what)
{
    (void)context;
    fail_msg("%s:%u: %s", path, line, what);
}

static void config_make(struct made_up *made_up, const char *folder)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/conf", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("[default]\ndelay = 900us\n"
          "[vm voice]\ndelay = 2ms\nscope = one-way\npercentile = 99\n"
          "objective = delay\nutilisation = 0.6\n",
          file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(config_load(path, complain, NULL, &made_up->config), 0);
}

static void count_line(struct segment_line *line, double containers, double packets,
                       double fixed_ns, double packet_ns)
{
    double ns = fixed_ns + packet_ns * packets;

    line->n += (uint64_t)containers;
    line->sum_b += (uint64_t)(containers * packets);
    line->sum_bb += (uint64_t)(containers * packets * packets);
    line->sum_t += (uint64_t)(containers * ns);
    line->sum_bt += (uint64_t)(containers * packets * ns);
    line->t_sq += (uint64_t)ceil(containers * ns * ns / SEGMENT_SQUARE);
}

/* A second of packets in containers of `size`. */
static void count_lane(struct segment_lane *lane, double rate, const struct lane_size *size)
{
    double timeout = size->packets ? size->timeout : 1e-3;
    double packets = floor(fmin(size->packets ? size->packets : 16, 1 + rate * timeout));
    double containers = floor(rate / packets);
    double fill_ns = (packets - 1) / (2 * rate) * 1e9;

    lane->pack.packets = lane->pack.published_packets = (uint64_t)(containers * packets);
    lane->pack.bytes = 64 * lane->pack.packets;
    lane->pack.containers = lane->pack.closed[CLOSING_COUNT] = (uint64_t)containers;
    lane->pack.bytes_sq = lane->pack.packets * segment_square(64);
    lane->pack.reads = lane->pack.packets;
    lane->pack.read_ns = 1400 * lane->pack.reads;
    lane->pack.read_sq = lane->pack.reads * segment_square(1400);
    lane->pack.bins = 100;
    lane->pack.bin_packets = lane->pack.packets;
    double mean = (double)lane->pack.packets / 100;
    lane->pack.bin_packets_squared = (uint64_t)(100 * (mean * mean + mean));
    count_line(&lane->pack.publish, containers, packets, 3000, 5);
    lane->unload.packets = lane->pack.packets;
    lane->unload.bytes = lane->pack.bytes;
    lane->unload.bytes_sq = lane->pack.bytes_sq;
    lane->unload.containers = lane->pack.containers;
    count_line(&lane->unload.unload, containers, packets, 1000, 2000);
    for (int i = 0; i < 5; i++)
        histogram_add(&lane->delay, (uint64_t)((0.5 + 0.2 * i) * (fill_ns + 130000)),
                      (uint32_t)(lane->pack.packets / 5));
    lane->tuning = (struct segment_tuning){.packets = size->packets ? size->packets : 16,
                                           .timeout_us = (uint32_t)(timeout * 1e6 + 0.5),
                                           .bytes = 65536};
}

static void sample_make(struct made_up *made_up, int tick)
{
    for (uint32_t i = 0; i < GUESTS; i++) {
        const struct guest_report *said = tick ? &made_up->report.guests[i] : NULL;
        struct segment_interface *delta = &made_up->interfaces[i].delta;
        struct lane_size none = {0};
        *delta = (struct segment_interface){
            .in_use = 1,
            .domid = i + 1,
            .generation = 1,
            .guest = {.wake_n = 2, .wake_ns = 1e5, .wake_sq = 2 * segment_square(50000)}};
        double rate = rates[i] * (tick % 2 ? 1.01 : 0.99);
        count_lane(&delta->rx, rate, said ? &said->lanes[DIRECTION_RX].wanted : &none);
        count_lane(&delta->tx, rate, said ? &said->lanes[DIRECTION_TX].wanted : &none);
        made_up->interfaces[i].seconds = tick ? 1 : 0;
    }
    made_up->worker =
        (struct sample_worker){.seconds = 1,
                               .delta = {.sleep = {.busy_ns = 2e8,
                                                   .wake_n = 2,
                                                   .wake_ns = 1e5,
                                                   .wake_sq = 2 * segment_square(50000)}}};
}

static void tick_make(struct made_up *made_up, int tick)
{
    struct sample sample = {.n_interfaces = GUESTS,
                            .n_workers = 1,
                            .interfaces = made_up->interfaces,
                            .workers = &made_up->worker};
    struct controller_input input = {.now = 100 + tick,
                                     .time = MADE_UP_END - MADE_UP_TICKS + 1 + tick,
                                     .interval = 1,
                                     .config = made_up->config,
                                     .guests = made_up->guests,
                                     .n_guests = GUESTS,
                                     .sample = &sample};

    sample_make(made_up, tick);
    assert_int_equal(controller_tick(made_up->controller, &input, &made_up->report), 0);
    made_up->report.guests[2].by_hand[DIRECTION_RX] = true;
    assert_int_equal(database_tick(made_up->database, &made_up->report), 0);
}

void made_up_history(const char *folder, const char *path)
{
    static struct made_up made_up;
    char why[256];

    memset(&made_up, 0, sizeof(made_up));
    config_make(&made_up, folder);
    for (uint32_t i = 0; i < GUESTS; i++)
        made_up.guests[i] = (struct controller_guest){.interface = {i + 1, 0}, .name = names[i]};
    made_up.guests[2].by_hand[DIRECTION_RX] = (struct lane_size){20, 400e-6};
    assert_int_equal(controller_create(&made_up.controller), 0);
    assert_int_equal(database_open(path, 1, &made_up.database, why, sizeof(why)), 0);
    for (int tick = 0; tick < MADE_UP_TICKS; tick++)
        tick_make(&made_up, tick);
    database_close(made_up.database);
    controller_destroy(made_up.controller);
    config_free(made_up.config);
}
