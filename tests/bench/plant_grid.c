// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/plant_grid.h"

#include <math.h>
#include <string.h>

#include "model/random.h"

#define US 1e-6

static const size_t guest_counts[] = {1, 1, 2, 3, 4, 8, 16, 32, 64};

#define N_COUNTS (sizeof(guest_counts) / sizeof(guest_counts[0]))

static double log_between(struct random *random, double low, double high)
{
    return low * pow(high / low, random_uniform(random));
}

static struct end_costs costs_draw(struct random *random)
{
    double ratio = log_between(random, 2, 100); /* fixed to per-packet cost */
    double read = log_between(random, 0.1, 0.6) * US;
    double unload = log_between(random, 0.1, 0.6) * US;
    return (struct end_costs){.read = read,
                              .publish = ratio * read,
                              .publish_packet = log_between(random, 0.005, 0.05) * US,
                              .unload = ratio * unload,
                              .unload_packet = unload,
                              .scv = random_uniform(random),
                              .wakeup = log_between(random, 3, 40) * US,
                              .timer_late = log_between(random, 1, 60) * US};
}

static struct end_costs costs_scaled(const struct end_costs *costs, double factor)
{
    struct end_costs scaled = *costs;
    scaled.read *= factor;
    scaled.publish *= factor;
    scaled.publish_packet *= factor;
    scaled.unload *= factor;
    scaled.unload_packet *= factor;
    return scaled;
}

#define GUEST_BUSY 0.9 /* of a guest's thread, at most */

/* A timeout of so many mean times to fill, at least 100 us. */
static double timeout_of(double rate, uint32_t packets, double theta)
{
    return fmax(100 * US, theta * packets / rate);
}

/* Half of the guests drop some packets; tx sizes are up to four times smaller or larger. */
static void guest_repack(struct random *random, struct guest_load *guest,
                         struct lane_size sizes[DIRECTION_COUNT])
{
    double factor = log_between(random, 0.25, 4), packets = factor * sizes[DIRECTION_RX].packets;
    if (random_uniform(random) < 0.5)
        guest->forwarded = 0.3 + 0.7 * random_uniform(random);
    guest->rate[DIRECTION_TX] = guest->forwarded * guest->rate[DIRECTION_RX];
    sizes[DIRECTION_TX].packets = (uint32_t)fmin(400, fmax(1, packets));
    sizes[DIRECTION_TX].timeout = log_between(random, 0.4, 5);
}

static void guest_draw(struct random *random, struct plant_case *c, size_t i, double theta)
{
    struct guest_load *guest = &c->guests[i];
    bool forwards = c->kind != PLANT_APART, both = forwards || random_uniform(random) < 0.7;
    *guest = (struct guest_load){
        .dispersion = {1, 1},
        .forwarded = forwards ? 1 : 0,
        .costs = costs_scaled(&c->worker, log_between(random, 0.2, 0.8)),
        .promise = {.delay = 1, .percentile = 99, .scope = SCOPE_ONE_WAY},
        .limits = {.packets_min = 1, .packets_max = 65535, .timeout_min = US, .timeout_max = 10}};
    guest->rate[DIRECTION_RX] = log_between(random, 1, 10);
    guest->rate[DIRECTION_TX] = both ? guest->rate[DIRECTION_RX] : 0;
    if (!forwards && both)
        guest->rate[DIRECTION_TX] *= log_between(random, 0.2, 2);
    for (int d = 0; d < DIRECTION_COUNT; d++)
        c->sizes[i][d] = (struct lane_size){(uint32_t)log_between(random, 1, 400), theta};
    if (c->kind == PLANT_ECHO) /* equal sizes let a burst leave as it came */
        c->sizes[i][DIRECTION_TX] = c->sizes[i][DIRECTION_RX];
    if (c->kind == PLANT_REPACKED)
        guest_repack(random, guest, c->sizes[i]);
}

/* All rates times `factor`, timeouts to match. Keeps theta out of the sizes it is given. */
static void rates_scale(const struct plant_case *from, double factor, struct plant_case *ret)
{
    *ret = *from;
    for (size_t i = 0; i < from->n; i++)
        for (int d = 0; d < DIRECTION_COUNT; d++) {
            double rate = from->guests[i].rate[d] * factor;
            const struct lane_size *size = &from->sizes[i][d];
            ret->guests[i].rate[d] = rate;
            ret->sizes[i][d].timeout =
                rate > 0 ? timeout_of(rate, size->packets, size->timeout) : 1e-3;
        }
}

/* A guest's own utilisation: its reading, publishing and unloading at these rates. */
static double guest_busy(const struct guest_load *guest, const struct lane_size *sizes)
{
    const struct end_costs *costs = &guest->costs;
    double rx = guest->rate[DIRECTION_RX], tx = guest->rate[DIRECTION_TX];
    return rx * (costs->unload_packet + costs->unload / sizes[DIRECTION_RX].packets) +
           tx *
               (costs->read + costs->publish_packet + costs->publish / sizes[DIRECTION_TX].packets);
}

/* Of the worker; INFINITY where a guest could not keep up. */
static double utilisation(const struct plant_case *c)
{
    static struct guest_forecast guests[PLANT_GUESTS];
    struct worker_forecast worker;
    if (plant_forecast(&c->worker, c->guests, c->sizes, c->n, guests, &worker))
        return INFINITY;
    for (size_t i = 0; i < c->n; i++)
        if (guest_busy(&c->guests[i], c->sizes[i]) > GUEST_BUSY ||
            !isfinite(guests[i].mean[DIRECTION_RX].total))
            return INFINITY;
    return worker.utilisation;
}

void plant_case_make(enum plant_set set, uint32_t index, struct plant_case *ret)
{
    static const uint64_t seeds[] = {
        [PLANT_FIT] = 0x504c414e5403ea, [PLANT_JUDGE] = 0x4a554447452000};
    static struct plant_case drawn;
    struct random random;
    random_init(&random, seeds[set] + index);
    memset(&drawn, 0, sizeof(drawn));
    drawn.rho = 0.1 + 0.8 * random_uniform(&random);
    drawn.n = guest_counts[random_below(&random, N_COUNTS)];
    drawn.kind = index % 3 ? PLANT_APART : index / 3 % 2 ? PLANT_REPACKED : PLANT_ECHO;
    drawn.worker = costs_draw(&random);
    double theta = log_between(&random, 0.7, 10);
    for (size_t i = 0; i < drawn.n; i++)
        guest_draw(&random, &drawn, i, theta);
    double low = 1, high = 1e8;
    for (int i = 0; i < 40; i++) {
        double middle = sqrt(low * high);
        rates_scale(&drawn, middle, ret);
        if (utilisation(ret) < drawn.rho)
            low = middle;
        else
            high = middle;
    }
}
