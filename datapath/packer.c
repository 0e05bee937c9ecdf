// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/packer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

int packer_init(struct packer *packer, const struct packer_options *options)
{
    uint8_t *memory = malloc(CONTAINER_MEMORY);
    uint32_t *arrivals = calloc(CONTAINER_COUNT_MAX, sizeof(*arrivals));

    if (!memory || !arrivals) {
        free(memory);
        free(arrivals);
        return -ENOMEM;
    }
    *packer = (struct packer){
        .channel = options->channel,
        .echo = options->echo,
        .tuning = options->tuning,
        .delay = options->delay,
        .arrivals = arrivals,
        .bin_start_ns = clock_ns(),
    };
    ring_init(&packer->ring, options->shared, options->pages, options->n_pages);
    container_begin(&packer->builder, memory);
    return 0;
}

void packer_free(struct packer *packer)
{
    free(packer->builder.memory);
    free(packer->arrivals);
    packer->builder.memory = NULL;
    packer->arrivals = NULL;
}

/* --- publishing ---------------------------------------------------------- */

/* Into the delay histogram: each packet of the container that was published at `now_ns`. */
static void delays_add(struct packer *packer, uint64_t now_ns)
{
    uint64_t first = now_ns - packer->first_arrival_ns + packer->delay_beyond_ns;

    for (uint32_t i = 0; packer->delay && i < packer->builder.count; i++)
        histogram_add(packer->delay, first > packer->arrivals[i] ? first - packer->arrivals[i] : 0,
                      1);
}

static void published(struct packer *packer, uint64_t start_ns)
{
    uint64_t now = clock_ns();

    packer->stats.containers++;
    packer->stats.published_packets += packer->builder.count;
    packer->stats.publish_wait_ns += start_ns - packer->closed_ns;
    segment_line_add(&packer->stats.publish, packer->builder.count, now - start_ns);
    delays_add(packer, now);
    packer->pending = false;
    container_begin(&packer->builder, packer->builder.memory);
}

/* True: published. False: no room, or the peer's index is impossible. */
static bool container_publish(struct packer *packer)
{
    uint32_t padded = container_padded(packer->builder.bytes);
    int64_t room = ring_room(&packer->ring);
    uint64_t start = clock_ns();
    struct container_header header = {
        .sequence = packer->sequence, .open_ns = packer->open_ns, .fill_ns = packer->fill_ns};

    packer->broken |= room < 0;
    if (room < padded)
        return false;
    echo_give(packer->echo, &header, start);
    container_finish(&packer->builder, &header);
    ring_write(&packer->ring, packer->builder.memory, padded);
    packer->sequence++;
    if (ring_publish(&packer->ring)) {
        hv_channel_notify(packer->channel);
        packer->stats.notified++;
    } else {
        packer->stats.spared++;
    }
    published(packer, start);
    return true;
}

/* --- closing ------------------------------------------------------------- */

static uint32_t saturate(uint64_t ns)
{
    return ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static void container_close(struct packer *packer, enum closing reason, uint64_t now_ns)
{
    uint64_t open = now_ns - packer->opened_ns;
    uint64_t fill = open * packer->builder.count - packer->read_sum_ns;

    packer->stats.closed[reason]++;
    packer->stats.fill_ns += fill;
    packer->open_ns = saturate(open);
    packer->fill_ns = saturate(fill / packer->builder.count);
    packer->closed_ns = now_ns;
    packer->pending = true;
    container_publish(packer);
}

/* The frame in the slot becomes the next entry. */
static void frame_take(struct packer *packer, uint32_t length, uint64_t read_ns,
                       uint64_t arrival_ns)
{
    if (packer->builder.count == 0) {
        packer->opened_ns = read_ns;
        packer->first_arrival_ns = arrival_ns;
        packer->read_sum_ns = 0;
    }
    uint64_t after =
        arrival_ns > packer->first_arrival_ns ? arrival_ns - packer->first_arrival_ns : 0;
    packer->arrivals[packer->builder.count] = saturate(after);
    packer->read_sum_ns += read_ns - packer->opened_ns;
    if (container_take(&packer->builder, length) == CONTAINER_OWN)
        packer->stats.own_header++;
}

static void carry_take(struct packer *packer)
{
    if (!packer->carried || packer->pending)
        return;
    container_load(&packer->builder, packer->carry, packer->carried);
    frame_take(packer, packer->carried, packer->carried_read_ns, packer->carried_arrival_ns);
    packer->carried = 0;
}

/* Closes by count or by timeout where that is due; what was carried begins the next one. */
static void close_due(struct packer *packer, uint64_t due_ns)
{
    struct keys_tuning tuning = tuning_load(packer->tuning);

    if (packer->pending || packer->builder.count == 0)
        return;
    if (packer->builder.count >= tuning.packets)
        container_close(packer, CLOSING_COUNT, clock_ns());
    else if (due_ns >= packer->opened_ns + tuning.timeout_us * 1000ull)
        container_close(packer, CLOSING_TIMEOUT, clock_ns());
    carry_take(packer);
}

/* --- reading ------------------------------------------------------------- */

static void bins_advance(struct packer *packer, uint64_t now_ns)
{
    if (now_ns < packer->bin_start_ns + SEGMENT_BIN_NS)
        return;
    uint64_t bins = (now_ns - packer->bin_start_ns) / SEGMENT_BIN_NS;
    uint64_t count = packer->bin_packets;
    packer->stats.bins += bins;
    packer->stats.bin_packets += count;
    packer->stats.bin_packets_squared += count * count;
    packer->bin_start_ns += bins * SEGMENT_BIN_NS;
    packer->bin_packets = 0;
}

/* When a frame that was read now probably came. */
static uint64_t arrival_estimate(const struct packer_view *view)
{
    if (view->woken_late_ns)
        return view->latest_ns - view->woken_late_ns;
    return view->empty_ns + (view->latest_ns - view->empty_ns) / 2;
}

static void frame_count(struct packer *packer, uint32_t length, uint64_t now_ns,
                        uint64_t arrival_ns, const struct packer_view *view)
{
    bins_advance(packer, now_ns);
    packer->bin_packets++;
    packer->stats.packets++;
    packer->stats.bytes += length;
    packer->stats.bytes_sq += segment_square(length);
    packer->stats.port_wait_ns += now_ns - arrival_ns;
    packer->stats.port_wait_bound_ns += now_ns - view->empty_ns;
}

/* A frame lies in the slot. */
static void frame_accept(struct packer *packer, uint32_t length, uint64_t now,
                         const struct packer_view *view)
{
    struct keys_tuning tuning = tuning_load(packer->tuning);
    uint64_t arrival = arrival_estimate(view);

    frame_count(packer, length, now, arrival, view);
    if (packer->builder.count == 0 || container_fits(&packer->builder, length, tuning.bytes)) {
        frame_take(packer, length, now, arrival);
    } else {
        container_unload(&packer->builder, packer->carry, length);
        packer->carried = length;
        packer->carried_read_ns = now;
        packer->carried_arrival_ns = arrival;
        container_close(packer, CLOSING_BYTES, now);
        carry_take(packer);
    }
    close_due(packer, now);
}

static bool stalled(const struct packer *packer, uint64_t now_ns)
{
    return packer->pending && now_ns - packer->closed_ns > PACKER_STALL_NS;
}

/* `length` bytes lie in the slot; they may be no frame of ours, or have nowhere to go. */
static void frame_judge(struct packer *packer, ssize_t length, uint64_t now,
                        const struct packer_view *view)
{
    if (packer->pending)
        packer->stats.dropped_ring_full++;
    else if (length < (ssize_t)CONTAINER_FRAME_MIN || length > (ssize_t)CONTAINER_FRAME_MAX)
        packer->stats.dropped_size++;
    else
        frame_accept(packer, (uint32_t)length, now, view);
}

bool packer_read(struct packer *packer, struct port *port, const struct packer_view *view,
                 uint64_t until_ns, bool *ret_worked)
{
    struct iovec slot[2];

    for (uint64_t start = clock_ns(); start < until_ns; start = clock_ns()) {
        if (packer->pending && !container_publish(packer) && !stalled(packer, start))
            return false;
        carry_take(packer);
        container_slot(&packer->builder, slot);
        ssize_t length = port_read(port, slot);
        if (length <= 0)
            return true;
        uint64_t now = clock_ns();
        *ret_worked = true;
        packer->stats.reads++;
        packer->stats.read_ns += now - start;
        packer->stats.read_sq += segment_square(now - start);
        frame_judge(packer, length, now, view);
    }
    return false;
}

bool packer_settle(struct packer *packer, uint64_t due_ns)
{
    uint64_t before = packer->stats.containers;

    if (packer->pending)
        container_publish(packer);
    carry_take(packer);
    close_due(packer, due_ns);
    return packer->stats.containers != before;
}

void packer_flush(struct packer *packer)
{
    packer_settle(packer, 0);
    if (!packer->pending && packer->builder.count)
        container_close(packer, CLOSING_FLUSH, clock_ns());
    carry_take(packer);
    if (!packer->pending && packer->builder.count)
        container_close(packer, CLOSING_FLUSH, clock_ns());
}

uint32_t packer_held(const struct packer *packer)
{
    return packer->builder.count + (packer->carried != 0);
}

uint64_t packer_deadline(const struct packer *packer)
{
    /* After that, only room in the ring or another frame is news. */
    if (packer->pending)
        return stalled(packer, clock_ns()) ? UINT64_MAX : packer->closed_ns + PACKER_STALL_NS;
    if (packer->builder.count == 0)
        return UINT64_MAX;
    return packer->opened_ns + tuning_load(packer->tuning).timeout_us * 1000ull;
}

bool packer_sleep(struct packer *packer)
{
    return packer->pending && ring_want_room(&packer->ring);
}
