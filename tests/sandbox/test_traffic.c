// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The generator itself, over a pair of virtual Ethernet interfaces instead of
 * xagg: what it says of packets that arrive, vanish, get damaged or overtaken.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <math.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/namespace.h"
#include "sandbox/packet.h"
#include "sandbox/traffic.h"

struct pair {
    struct namespace *near, *far;
};

#define NEAR_MAC "02:00:00:00:00:01"
#define FAR_MAC "02:00:00:00:00:02"

static void pair_make(struct pair *pair)
{
    char commands[512];

    assert_int_equal(namespace_create(&pair->near), 0);
    assert_int_equal(namespace_create(&pair->far), 0);
    snprintf(commands, sizeof(commands),
             "link add near0 address " NEAR_MAC " type veth peer name far0 address " FAR_MAC
             " netns /proc/%d/fd/%d\n"
             "addr add 10.77.1.1/24 dev near0\n"
             "link set near0 up\n",
             getpid(), namespace_fd(pair->far));
    assert_int_equal(namespace_ip(pair->near, commands), 0);
    assert_int_equal(namespace_sysctl(pair->far, "net/ipv4/ip_forward", "1"), 0);
    assert_int_equal(namespace_sysctl(pair->far, "net/ipv4/conf/all/send_redirects", "0"), 0);
    assert_int_equal(namespace_sysctl(pair->far, "net/ipv4/conf/far0/send_redirects", "0"), 0);
    assert_int_equal(namespace_ip(pair->far, "addr add 10.77.1.2/24 dev far0\n"
                                             "link set far0 up\n"
                                             "neigh replace 10.77.1.1 lladdr " NEAR_MAC
                                             " dev far0 nud permanent\n"
                                             "route add 198.18.0.0/16 via 10.77.1.1\n"),
                     0);
}

static void pair_free(struct pair *pair)
{
    namespace_free(pair->far);
    namespace_free(pair->near);
}

static const struct traffic_route route_plain = {.near_name = "near0",
                                                 .far_name = "far0",
                                                 .near_mac = {2, 0, 0, 0, 0, 1},
                                                 .far_mac = {2, 0, 0, 0, 0, 2},
                                                 .from = 0x0a4d0101,
                                                 .to = 0xc6120001,
                                                 .size = 64};

static struct traffic *traffic_over(const struct pair *pair, uint32_t size)
{
    struct traffic *traffic;
    struct traffic_route route = route_plain;

    route.near = pair->near;
    route.far = pair->far;
    route.size = size;
    assert_int_equal(traffic_create(7, 10, &traffic), 0);
    assert_int_equal(traffic_add(traffic, &route), 0);
    assert_int_equal(traffic_start(traffic), 0);
    return traffic;
}

/* Until `packets` were offered, then until no more can be on their way. */
static void traffic_let_run(struct traffic *traffic, double rate, uint64_t packets,
                            struct traffic_counts *ret)
{
    traffic_set_rate(traffic, 0, rate);
    do {
        usleep(5000);
        traffic_read_counts(traffic, 0, ret);
    } while (ret->offered < packets);
    traffic_silence(traffic);
    for (int i = 0; i < 400 && (ret->at[TRAFFIC_BACK].arrived < ret->offered ||
                                ret->at[TRAFFIC_IN_GUEST].arrived < ret->offered);
         i++) {
        usleep(5000);
        traffic_read_counts(traffic, 0, ret);
    }
}

static void sees_every_packet_both_ways(void **state)
{
    (void)state;
    struct pair pair;
    struct traffic_counts counts;
    struct histogram delays[TRAFFIC_DELAYS];

    pair_make(&pair);
    struct traffic *traffic = traffic_over(&pair, 64);
    uint64_t start = traffic_now() - 100000000;
    traffic_let_run(traffic, 20000, 4000, &counts);
    for (unsigned i = 0; i < TRAFFIC_PLACES; i++) {
        assert_int_equal(counts.at[i].arrived, counts.offered);
        assert_int_equal(counts.at[i].damaged, 0);
        assert_int_equal(counts.at[i].reordered, 0);
        assert_int_equal(counts.at[i].unseen, 0);
    }
    for (unsigned i = 0; i < TRAFFIC_DELAYS; i++) {
        traffic_read_delays(traffic, 0, i, start, traffic_now(), &delays[i]);
        assert_int_equal(histogram_count(&delays[i]), counts.offered);
    }
    assert_int_equal(counts.refused, 0);
    /* There and back are the two ways together. */
    assert_true(delays[TRAFFIC_TO_GUEST].sum_ns > 0 && delays[TRAFFIC_FROM_GUEST].sum_ns > 0);
    assert_int_equal(delays[TRAFFIC_ROUND_TRIP].sum_ns,
                     delays[TRAFFIC_TO_GUEST].sum_ns + delays[TRAFFIC_FROM_GUEST].sum_ns);
    traffic_free(traffic);
    pair_free(&pair);
}

static void says_what_was_lost(void **state)
{
    (void)state;
    struct pair pair;
    struct traffic_counts counts;

    pair_make(&pair);
    /* Through to the guest's stack, and no further. */
    assert_int_equal(namespace_ip(pair.far, "route replace blackhole 198.18.0.0/16\n"), 0);
    struct traffic *traffic = traffic_over(&pair, 1514);
    traffic_let_run(traffic, 5000, 500, &counts);
    assert_int_equal(counts.at[TRAFFIC_IN_GUEST].arrived, counts.offered);
    assert_int_equal(counts.at[TRAFFIC_BACK].arrived, 0);
    traffic_free(traffic);
    pair_free(&pair);
}

static const struct packet_flow flow_plain = {.source = {2, 0, 0, 0, 0, 1},
                                              .destination = {2, 0, 0, 0, 0, 2},
                                              .from = 0x0a4d0101,
                                              .to = 0xc6120001,
                                              .from_port = 7778,
                                              .to_port = 7777};

static void inject(int fd, uint32_t sequence, int damage_at)
{
    uint8_t frame[PACKET_MIN];
    struct packet_mark mark = {.sequence = sequence, .time_ns = traffic_now()};

    packet_build(&flow_plain, &mark, 0, sizeof(frame), frame);
    if (damage_at >= 0)
        frame[damage_at] ^= 0x10;
    assert_int_equal(send(fd, frame, sizeof(frame), 0), (int)sizeof(frame));
}

static void notices_damage_and_disorder(void **state)
{
    (void)state;
    struct pair pair;
    struct traffic_counts counts;
    struct sockaddr_ll address = {.sll_family = AF_PACKET};

    pair_make(&pair);
    struct traffic *traffic = traffic_over(&pair, 64);
    int fd = namespace_socket(pair.near, AF_PACKET, SOCK_RAW, 0);
    assert_int_equal(namespace_enter(pair.near), 0);
    address.sll_ifindex = (int)if_nametoindex("near0");
    namespace_leave(pair.near);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);

    inject(fd, 0, -1);
    inject(fd, 2, -1);
    inject(fd, 1, -1); /* overtaken */
    inject(fd, 2, -1); /* twice */
    inject(fd, 3, 63); /* its last byte */
    inject(fd, 3, 50); /* its sequence number */
    inject(fd, 3, 30); /* an address */
    inject(fd, 4, -1);
    do {
        usleep(5000);
        traffic_read_counts(traffic, 0, &counts);
    } while (counts.at[TRAFFIC_IN_GUEST].arrived < 8);
    assert_int_equal(counts.at[TRAFFIC_IN_GUEST].arrived, 8);
    assert_int_equal(counts.at[TRAFFIC_IN_GUEST].damaged, 3);
    assert_int_equal(counts.at[TRAFFIC_IN_GUEST].reordered, 2);
    close(fd);
    traffic_free(traffic);
    pair_free(&pair);
}

/* Mean and variance of the number in each tenth of a second: equal for a Poisson process. */
static void sends_at_the_rate_asked(void **state)
{
    (void)state;
    struct pair pair;
    struct traffic_counts counts;
    struct histogram delays;
    double sum = 0, squares = 0, n = 0;

    pair_make(&pair);
    struct traffic *traffic = traffic_over(&pair, 64);
    uint64_t start = (traffic_now() / 100000000 + 2) * 100000000;
    traffic_let_run(traffic, 2000, 6000, &counts);
    for (int i = 0; i < 25; i++) {
        uint64_t from = start + (uint64_t)i * 100000000;
        traffic_read_delays(traffic, 0, TRAFFIC_TO_GUEST, from, from + 100000000, &delays);
        double count = (double)histogram_count(&delays);
        sum += count;
        squares += count * count;
        n++;
    }
    double mean = sum / n;
    double variance = (squares - sum * mean) / (n - 1);
    traffic_free(traffic);
    pair_free(&pair);
    if (counts.stalls)
        skip(); /* the machine was too busy to send on time: nothing can be said */
    assert_true(fabs(mean - 200) < 5 * sqrt(200 / n));
    assert_true(variance < 200 * 3);
}

static int skipped(const char *why)
{
    printf("skipped: %s\n", why);
    return 77;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sees_every_packet_both_ways),
        cmocka_unit_test(says_what_was_lost),
        cmocka_unit_test(notices_damage_and_disorder),
        cmocka_unit_test(sends_at_the_rate_asked),
    };
    struct namespace *probe;

    if (namespace_create(&probe))
        return skipped("network namespaces need root");
    namespace_free(probe);
    return cmocka_run_group_tests_name("traffic", tests, NULL, NULL);
}
