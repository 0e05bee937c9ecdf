// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

static bool ring_fits(const struct hv_pages *pages)
{
    uint32_t count = hv_pages_count(pages);

    return (count & (count - 1)) == 0 && count >= 1u << RING_ORDER_MIN &&
           count <= 1u << RING_ORDER_MAX;
}

static int link_halves_init(struct link *link, const struct link_options *options)
{
    struct control_page *page = hv_pages_addresses(options->control)[0];
    bool backend = options->end == LINK_BACKEND;
    struct hv_pages *out = backend ? options->rx : options->tx;
    struct hv_pages *in = backend ? options->tx : options->rx;
    struct packer_options packer = {
        .shared = backend ? &page->rx : &page->tx,
        .pages = hv_pages_addresses(out),
        .n_pages = hv_pages_count(out),
        .channel = options->channel,
        .echo = &link->echo,
        .tuning = options->tuning,
        .delay = link->delay_out,
    };
    struct unloader_options unloader = {
        .shared = backend ? &page->tx : &page->rx,
        .pages = hv_pages_addresses(in),
        .n_pages = hv_pages_count(in),
        .channel = options->channel,
        .echo = &link->echo,
        .delay = link->delay_in,
    };
    int error = packer_init(&link->packer, &packer);
    return error ? error : unloader_init(&link->unloader, &unloader);
}

int link_new(const struct link_options *options, struct link **ret)
{
    if (!ring_fits(options->rx) || !ring_fits(options->tx))
        return -EINVAL;
    struct link *link = calloc(1, sizeof(*link));
    if (!link)
        return -ENOMEM;
    link->port = options->port;
    link->channel = options->channel;
    link->export = options->export;
    link->export_context = options->export_context;
    link->dirty = true;
    if (options->keep_delays) {
        link->delay_out = calloc(1, sizeof(*link->delay_out));
        link->delay_in = calloc(1, sizeof(*link->delay_in));
    }
    int error = options->keep_delays && (!link->delay_out || !link->delay_in) ? -ENOMEM : 0;
    if (!error)
        error = link_halves_init(link, options);
    if (error) {
        link_free(link);
        return error;
    }
    *ret = link;
    return 0;
}

void link_free(struct link *link)
{
    if (!link)
        return;
    packer_free(&link->packer);
    unloader_free(&link->unloader);
    free(link->delay_out);
    free(link->delay_in);
    free(link);
}

enum link_failure link_failure(struct link *link, const char **ret_text)
{
    int failure = atomic_load_explicit(&link->failure, memory_order_acquire);

    if (ret_text)
        *ret_text = failure ? link->failure_text : "";
    return (enum link_failure)failure;
}

static void link_fail(struct link *link, enum link_failure failure, const char *text)
{
    link->failure_text = text;
    atomic_store_explicit(&link->failure, failure, memory_order_release);
}

static void breakage_check(struct link *link)
{
    if (link->packer.broken)
        link_fail(link, LINK_PEER_BROKE, "the consumer's index is impossible");
    else if (link->unloader.broken)
        link_fail(link, LINK_PEER_BROKE, link->unloader.broken);
}

/*
 * Reading and unloading each have their half, also where the other could use it all: an
 * end that does nothing but unload leaves the other one nothing to unload, and so both would
 * starve each other in turns. What one has no use for is the other's.
 */
static bool halves_run(struct link *link, const struct packer_view *view, uint64_t start_ns,
                       uint64_t budget_ns)
{
    uint64_t half = budget_ns / 2, end = start_ns + budget_ns;
    bool worked = unloader_run(&link->unloader, link->port, start_ns + half);
    uint64_t after = clock_ns() + half;

    if (link->readable)
        link->readable =
            !packer_read(&link->packer, link->port, view, after > end ? after : end, &worked);
    if (!link->readable && clock_ns() < end)
        worked |= unloader_run(&link->unloader, link->port, end);
    return worked;
}

bool link_round(struct link *link, const struct packer_view *view, uint64_t budget_ns,
                uint64_t due_ns)
{
    uint64_t start = clock_ns();

    /* Deficit round robin: what was overdrawn is paid back, what was saved is not kept. */
    link->deficit_ns += (int64_t)budget_ns;
    if (link->deficit_ns <= 0)
        return true;
    bool worked = halves_run(link, view, start, (uint64_t)link->deficit_ns);
    worked |= packer_settle(&link->packer, due_ns);
    link->deficit_ns -= (int64_t)(clock_ns() - start);
    if (link->deficit_ns > 0)
        link->deficit_ns = 0;
    link->dirty |= worked;
    breakage_check(link);
    return worked;
}

uint64_t link_debt(const struct link *link, uint64_t budget_ns)
{
    return link->deficit_ns + (int64_t)budget_ns > 0 ? 0 : (uint64_t)-link->deficit_ns;
}

void link_forgive(struct link *link, uint64_t time_ns)
{
    link->deficit_ns += (int64_t)time_ns;
    if (link->deficit_ns > 0)
        link->deficit_ns = 0;
}

bool link_sleep(struct link *link)
{
    return unloader_sleep(&link->unloader) && !packer_sleep(&link->packer);
}

void link_wake(struct link *link)
{
    unloader_wake(&link->unloader);
}

void link_notified(struct link *link)
{
    if (hv_channel_accept(link->channel) < 0)
        link_fail(link, LINK_PEER_GONE, "the peer is gone");
}

uint64_t link_deadline(const struct link *link)
{
    return packer_deadline(&link->packer);
}
