// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/common/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/common/testing.h"

#define MADE_MAX 256u

enum verb { SHARE, MAP, UNMAP, OFFER, BIND, RELEASE, NOTIFY, AWAIT, WRITE, READ, STOP };

struct order {
    enum verb verb;
    uint32_t a, b, c, d;
    uint32_t references[HV_SHARE_MAX];
};

struct answer {
    int32_t result;
    uint32_t value;
    uint32_t references[HV_SHARE_MAX];
};

struct made {
    struct hv *hv;
    struct hv_pages *pages[MADE_MAX];
    struct hv_channel *channels[MADE_MAX];
    uint32_t n_pages, n_channels;
};

int channel_await(struct hv_channel *channel)
{
    struct pollfd polled = {.fd = hv_channel_fd(channel), .events = POLLIN};

    if (poll(&polled, 1, PEER_WAIT_MS) <= 0)
        return -ETIMEDOUT;
    return hv_channel_accept(channel);
}

/* --- in the peer --------------------------------------------------------- */

static struct answer pages_made(struct made *made, int error)
{
    struct answer answer = {.result = error};

    if (!error) {
        struct hv_pages *pages = made->pages[made->n_pages++];
        memcpy(answer.references, hv_pages_references(pages),
               hv_pages_count(pages) * sizeof(uint32_t));
    }
    return answer;
}

static struct answer channel_made(struct made *made, int error)
{
    struct answer answer = {.result = error};

    if (!error)
        answer.value = hv_channel_port(made->channels[made->n_channels++]);
    return answer;
}

static struct answer order_obey(struct made *made, const struct order *order)
{
    struct hv_pages **pages = &made->pages[made->n_pages];
    struct hv_channel **channel = &made->channels[made->n_channels];
    uint32_t *word;

    switch (order->verb) {
    case SHARE:
        return pages_made(made, hv_share(made->hv, order->a, order->b, NULL, pages));
    case MAP:
        return pages_made(made,
                          hv_map(made->hv, order->a, order->references, order->b, NULL, pages));
    case UNMAP:
        hv_pages_release(made->pages[order->a]);
        return (struct answer){0};
    case OFFER:
        return channel_made(made, hv_channel_offer(made->hv, order->a, channel));
    case BIND:
        return channel_made(made, hv_channel_bind(made->hv, order->a, order->b, channel));
    case RELEASE:
        hv_channel_release(made->channels[order->a]);
        return (struct answer){0};
    case NOTIFY:
        hv_channel_notify(made->channels[order->a]);
        return (struct answer){0};
    case AWAIT:
        return (struct answer){.result = channel_await(made->channels[order->a])};
    case WRITE:
    case READ:
        word = (uint32_t *)hv_pages_addresses(made->pages[order->a])[order->b] + order->c;
        if (order->verb == WRITE)
            *word = order->d;
        return (struct answer){.value = *word};
    default:
        return (struct answer){.result = -EINVAL};
    }
}

#define PEER_NAME "xenagg-test-peer"

void peer_main(int argc, char **argv)
{
    if (argc != 4 || strcmp(argv[0], PEER_NAME) != 0)
        return;
    int orders = atoi(argv[1]);
    const char *spec = argv[2];
    uint32_t domid = (uint32_t)strtoul(argv[3], NULL, 10);
    struct made made = {0};
    struct order order;
    struct answer answer = {.result = hv_open(spec, domid, &made.hv)};

    while (send(orders, &answer, sizeof(answer), MSG_NOSIGNAL) == sizeof(answer) && made.hv &&
           recv(orders, &order, sizeof(order), 0) == sizeof(order)) {
        if (order.verb == STOP) {
            hv_close(made.hv);
            made.hv = NULL;
            answer = (struct answer){0};
        } else {
            answer = order_obey(&made, &order);
        }
    }
    _exit(0);
}

/* --- in the test --------------------------------------------------------- */

static void peer_exec(int orders, const char *spec, uint32_t domid)
{
    char descriptor[16], number[16];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fcntl(orders, F_SETFD, 0);
    snprintf(descriptor, sizeof(descriptor), "%d", orders);
    snprintf(number, sizeof(number), "%u", domid);
    execl("/proc/self/exe", PEER_NAME, descriptor, spec, number, NULL);
    _exit(2);
}

struct peer peer_start(const char *spec, uint32_t domid)
{
    struct answer answer;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    struct peer peer = {.pid = fork(), .orders = pair[0]};
    assert_true(peer.pid >= 0);
    if (peer.pid == 0)
        peer_exec(pair[1], spec, domid);
    close(pair[1]);
    assert_int_equal(recv(peer.orders, &answer, sizeof(answer), 0), sizeof(answer));
    assert_int_equal(answer.result, 0);
    return peer;
}

static void peer_reap(struct peer *peer)
{
    close(peer->orders);
    waitpid(peer->pid, NULL, 0);
    *peer = (struct peer){.orders = -1};
}

void peer_kill(struct peer *peer)
{
    if (peer->pid <= 0)
        return;
    kill(peer->pid, SIGKILL);
    peer_reap(peer);
}

static struct answer peer_tell(struct peer *peer, const struct order *order)
{
    struct answer answer = {.result = -EPIPE};

    assert_int_equal(send(peer->orders, order, sizeof(*order), MSG_NOSIGNAL), sizeof(*order));
    assert_int_equal(recv(peer->orders, &answer, sizeof(answer), 0), sizeof(answer));
    return answer;
}

void peer_stop(struct peer *peer)
{
    peer_tell(peer, &(struct order){.verb = STOP});
    peer_reap(peer);
}

int peer_share(struct peer *peer, uint32_t domid, uint32_t count, uint32_t *ret_references)
{
    struct answer answer = peer_tell(peer, &(struct order){.verb = SHARE, .a = domid, .b = count});

    if (answer.result == 0)
        memcpy(ret_references, answer.references, count * sizeof(uint32_t));
    return answer.result;
}

int peer_map(struct peer *peer, uint32_t domid, const uint32_t *references, uint32_t count)
{
    struct order order = {.verb = MAP, .a = domid, .b = count};

    memcpy(order.references, references, count * sizeof(uint32_t));
    return peer_tell(peer, &order).result;
}

int peer_unmap(struct peer *peer, uint32_t pages)
{
    return peer_tell(peer, &(struct order){.verb = UNMAP, .a = pages}).result;
}

int peer_offer(struct peer *peer, uint32_t domid, uint32_t *ret_port)
{
    struct answer answer = peer_tell(peer, &(struct order){.verb = OFFER, .a = domid});

    if (answer.result == 0)
        *ret_port = answer.value;
    return answer.result;
}

int peer_bind(struct peer *peer, uint32_t domid, uint32_t port)
{
    return peer_tell(peer, &(struct order){.verb = BIND, .a = domid, .b = port}).result;
}

int peer_release(struct peer *peer, uint32_t channel)
{
    return peer_tell(peer, &(struct order){.verb = RELEASE, .a = channel}).result;
}

int peer_notify(struct peer *peer, uint32_t channel)
{
    return peer_tell(peer, &(struct order){.verb = NOTIFY, .a = channel}).result;
}

int peer_await(struct peer *peer, uint32_t channel)
{
    return peer_tell(peer, &(struct order){.verb = AWAIT, .a = channel}).result;
}

int peer_write(struct peer *peer, uint32_t pages, uint32_t page, uint32_t offset, uint32_t value)
{
    return peer_tell(peer,
                     &(struct order){.verb = WRITE, .a = pages, .b = page, .c = offset, .d = value})
        .result;
}

uint32_t peer_read(struct peer *peer, uint32_t pages, uint32_t page, uint32_t offset)
{
    return peer_tell(peer, &(struct order){.verb = READ, .a = pages, .b = page, .c = offset}).value;
}
