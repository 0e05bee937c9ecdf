// SPDX-License-Identifier: GPL-2.0-or-later
#include "backend/report.h"

#include <string.h>

#include "common/clock.h"
#include "common/epoch.h"
#include "common/log.h"
#include "datapath/tuning.h"

/* All of a report but its epoch and the sizes in force are counters of 64 bits. */
#define REPORT_WORDS (offsetof(struct guest_report, tuning) / sizeof(uint64_t))

static bool counters_grow(const struct guest_report *now, const struct guest_report *before)
{
    uint64_t a[REPORT_WORDS], b[REPORT_WORDS];

    memcpy(a, now, sizeof(a));
    memcpy(b, before, sizeof(b));
    for (size_t i = 1; i < REPORT_WORDS; i++) /* word 0 holds the epoch */
        if (a[i] < b[i])
            return false;
    return true;
}

static bool time_fits(uint64_t ns, uint64_t before_ns, uint64_t n, uint64_t before_n)
{
    uint64_t longest;

    return !__builtin_mul_overflow(n - before_n, REPORT_LONGEST_NS, &longest) &&
           ns - before_ns <= longest;
}

bool report_fits(const struct guest_report *now, const struct guest_report *before)
{
    const struct segment_pack *pack = &now->pack, *pack_before = &before->pack;
    const struct segment_unload *unload = &now->unload, *unload_before = &before->unload;

    return counters_grow(now, before) &&
           time_fits(pack->read_ns, pack_before->read_ns, pack->reads, pack_before->reads) &&
           time_fits(pack->port_wait_ns, pack_before->port_wait_ns, pack->packets,
                     pack_before->packets) &&
           time_fits(pack->publish.sum_t, pack_before->publish.sum_t, pack->publish.n,
                     pack_before->publish.n) &&
           time_fits(unload->unload.sum_t, unload_before->unload.sum_t, unload->unload.n,
                     unload_before->unload.n) &&
           time_fits(unload->place_ns, unload_before->place_ns, unload->packets + unload->refused,
                     unload_before->packets + unload_before->refused) &&
           time_fits(now->sleep.late_ns, before->sleep.late_ns, now->sleep.late_n,
                     before->sleep.late_n) &&
           time_fits(now->sleep.wake_ns, before->sleep.wake_ns, now->sleep.wake_n,
                     before->sleep.wake_n);
}

static void mean_update(uint64_t *mean, uint64_t ns, uint64_t n)
{
    if (n)
        *mean = *mean ? *mean - *mean / 4 + ns / n / 4 : ns / n;
}

static void guest_take(struct report *report)
{
    struct guest_report now;
    const struct guest_report *before = &report->guest;

    if (epoch_read(&report->page->report, &now, sizeof(now)) < 0)
        return; /* the guest writes without a pause: its own loss */
    if (!report_fits(&now, before)) {
        if (!report->distrusted)
            log_guest(LOG_WARNING, "report", report->shown.domid, report->shown.handle,
                      "the guest's figures can't be true; its last good ones are kept");
        report->distrusted = true;
        return;
    }
    mean_update(&report->guest_place_ns, now.unload.place_ns - before->unload.place_ns,
                now.unload.packets - before->unload.packets);
    mean_update(&report->guest_port_ns, now.pack.port_wait_ns - before->pack.port_wait_ns,
                now.pack.packets - before->pack.packets);
    report->guest = now;
}

static struct segment_tuning tuning_shown(tuning_word *word)
{
    struct keys_tuning tuning = tuning_load(word);

    return (struct segment_tuning){
        .packets = tuning.packets, .timeout_us = tuning.timeout_us, .bytes = tuning.bytes};
}

void report_export(void *context, struct link *link, const struct segment_sleep *sleep)
{
    struct report *report = context;
    struct segment_interface *shown = &report->shown;

    (void)sleep;
    guest_take(report);
    link->packer.delay_beyond_ns = echo_one_way(&link->echo) + report->guest_place_ns;
    link->unloader.delay_before_ns = report->guest_port_ns;
    shown->in_use = 1;
    shown->updated_ns = clock_ns();
    shown->rx.pack = link->packer.stats;
    shown->rx.unload = report->guest.unload;
    shown->rx.tuning = tuning_shown(report->tuning);
    shown->rx.delay = *link->delay_out;
    shown->tx.pack = report->guest.pack;
    shown->tx.unload = link->unloader.stats;
    shown->tx.tuning = report->guest.tuning;
    shown->tx.delay = *link->delay_in;
    shown->guest = report->guest.sleep;
    shown->port_dropped = atomic_load_explicit(&report->port_dropped, memory_order_relaxed);
    shown->echo_n = link->echo.count;
    shown->echo_ns = link->echo.sum_ns;
    shown->echo_max_ns = link->echo.max_ns;
    segment_write_interface(report->segment, report->slot, shown);
}

void report_clear(struct report *report)
{
    struct segment_interface none = {.updated_ns = clock_ns()};

    segment_write_interface(report->segment, report->slot, &none);
}
