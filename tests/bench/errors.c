// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/errors.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MAX 64

/* What the processes share. Untouched parts of `found` take no memory. */
struct shared {
    _Atomic uint32_t next; /* case */
    struct errors found[]; /* of each process, one after the other */
};

void errors_add(struct errors *errors, double got, double wanted, double least, uint32_t at)
{
    if (wanted > least && errors->n < ERRORS_MAX)
        errors->values[errors->n++] = (struct error_value){fabs(got / wanted - 1), at};
}

static int value_compare(const void *a, const void *b)
{
    const struct error_value *x = a, *y = b;
    int by_error = (x->error > y->error) - (x->error < y->error);
    return by_error ? by_error : (x->at > y->at) - (x->at < y->at);
}

/* One line for each tenth, on stderr: the tables are for stdout. */
static void progress(uint32_t i, uint32_t cases)
{
    if (i * 10 / cases != (i + 1) * 10 / cases)
        fprintf(stderr, "case %u of %u\n", i + 1, cases);
}

static int work(struct shared *shared, uint32_t cases, struct errors *found, errors_case *of,
                void *context)
{
    for (uint32_t i; (i = atomic_fetch_add(&shared->next, 1)) < cases;) {
        int error = of(context, i, found);
        if (error)
            return error;
        progress(i, cases);
    }
    return 0;
}

static uint32_t processes(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > PROCESSES_MAX ? PROCESSES_MAX : (uint32_t)n;
}

static bool wait_all(const pid_t *children, uint32_t n)
{
    bool well = true;
    for (uint32_t i = 0; i < n; i++) {
        int status = -1;
        if (children[i] > 0)
            waitpid(children[i], &status, 0);
        well &= status == 0;
    }
    return well;
}

static bool run_all(struct shared *shared, uint32_t n, uint32_t cases, uint32_t quantities,
                    errors_case *of, void *context)
{
    pid_t children[PROCESSES_MAX];
    fflush(NULL);
    for (uint32_t i = 0; i < n; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            int error = prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (!error)
                error = work(shared, cases, &shared->found[i * quantities], of, context);
            _exit(error ? 1 : 0);
        }
    }
    return wait_all(children, n);
}

static void gather(const struct shared *shared, uint32_t n, uint32_t quantities, struct errors *ret)
{
    for (uint32_t i = 0; i < n * quantities; i++) {
        const struct errors *from = &shared->found[i];
        struct errors *to = &ret[i % quantities];
        uint32_t more = from->n < ERRORS_MAX - to->n ? from->n : ERRORS_MAX - to->n;
        memcpy(to->values + to->n, from->values, more * sizeof(*from->values));
        to->n += more;
    }
    for (uint32_t i = 0; i < quantities; i++)
        qsort(ret[i].values, ret[i].n, sizeof(ret[i].values[0]), value_compare);
}

struct errors *errors_collect(uint32_t cases, uint32_t quantities, errors_case *of, void *context)
{
    uint32_t n = processes();
    struct errors *ret = calloc(quantities, sizeof(*ret));
    size_t bytes = sizeof(struct shared) + (size_t)n * quantities * sizeof(struct errors);
    struct shared *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bool well = ret && shared != MAP_FAILED && run_all(shared, n, cases, quantities, of, context);
    if (well)
        gather(shared, n, quantities, ret);
    if (shared != MAP_FAILED)
        munmap(shared, bytes);
    if (!well) {
        free(ret);
        return NULL;
    }
    return ret;
}

double errors_quantile(const struct errors *errors, double p)
{
    return errors->n ? errors->values[(size_t)(p * (errors->n - 1))].error : 0;
}

static int percent(double value, char *at, size_t room)
{
    return snprintf(at, room, value < 0.0995 ? "%.2g" : "%.0f", 100 * value);
}

void errors_cell(const struct errors *errors, char ret[ERRORS_CELL])
{
    static const double quantiles[] = {0.5, 0.95, 1};
    int at = 0;
    for (int i = 0; i < 3; i++) {
        if (i)
            at += snprintf(ret + at, ERRORS_CELL - (size_t)at, " / ");
        at += percent(errors_quantile(errors, quantiles[i]), ret + at, ERRORS_CELL - (size_t)at);
    }
}

void errors_json(const struct errors *errors, const char *name, json_t *into)
{
    json_int_t worst = errors->n ? errors->values[errors->n - 1].at : 0;
    json_object_set_new(into, name,
                        json_pack("{s:I,s:f,s:f,s:f,s:I}", "n", (json_int_t)errors->n, "median",
                                  errors_quantile(errors, 0.5), "p95",
                                  errors_quantile(errors, 0.95), "worst",
                                  errors_quantile(errors, 1), "worst_case", worst));
}
