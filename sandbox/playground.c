// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/playground.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "sandbox/plan.h"
#include "sandbox/programs.h"
#include "sandbox/route.h"
#include "sandbox/traffic.h"
#include "sandbox/world.h"

#define FRAME 64u

static int copy_config(const char *from, FILE *to)
{
    char block[4096];
    size_t length;
    FILE *file = fopen(from, "re");

    if (!file)
        return -errno;
    while ((length = fread(block, 1, sizeof(block), file)) > 0)
        fwrite(block, 1, length, to);
    int error = ferror(file) ? -EIO : 0;
    fclose(file);
    return error;
}

static int write_config(struct world *world, const char *from)
{
    char path[WORLD_PATH];
    int error = 0;
    FILE *file = fopen(world_config(world, path), "we");

    if (!file)
        return -errno;
    if (from)
        error = copy_config(from, file);
    else
        plan_write_config(file, 0);
    return fclose(file) && !error ? -errno : error;
}

static int bring_up(struct world *world, const struct playground_options *options)
{
    struct world_guest *guest;
    int error = write_config(world, options->config);

    if (error) {
        log_line(LOG_ERR, "sandbox", "configuration: %s", strerror(-error));
        return error;
    }
    error = world_start_backend(world);
    for (unsigned i = 0; i < PLAN_GUESTS && !error; i++) {
        error = world_create_guest(world, plan_members[i].domid, plan_members[i].name, 0, &guest);
        if (!error)
            error = world_bring_up(world, guest);
    }
    return error ? error : world_start_daemon(world, "1s");
}

static int start_traffic(struct world *world, double rate, struct traffic **ret)
{
    struct traffic *traffic;
    int error = traffic_create((uint64_t)time(NULL), 10, &traffic);

    for (unsigned i = 0; i < world_guests(world) && !error; i++) {
        int lane = route_add(traffic, world, world_guest(world, i), FRAME);
        error = lane < 0 ? lane : 0;
        if (!error)
            traffic_set_rate(traffic, (unsigned)lane, rate);
    }
    if (!error)
        error = traffic_start(traffic);
    if (error)
        traffic_free(traffic);
    else
        *ret = traffic;
    return error;
}

static void tell(struct world *world)
{
    char control[WORLD_PATH], database[WORLD_PATH], config[WORLD_PATH];
    char program[PROGRAMS_PATH] = "xenaggctl";
    int dom0 = process_pid(world_backend(world));

    programs_find("xenaggctl", program);
    printf("The sandbox is up, in %s. Ctrl-C ends it. From another terminal, as root:\n\n"
           "  export XENSTORED_PATH=%s/socket XENSTORED_RUNDIR=%s\n"
           "  xenstore-ls -f /local/domain/0/backend\n"
           "  %s status --watch --control %s\n"
           "  sqlite3 -readonly %s 'SELECT * FROM now'\n"
           "  configuration: %s, then kill -HUP %d\n\n"
           "  nsenter --target %d --net ip -s link        (dom0)\n",
           world_folder(world), world_folder(world), world_folder(world), program,
           world_control(world, control), world_database(world, database),
           world_config(world, config), process_pid(world_daemon(world)), dom0);
    for (unsigned i = 0; i < world_guests(world); i++) {
        const struct world_guest *guest = world_guest(world, i);
        uint32_t address = world_near_address(guest) + 1;
        printf("  nsenter --target %d --net ip -s link        (guest %s, domid %u); from dom0: "
               "ping 10.77.%u.%u\n",
               process_pid(guest->frontend), guest->name, guest->interface.domid,
               address >> 8 & 255, address & 255);
    }
    fflush(stdout);
}

int playground_run(const struct playground_options *options)
{
    struct world_options world_options = {.folder = options->folder, .database = options->database};
    struct traffic *traffic = NULL;
    struct world *world;
    int error = world_create(&world_options, &world);

    if (error)
        return 1;
    error = bring_up(world, options);
    if (!error && options->rate > 0)
        error = start_traffic(world, options->rate, &traffic);
    if (!error) {
        tell(world);
        while (!error)
            error = world_pause(world, 1);
    }
    traffic_free(traffic);
    world_free(world);
    return error == -EINTR ? 0 : 1;
}
