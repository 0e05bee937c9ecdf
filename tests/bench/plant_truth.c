// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/plant_truth.h"

#include <math.h>
#include <string.h>

#include "model/closing.h"
#include "plant/forwarder.h"
#include "plant/plant_sim.h"

#define RUNS 4
#define LEAST_PACKETS 2000 /* seen of a direction in a run, to say anything about it */
/* In a run: packets, and more of them for each guest. */
#define PACKETS 1e6
#define PACKETS_MORE 1e5
/* Where packets are forwarded: containers of each lane, and how many packets that may take. */
#define CONTAINERS 20000
#define PACKETS_MOST 5e7
#define SHORT_MANY 1000 /* spells of chance length: 5 % of their sum, then */
#define SHORT_RARE 1e-6

static double run_length(const struct plant_case *c, double scale)
{
    double rate = 0, slowest = 0, packets = PACKETS + PACKETS_MORE * (double)c->n;
    for (size_t i = 0; i < c->n; i++)
        for (int d = 0; d < DIRECTION_COUNT; d++) {
            double lane = c->guests[i].rate[d];
            struct closing_law law;
            rate += lane;
            if (lane > 0 &&
                !closing_solve(lane, c->sizes[i][d].packets, c->sizes[i][d].timeout, &law))
                slowest = fmax(slowest, CONTAINERS / law.containers);
        }
    if (c->kind != PLANT_APART)
        packets = fmax(packets, fmin(PACKETS_MOST, slowest * rate));
    return scale * packets / rate;
}

static int run_once(const struct plant_case *c, uint64_t seed, double seconds,
                    struct plant_sim_guest *ret)
{
    struct plant_sim_options options = {.seed = seed,
                                        .port_packets = 1u << 20,
                                        .ring_bytes = 1u << 30,
                                        .patience = FORWARDER_PATIENCE};
    struct plant_sim *plant;
    int r = plant_sim_create(&options, &c->worker, c->guests, c->sizes, c->n, &plant);
    if (r < 0)
        return r;
    r = plant_sim_run(plant, seconds / 10);
    plant_sim_forget(plant);
    r = r < 0 ? r : plant_sim_run(plant, seconds);
    for (size_t i = 0; r == 0 && i < c->n; i++)
        plant_sim_guest(plant, i, &ret[i]);
    plant_sim_destroy(plant);
    return r;
}

static struct estimate estimate(const double values[RUNS])
{
    double sum = 0, squares = 0;
    for (int i = 0; i < RUNS; i++)
        sum += values[i];
    double mean = sum / RUNS;
    for (int i = 0; i < RUNS; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    return (struct estimate){mean, mean > 0 ? sqrt(squares / (RUNS * (RUNS - 1))) / mean : 0};
}

static bool settled(const struct plant_case *c, size_t i,
                    const struct plant_sim_guest *const runs[RUNS])
{
    const struct lane_size *size = &c->sizes[i][DIRECTION_RX];
    struct closing_law law;
    uint64_t containers = 0;
    if (c->kind == PLANT_APART ||
        closing_solve(c->guests[i].rate[DIRECTION_RX], size->packets, size->timeout, &law))
        return true;
    for (int r = 0; r < RUNS; r++)
        for (int closing = 0; closing < PLANT_SIM_CLOSINGS; closing++)
            containers += runs[r][i].lane[DIRECTION_RX].containers[closing];
    return law.timeout_share < SHORT_RARE || law.timeout_share * (double)containers >= SHORT_MANY;
}

static void guest_truth(const struct plant_case *c, size_t i,
                        const struct plant_sim_guest *const runs[RUNS], struct guest_truth *ret)
{
    double mean[RUNS], p99[RUNS];
    *ret = (struct guest_truth){.forwards = true, .settled = settled(c, i, runs)};
    for (int d = 0; d < DIRECTION_COUNT; d++) {
        ret->seen[d] = true;
        for (int r = 0; r < RUNS; r++) {
            const struct plant_sim_lane *lane = &runs[r][i].lane[d];
            mean[r] = lane->mean.total;
            p99[r] = lane->p99;
            ret->seen[d] = ret->seen[d] && lane->packets >= LEAST_PACKETS;
        }
        ret->mean[d] = estimate(mean);
        ret->p99[d] = estimate(p99);
    }
    for (int r = 0; r < RUNS; r++) {
        mean[r] = runs[r][i].forwarding_mean;
        p99[r] = runs[r][i].forwarding_p99;
        ret->forwards = ret->forwards && runs[r][i].forwarded >= LEAST_PACKETS;
    }
    ret->through = estimate(mean);
    ret->through_p99 = estimate(p99);
}

int plant_truth_find(const struct plant_case *c, uint64_t seed, double scale,
                     struct guest_truth *ret)
{
    static struct plant_sim_guest reports[RUNS][PLANT_GUESTS];
    const struct plant_sim_guest *runs[RUNS];
    double seconds = run_length(c, scale);
    for (uint64_t r = 0; r < RUNS; r++) {
        int err = run_once(c, RUNS * seed + r + 1, seconds, reports[r]);
        if (err < 0)
            return err;
        runs[r] = reports[r];
    }
    for (size_t i = 0; i < c->n; i++)
        guest_truth(c, i, runs, &ret[i]);
    return 0;
}
