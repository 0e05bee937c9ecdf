// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hypervisor interface without a hypervisor, against processes that speak
 * its protocol wrongly, or not at all. Whatever they do, the calls come back
 * (an alarm ends a test that hangs), and no descriptor is left over.
 */
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/local_socket.h"
#include "tests/unit/common/hv_fixture.h"
#include "tests/unit/common/peer.h"

#define GUEST 5u
#define ROGUE 7u
#define HANG_SECONDS 60

static int setup(void **state)
{
    alarm(HANG_SECONDS);
    return hv_fixture_setup(state);
}

static int teardown(void **state)
{
    alarm(0);
    return hv_fixture_teardown(state);
}

/* --- speaking the protocol by hand --------------------------------------- */

static struct sockaddr_un address_of(const char *dir, uint32_t domid)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%u-0", dir, domid);
    return address;
}

static int hand_connect(const char *dir, uint32_t domid)
{
    struct sockaddr_un address = address_of(dir, domid);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void hand_send(int fd, const void *bytes, size_t length, const int *fds, size_t n)
{
    struct iovec part = {(void *)bytes, length};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(8 * sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (n) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
    }
    sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* The answer's error, and the descriptor that came with it or -1. */
static int hand_receive(int fd, int *ret_fd)
{
    struct local_reply reply = {.error = -EPIPE};
    struct iovec part = {&reply, sizeof(reply)};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    *ret_fd = -1;
    if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) != sizeof(reply))
        return -EPIPE;
    if (control.header.cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(&control.header), sizeof(int));
    return reply.error;
}

/* --- rogue servers ------------------------------------------------------- */

enum behaviour {
    NEVER_ACCEPTS,
    NEVER_ANSWERS,
    HANGS_UP,
    HANGS_UP_WHEN_ASKED,
    ANSWERS_SHORT,
    ANSWERS_LONG,
    NO_DESCRIPTOR,
    TWO_DESCRIPTORS,
    SEVEN_DESCRIPTORS,
    ERROR_WITH_DESCRIPTORS,
    POSITIVE_ERROR,
    ABSURD_ERROR,
    NULL_DEVICE,
    A_PIPE,
    UNSEALED,
    TOO_SMALL,
    TOO_LARGE,
    WRITE_PROTECTED,
    BEHAVIOURS
};

static int memory_make(uint32_t pages, int seals)
{
    int fd = memfd_create("rogue", MFD_ALLOW_SEALING | MFD_CLOEXEC);

    if (ftruncate(fd, (off_t)pages * HV_PAGE) || fcntl(fd, F_ADD_SEALS, seals))
        _exit(2);
    return fd;
}

static void rogue_answer(int fd, enum behaviour behaviour)
{
    struct local_reply fine[2] = {{0}}, error = {.error = -EACCES}, positive = {.error = 5},
                       absurd = {.error = INT_MIN};
    const int fixed = F_SEAL_SHRINK | F_SEAL_GROW;
    int fds[7], pipes[2];

    for (int i = 0; i < 7; i++)
        fds[i] = memory_make(4, fixed);
    switch (behaviour) {
    case ANSWERS_SHORT:
        return hand_send(fd, fine, 3, fds, 1);
    case ANSWERS_LONG:
        return hand_send(fd, fine, sizeof(fine), NULL, 0);
    case NO_DESCRIPTOR:
        return hand_send(fd, fine, sizeof(fine[0]), NULL, 0);
    case TWO_DESCRIPTORS:
        return hand_send(fd, fine, sizeof(fine[0]), fds, 2);
    case SEVEN_DESCRIPTORS:
        return hand_send(fd, fine, sizeof(fine[0]), fds, 7);
    case ERROR_WITH_DESCRIPTORS:
        return hand_send(fd, &error, sizeof(error), fds, 1);
    case POSITIVE_ERROR:
        return hand_send(fd, &positive, sizeof(positive), fds, 1);
    case ABSURD_ERROR:
        return hand_send(fd, &absurd, sizeof(absurd), NULL, 0);
    case NULL_DEVICE:
        fds[0] = open("/dev/null", O_RDWR);
        break;
    case A_PIPE:
        if (pipe(pipes) < 0)
            _exit(2);
        fds[0] = pipes[0];
        break;
    case UNSEALED:
        fds[0] = memory_make(4, F_SEAL_GROW);
        break;
    case TOO_SMALL:
        fds[0] = memory_make(3, fixed);
        break;
    case TOO_LARGE:
        fds[0] = memory_make(5, fixed);
        break;
    case WRITE_PROTECTED:
        fds[0] = memory_make(4, fixed | F_SEAL_WRITE);
        break;
    default:
        return;
    }
    hand_send(fd, fine, sizeof(fine[0]), fds, 1);
}

/* Beside the thread of the test's handle when it forked: system calls only, nothing that takes
 * locks. */
static void rogue_main(int listener, enum behaviour behaviour)
{
    struct local_request request;

    for (;;) {
        int fd = behaviour == NEVER_ACCEPTS ? pause() : accept(listener, NULL, NULL);
        if (fd < 0)
            _exit(2);
        if (behaviour == HANGS_UP) {
            close(fd);
            continue;
        }
        if (recv(fd, &request, sizeof(request), 0) <= 0)
            continue;
        if (behaviour == HANGS_UP_WHEN_ASKED)
            close(fd);
        else if (behaviour != NEVER_ANSWERS)
            rogue_answer(fd, behaviour); /* and keeps the connection */
    }
}

static pid_t rogue_start(const char *dir, enum behaviour behaviour)
{
    struct sockaddr_un address = address_of(dir, ROGUE);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    unlink(address.sun_path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 0), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        rogue_main(listener, behaviour);
    }
    close(listener);
    return pid;
}

static void rogue_stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int expected_of_map(enum behaviour behaviour)
{
    switch (behaviour) {
    case NEVER_ACCEPTS:
    case NEVER_ANSWERS:
        return -ETIMEDOUT;
    case HANGS_UP:
    case HANGS_UP_WHEN_ASKED:
        return -ECONNRESET;
    case ERROR_WITH_DESCRIPTORS:
        return -EACCES;
    case WRITE_PROTECTED:
        return -ENOMEM;
    default:
        return -EPROTO;
    }
}

static void no_answer_to_a_mapping_is_believed(void **state)
{
    static const uint32_t references[] = {1, 2, 3, 4};
    struct hv_fixture *f = *state;

    for (enum behaviour behaviour = 0; behaviour < BEHAVIOURS; behaviour++) {
        pid_t rogue = rogue_start(f->dir, behaviour);
        unsigned before = descriptors_count();
        struct hv_pages *pages = NULL;
        int error = hv_map(f->hv, ROGUE, references, 4, NULL, &pages);
        if (error != expected_of_map(behaviour))
            fail_msg("behaviour %d: %d", (int)behaviour, error);
        assert_null(pages);
        assert_int_equal(descriptors_count(), before);
        rogue_stop(rogue);
    }
}

/* What is not a channel may be bound, but neither blocks nor is ever readable for nothing. */
static void no_answer_to_a_binding_hurts(void **state)
{
    struct hv_fixture *f = *state;

    for (enum behaviour behaviour = NEVER_ANSWERS; behaviour < BEHAVIOURS; behaviour++) {
        pid_t rogue = rogue_start(f->dir, behaviour);
        unsigned before = descriptors_count();
        struct hv_channel *channel = NULL;
        int error = hv_channel_bind(f->hv, ROGUE, 1, &channel);
        if (behaviour < NULL_DEVICE && error >= 0)
            fail_msg("behaviour %d: bound", (int)behaviour);
        if (!error) {
            hv_channel_notify(channel);
            assert_int_equal(hv_channel_accept(channel), -ECONNRESET);
            hv_channel_release(channel);
        }
        assert_int_equal(descriptors_count(), before);
        rogue_stop(rogue);
    }
}

/* Its queue is full of connections that it never takes. */
static void a_full_queue_does_not_block(void **state)
{
    static const uint32_t references[] = {1};
    struct hv_fixture *f = *state;
    pid_t rogue = rogue_start(f->dir, NEVER_ACCEPTS);
    int waiting = hand_connect(f->dir, ROGUE);
    struct hv_channel *channel = NULL;
    struct hv_pages *pages = NULL;

    assert_int_equal(hv_map(f->hv, ROGUE, references, 1, NULL, &pages), -ETIMEDOUT);
    assert_int_equal(hv_channel_bind(f->hv, ROGUE, 1, &channel), -ETIMEDOUT);
    /* Nor is it taken for dead: the next process of that domain takes another place. */
    struct peer honest = peer_start(f->spec, ROGUE);
    uint32_t reference[1];
    assert_int_equal(peer_share(&honest, 0, 1, reference), 0);
    assert_int_equal(hv_map(f->hv, ROGUE, reference, 1, NULL, &pages), 0);
    hv_pages_release(pages);
    peer_stop(&honest);
    close(waiting);
    rogue_stop(rogue);
}

/* --- rogue clients ------------------------------------------------------- */

/* An honest guest maps and binds what we share: the handle's thread does its work. */
static void honest_guest_is_served(struct hv_fixture *f)
{
    struct peer guest = peer_start(f->spec, GUEST);
    struct hv_pages *pages;
    struct hv_channel *channel;

    assert_int_equal(hv_share(f->hv, GUEST, 4, NULL, &pages), 0);
    assert_int_equal(hv_channel_offer(f->hv, GUEST, &channel), 0);
    assert_int_equal(peer_map(&guest, 0, hv_pages_references(pages), 4), 0);
    assert_int_equal(peer_bind(&guest, 0, hv_channel_port(channel)), 0);
    peer_kill(&guest);
    assert_int_equal(channel_await(channel), -ECONNRESET);
    hv_channel_release(channel);
    hv_pages_release(pages);
}

/* Far more of them than the handle keeps waiting. */
static void silent_clients_block_nobody(void **state)
{
    enum { SILENT = 100 };
    struct hv_fixture *f = *state;
    int fds[SILENT];

    for (int i = 0; i < SILENT; i++)
        fds[i] = hand_connect(f->dir, 0);
    honest_guest_is_served(f);
    for (int i = 0; i < SILENT; i++)
        close(fds[i]);
    honest_guest_is_served(f);
}

static void a_flood_of_connections_is_survived(void **state)
{
    struct hv_fixture *f = *state;

    for (int i = 0; i < 3000; i++)
        close(hand_connect(f->dir, 0));
    honest_guest_is_served(f);
}

static void garbage_is_not_answered(void **state)
{
    struct hv_fixture *f = *state;
    struct local_request request = {.operation = LOCAL_MAP, .domid = GUEST};
    uint8_t bytes[64];
    uint64_t seed = 1;
    int fd, got;

    for (uint32_t length = 1; length < sizeof(bytes); length++) {
        if (length == sizeof(struct local_request))
            continue;
        noise_fill(&seed, bytes, sizeof(bytes));
        fd = hand_connect(f->dir, 0);
        hand_send(fd, bytes, length, NULL, 0);
        assert_int_equal(hand_receive(fd, &got), -EPIPE);
        close(fd);
    }
    for (int i = 0; i < 1000; i++) { /* of the right length */
        noise_fill(&seed, &request, sizeof(request));
        request.operation = noise_between(&seed, 0, 4);
        fd = hand_connect(f->dir, 0);
        hand_send(fd, &request, sizeof(request), NULL, 0);
        assert_true(hand_receive(fd, &got) < 0);
        assert_int_equal(got, -1);
        close(fd);
    }
    honest_guest_is_served(f);
}

static void descriptors_that_nobody_asked_for_are_dropped(void **state)
{
    struct hv_fixture *f = *state;
    struct local_request request = {.operation = LOCAL_MAP, .domid = GUEST, .number = 1};
    unsigned before = descriptors_count();
    int fds[7], got;

    for (int i = 0; i < 7; i++)
        fds[i] = dup(0);
    for (int i = 0; i < 50; i++) {
        int fd = hand_connect(f->dir, 0);
        hand_send(fd, &request, sizeof(request), fds, 7);
        assert_int_equal(hand_receive(fd, &got), -ENOENT);
        close(fd);
    }
    for (int i = 0; i < 7; i++)
        close(fds[i]);
    honest_guest_is_served(f);
    assert_int_equal(descriptors_count(), before);
}

/* --- rogue channels ------------------------------------------------------ */

struct rogue_end {
    struct hv_channel *channel; /* ours */
    int connection, fd;         /* the rogue's */
};

static struct rogue_end rogue_bind(struct hv_fixture *f)
{
    struct local_request request = {.operation = LOCAL_BIND, .domid = GUEST};
    struct rogue_end end;

    assert_int_equal(hv_channel_offer(f->hv, GUEST, &end.channel), 0);
    request.number = hv_channel_port(end.channel);
    end.connection = hand_connect(f->dir, 0);
    hand_send(end.connection, &request, sizeof(request), NULL, 0);
    assert_int_equal(hand_receive(end.connection, &end.fd), 0);
    assert_true(end.fd >= 0);
    return end;
}

static void rogue_release(struct rogue_end *end)
{
    hv_channel_release(end->channel);
    close(end->connection);
    close(end->fd);
}

/* The peer shares the open file: it may change its flags, and never read. */
static void a_peer_can_not_make_a_channel_block(void **state)
{
    struct hv_fixture *f = *state;
    struct rogue_end end = rogue_bind(f);

    assert_int_equal(fcntl(end.fd, F_SETFL, 0), 0);
    assert_int_equal(hv_channel_accept(end.channel), 0);
    for (int i = 0; i < 100000; i++)
        hv_channel_notify(end.channel);
    assert_int_equal(hv_channel_accept(end.channel), 0);
    rogue_release(&end);
}

/* However much it sends, one call takes a bounded part of it. */
static void a_flood_of_notifications_is_bounded(void **state)
{
    static char flood[1 << 16];
    struct hv_fixture *f = *state;
    struct rogue_end end = rogue_bind(f);

    while (send(end.fd, flood, sizeof(flood), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(hv_channel_accept(end.channel), 0);
        send(end.fd, flood, sizeof(flood), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    rogue_release(&end);
}

/* Its flood fills the channel, so there is no room for the news; a worker waits for edges. */
static void a_flooding_peer_that_goes_is_noticed(void **state)
{
    static char flood[1 << 16];
    struct hv_fixture *f = *state;
    struct rogue_end end = rogue_bind(f);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    epoll_ctl(epoll, EPOLL_CTL_ADD, hv_channel_fd(end.channel), &event);
    while (send(end.fd, flood, sizeof(flood), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
    assert_int_equal(epoll_wait(epoll, &event, 1, PEER_WAIT_MS), 1);
    close(end.connection);
    end.connection = dup(0);
    do
        assert_int_equal(epoll_wait(epoll, &event, 1, PEER_WAIT_MS), 1);
    while (hv_channel_accept(end.channel) == 0);
    close(epoll);
    rogue_release(&end);
}

static void a_peer_that_shuts_the_channel_is_gone(void **state)
{
    struct hv_fixture *f = *state;

    for (int how = SHUT_RD; how <= SHUT_RDWR; how++) {
        struct rogue_end end = rogue_bind(f);
        shutdown(end.fd, how);
        hv_channel_notify(end.channel);
        if (how != SHUT_RD)
            assert_int_equal(channel_await(end.channel), -ECONNRESET);
        close(end.connection);
        end.connection = dup(0);
        assert_int_equal(channel_await(end.channel), -ECONNRESET);
        rogue_release(&end);
    }
}

/* Words on the connection that was to be silent. */
static void a_peer_that_goes_on_talking_is_gone(void **state)
{
    struct hv_fixture *f = *state;
    struct rogue_end end = rogue_bind(f);

    hand_send(end.connection, "more", 4, NULL, 0);
    assert_int_equal(channel_await(end.channel), -ECONNRESET);
    rogue_release(&end);
    honest_guest_is_served(f);
}

/* The pages' file is fixed in size, for whoever holds it. */
static void a_peer_can_not_take_pages_away(void **state)
{
    struct local_request request = {.operation = LOCAL_MAP, .domid = GUEST, .count = 4};
    struct hv_fixture *f = *state;
    struct hv_pages *pages;
    int memfd;

    assert_int_equal(hv_share(f->hv, GUEST, 4, NULL, &pages), 0);
    request.number = hv_pages_references(pages)[0];
    int connection = hand_connect(f->dir, 0);
    hand_send(connection, &request, sizeof(request), NULL, 0);
    assert_int_equal(hand_receive(connection, &memfd), 0);
    assert_true(ftruncate(memfd, 0) < 0);
    assert_true(ftruncate(memfd, HV_PAGE) < 0);
    assert_true(fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
    fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)4 * HV_PAGE);
    for (int i = 0; i < 4; i++)
        memset(hv_pages_addresses(pages)[i], 0x55, HV_PAGE); /* still there */
    close(memfd);
    close(connection);
    hv_pages_release(pages);
}

int main(int argc, char **argv)
{
    peer_main(argc, argv);
#define HOSTILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        HOSTILE_TEST(no_answer_to_a_mapping_is_believed),
        HOSTILE_TEST(no_answer_to_a_binding_hurts),
        HOSTILE_TEST(a_full_queue_does_not_block),
        HOSTILE_TEST(silent_clients_block_nobody),
        HOSTILE_TEST(a_flood_of_connections_is_survived),
        HOSTILE_TEST(garbage_is_not_answered),
        HOSTILE_TEST(descriptors_that_nobody_asked_for_are_dropped),
        HOSTILE_TEST(a_peer_can_not_make_a_channel_block),
        HOSTILE_TEST(a_flood_of_notifications_is_bounded),
        HOSTILE_TEST(a_flooding_peer_that_goes_is_noticed),
        HOSTILE_TEST(a_peer_that_shuts_the_channel_is_gone),
        HOSTILE_TEST(a_peer_that_goes_on_talking_is_gone),
        HOSTILE_TEST(a_peer_can_not_take_pages_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
