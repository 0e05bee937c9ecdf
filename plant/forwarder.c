// SPDX-License-Identifier: GPL-2.0-or-later
#include "plant/forwarder.h"

#include <math.h>
#include <string.h>

#include "plant/bursts.h"

#define CELLS FORWARDER_CELLS
/* Points of a thinned burst's size; with more kinds of bursts, only the full ones' vary. */
#define SPREAD 9
#define SPREAD_KINDS 4
#define STEPS (BURST_KINDS + SPREAD_KINDS * SPREAD)
/* How often the ages of open containers are put right, until the law of the rests moves less. */
#define ROUNDS 8
#define ROUNDS_CALM 0.003
/* ... as long as this share of the bursts leaves such behind. */
#define OLD_MATTERS 0.01
/* An alignment that fewer than this many bursts have is none. */
#define FEW 1e-15

/* A burst as the packer counts it: what of it is sent on, and the guest's own before it. */
struct step {
    double share, packets;
    bool full;
};

/* The state after a burst: cell j stands for j * width packets left in the open container. */
struct chain {
    const struct forwarder_load *load;
    const struct end_costs *costs;
    double size, timeout, width;
    double per_size, per_width; /* their inverses */
    int cells;
    struct bursts bursts;
    struct step steps[STEPS];
    int n;
    double sent;      /* packets of a burst, mean */
    double share[2];  /* of short and of full bursts */
    double sooner[2]; /* s by which their reading begins sooner than an average burst's */
    double at[CELLS]; /* stationary */
    /* Of the open containers that an earlier burst than the last one opened: their share, and
       for how long they had been open when the last one's reading began, s. */
    double old[CELLS], age[CELLS];
    /* P(what cell j left behind times out before the next, short or full, burst is read). */
    double expires[CELLS][2];
    /* s from the last burst's reading on until what is left behind is closed: mean, square. */
    double wait[CELLS], wait2[CELLS];
    double moves[CELLS][CELLS];
};

/* ---- where a burst leads ---- */

struct landing {
    double closes; /* containers filled */
    int cell;      /* this one, and with probability `next` the one above */
    double next;
};

/*
 * Between two cells the mean is kept. But nothing left behind is far from
 * almost nothing, and from almost a container: only the exact number is cell 0.
 */
static struct landing land(const struct chain *c, double packets)
{
    struct landing to = {.closes = (double)(int)(packets * c->per_size + 1e-9)};
    double left = fmax(0, packets - to.closes * c->size), at = left * c->per_width;
    if (left < 1e-6 * c->size)
        return to;
    to.cell = (int)(at + 1e-9);
    to.next = fmax(0, at - to.cell);
    if (to.cell == 0 && c->width > 1) {
        to.cell = 1;
        to.next = 0;
    }
    if (to.next < 1e-9 || to.cell == c->cells - 1)
        to.next = 0;
    return to;
}

static double at_cell(const double values[CELLS], const struct landing *to)
{
    double value = values[to->cell];
    return to->next > 0 ? value + to->next * (values[to->cell + 1] - value) : value;
}

static void add_to_cells(double values[CELLS], const struct landing *to, double amount)
{
    values[to->cell] += amount * (1 - to->next);
    if (to->next > 0)
        values[to->cell + 1] += amount * to->next;
}

/* ---- deadlines ---- */

/* s from the last burst's reading on until the deadline: opened by that burst, or before. */
static double deadline(const struct chain *c, int j, bool old)
{
    double left = j * c->width, behind = fmax(0, c->sent - left);
    if (old)
        return c->timeout - c->age[j];
    return c->timeout + (behind + 1) * c->costs->read +
           floor(behind / c->size + 1e-9) * c->costs->publish;
}

/* The waits of two bursts at the worker differ by a Laplace variate, roughly: */
static const double noise_at[] = {-2.609, -0.962, 0, 0.962, 2.609};
static const double noise_weights[] = {0.1, 0.2, 0.4, 0.2, 0.1};

static double gap_tail(const struct chain *c, bool full, double x)
{
    double jitter = c->load->jitter, sum = 0, far = 2.609 * jitter;
    if (jitter == 0 || (!full && x + far <= c->bursts.timeout))
        return bursts_gap_tail(&c->bursts, full, x);
    for (int i = 0; i < 5; i++)
        sum += noise_weights[i] * bursts_gap_tail(&c->bursts, full, x + noise_at[i] * jitter);
    return sum;
}

static void expiries(struct chain *c)
{
    for (int j = 1; j < c->cells; j++)
        for (int full = 0; full < 2; full++) {
            double old = c->old[j], sooner = c->sooner[full], sum = 0;
            if (c->share[full] > 0 && old < 1)
                sum += (1 - old) * gap_tail(c, full, deadline(c, j, false) + sooner);
            if (c->share[full] > 0 && old > 0)
                sum += old * gap_tail(c, full, deadline(c, j, true) + sooner);
            c->expires[j][full] = sum;
        }
}

/* E[min(time to the next burst's reading, time of closing)], and its square. */
static double within(const struct chain *c, int j, bool full, double *ret_square)
{
    double sum = 0, square, old = c->old[j], sooner = c->sooner[full];
    *ret_square = 0;
    for (int i = 0; i < 2; i++) {
        double weight = i ? old : 1 - old;
        double most = fmax(0, deadline(c, j, i) + c->load->late + sooner);
        if (!(weight > 0))
            continue;
        double mean = bursts_gap_within(&c->bursts, full, most, &square);
        sum += weight * fmax(0, mean - sooner);
        *ret_square += weight * fmax(0, square - 2 * sooner * mean + sooner * sooner);
    }
    return sum;
}

/* ---- the chain ---- */

static void step_add(struct chain *c, double share, double packets, const struct burst_kind *kind)
{
    double more = kind->packets - c->load->arrivals->packets;
    c->steps[c->n++] = (struct step){share, packets, kind->full};
    c->share[kind->full] += share;
    c->sooner[kind->full] -= share * more * (c->load->publish_packet + c->costs->unload_packet);
}

/*
 * What is left of so many packets varies: whole numbers around the mean,
 * weighted as by a normal law. (Whether a burst is just enough to fill a
 * container or one packet short of it is all the difference.)
 */
static void steps_spread(struct chain *c, double mean, double var, const struct burst_kind *kind)
{
    double apart = fmax(1, ceil(5 * sqrt(var) / (SPREAD - 1))), sum = 0, weights[SPREAD];
    double middle = nearbyint(mean);
    for (int i = 0; i < SPREAD; i++) {
        double packets = middle + (i - SPREAD / 2) * apart, away = packets - mean;
        weights[i] = packets >= 0 ? exp(-away * away / (2 * var)) : 0;
        sum += weights[i];
    }
    for (int i = 0; i < SPREAD; i++)
        if (weights[i] > 1e-9 * sum)
            step_add(c, kind->share * weights[i] / sum, middle + (i - SPREAD / 2) * apart, kind);
}

/* Each burst is thinned by those that stay, and joined by the guest's own. */
static void steps_make(struct chain *c)
{
    const struct forwarder_load *load = c->load;
    double own = load->singles / load->arrivals->containers;
    for (int i = 0; i < c->bursts.n; i++) {
        const struct burst_kind *kind = &c->bursts.kinds[i];
        double mean = kind->packets * load->share + own;
        double var = kind->packets * load->share * (1 - load->share) + own;
        if (var > 1e-9 && (kind->full || c->bursts.n <= SPREAD_KINDS))
            steps_spread(c, mean, var, kind);
        else
            step_add(c, kind->share, mean, kind);
    }
    for (int i = 0; i < c->n; i++)
        c->sent += c->steps[i].share * c->steps[i].packets;
    for (int full = 0; full < 2; full++)
        c->sooner[full] /= c->share[full] > 0 ? c->share[full] : 1;
}

static void moves_make(struct chain *c)
{
    double anew[2][CELLS] = {0};
    memset(c->moves, 0, sizeof(c->moves));
    for (int i = 0; i < c->n; i++) {
        struct landing to = land(c, c->steps[i].packets);
        add_to_cells(anew[c->steps[i].full], &to, c->steps[i].share);
    }
    for (int j = 0; j < c->cells; j++) {
        const double *expires = c->expires[j];
        for (int i = 0; i < c->n; i++) {
            const struct step *step = &c->steps[i];
            struct landing to = land(c, j * c->width + step->packets);
            if (expires[step->full] < 1)
                add_to_cells(c->moves[j], &to, step->share * (1 - expires[step->full]));
        }
        for (int i = 0; i < c->cells; i++)
            c->moves[j][i] += expires[0] * anew[0][i] + expires[1] * anew[1][i];
        c->moves[j][0] += 1 / FORWARDER_PATIENCE;
    }
}

/* Stationary law by elimination without subtractions (Grassmann, Taksar, Heyman): rare moves
   keep their relative precision. */
static void stationary(struct chain *c)
{
    double sum = 0;
    for (int n = c->cells - 1; n > 0; n--) {
        double leaves = 0;
        for (int j = 0; j < n; j++)
            leaves += c->moves[n][j];
        for (int i = 0; i < n; i++) {
            double through = c->moves[i][n] / leaves;
            c->moves[i][n] = through;
            if (through == 0)
                continue;
            for (int j = 0; j < n; j++)
                c->moves[i][j] += through * c->moves[n][j];
        }
    }
    c->at[0] = sum = 1;
    for (int n = 1; n < c->cells; n++) {
        c->at[n] = 0;
        for (int i = 0; i < n; i++)
            c->at[n] += c->at[i] * c->moves[i][n];
        sum += c->at[n];
    }
    for (int n = 0; n < c->cells; n++)
        c->at[n] /= sum;
}

/* True where every rest times out before the next burst: then that is all there is to it. */
static bool realigned(struct chain *c)
{
    double at[CELLS] = {0};
    for (int j = 1; j < c->cells; j++)
        for (int full = 0; full < 2; full++)
            if (c->share[full] > 0 && c->expires[j][full] < 1 - 1e-12)
                return false;
    for (int i = 0; i < c->n; i++) {
        struct landing to = land(c, c->steps[i].packets);
        add_to_cells(at, &to, c->steps[i].share);
    }
    memcpy(c->at, at, sizeof(at));
    return true;
}

/* Mean time to the next burst's reading, given that nothing timed out before. */
static double gap_in_time(const struct chain *c, int j, bool full, bool old)
{
    double most = fmax(0, deadline(c, j, old) + c->sooner[full]);
    double beyond = bursts_gap_tail(&c->bursts, full, most);
    double mean = bursts_gap_within(&c->bursts, full, most, NULL) - most * beyond;
    return beyond < 1 - 1e-9 ? fmax(0, mean / (1 - beyond) - c->sooner[full]) : most;
}

/* What is opened by one burst and not filled by the next becomes old. */
static void grow_old(const struct chain *c, int j, double old[CELLS], double age[CELLS])
{
    double opened = c->timeout - deadline(c, j, false), share = c->old[j], mean[2] = {0};
    for (int full = 0; full < 2; full++) {
        if (c->share[full] > 0 && share < 1)
            mean[full] += (1 - share) * (opened + gap_in_time(c, j, full, false));
        if (c->share[full] > 0 && share > 0)
            mean[full] += share * (c->age[j] + gap_in_time(c, j, full, true));
    }
    for (int i = 0; i < c->n; i++) {
        const struct step *step = &c->steps[i];
        struct landing to = land(c, j * c->width + step->packets);
        double stays = c->at[j] * step->share * (1 - c->expires[j][step->full]);
        if (to.closes > 0 || !(stays > FEW))
            continue;
        add_to_cells(old, &to, stays);
        add_to_cells(age, &to, stays * mean[step->full]);
    }
}

/* Returns the share of all bursts that leave an old container behind. */
static double ages(struct chain *c)
{
    double old[CELLS] = {0}, age[CELLS] = {0}, sum = 0, least = c->size;
    for (int i = 0; i < c->n; i++)
        least = fmin(least, c->steps[i].packets);
    for (int j = 1; j < c->cells; j++)
        if (j * c->width + least < c->size * (1 - 1e-9) && c->at[j] > FEW)
            grow_old(c, j, old, age);
    for (int j = 1; j < c->cells; j++) {
        c->old[j] = c->at[j] > FEW ? fmin(1, old[j] / c->at[j]) : 0;
        c->age[j] = old[j] > FEW ? age[j] / old[j] : 0;
        sum += old[j];
    }
    return sum;
}

/* What may happen at the next burst to what cell j has left behind: sums over the steps. */
struct ahead {
    double gap, gap2;           /* until then, or the timeout */
    double same, same_gap;      /* P(the container stays open in the same cell), and the gap */
    double later, both, later2; /* of the cells above: waits, products with the gap, squares */
    double filling;             /* s that the burst needs to fill it */
};

static void look_ahead(const struct chain *c, int j, struct ahead *ret)
{
    double gap[2], gap2[2] = {0};
    *ret = (struct ahead){0};
    for (int full = 0; full < 2; full++)
        gap[full] = c->share[full] > 0 ? within(c, j, full, &gap2[full]) : 0;
    for (int i = 0; i < c->n; i++) {
        const struct step *step = &c->steps[i];
        double here = gap[step->full], stays = step->share * (1 - c->expires[j][step->full]);
        ret->gap += step->share * here;
        ret->gap2 += step->share * gap2[step->full];
        if (!(stays > 0))
            continue;
        struct landing to = land(c, j * c->width + step->packets);
        if (to.closes > 0) {
            ret->filling += stays * (c->size - j * c->width) * c->costs->read;
            continue;
        }
        for (int up = 0; up < (to.next > 0 ? 2 : 1); up++) {
            int cell = to.cell + up;
            double weight = stays * (up ? to.next : 1 - to.next);
            if (cell == j) {
                ret->same += weight;
                ret->same_gap += weight * here;
            } else {
                ret->later += weight * c->wait[cell];
                ret->both += weight * here * c->wait[cell];
                ret->later2 += weight * c->wait2[cell];
            }
        }
    }
}

/* How long what is left behind waits, from the fullest container down: they only fill. */
static void waits(struct chain *c)
{
    for (int j = c->cells - 1; j > 0; j--) {
        struct ahead a;
        look_ahead(c, j, &a);
        double moves = fmax(1e-9, 1 - a.same), mean = (a.gap + a.filling + a.later) / moves;
        c->wait[j] = mean;
        c->wait2[j] = (a.gap2 + 2 * a.both + a.later2 + 2 * a.same_gap * mean) / moves;
    }
}

/* ---- what comes of it ---- */

/* Sums over bursts. */
struct sums {
    double closed, expired; /* containers, those timed out */
    double packets2;        /* sizes of closed containers, squared */
    double port, fill;      /* s, over the packets */
    struct {
        double left, wait, wait2; /* packets left behind from this place on, sums of their waits */
    } places[2][FORWARDER_PLACES];
};

static void sum_containers(const struct chain *c, double weight, bool expired, double closes,
                           struct sums *sums)
{
    sums->closed += weight * (closes + expired);
    sums->expired += weight * expired;
    sums->packets2 += weight * closes * c->size * c->size;
}

/* The packets of a burst that comes to `before` others and leads to `to`. */
static void sum_packets(const struct chain *c, double weight, double before,
                        const struct step *step, const struct landing *to, struct sums *sums)
{
    double n = step->packets, k = c->size, closes = to->closes, read = c->costs->read;
    double left = fmin(n, fmax(0, before + n - closes * k)), first = closes > 0 ? k - before : 0;
    double whole = fmax(0, closes - 1), wait = at_cell(c->wait, to);
    double publish = c->costs->publish + c->costs->publish_packet * k;
    double after = publish * (k * whole * closes / 2 + left * closes); /* waits for publications */
    double at_read = read * left * (2 * n - left + 1) / 2 + left * closes * publish;
    if (!(n > 0))
        return;
    sums->port +=
        weight *
        (n * (c->costs->unload_packet * (n / c->load->share - 1) / 2 + read * (n + 1) / 2) + after);
    sums->fill += weight * (read * (first * (first - 1) + whole * k * (k - 1)) / 2 +
                            fmax(0, left * wait - at_read));
    int place = (int)ceil(FORWARDER_PLACES * (1 - left / n) - 0.5);
    if (place < FORWARDER_PLACES && left > 0) {
        sums->places[step->full][place].left += weight * n;
        sums->places[step->full][place].wait += weight * n * wait;
        sums->places[step->full][place].wait2 += weight * n * at_cell(c->wait2, to);
    }
}

static void sum_up(const struct chain *c, struct sums *ret)
{
    double first[STEPS] = {0}, anew[STEPS] = {0}; /* nothing was left behind, or timed out */
    *ret = (struct sums){0};
    for (int i = 0; i < c->n; i++)
        first[i] = c->at[0] * c->steps[i].share;
    for (int j = 1; j < c->cells; j++) {
        double before = j * c->width;
        for (int i = 0; i < c->n; i++) {
            const struct step *step = &c->steps[i];
            double weight = c->at[j] * step->share, expires = c->expires[j][step->full];
            anew[i] += weight * expires;
            ret->packets2 += weight * expires * before * before;
            if (!(weight * (1 - expires) > FEW))
                continue;
            struct landing to = land(c, before + step->packets);
            sum_containers(c, weight * (1 - expires), false, to.closes, ret);
            sum_packets(c, weight * (1 - expires), before, step, &to, ret);
        }
    }
    for (int i = 0; i < c->n; i++) {
        struct landing to = land(c, c->steps[i].packets);
        sum_containers(c, first[i], false, to.closes, ret);
        sum_containers(c, anew[i], true, to.closes, ret);
        sum_packets(c, first[i] + anew[i], 0, &c->steps[i], &to, ret);
    }
}

static void places(const struct sums *sums, bool full, double packets,
                   struct forwarder_place ret[FORWARDER_PLACES])
{
    double left = 0, wait = 0, wait2 = 0;
    for (int i = 0; i < FORWARDER_PLACES; i++) {
        left += sums->places[full][i].left;
        wait += sums->places[full][i].wait;
        wait2 += sums->places[full][i].wait2;
        ret[i] = (struct forwarder_place){.left = packets > 0 ? fmin(1, left / packets) : 0,
                                          .wait = left > 0 ? wait / left : 0,
                                          .wait2 = left > 0 ? wait2 / left : 0};
    }
}

static void summarise(const struct chain *c, struct forwarder *ret)
{
    const struct closing_law *in = c->load->arrivals;
    struct sums sums;
    sum_up(c, &sums);
    double closed = fmin(c->sent, fmax(sums.closed, c->sent / c->size));
    double packets = fmin(c->size, fmax(1, c->sent / closed));
    double met = fmin(c->size, fmax(packets, sums.packets2 / c->sent));
    /* Containers filled follow from the packets: only timeouts add to their variation. */
    double timed_out = fmin(closed, sums.expired), var = timed_out * fmax(0, 1 - timed_out);
    *ret = (struct forwarder){
        .port = sums.port / c->sent,
        .fill = sums.fill / c->sent,
        .publish = c->costs->publish + c->costs->publish_packet * met,
        .per_burst = closed,
        .packets = packets,
        .packets_met = met,
        .packets_var = packets * (met - packets),
        .containers = in->containers * closed,
        .gap_scv = fmin(1, closed * in->gap_scv + var / closed),
        .timeout_share = fmin(1, sums.expired / closed),
        .wait_most = c->timeout + c->load->late + (c->sent + 1) * c->costs->read,
        .unloading = c->costs->unload_packet * in->packets,
        .reading = c->costs->read * c->sent,
    };
    double whole = 0;
    for (int i = 0; i < c->n; i++)
        whole += c->steps[i].full ? c->steps[i].share * c->steps[i].packets : 0;
    places(&sums, false, c->sent - whole, ret->places[false]);
    places(&sums, true, whole, ret->places[true]);
    ret->short_packets = fmax(0, 1 - whole / c->sent);
}

/* ---- many bursts to a container: these are to it what packets are to others ---- */

static void solve_many(const struct forwarder_load *load, const struct end_costs *costs,
                       double size, double timeout, double sent, struct forwarder *ret)
{
    const struct closing_law *in = load->arrivals;
    double each = in->packets, read = costs->read;
    struct closing_law law;
    /* Cannot fail: sizes and rates are in range. */
    (void)closing_solve(in->containers, (uint32_t)(size / sent + 0.5), timeout + load->late, &law);
    *ret = (struct forwarder){
        .port = costs->unload_packet * (each - 1) / 2 + read * (sent + 1) / 2,
        .fill = law.fill_mean + read * (sent - 1) / 2,
        .publish = costs->publish + costs->publish_packet * fmin(size, law.packets_met * sent),
        .per_burst = 1 / law.packets,
        .packets = fmin(size, fmax(1, law.packets * sent)),
        .packets_met = fmin(size, fmax(1, law.packets_met * sent)),
        .packets_var = law.packets_var * sent * sent,
        .containers = law.containers,
        .gap_scv = law.gap_scv * in->gap_scv,
        .timeout_share = law.timeout_share,
        .wait_most = timeout + load->late,
        .unloading = costs->unload_packet * each,
        .reading = read * sent,
    };
    ret->short_packets = fmax(0, 1 - (1 - in->timeout_share) * in->size / each);
    for (int i = 0; i < 2 * FORWARDER_PLACES; i++) /* about uniform from 0 to twice the mean */
        ret->places[i % 2][i / 2] =
            (struct forwarder_place){1, law.fill_mean, 4 * law.fill_mean * law.fill_mean / 3};
}

/* No gap longer than this is asked for: the latest deadline, seen from the worker. */
static double latest(const struct chain *c, double sent)
{
    const struct forwarder_load *load = c->load;
    double packets = load->arrivals->size + 1,
           sooner = load->publish_packet + c->costs->unload_packet;
    return c->timeout + load->late + (sent + packets) * c->costs->read +
           (sent / c->size + 1) * c->costs->publish + packets * sooner + 3 * load->jitter;
}

/*
 * At most CELLS of them, every one of a whole number of packets; or if there
 * are more packets, such that full bursts go from cell to cell, where that is
 * possible.
 */
static int cells_of(const struct forwarder_load *load, uint32_t size)
{
    uint32_t a = size, b = (uint32_t)load->arrivals->size;
    if (size <= CELLS)
        return (int)size;
    while (b > 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    uint32_t least = size / a; /* by the greatest common divisor */
    return load->share < 1 || least > CELLS ? CELLS : (int)(CELLS / least * least);
}

static double moved(const struct chain *c, const double before[CELLS])
{
    double sum = 0;
    for (int i = 0; i < c->cells; i++)
        sum += fabs(c->at[i] - before[i]);
    return sum;
}

void forwarder_solve(const struct forwarder_load *load, const struct end_costs *costs,
                     uint32_t size, double timeout, struct forwarder *ret)
{
    struct chain c = {.load = load, .costs = costs, .size = size, .timeout = timeout};
    double sent =
        load->share * load->arrivals->packets + load->singles / load->arrivals->containers;
    if (size > CELLS * fmax(1, sent)) {
        solve_many(load, costs, size, timeout, sent, ret);
        return;
    }
    c.cells = cells_of(load, size);
    c.width = c.size / c.cells;
    c.per_size = 1 / c.size;
    c.per_width = 1 / c.width;
    bursts_init(&c.bursts, load->arrivals, load->arrivals_late, latest(&c, sent));
    steps_make(&c);
    expiries(&c);
    for (int i = 0; i < ROUNDS && !realigned(&c); i++) {
        double before[CELLS];
        memcpy(before, c.at, sizeof(before));
        moves_make(&c);
        stationary(&c);
        double old = ages(&c);
        expiries(&c);
        if (old < OLD_MATTERS || (i > 0 && moved(&c, before) < ROUNDS_CALM))
            break;
    }
    waits(&c);
    summarise(&c, ret);
}
