// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Relative errors of several quantities over many cases, worked out on all
 * cores. The results do not depend on how many there are.
 */
#ifndef XENAGG_BENCH_ERRORS_H
#define XENAGG_BENCH_ERRORS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define ERRORS_MAX 131072

struct error_value {
    double error;
    uint32_t at; /* the case */
};

/* One quantity. More than ERRORS_MAX values are left out. */
struct errors {
    uint32_t n;
    struct error_value values[ERRORS_MAX];
};

/* |got / wanted - 1|. Takes no part: wanted of `least` and below. */
void errors_add(struct errors *errors, double got, double wanted, double least, uint32_t at);

/* Adds to errors[0..quantities-1] what is to be said of case `index`. 0, or -errno: stop. */
typedef int errors_case(void *context, uint32_t index, struct errors *errors);

/*
 * Cases 0..cases-1, each in some process that is a copy of this one. Returns
 * the quantities, to be freed, sorted; NULL: out of memory, or a case failed.
 */
struct errors *errors_collect(uint32_t cases, uint32_t quantities, errors_case *of, void *context);

/* What is sorted: p in 0..1; 0 where there is none. */
double errors_quantile(const struct errors *errors, double p);
/* "median / 95 % / worst" in per cent, as in a table. */
#define ERRORS_CELL 48
void errors_cell(const struct errors *errors, char ret[ERRORS_CELL]);
void errors_json(const struct errors *errors, const char *name, json_t *into);

#endif
