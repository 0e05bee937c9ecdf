// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/unloader.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

/* Packets between two looks at the clock. */
#define CHECK_PACKETS 16u
/* Delays computed for a container at most: a guest chooses how many packets it holds. */
#define DELAY_SAMPLES 64u

int unloader_init(struct unloader *unloader, const struct unloader_options *options)
{
    uint8_t *memory = malloc(CONTAINER_BYTES_MAX);

    if (!memory)
        return -ENOMEM;
    *unloader = (struct unloader){
        .channel = options->channel,
        .echo = options->echo,
        .delay = options->delay,
        .memory = memory,
        .empty_ns = clock_ns(),
    };
    ring_init(&unloader->ring, options->shared, options->pages, options->n_pages);
    return 0;
}

void unloader_free(struct unloader *unloader)
{
    free(unloader->memory);
    unloader->memory = NULL;
}

static void unloader_break(struct unloader *unloader, const char *what)
{
    unloader->stats.malformed++;
    unloader->broken = what;
}

static void sequence_note(struct unloader *unloader, uint32_t sequence)
{
    if (unloader->sequenced)
        unloader->stats.lost += sequence - unloader->sequence;
    unloader->sequenced = true;
    unloader->sequence = sequence + 1;
}

/* The whole container has arrived, or nobody published it: containers are published whole. */
static bool container_copy(struct unloader *unloader, int64_t available)
{
    struct container_header header;

    if (available < (int64_t)sizeof(header)) {
        unloader_break(unloader, "less than a container's header in the ring");
        return false;
    }
    ring_copy(&unloader->ring, &header, sizeof(header));
    if (container_check(&header) < 0 || container_padded(header.bytes) > available) {
        unloader_break(unloader, "a container's header does not fit");
        return false;
    }
    ring_copy(&unloader->ring, unloader->memory, header.bytes);
    /* The copy is what counts: the peer may have changed the ring's since. */
    if (container_open(&unloader->reader, unloader->memory, header.bytes) < 0) {
        unloader_break(unloader, "a container's header changed while it was read");
        return false;
    }
    return true;
}

/* Takes the next container into private memory, and gives its room back at once. */
static bool container_take_next(struct unloader *unloader)
{
    int64_t available = ring_available(&unloader->ring);
    uint64_t now = clock_ns();

    if (available < 0)
        unloader_break(unloader, "the producer's index is impossible");
    if (available == 0)
        unloader->empty_ns = now;
    if (available <= 0 || !container_copy(unloader, available))
        return false;
    if (ring_release(&unloader->ring, container_padded(unloader->reader.header.bytes)))
        hv_channel_notify(unloader->channel);
    unloader->taken_ns = now;
    unloader->busy_ns = 0;
    unloader->done = 0;
    unloader->unloading = true;
    unloader->stats.ring_wait_bound_ns += now - unloader->empty_ns;
    sequence_note(unloader, unloader->reader.header.sequence);
    echo_take(unloader->echo, &unloader->reader.header, now);
    return true;
}

static void entry_write(struct unloader *unloader, struct port *port,
                        const struct container_entry *entry)
{
    struct iovec frame[2] = {{(void *)entry->ethernet, CONTAINER_ETHERNET},
                             {(void *)entry->payload, entry->payload_bytes}};

    unloader->done++;
    /* Super-frames were not announced by this end: refused, the rest goes on. */
    if (entry->kind == CONTAINER_SUPER) {
        unloader->stats.refused++;
        return;
    }
    port_write(port, frame);
    unloader->stats.packets++;
    unloader->stats.bytes += CONTAINER_ETHERNET + entry->payload_bytes;
    unloader->stats.bytes_sq += segment_square(CONTAINER_ETHERNET + entry->payload_bytes);
}

/*
 * Fill wait of packet i of n: from `open` for the first down to 0 for the last,
 * by the power of the way that gives the mean the sender measured: evenly where
 * packets came one by one (half of `open`), all alike where they came at once.
 */
static double fill_estimate(const struct container_header *header, uint32_t i)
{
    double open = header->open_ns, mean = fmin(header->fill_ns, open);

    if (header->count == 1 || mean <= 0)
        return mean;
    return open * pow(1 - (double)i / (header->count - 1), open / mean - 1);
}

static void delays_add(struct unloader *unloader, uint64_t elapsed_ns)
{
    const struct container_header *header = &unloader->reader.header;
    uint64_t before = unloader->delay_before_ns + echo_one_way(unloader->echo);
    uint32_t step = (header->count + DELAY_SAMPLES - 1) / DELAY_SAMPLES;

    unloader->stats.fill_ns += (uint64_t)header->fill_ns * header->count;
    for (uint32_t i = 0; unloader->delay && i < header->count; i += step) {
        uint32_t n = header->count - i < step ? header->count - i : step, middle = i + n / 2;
        histogram_add(unloader->delay,
                      before + (uint64_t)fill_estimate(header, middle) +
                          elapsed_ns * (middle + 1) / header->count,
                      n);
    }
}

static void container_done(struct unloader *unloader)
{
    uint64_t elapsed = clock_ns() - unloader->taken_ns;
    uint64_t n = unloader->reader.header.count;

    unloader->unloading = false;
    unloader->stats.containers++;
    unloader->stats.place_ns += elapsed * (n + 1) / 2;
    segment_line_add(&unloader->stats.unload, n, unloader->busy_ns);
    delays_add(unloader, elapsed);
}

/* Packets until the container's end or the time is up: container_next's last answer. */
static int entries_write(struct unloader *unloader, struct port *port, uint64_t until_ns)
{
    struct container_entry entry;
    int more;

    while ((more = container_next(&unloader->reader, &entry)) > 0) {
        entry_write(unloader, port, &entry);
        if (unloader->done % CHECK_PACKETS == 0 && clock_ns() >= until_ns)
            break;
    }
    struct batch_refused refused = port_flush(port);
    unloader->stats.refused += refused.frames;
    unloader->stats.packets -= refused.frames;
    unloader->stats.bytes -= refused.bytes;
    unloader->stats.bytes_sq -= refused.bytes_sq;
    return more;
}

static void container_unload_some(struct unloader *unloader, struct port *port, uint64_t until_ns)
{
    uint64_t start = unloader->done ? clock_ns() : unloader->taken_ns;
    int more = entries_write(unloader, port, until_ns);

    unloader->busy_ns += clock_ns() - start;
    if (more < 0)
        unloader_break(unloader, "a container's entry does not fit");
    else if (more == 0)
        container_done(unloader);
}

bool unloader_run(struct unloader *unloader, struct port *port, uint64_t until_ns)
{
    bool worked = false;

    while (!unloader->broken) {
        if (!unloader->unloading && !container_take_next(unloader))
            break;
        worked = true;
        container_unload_some(unloader, port, until_ns);
        if (clock_ns() >= until_ns)
            break;
    }
    return worked;
}

bool unloader_sleep(struct unloader *unloader)
{
    return !unloader->unloading && ring_sleep(&unloader->ring);
}

void unloader_wake(struct unloader *unloader)
{
    ring_wake(&unloader->ring);
}
