// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sampler {
    char *path;
    struct segment *segment;           /* NULL: none open */
    uint64_t start_ns;                 /* of the backend that was sampled last; 0: none yet */
    struct segment_interface **before; /* by slot; NULL: none yet */
    struct segment_worker *workers_before;
    struct sample_interface *interfaces;
    size_t room;
    struct sample_worker workers[SEGMENT_WORKERS];
};

int sampler_create(const char *path, struct sampler **ret)
{
    struct sampler *sampler = calloc(1, sizeof(*sampler));

    if (!sampler)
        return -ENOMEM;
    sampler->path = strdup(path);
    sampler->before = calloc(SEGMENT_INTERFACES, sizeof(*sampler->before));
    sampler->workers_before = calloc(SEGMENT_WORKERS, sizeof(*sampler->workers_before));
    if (!sampler->path || !sampler->before || !sampler->workers_before) {
        sampler_destroy(sampler);
        return -ENOMEM;
    }
    *ret = sampler;
    return 0;
}

static void before_forget(struct sampler *sampler)
{
    for (uint32_t slot = 0; slot < SEGMENT_INTERFACES; slot++) {
        free(sampler->before[slot]);
        sampler->before[slot] = NULL;
    }
    memset(sampler->workers_before, 0, SEGMENT_WORKERS * sizeof(*sampler->workers_before));
}

void sampler_destroy(struct sampler *sampler)
{
    if (!sampler)
        return;
    segment_close(sampler->segment);
    if (sampler->before)
        before_forget(sampler);
    free(sampler->before);
    free(sampler->workers_before);
    free(sampler->interfaces);
    free(sampler->path);
    free(sampler);
}

/* The backend's present segment is open afterwards, or none. */
static int sampler_open(struct sampler *sampler, bool *ret_restarted)
{
    if (sampler->segment && !segment_is_current(sampler->segment)) {
        segment_close(sampler->segment);
        sampler->segment = NULL;
    }
    if (sampler->segment)
        return 0;
    int error = segment_open(sampler->path, &sampler->segment);
    if (error)
        return error;
    uint64_t start_ns = segment_head(sampler->segment)->start_ns;
    *ret_restarted = sampler->start_ns && sampler->start_ns != start_ns;
    sampler->start_ns = start_ns;
    before_forget(sampler);
    return 0;
}

/* All these are rows of 64-bit counters, nothing else. */
static void subtract(void *ret, const void *now, const void *before, size_t size)
{
    uint64_t *difference = ret;
    const uint64_t *newer = now, *older = before;

    for (size_t i = 0; i < size / sizeof(uint64_t); i++)
        difference[i] = newer[i] - older[i];
}
_Static_assert(sizeof(struct segment_line) == 6 * sizeof(uint64_t), "counters only");
_Static_assert(sizeof(struct segment_sleep) == 9 * sizeof(uint64_t), "counters only");
_Static_assert(sizeof(struct segment_unload) % sizeof(uint64_t) == 0, "counters only");
_Static_assert(sizeof(struct segment_pack) % sizeof(uint64_t) == 0, "counters only");

static void subtract_lane(const struct segment_lane *now, const struct segment_lane *before,
                          struct segment_lane *ret)
{
    subtract(&ret->pack, &now->pack, &before->pack, sizeof(ret->pack));
    subtract(&ret->unload, &now->unload, &before->unload, sizeof(ret->unload));
    histogram_difference(&now->delay, &before->delay, &ret->delay);
    ret->tuning = now->tuning;
}

void sample_subtract(const struct segment_interface *now, const struct segment_interface *before,
                     struct segment_interface *ret)
{
    *ret = (struct segment_interface){
        .in_use = now->in_use,
        .domid = now->domid,
        .handle = now->handle,
        .worker = now->worker,
        .generation = now->generation,
        .updated_ns = now->updated_ns,
        .port_dropped = now->port_dropped - before->port_dropped,
        .echo_n = now->echo_n - before->echo_n,
        .echo_ns = now->echo_ns - before->echo_ns,
        .echo_max_ns = now->echo_max_ns,
    };
    subtract_lane(&now->rx, &before->rx, &ret->rx);
    subtract_lane(&now->tx, &before->tx, &ret->tx);
    subtract(&ret->guest, &now->guest, &before->guest, sizeof(ret->guest));
}

static double seconds_between(uint64_t later_ns, uint64_t earlier_ns)
{
    return later_ns > earlier_ns ? (double)(later_ns - earlier_ns) * 1e-9 : 0;
}

static bool same_life(const struct segment_interface *a, const struct segment_interface *b)
{
    return a->generation == b->generation && a->domid == b->domid && a->handle == b->handle;
}

/* Room for one more interface, and for what its slot held. 0 or -ENOMEM. */
static int slot_room(struct sampler *sampler, uint32_t slot, size_t n)
{
    if (n == sampler->room) {
        size_t room = sampler->room ? 2 * sampler->room : 8;
        void *more = reallocarray(sampler->interfaces, room, sizeof(*sampler->interfaces));
        if (!more)
            return -ENOMEM;
        sampler->interfaces = more;
        sampler->room = room;
    }
    if (!sampler->before[slot]) {
        sampler->before[slot] = calloc(1, sizeof(*sampler->before[slot]));
        if (!sampler->before[slot])
            return -ENOMEM;
    }
    return 0;
}

static void slot_forget(struct sampler *sampler, uint32_t slot)
{
    free(sampler->before[slot]);
    sampler->before[slot] = NULL;
}

static int slot_take(struct sampler *sampler, uint32_t slot, uint64_t now_ns, size_t *n)
{
    struct segment_interface now;
    int error = segment_read_interface(sampler->segment, slot, &now);

    if (error == -ENOENT)
        slot_forget(sampler, slot);
    if (error) /* -EAGAIN: this one is in the next sample */
        return 0;
    error = slot_room(sampler, slot, *n);
    if (error)
        return error;
    struct segment_interface *before = sampler->before[slot];
    struct sample_interface *taken = &sampler->interfaces[(*n)++];
    if (before->in_use && same_life(before, &now)) {
        taken->seconds = seconds_between(now.updated_ns, before->updated_ns);
        sample_subtract(&now, before, &taken->delta);
    } else {
        taken->seconds = 0;
        sample_subtract(&now, &now, &taken->delta);
    }
    taken->age = seconds_between(now_ns, now.updated_ns);
    *before = now;
    return 0;
}

static void worker_take(struct sampler *sampler, uint32_t slot, size_t *n)
{
    struct segment_worker now, *before = &sampler->workers_before[slot];

    if (segment_read_worker(sampler->segment, slot, &now))
        return;
    struct sample_worker *taken = &sampler->workers[(*n)++];
    const struct segment_worker *from = before->in_use ? before : &now;
    taken->worker = slot;
    taken->seconds = seconds_between(now.updated_ns, from->updated_ns);
    taken->delta = now;
    subtract(&taken->delta.sleep, &now.sleep, &from->sleep, sizeof(now.sleep));
    *before = now;
}

int sampler_take(struct sampler *sampler, uint64_t now_ns, struct sample *ret)
{
    struct sample sample = {.at_ns = now_ns};

    *ret = sample;
    int error = sampler_open(sampler, &sample.restarted);
    for (uint32_t slot = 0; !error && slot < SEGMENT_INTERFACES; slot++)
        error = slot_take(sampler, slot, now_ns, &sample.n_interfaces);
    if (error)
        return error;
    for (uint32_t slot = 0; slot < SEGMENT_WORKERS; slot++)
        worker_take(sampler, slot, &sample.n_workers);
    sample.interfaces = sampler->interfaces;
    sample.workers = sampler->workers;
    *ret = sample;
    return 0;
}
