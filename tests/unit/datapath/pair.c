// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/datapath/pair.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/common/testing.h"

#define GUEST 5u
/* Room in the wire for as many frames as a test ever has under way. */
#define WIRE_BYTES (8 << 20)

static int port_make(struct pair_end *end)
{
    int pair[2], size = WIRE_BYTES;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
            setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    end->wire = pair[1];
    return port_open_fd(pair[0], &end->port);
}

static int guest_share(struct pair_end *guest, struct hv_channel **channel)
{
    int error = hv_channel_offer(guest->hv, 0, channel);
    struct hv_farewell farewell = {.channel = *channel,
                                   .own_offset = offsetof(struct control_page, frontend_here),
                                   .peer_offset = offsetof(struct control_page, backend_here)};

    if (!error)
        error = hv_share(guest->hv, 0, 1, &farewell, &guest->control);
    if (!error)
        error = hv_share(guest->hv, 0, PAIR_PAGES, NULL, &guest->rx);
    if (!error)
        error = hv_share(guest->hv, 0, PAIR_PAGES, NULL, &guest->tx);
    return error;
}

static int backend_map(struct pair_end *backend, const struct pair_end *guest, uint32_t domid)
{
    int error =
        hv_channel_bind(backend->hv, domid, hv_channel_port(guest->channel), &backend->channel);
    struct hv_farewell farewell = {.channel = backend->channel,
                                   .own_offset = offsetof(struct control_page, backend_here),
                                   .peer_offset = offsetof(struct control_page, frontend_here)};

    if (!error)
        error = hv_map(backend->hv, domid, hv_pages_references(guest->control), 1, &farewell,
                       &backend->control);
    if (!error)
        error = hv_map(backend->hv, domid, hv_pages_references(guest->rx), PAIR_PAGES, NULL,
                       &backend->rx);
    if (!error)
        error = hv_map(backend->hv, domid, hv_pages_references(guest->tx), PAIR_PAGES, NULL,
                       &backend->tx);
    return error;
}

int pair_make(struct hv *backend, const char *dir, uint32_t domid, struct pair **ret)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    char spec[48];

    if (!pair)
        return -1;
    snprintf(spec, sizeof(spec), "local:%s", dir);
    pair->backend.hv = backend;
    int error = hv_open(spec, domid, &pair->guest.hv);
    if (!error)
        error = guest_share(&pair->guest, &pair->guest.channel);
    if (!error)
        error = backend_map(&pair->backend, &pair->guest, domid);
    if (!error)
        error = port_make(&pair->backend);
    if (!error)
        error = port_make(&pair->guest);
    if (error)
        return error;
    pair->page = hv_pages_addresses(pair->guest.control)[0];
    pair->page->magic = CONTROL_MAGIC;
    pair_tune(&pair->backend, 16, 1000000, CONTAINER_BYTES_MAX);
    pair_tune(&pair->guest, 16, 1000000, CONTAINER_BYTES_MAX);
    *ret = pair;
    return 0;
}

static void end_release(struct pair_end *end)
{
    hv_pages_release(end->control);
    hv_pages_release(end->rx);
    hv_pages_release(end->tx);
    hv_channel_release(end->channel);
    port_close(end->port);
    if (end->wire >= 0)
        close(end->wire);
}

void pair_free(struct pair *pair)
{
    end_release(&pair->backend);
    end_release(&pair->guest);
    hv_close(pair->guest.hv);
    free(pair);
}

int pair_setup(void **state)
{
    char dir[] = "/tmp/xenagg-pair-XXXXXX", spec[48];
    struct pair *pair;
    struct hv *backend;

    if (!mkdtemp(dir))
        return -1;
    snprintf(spec, sizeof(spec), "local:%s", dir);
    int error = hv_open(spec, 0, &backend);
    if (!error)
        error = pair_make(backend, dir, GUEST, &pair);
    if (!error)
        strcpy(pair->dir, dir);
    if (error)
        print_error("no pair: %s\n", strerror(-error));
    *state = error ? NULL : pair;
    return error;
}

int pair_teardown(void **state)
{
    struct pair *pair = *state;
    struct hv *backend = pair->backend.hv;
    char dir[32];

    strcpy(dir, pair->dir);
    pair_free(pair);
    hv_close(backend);
    return rmdir(dir);
}

void pair_tune(struct pair_end *end, uint32_t packets, uint32_t timeout_us, uint32_t bytes)
{
    struct keys_tuning tuning = {.packets = packets, .timeout_us = timeout_us, .bytes = bytes};

    tuning_store(&end->tuning, &tuning);
}

void frame_make(uint8_t *frame, uint32_t length, uint32_t number)
{
    uint64_t seed = number;

    noise_fill(&seed, frame, length);
    memset(frame, 2, 12);
    frame[5] = (uint8_t)(number % 2); /* two flows in turn */
    frame[12] = 8;
    frame[13] = 0;
    if (length >= CONTAINER_ETHERNET + sizeof(number))
        memcpy(frame + CONTAINER_ETHERNET, &number, sizeof(number));
}

bool wire_send(const struct pair_end *end, const uint8_t *frame, uint32_t length)
{
    return send(end->wire, frame, length, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)length;
}

uint32_t wire_take(const struct pair_end *end, uint8_t *ret_frame)
{
    ssize_t length = recv(end->wire, ret_frame, CONTAINER_SUPER_MAX, MSG_DONTWAIT);

    return length > 0 ? (uint32_t)length : 0;
}

uint32_t ring_take(struct ring *ring, uint8_t *ret_container)
{
    struct container_header header;
    int64_t available = ring_available(ring);

    assert_true(available >= 0);
    if (available == 0)
        return 0;
    assert_true(available >= (int64_t)sizeof(header));
    ring_copy(ring, &header, sizeof(header));
    assert_int_equal(container_check(&header), 0);
    assert_true(container_padded(header.bytes) <= available);
    ring_copy(ring, ret_container, header.bytes);
    ring_release(ring, container_padded(header.bytes));
    return header.bytes;
}
