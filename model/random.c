// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/random.h"

#include <math.h>

/* Right edge of the lowest layer and area of each layer, for 256 layers. */
#define EXP_EDGE 7.69711747013104972
#define EXP_AREA 0.0039496598225815571993
#define NORMAL_EDGE 3.6541528853610087963519472518
#define NORMAL_AREA 0.00492867323397465524494

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double normal_curve(double x)
{
    return exp(-0.5 * x * x);
}

static double normal_curve_inverse(double y)
{
    return sqrt(-2 * log(y));
}

static double exp_curve(double x)
{
    return exp(-x);
}

static double exp_curve_inverse(double y)
{
    return -log(y);
}

/* Layer i lies between edges i and i+1; layer 0's first edge is virtual: it includes the tail. */
static void fill_tables(double *edge, double *density, double last, double area,
                        double (*curve)(double), double (*inverse)(double))
{
    edge[0] = area / curve(last);
    density[0] = 0;
    edge[1] = last;
    density[1] = curve(last);
    for (int i = 2; i < RANDOM_LAYERS; i++) {
        density[i] = density[i - 1] + area / edge[i - 1];
        edge[i] = inverse(density[i]);
    }
    edge[RANDOM_LAYERS] = 0;
    density[RANDOM_LAYERS] = 1;
}

void random_init(struct random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = splitmix(&seed);
    fill_tables(random->exp_edge, random->exp_density, EXP_EDGE, EXP_AREA, exp_curve,
                exp_curve_inverse);
    fill_tables(random->normal_edge, random->normal_density, NORMAL_EDGE, NORMAL_AREA, normal_curve,
                normal_curve_inverse);
}

static inline uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

static inline uint64_t next(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[0] + s[3], 23) + s[0];
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static inline double to_unit(uint64_t bits)
{
    return ((double)(bits >> 11) + 0.5) * 0x1p-53;
}

uint64_t random_bits(struct random *random)
{
    return next(random);
}

double random_uniform(struct random *random)
{
    return to_unit(next(random));
}

uint32_t random_below(struct random *random, uint32_t n)
{
    return (uint32_t)(((next(random) >> 32) * n) >> 32);
}

double random_exponential(struct random *random)
{
    double offset = 0;
    for (;;) {
        uint64_t bits = next(random);
        unsigned layer = bits & (RANDOM_LAYERS - 1);
        double x = to_unit(bits) * random->exp_edge[layer];
        if (x < random->exp_edge[layer + 1])
            return offset + x;
        if (layer == 0) {
            offset += EXP_EDGE; /* the tail is the same law again */
            continue;
        }
        double low = random->exp_density[layer], high = random->exp_density[layer + 1];
        if (low + random_uniform(random) * (high - low) < exp(-x))
            return offset + x;
    }
}

/* Beyond the last edge (Marsaglia 1964). */
static double normal_tail(struct random *random)
{
    double x, y;
    do {
        x = random_exponential(random) / NORMAL_EDGE;
        y = random_exponential(random);
    } while (2 * y < x * x);
    return NORMAL_EDGE + x;
}

double random_normal(struct random *random)
{
    for (;;) {
        uint64_t bits = next(random);
        unsigned layer = bits & (RANDOM_LAYERS - 1);
        double sign = bits & RANDOM_LAYERS ? -1.0 : 1.0;
        double x = to_unit(bits) * random->normal_edge[layer];
        if (x < random->normal_edge[layer + 1])
            return sign * x;
        if (layer == 0)
            return sign * normal_tail(random);
        double low = random->normal_density[layer], high = random->normal_density[layer + 1];
        if (low + random_uniform(random) * (high - low) < exp(-0.5 * x * x))
            return sign * x;
    }
}

struct random_gamma random_gamma_law(double shape, double scale)
{
    double d = shape - 1.0 / 3;
    return (struct random_gamma){.shape = shape, .scale = scale, .d = d, .c = 1 / sqrt(9 * d)};
}

double random_gamma(struct random *random, const struct random_gamma *law)
{
    if (law->shape == 1)
        return law->scale * random_exponential(random);
    for (;;) {
        double x = random_normal(random), v = 1 + law->c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        double u = random_uniform(random), x2 = x * x;
        if (u < 1 - 0.0331 * x2 * x2 || log(u) < 0.5 * x2 + law->d * (1 - v + log(v)))
            return law->scale * law->d * v;
    }
}

static uint64_t poisson_products(struct random *random, double mean)
{
    double limit = exp(-mean), product = 1;
    uint64_t n = 0;
    for (;; n++) {
        product *= random_uniform(random);
        if (product <= limit)
            return n;
    }
}

uint64_t random_poisson(struct random *random, double mean)
{
    if (mean < 10)
        return poisson_products(random, mean);
    double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;
    int sign;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), squeeze = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        double u = random_uniform(random) - 0.5, v = random_uniform(random);
        double us = 0.5 - fabs(u), k = floor((2 * a / us + b) * u + mean + 0.43);
        if (us >= 0.07 && v <= squeeze)
            return (uint64_t)k;
        if (k < 0 || (us < 0.013 && v > us))
            continue;
        if (log(v) + log(inverse_alpha) - log(a / (us * us) + b) <=
            k * log(mean) - mean - lgamma_r(k + 1, &sign))
            return (uint64_t)k;
    }
}
