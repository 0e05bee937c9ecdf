// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The programs as systemd runs them, without systemd: what they tell it, and
 * that they do their work with the little that their units leave them.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/sandbox/fixture.h"

#include "common/clock.h"
#include "common/store.h"
#include "sandbox/programs.h"
#include "sandbox/xenstored.h"

#define PATIENCE 20.0
#define FOLDER 64
#define TEXT 4096

struct bench {
    char folder[FOLDER];
    struct process *xenstored, *service;
    int notify;
};

static const char *place(const struct bench *bench, const char *name, char path[static FOLDER + 32])
{
    snprintf(path, FOLDER + 32, "%s/%s", bench->folder, name);
    return path;
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[FOLDER + 32];

    strcpy(bench->folder, "/tmp/xenagg-service-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    assert_int_equal(xenstored_start(bench->folder, &bench->xenstored), 0);
    assert_int_equal(xenstored_use(bench->folder), 0);
    bench->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", place(bench, "notify", path));
    assert_int_equal(bind(bench->notify, (void *)&address, sizeof(address)), 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    char command[FOLDER + 16];

    process_free(bench->service);
    process_free(bench->xenstored);
    close(bench->notify);
    snprintf(command, sizeof(command), "rm -rf %s", bench->folder);
    assert_int_equal(system(command), 0);
    free(bench);
    return 0;
}

/* The next message; fails the test where none comes. */
static void hear(struct bench *bench, char text[static TEXT])
{
    struct pollfd poll_fd = {.fd = bench->notify, .events = POLLIN};

    assert_int_equal(poll(&poll_fd, 1, (int)(PATIENCE * 1000)), 1);
    ssize_t length = recv(bench->notify, text, TEXT - 1, 0);
    assert_true(length > 0);
    text[length] = '\0';
}

/* Reads on until a message says so; `text` holds it. */
static void await_message(struct bench *bench, const char *what, char text[static TEXT])
{
    uint64_t until = clock_ns() + (uint64_t)(PATIENCE * 1e9);

    do
        hear(bench, text);
    while (!strstr(text, what) && clock_ns() < until);
    assert_non_null(strstr(text, what));
}

/* `before`: words to start it with, such as setpriv's. */
static void start(struct bench *bench, const char *program, const char *const *before,
                  const char *const *options, struct namespace *space)
{
    const char *arguments[32];
    char path[PROGRAMS_PATH], notify[FOLDER + 48], place_of[FOLDER + 32], log[FOLDER + 32];
    size_t n = 0;

    assert_int_equal(programs_find(program, path), 0);
    while (before && *before)
        arguments[n++] = *before++;
    arguments[n++] = path;
    while (*options)
        arguments[n++] = *options++;
    arguments[n] = NULL;
    snprintf(notify, sizeof(notify), "NOTIFY_SOCKET=%s", place(bench, "notify", place_of));
    const char *environment[] = {notify, "WATCHDOG_USEC=300000", NULL};
    struct process_options process = {.arguments = arguments,
                                      .environment = environment,
                                      .space = space,
                                      .log = place(bench, "log", log)};
    assert_int_equal(process_start(&process, &bench->service), 0);
}

static void start_daemon(struct bench *bench, const char *const *before, struct namespace *space)
{
    static char config[FOLDER + 32], segment[FOLDER + 32], database[FOLDER + 32],
        control[FOLDER + 32];
    FILE *file = fopen(place(bench, "conf", config), "we");
    const char *options[] = {"--config",   config,   "--segment", place(bench, "segment", segment),
                             "--database", database, "--control", control,
                             NULL};

    place(bench, "history.db", database);
    place(bench, "control", control);
    assert_non_null(file);
    assert_true(fputs("[daemon]\ninterval = 200ms\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    start(bench, "xenaggd", before, options, space);
}

static void stop(struct bench *bench)
{
    char text[TEXT];
    int status;

    assert_int_equal(process_signal(bench->service, SIGTERM), 0);
    await_message(bench, "STOPPING=1", text);
    assert_int_equal(process_wait(bench->service, PATIENCE, &status), 0);
    assert_int_equal(status, 0);
}

static void the_daemon_tells_systemd(void **state)
{
    struct bench *bench = *state;
    char text[TEXT];

    start_daemon(bench, NULL, NULL);
    await_message(bench, "READY=1", text);
    await_message(bench, "STATUS=0 interfaces", text);
    await_message(bench, "WATCHDOG=1", text);
    assert_int_equal(process_signal(bench->service, SIGHUP), 0);
    await_message(bench, "RELOADING=1", text);
    assert_non_null(strstr(text, "MONOTONIC_USEC="));
    await_message(bench, "READY=1", text);
    stop(bench);
}

/* Who hangs is the store, not the daemon. */
static void the_watchdog_is_fed_while_the_store_hangs(void **state)
{
    struct bench *bench = *state;
    char text[TEXT];

    start_daemon(bench, NULL, NULL);
    await_message(bench, "READY=1", text);
    assert_int_equal(process_signal(bench->xenstored, SIGSTOP), 0);
    uint64_t until = clock_ns() + 4 * CLOCK_SECOND;
    unsigned fed = 0;
    while (clock_ns() < until) {
        hear(bench, text);
        fed += strcmp(text, "WATCHDOG=1") == 0;
    }
    /* 40 on a machine that is not busy. */
    assert_true(fed >= 4);
    stop(bench);
    assert_int_equal(process_signal(bench->xenstored, SIGCONT), 0);
}

/* A configuration that is bad: never ready, and the exit code that is not worth another try. */
static void a_bad_configuration_ends_it_at_once(void **state)
{
    struct bench *bench = *state;
    const char *options[] = {"--config", "/nonesuch/xenaggd.conf", NULL};
    char byte;
    int status;

    start(bench, "xenaggd", NULL, options, NULL);
    assert_int_equal(process_wait(bench->service, PATIENCE, &status), 0);
    assert_int_equal(status, 2 << 8);
    assert_int_equal(recv(bench->notify, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

/* No power of root's, no network: as CapabilityBoundingSet= and PrivateNetwork=yes leave it. */
static void the_daemon_needs_no_powers(void **state)
{
    static const char *const confined[] = {
        "/usr/bin/setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs", NULL};
    struct bench *bench = *state;
    struct namespace *alone;
    struct store *store;
    char text[TEXT], path[FOLDER + 32];

    if (access(confined[0], X_OK))
        skip();
    assert_int_equal(namespace_create(&alone), 0);
    start_daemon(bench, confined, alone);
    await_message(bench, "READY=1", text);
    assert_int_equal(store_open(&store), 0);
    assert_int_equal(store_write(store, "/local/domain/5", "name", "web"), 0);
    assert_int_equal(store_write(store, "/local/domain/0/backend/vagg/5/0", "frontend-id", "5"), 0);
    await_message(bench, "STATUS=1 interfaces", text);
    store_close(store);
    assert_int_equal(access(place(bench, "history.db", path), F_OK), 0);
    stop(bench);
    namespace_free(alone);
}

/* With the three capabilities that its unit leaves it. */
static void the_backend_needs_three_powers(void **state)
{
    static const char *const confined[] = {"/usr/bin/setpriv",
                                           "--bounding-set",
                                           "-all,+net_admin,+sys_nice,+ipc_lock",
                                           "--inh-caps",
                                           "-all",
                                           "--no-new-privs",
                                           NULL};
    struct bench *bench = *state;
    struct namespace *alone;
    char text[TEXT], local[FOLDER + 48], segment[FOLDER + 32];

    if (access(confined[0], X_OK))
        skip();
    snprintf(local, sizeof(local), "local:%s", bench->folder);
    const char *options[] = {"--hypervisor", local, "--segment", place(bench, "segment", segment),
                             "--realtime",   "10",  NULL};
    assert_int_equal(namespace_create(&alone), 0);
    start(bench, "xenagg-netback", confined, options, alone);
    await_message(bench, "READY=1", text);
    assert_int_equal(access(segment, R_OK), 0);
    stop(bench);
    namespace_free(alone);
}

int main(void)
{
#define TEST_OF(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST_OF(the_daemon_tells_systemd),
        TEST_OF(the_watchdog_is_fed_while_the_store_hangs),
        TEST_OF(a_bad_configuration_ends_it_at_once),
        TEST_OF(the_daemon_needs_no_powers),
        TEST_OF(the_backend_needs_three_powers),
    };
    int error = fixture_possible();

    return error ? error : cmocka_run_group_tests(tests, NULL, NULL);
}
