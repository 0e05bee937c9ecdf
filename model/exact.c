// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/exact.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/age.h"
#include "model/phased.h"

/* ---- streams that are alike: how many of them are in each of the k phases ---- */

/* Ways to put `count` streams into `phases` phases; UINT64_MAX where that is too much. */
static uint64_t ways(uint64_t count, uint64_t phases)
{
    uint64_t result = 1;
    for (uint64_t i = 1; i <= count; i++) {
        unsigned __int128 next = (unsigned __int128)result * (phases - 1 + i) / i;
        if (next > UINT32_MAX)
            return UINT64_MAX;
        result = (uint64_t)next;
    }
    return result;
}

/* Place of a state among all, first phases counted first: states with fewer in phase 0 come first.
 */
static size_t state_rank(const uint32_t *in_phase, uint32_t phases, uint64_t count)
{
    size_t rank = 0;
    for (uint32_t i = 0; i + 1 < phases; i++) {
        for (uint32_t fewer = 0; fewer < in_phase[i]; fewer++)
            rank += ways(count - fewer, phases - i - 1);
        count -= in_phase[i];
    }
    return rank;
}

/* The state after this one; false after the last. */
static bool state_next(uint32_t *in_phase, uint32_t phases)
{
    uint32_t last = in_phase[phases - 1];
    for (uint32_t i = phases - 1; i-- > 0;) {
        if (last > 0) {
            in_phase[i]++;
            for (uint32_t j = i + 1; j + 1 < phases; j++)
                in_phase[j] = 0;
            in_phase[phases - 1] = last - 1;
            return true;
        }
        last += in_phase[i];
        in_phase[i] = 0;
    }
    return false;
}

/* A Markovian arrival process: moves without (d0) and with (d1) an arrival. */
struct arrivals {
    struct matrix d0, d1;
};

static void arrivals_free(struct arrivals *a)
{
    matrix_free(&a->d0);
    matrix_free(&a->d1);
}

static void class_fill(struct arrivals *a, const struct phased_class *class, uint32_t *in_phase)
{
    uint32_t k = class->size;
    in_phase[k - 1] = (uint32_t) class->count;
    do {
        size_t from = state_rank(in_phase, k, class->count);
        MATRIX(a->d0, from, from) -= class->rate * (double)class->count;
        for (uint32_t i = 0; i < k; i++) {
            uint32_t next = i + 1 < k ? i + 1 : 0;
            double rate = class->rate * in_phase[i];
            if (in_phase[i] == 0)
                continue;
            in_phase[i]--;
            in_phase[next]++;
            size_t to = state_rank(in_phase, k, class->count);
            MATRIX(*(next ? &a->d0 : &a->d1), from, to) += rate;
            in_phase[next]--;
            in_phase[i]++;
        }
    } while (state_next(in_phase, k));
}

static int class_arrivals(const struct phased_class *class, struct arrivals *ret)
{
    size_t n = (size_t)ways(class->count, class->size);
    uint32_t *in_phase = calloc(class->size, sizeof(*in_phase));
    struct arrivals a = {0};
    if (!in_phase || matrix_init(&a.d0, n, n) || matrix_init(&a.d1, n, n)) {
        arrivals_free(&a);
        free(in_phase);
        return -ENOMEM;
    }
    class_fill(&a, class, in_phase);
    free(in_phase);
    *ret = a;
    return 0;
}

/* ---- all classes side by side ---- */

struct system {
    const struct phased *phased;
    struct arrivals *classes;
    size_t n; /* arrival phases */
    struct quasi quasi;
    double *rates; /* per class, and at last for all: n arrival rates over their mean */
};

static uint64_t arrival_phases(const struct phased *phased)
{
    uint64_t n = 1;
    for (size_t i = 0; i < phased->n_classes; i++)
        n = phased_count(n, ways(phased->classes[i].count, phased->classes[i].size));
    return n;
}

/* With services of their own, that of the container in service is known to be of its class. */
static uint64_t count_phases(const struct phased *phased)
{
    uint64_t services = phased->alike ? phased->service.n : 0;
    for (size_t i = 0; !phased->alike && i < phased->n_classes; i++)
        services += phased->classes[i].service.n;
    return phased_count(services, arrival_phases(phased));
}

static void system_free(struct system *s)
{
    for (size_t i = 0; s->classes && i < s->phased->n_classes; i++)
        arrivals_free(&s->classes[i]);
    free(s->classes);
    free(s->rates);
    quasi_free(&s->quasi);
}

static int system_init(struct system *s, const struct phased *phased)
{
    *s = (struct system){.phased = phased, .n = (size_t)arrival_phases(phased)};
    s->classes = calloc(phased->n_classes, sizeof(*s->classes));
    s->rates = calloc((phased->n_classes + 1) * s->n, sizeof(*s->rates));
    int err = s->classes && s->rates ? 0 : -ENOMEM;
    if (!err && phased->alike)
        err = quasi_init(&s->quasi, s->n * phased->service.n);
    for (size_t i = 0; !err && i < phased->n_classes; i++)
        err = class_arrivals(&phased->classes[i], &s->classes[i]);
    return err;
}

/* to += I(before) (x) a (x) I(after) */
static void add_between(struct matrix *to, size_t before, const struct matrix *a, size_t after)
{
    size_t n = a->rows;
    for (size_t b = 0; b < before; b++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                for (size_t c = 0; MATRIX(*a, i, j) != 0 && c < after; c++)
                    MATRIX(*to, (b * n + i) * after + c, (b * n + j) * after + c) +=
                        MATRIX(*a, i, j);
}

/* The arrival rate of one class in every arrival phase, over its mean; and its part of all. */
static void class_rates(struct system *s, size_t class, size_t before, size_t after)
{
    const struct phased_class *c = &s->phased->classes[class];
    const struct matrix *d1 = &s->classes[class].d1;
    double mean = c->rate * (double)c->count / c->size;
    double *all = s->rates + s->phased->n_classes * s->n;
    for (size_t i = 0; i < d1->rows; i++) {
        double rate = 0;
        for (size_t j = 0; j < d1->rows; j++)
            rate += MATRIX(*d1, i, j);
        for (size_t b = 0; b < before; b++)
            for (size_t a = 0; a < after; a++) {
                size_t phase = (b * d1->rows + i) * after + a;
                s->rates[class * s->n + phase] = rate / mean;
                all[phase] += rate / s->phased->container_rate;
            }
    }
}

/* A0 = D1 (x) I, A1 = D0 (+) S, A2 = I (x) s sigma, B1 = D0 (x) I */
static void system_blocks(struct system *s)
{
    const struct phases *service = &s->phased->service;
    size_t m = service->n, before = 1, after = s->n;
    for (size_t i = 0; i < s->phased->n_classes; i++) {
        size_t n = s->classes[i].d0.rows;
        after /= n;
        add_between(&s->quasi.a0, before, &s->classes[i].d1, after * m);
        add_between(&s->quasi.b1, before, &s->classes[i].d0, after * m);
        class_rates(s, i, before, after);
        before *= n;
    }
    matrix_copy(&s->quasi.a1, &s->quasi.b1);
    for (size_t a = 0; a < s->n; a++)
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < m; j++) {
                MATRIX(s->quasi.a1, a * m + i, a * m + j) += service->rates[i][j];
                MATRIX(s->quasi.a2, a * m + i, a * m + j) = service->leave[i] * service->start[j];
            }
}

/* Laws of waits (of each class, at last of all) and sojourns, from the number of containers. */
static int solve_levels(struct system *s, struct waiting *waits, struct waiting *sojourns)
{
    size_t n = s->phased->n_classes;
    const double **kinds = calloc(n + 1, sizeof(*kinds));
    int err = kinds ? 0 : -ENOMEM;
    for (size_t i = 0; !err && i <= n; i++)
        kinds[i] = s->rates + i * s->n;
    system_blocks(s);
    if (!err)
        err = quasi_solve(&s->quasi);
    if (!err)
        err = waiting_solve(&s->quasi, &s->phased->service, kinds, n + 1, 0, waits, sojourns);
    free(kinds);
    return err;
}

/* The same from the age of the container in service; the last sojourn stays empty. */
static int solve_ages(struct system *s, struct waiting *waits, struct waiting *sojourns)
{
    size_t n = s->phased->n_classes, before = 1, after = s->n;
    struct matrix d0 = {0}, *d1 = calloc(n, sizeof(*d1));
    struct age_class *classes = calloc(n, sizeof(*classes));
    int err = classes && d1 ? matrix_init(&d0, s->n, s->n) : -ENOMEM;
    for (size_t i = 0; !err && i < n; i++) {
        size_t own = s->classes[i].d0.rows;
        after /= own;
        err = matrix_init(&d1[i], s->n, s->n);
        if (err)
            break;
        add_between(&d0, before, &s->classes[i].d0, after);
        add_between(&d1[i], before, &s->classes[i].d1, after);
        classes[i] = (struct age_class){&d1[i], &s->phased->classes[i].service};
        before *= own;
    }
    if (!err)
        err = age_solve(&d0, classes, n, waits, sojourns);
    for (size_t i = 0; d1 && i < n; i++)
        matrix_free(&d1[i]);
    matrix_free(&d0);
    free(d1);
    free(classes);
    return err;
}

static int system_answer(struct system *s, const struct query *query, struct answer *ret)
{
    size_t n = s->phased->n_classes;
    const struct waiting **laws = calloc(2 * n, sizeof(*laws));
    struct waiting *waits = calloc(2 * (n + 1), sizeof(*waits)), *sojourns = waits + n + 1;
    int err = laws && waits ? 0 : -ENOMEM;
    if (!err)
        err = s->phased->alike ? solve_levels(s, waits, sojourns) : solve_ages(s, waits, sojourns);
    for (size_t i = 0; !err && i < n; i++) {
        laws[i] = &waits[i];
        laws[n + i] = &sojourns[i];
    }
    if (!err)
        phased_answer(s->phased, query, &waits[n], laws, laws + n, ret);
    for (size_t i = 0; waits && i < 2 * (n + 1); i++)
        waiting_free(&waits[i]);
    free(laws);
    free(waits);
    return err;
}

static int solve_phased(const struct phased *phased, const struct query *query, struct answer *ret)
{
    struct system system;
    int err = system_init(&system, phased);
    if (!err)
        err = system_answer(&system, query, ret);
    system_free(&system);
    return err == -EDOM ? -ENOTSUP : err;
}

int exact_solve(const struct query *query, const struct method_options *options, struct answer *ret,
                uint64_t *ret_phases)
{
    return phased_solve(query, options, count_phases, solve_phased, ret, ret_phases);
}
