// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/mixing.h"

#include <math.h>
#include <string.h>

/*
 * Fitted to simulation: the fitting set of `./run bench model` (tests/bench/grid.h),
 * its first 700 cases, of fixed service and service by size 1000.
 */
#define JUMPS 0.4877
#define JUMPS_SHARE 0.8684
#define JUMPS_GAP 1.4798
#define JUMPS_SCV 1.7191
#define OTHERS 0.9127
#define OTHERS_FLUID 1.3175
#define BRIDGE 1.3683
#define ROOT 1.6525
#define ROOT_KEPT 2.1070
#define ROOT_KEPT2 1.4964
#define SLOWER 1.8089
#define FORGETS 0.5580

void mixing_sum(const struct fast_class *classes, size_t n, struct mixing_sums *ret)
{
    struct mixing_sums sum = {.poisson = true, .exponential = true};
    double first = 0;
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        double r = c->rate * c->count, s2 = c->service * c->service;
        if (!(r > 0) || !(c->service > 0))
            continue;
        first = first > 0 ? first : c->service;
        sum.rate += r;
        sum.work += r * c->service;
        sum.work2 += r * s2;
        sum.work2_gap += r * s2 * c->gap_scv;
        sum.work_var += r * c->service_var;
        sum.work_fixed += r * c->service * c->fixed;
        sum.poisson &= c->gap_scv > 1 - 1e-9;
        sum.exponential &=
            fabs(c->service - first) <= 1e-9 * first && fabs(c->service_var - s2) <= 1e-9 * s2;
    }
    *ret = sum;
}

/* Place of a rate among the octaves: the one above it, and how far towards the next. */
static int octave(const struct mixing *m, double rate, double *ret_part)
{
    double at = fmin(MIXING_OCTAVES - 1 - 1e-9, fmax(0, m->top - log2(rate)));
    *ret_part = at - floor(at);
    return (int)at;
}

/*
 * The variation of the work that comes in a stream's own gap: streams as fast
 * as it add what they have over one gap, slower ones as if they were random,
 * faster ones even out.
 */
static void listen(const struct fast_class *classes, size_t n, const struct mixing_sums *sums,
                   struct mixing *m)
{
    double even[MIXING_OCTAVES + 1] = {0}, own = 0, own_rate = 0;
    for (size_t i = 0; i < n; i++) {
        const struct fast_class *c = &classes[i];
        double share = c->rate * c->service, r = share * c->service * c->count, part;
        if (!(r > 0))
            continue;
        int at = octave(m, c->rate, &part);
        r *= fmax(0, 1 - c->gap_scv);
        even[at] += r * (1 - part);
        even[at + 1] += r * part;
        share /= sums->work;
        share *= share * c->count * fmax(0, 1 - c->gap_scv);
        own += share;
        own_rate += share * c->rate;
    }
    m->own = own;
    m->own_rate = own > 0 ? own_rate / own : 0;
    double slower = sums->work2_gap;
    for (int i = MIXING_OCTAVES - 1; i >= 0; i--) {
        m->noise[i] = sums->work_var + SLOWER * slower + even[i];
        slower += even[i];
    }
}

void mixing_init(const struct fast_class *classes, size_t n, const struct mixing_sums *sums,
                 struct mixing *ret)
{
    double cs = sums->exponential ? 1 : sums->work_var / sums->work2;
    double ca = sums->work2_gap / sums->work2, fastest = 0;
    double kept = (ca + cs) / (1 + cs); /* variation that is left in the long run */
    struct mixing m = {
        .rho = sums->work,
        .slack = 1 - sums->work,
        .load = sums->work / (1 - sums->work),
        .jumps = fmax(0, JUMPS - JUMPS_SHARE * cs / (1 + cs) + JUMPS_GAP * ca + JUMPS_SCV * cs),
        .root = fabs(ROOT - ROOT_KEPT * kept + ROOT_KEPT2 * kept * kept)};
    for (size_t i = 0; i < n; i++)
        if (classes[i].count > 0 && classes[i].service > 0)
            fastest = fmax(fastest, classes[i].rate);
    m.top = log2(fastest);
    listen(classes, n, sums, &m);
    *ret = m;
}

static double noise_at(const struct mixing *m, double rate)
{
    double part;
    int at = octave(m, rate, &part);
    return m->noise[at] * (1 - part) + m->noise[at + 1] * part;
}

/*
 * theta compares a stream's gap with the time in which the queue forgets.
 * Several regimes in one sum: at low load a container only meets other streams'
 * containers (share); a busy time then grows by what the others send in it, but
 * of each of them only what its gaps allow (own, until its containers are many and
 * flow: z); in heavy traffic what lies between two of its own is a bridge.
 */
struct mixing_view mixing_look(const struct mixing *m, const struct fast_class *c)
{
    double load = c->rate * c->service, share = load / m->rho, alone = 1 - share;
    double even = 1 - c->gap_scv;
    if (!(load > 0) || !(even > 0))
        return (struct mixing_view){.mixing = INFINITY};
    double theta = m->slack * m->slack / (c->rate * noise_at(m, c->rate)), root = sqrt(theta);
    double z = OTHERS_FLUID * m->own_rate * c->service / m->slack;
    double others = OTHERS * m->own / sqrt(1 + z * z);
    double left = share + m->load * (m->jumps * share + others) + BRIDGE / (theta + m->root * root);
    double forgets = load / m->slack + FORGETS / root;
    return (struct mixing_view){.mixing = alone > 1e-12 ? alone / left : 0,
                                .less = even * c->service * forgets / (1 + forgets)};
}
