// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random variates for the simulators: fast, reproducible by seed, no global state.
 *
 * Uniform bits: xoshiro256++ (Blackman and Vigna 2019), seeded through splitmix64.
 * Exponential and normal: ziggurat of 256 layers (Marsaglia and Tsang 2000).
 * Gamma: squeeze on a cubed normal (Marsaglia and Tsang 2000).
 * Poisson: products below a mean of 10, above it transformed rejection (Hoermann 1993, PTRS).
 */
#ifndef XENAGG_MODEL_RANDOM_H
#define XENAGG_MODEL_RANDOM_H

#include <stdint.h>

#define RANDOM_LAYERS 256

/* About 8 KB: half of it tables, made by random_init. */
struct random {
    uint64_t state[4];
    double exp_edge[RANDOM_LAYERS + 1], exp_density[RANDOM_LAYERS + 1];
    double normal_edge[RANDOM_LAYERS + 1], normal_density[RANDOM_LAYERS + 1];
};

/* A gamma law of mean `shape * scale`, its constants worked out once. */
struct random_gamma {
    double shape; /* >= 1 */
    double scale;
    double d, c;
};

/* Equal seeds give equal sequences; every seed is good, 0 too. */
void random_init(struct random *random, uint64_t seed);

uint64_t random_bits(struct random *random);
/* In (0, 1): never 0, never 1. */
double random_uniform(struct random *random);
/* Whole number in 0..n-1, n >= 1. */
uint32_t random_below(struct random *random, uint32_t n);
/* Mean 1. */
double random_exponential(struct random *random);
/* Mean 0, variance 1. */
double random_normal(struct random *random);

struct random_gamma random_gamma_law(double shape, double scale);
double random_gamma(struct random *random, const struct random_gamma *law);

/* mean >= 0 */
uint64_t random_poisson(struct random *random, double mean);

#endif
