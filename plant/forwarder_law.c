// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>

#include "plant/forwarder.h"

/* A law by its mean and variance, as a gamma variate: normal deviates and their weights. */
#define NODES 5
static const double node_at[NODES] = {-0.935, 0.063, 0.842, 1.514, 2.17};
static const double node_weights[NODES] = {0.35, 0.35, 0.2, 0.07, 0.03};

/* Wilson and Hilferty's approximation of its quantiles. */
static double node_value(double mean, double var, double most, int i)
{
    if (!(mean > 0) || !(var > 1e-12 * mean * mean))
        return fmax(0, fmin(mean, most));
    double n = fmax(0.3, mean * mean / var);
    double root = 1 - 1 / (9 * n) + node_at[i] / (3 * sqrt(n));
    return fmin(most, mean * fmax(0.001, root * root * root));
}

static void law_add(struct forwarder_law *law, double weight, double value)
{
    if (!(weight > 1e-9) || law->n == FORWARDER_VALUES)
        return;
    law->values[law->n] = value;
    law->weights[law->n++] = weight;
    law->mean += weight * value;
}

static void law_finish(struct forwarder_law *law)
{
    double sum = 0;
    for (int i = 0; i < law->n; i++)
        sum += law->weights[i];
    law->mean /= sum;
    for (int i = 0; i < law->n; i++)
        law->weights[i] /= sum;
}

static double place_of(int i)
{
    return (i + 0.5) / FORWARDER_PLACES;
}

/* What waits the packets of one place have that are left behind. */
static void nodes_of(const struct forwarder *f, bool full, int i, double ret[NODES])
{
    const struct forwarder_place *place = &f->places[full][i];
    double var = fmax(0, place->wait2 - place->wait * place->wait);
    for (int j = 0; j < NODES; j++)
        ret[j] = node_value(place->wait, var, f->wait_most, j);
}

/* All packets of one place, that come with `before` s behind them; `left` of them wait. */
static void add_place(const struct forwarder *f, double left, const double waits[NODES],
                      double weight, double before, struct forwarder_law *law)
{
    law_add(law, weight * (1 - left), before + f->reading);
    for (int j = 0; j < NODES; j++)
        law_add(law, weight * left * node_weights[j], before + waits[j]);
}

void forwarder_one_way(const struct forwarder *f, struct forwarder_law *ret)
{
    ret->n = 0;
    ret->mean = 0;
    for (int i = 0; i < FORWARDER_PLACES; i++) {
        double before = (1 - place_of(i)) * f->unloading, waits[NODES];
        nodes_of(f, true, i, waits);
        add_place(f, f->places[true][i].left, waits, 1 - f->short_packets, before, ret);
        nodes_of(f, false, i, waits);
        add_place(f, f->places[false][i].left, waits, f->short_packets, before, ret);
    }
    law_finish(ret);
}

/* The fill waits of the packets at place i: in a full container, an Erlang time. */
static void through_full(const struct forwarder *f, const struct closing_law *in, int i,
                         struct forwarder_law *ret)
{
    double k = in->size, width = k > FORWARDER_PLACES ? k / FORWARDER_PLACES : 0;
    double after = width > 0 ? k * (1 - place_of(i)) - 0.5 : k - 1 - floor(place_of(i) * k);
    double mean = fmax(0, after) / in->rate;
    double var = (fmax(0, after) + width * width / 12) / (in->rate * in->rate);
    double waits[NODES];
    nodes_of(f, true, i, waits);
    for (int j = 0; j < NODES; j++)
        add_place(f, f->places[true][i].left, waits, (1 - f->short_packets) * node_weights[j],
                  node_value(mean, var, in->timeout, j), ret);
}

/* In a short one the first packet waits for the whole timeout, the others come at any time in it.
 */
static void through_short(const struct forwarder *f, const struct closing_law *in, int i,
                          struct forwarder_law *ret)
{
    double full = 1 - in->timeout_share, short_share = fmax(1e-12, in->timeout_share);
    double packets = fmax(1, (in->packets - full * in->size) / short_share);
    double u = place_of(i), place = packets < FORWARDER_PLACES ? floor(u * packets) : u * packets;
    double left = place < 1 ? 1 : 1 - place / packets, waits[NODES];
    nodes_of(f, false, i, waits);
    add_place(f, f->places[false][i].left, waits, f->short_packets, left * in->timeout, ret);
}

void forwarder_through(const struct forwarder *f, const struct closing_law *in,
                       struct forwarder_law *ret)
{
    ret->n = 0;
    ret->mean = 0;
    for (int i = 0; i < FORWARDER_PLACES; i++) {
        through_full(f, in, i, ret);
        through_short(f, in, i, ret);
    }
    law_finish(ret);
}
