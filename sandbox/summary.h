// SPDX-License-Identifier: GPL-2.0-or-later
/* What a demo came to: for people, and as JSON for docs/measurements.md. */
#ifndef XENAGG_SANDBOX_SUMMARY_H
#define XENAGG_SANDBOX_SUMMARY_H

#include <stdbool.h>
#include <stdio.h>

#include "common/store.h"
#include "sandbox/losses.h"
#include "sandbox/record.h"
#include "sandbox/traffic.h"

#define SUMMARY_PROGRAMS 8u
#define SUMMARY_FAULTS 16u

struct summary {
    double seconds; /* that traffic ran */
    const struct record *record;
    struct summary_guest {
        struct traffic_counts counts;
        struct losses losses;
        char scope[16];
        char state[16];
        double promise_ratio; /* promise by least delay, the largest after calibration; or NAN */
    } guests[PLAN_GUESTS];
    struct summary_program {
        char name[32];
        double cpu_share; /* of one core */
        double resident;  /* bytes */
    } programs[SUMMARY_PROGRAMS];
    unsigned n_programs;
    double tick_mean_us, tick_max_us; /* of the daemon */
    char database[256];
    /* Why the loop did not do its job; none: it did. */
    char faults[SUMMARY_FAULTS][160];
    unsigned n_faults;
};

void summary_fault(struct summary *summary, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Looks for faults in packets, retuning and the promise that can't be kept. */
void summary_judge(struct summary *summary);

void summary_print(const struct summary *summary, FILE *file);
/* xenagg's part of xenstore, as xenstore-ls shows it. */
void summary_print_store(struct store *store, FILE *file);
/* Questions to the history, with what it answers. */
void summary_print_history(const char *database, FILE *file);
/* 0 or -errno. */
int summary_write_json(const struct summary *summary, const char *path);

#endif
