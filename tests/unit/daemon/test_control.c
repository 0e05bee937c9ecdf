// SPDX-License-Identifier: GPL-2.0-or-later
/* The control socket and the command line, as clients and operators meet them. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/control.h"
#include "daemon/options.h"
#include "daemon/status.h"

struct bench {
    char folder[64], path[80];
    struct event_base *base;
    struct control *control;
};

/* "echo" says its "text"; "long" says very much; "cut" names something in half a character. */
static json_t *answer(void *context, const char *request, const json_t *arguments,
                      const char **ret_error)
{
    static char very_much[3 << 20];
    (void)context;

    if (strcmp(request, "echo") == 0)
        return json_pack("{s:b, s:s?}", "ok", 1, "text",
                         json_string_value(json_object_get(arguments, "text")));
    if (strcmp(request, "long") == 0) {
        memset(very_much, 'x', sizeof(very_much) - 1);
        return json_pack("{s:b, s:s}", "ok", 1, "text", very_much);
    }
    *ret_error = strcmp(request, "cut") == 0 ? "no \"VM\" of \xc3\xbc and \xc3" : "never heard of";
    return NULL;
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    strcpy(bench->folder, "/tmp/xenagg-control-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->path, sizeof(bench->path), "%s/control", bench->folder);
    bench->base = event_base_new();
    assert_int_equal(control_listen(bench->base, bench->path, answer, NULL, &bench->control), 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    control_close(bench->control);
    event_base_free(bench->base);
    unlink(bench->path);
    rmdir(bench->folder);
    free(bench);
    return 0;
}

static void turn(struct bench *bench)
{
    for (int i = 0; i < 20; i++)
        event_base_loop(bench->base, EVLOOP_NONBLOCK);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (void *)&address, sizeof(address)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* All that has come, NUL-terminated. */
static size_t hear(struct bench *bench, int fd, char *ret, size_t size)
{
    size_t length = 0;

    for (int i = 0; i < 200; i++) {
        turn(bench);
        ssize_t got = read(fd, ret + length, size - 1 - length);
        if (got == 0)
            break;
        length += got > 0 ? (size_t)got : 0;
    }
    ret[length] = '\0';
    return length;
}

static bool is_closed(struct bench *bench, int fd)
{
    char byte;

    turn(bench);
    return read(fd, &byte, 1) == 0;
}

static void only_root_may_ask(void **state)
{
    struct bench *bench = *state;
    struct stat st;

    assert_int_equal(stat(bench->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void questions_are_answered_in_order(void **state)
{
    struct bench *bench = *state;
    char text[512];
    int fd = connect_to(bench->path);

    say(fd, "{\"request\":\"echo\",\"text\":\"a\"}\n{\"request\":\"echo\",\"text\":\"b\"}\n{\"req");
    hear(bench, fd, text, sizeof(text));
    assert_string_equal(text, "{\"ok\":true,\"text\":\"a\"}\n{\"ok\":true,\"text\":\"b\"}\n");
    say(fd, "uest\":\"echo\",\"text\":\"c\"}\n");
    hear(bench, fd, text, sizeof(text));
    assert_string_equal(text, "{\"ok\":true,\"text\":\"c\"}\n");
    close(fd);
}

/* As `echo ... | socat` does: the answers still come. */
static void closed_half_is_still_answered(void **state)
{
    struct bench *bench = *state;
    char text[512];
    int fd = connect_to(bench->path);

    say(fd, "{\"request\":\"echo\",\"text\":\"a\"}\n{\"request\":\"echo\",\"text\":\"b\"}\n");
    shutdown(fd, SHUT_WR);
    hear(bench, fd, text, sizeof(text));
    assert_string_equal(text, "{\"ok\":true,\"text\":\"a\"}\n{\"ok\":true,\"text\":\"b\"}\n");
    assert_true(is_closed(bench, fd));
    close(fd);
}

static void nonsense_is_answered_too(void **state)
{
    static const char *const requests[] = {
        "\n",        "nonsense\n",         "[1,2]\n",
        "{}\n",      "{\"request\":7}\n",  "{\"request\":\"fly\"}\n",
        "{\"a\":\n", "\xff\xfe\x00\x01\n", "{\"request\":\"echo\",\"request\":\"echo\"}\n",
    };
    struct bench *bench = *state;
    char text[512];

    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        int fd = connect_to(bench->path);
        say(fd, requests[i]);
        if (!strchr(requests[i], '\n'))
            say(fd, "\n");
        hear(bench, fd, text, sizeof(text));
        assert_int_equal(strncmp(text, "{\"ok\":false,\"error\":\"", 21), 0);
        close(fd);
    }
}

/* An error that names what was asked for, cut within a character, is no lack of memory. */
static void halves_of_characters_are_no_harm(void **state)
{
    struct bench *bench = *state;
    char text[512];
    int fd = connect_to(bench->path);

    say(fd, "{\"request\":\"cut\"}\n");
    hear(bench, fd, text, sizeof(text));
    assert_string_equal(text, "{\"ok\":false,\"error\":\"no \\\"VM\\\" of ?? and ?\"}\n");
    close(fd);
}

/* As deep as a request can be, in lists, in objects, and in what is asked for. */
static void depth_is_refused(void **state)
{
    static const char *const pieces[] = {"[", "{\"a\":", "{\"request\":"};
    struct bench *bench = *state;
    char text[512], deep[CONTROL_REQUEST_MAX];

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        int fd = connect_to(bench->path);
        size_t length = 0;
        while (length + strlen(pieces[i]) + 2 < sizeof(deep)) {
            memcpy(deep + length, pieces[i], strlen(pieces[i]));
            length += strlen(pieces[i]);
        }
        memcpy(deep + length, "\n", 2);
        say(fd, deep);
        hear(bench, fd, text, sizeof(text));
        assert_non_null(strstr(text, "not a JSON object"));
        say(fd, "{\"request\":\"echo\",\"text\":\"a\"}\n");
        hear(bench, fd, text, sizeof(text));
        assert_string_equal(text, "{\"ok\":true,\"text\":\"a\"}\n");
        close(fd);
    }
}

static void endless_request_ends_the_client(void **state)
{
    struct bench *bench = *state;
    char text[512], much[CONTROL_REQUEST_MAX + 1];
    int fd = connect_to(bench->path);

    memset(much, 'x', sizeof(much));
    assert_true(write(fd, much, sizeof(much)) > 0);
    hear(bench, fd, text, sizeof(text));
    assert_non_null(strstr(text, "too long"));
    assert_true(is_closed(bench, fd));
    close(fd);
}

/* A client that asks and asks and reads nothing has one answer's memory, not all of them. */
static void who_does_not_read_is_not_answered_further(void **state)
{
    struct bench *bench = *state;
    char *text = malloc(16 << 20);
    int fd = connect_to(bench->path);

    assert_non_null(text);
    for (int i = 0; i < 3; i++)
        say(fd, "{\"request\":\"long\"}\n");
    turn(bench);
    /* When it reads at last, it gets everything. */
    size_t length = 0;
    for (int i = 0; i < 1000 && length < 9 << 20; i++)
        length += hear(bench, fd, text, 16 << 20);
    assert_true(length > 9 << 20);
    free(text);
    close(fd);
}

static void too_many_clients_are_told_so(void **state)
{
    struct bench *bench = *state;
    int fds[CONTROL_CLIENTS];
    char text[512];

    for (int i = 0; i < CONTROL_CLIENTS; i++)
        fds[i] = connect_to(bench->path);
    turn(bench);
    int last = connect_to(bench->path);
    hear(bench, last, text, sizeof(text));
    assert_non_null(strstr(text, "too many clients"));
    close(last);
    /* One that leaves makes room. */
    close(fds[0]);
    turn(bench);
    int next = connect_to(bench->path);
    say(next, "{\"request\":\"echo\",\"text\":\"a\"}\n");
    hear(bench, next, text, sizeof(text));
    assert_string_equal(text, "{\"ok\":true,\"text\":\"a\"}\n");
    close(next);
    for (int i = 1; i < CONTROL_CLIENTS; i++)
        close(fds[i]);
}

static void living_daemon_keeps_its_socket(void **state)
{
    struct bench *bench = *state;
    struct control *second = NULL;

    assert_int_equal(control_listen(bench->base, bench->path, answer, NULL, &second), -EADDRINUSE);
    assert_int_equal(access(bench->path, F_OK), 0);
}

static void dead_ones_is_replaced_and_files_are_not(void **state)
{
    struct bench *bench = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct control *second = NULL;

    control_close(bench->control);
    bench->control = NULL;
    assert_int_equal(access(bench->path, F_OK), -1);
    /* Bound, then forgotten: as a killed daemon leaves it. */
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", bench->path);
    assert_int_equal(bind(fd, (void *)&address, sizeof(address)), 0);
    close(fd);
    assert_int_equal(control_listen(bench->base, bench->path, answer, NULL, &bench->control), 0);
    control_close(bench->control);
    bench->control = NULL;
    fd = open(bench->path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(control_listen(bench->base, bench->path, answer, NULL, &second), -EEXIST);
    assert_int_equal(access(bench->path, F_OK), 0);
}

/* ---- the status ---- */

static void unknown_numbers_are_null(void **state)
{
    struct ticks ticks = {0};
    struct status_health health = {
        .config_path = "/c", .segment_path = "/s", .history_path = "/h", .ticks = &ticks};
    struct guest_report guest = {.name = "bad\xff"};
    struct worker_report worker = {.utilisation = NAN};
    struct tick_report report = {
        .n_guests = 1, .guests = &guest, .n_workers = 1, .workers = &worker};
    (void)state;

    guest.promise.delay = INFINITY;
    guest.measured = guest.predicted = NAN;
    guest.worker = UINT32_MAX;
    guest.last_kept = -1;
    json_t *status = status_json(&health, &report, NULL);
    assert_non_null(status);
    json_t *interface = json_array_get(json_object_get(status, "interfaces"), 0);
    assert_true(json_is_null(json_object_get(interface, "measured_us")));
    assert_true(json_is_null(json_object_get(interface, "worker")));
    assert_true(json_is_null(json_object_get(interface, "kept")));
    assert_true(json_is_null(json_object_get(interface, "kept_share")));
    json_t *promise = json_object_get(interface, "promise");
    assert_true(json_is_null(json_object_get(promise, "delay_us")));
    assert_true(json_is_null(json_object_get(promise, "percentile")));
    json_t *rx = json_object_get(interface, "rx");
    assert_true(json_is_null(json_object_get(rx, "packets")));
    char *text = json_dumps(status, 0);
    assert_non_null(text);
    free(text);
    json_decref(status);
    /* Before the first tick, and of a guest that is not there. */
    status = status_json(&health, NULL, NULL);
    assert_true(json_is_null(json_object_get(status, "time")));
    json_decref(status);
    status = status_json(&health, &report, "other");
    assert_int_equal(json_array_size(json_object_get(status, "interfaces")), 0);
    json_decref(status);
}

/* Every field that the documentation names is there. */
static void documented_fields_are_there(void **state)
{
    struct ticks ticks = {0};
    struct status_health health = {
        .config_path = "/c", .segment_path = "/s", .history_path = "/h", .ticks = &ticks};
    struct guest_report guest = {.name = "a"};
    struct worker_report worker = {0};
    struct tick_report report = {
        .n_guests = 1, .guests = &guest, .n_workers = 1, .workers = &worker};
    FILE *document = fopen(XENAGG_CONTROL_MD, "r");
    char line[512], key[64];
    unsigned fields = 0;
    (void)state;

    assert_non_null(document);
    json_t *status = status_json(&health, &report, NULL);
    char *text = json_dumps(status, 0);
    while (fgets(line, sizeof(line), document)) {
        if (strncmp(line, "## {\"request\": \"set\"", 20) == 0)
            break; /* from here on other answers */
        if (line[0] != '|')
            continue;
        /* Names in backquotes; values of enumerations too, which are not keys. */
        for (char *at = strchr(line, '`'); at; at = strchr(at + 1, '`')) {
            char *end = strchr(at + 1, '`');
            snprintf(key, sizeof(key), "\"%.*s\":", (int)(end - at - 1), at + 1);
            bool value =
                strstr("\"ok\":\"unattainable\":\"fixed\":\"stale\":\"promise\":\"ceiling\":"
                       "\"hand\":\"configuration\":\"throughput\":\"delay\":\"unstable\":"
                       "\"silent\":\"forwarding\":\"one-way\":"
                       "\"tuning-state\":",
                       key);
            if (!value && !strstr(text, key))
                fail_msg("%s is documented, but not there", key);
            fields += !value;
            at = end;
        }
    }
    assert_true(fields > 60);
    json_decref(status);
    free(text);
    fclose(document);
}

/* ---- the command line ---- */

static enum options_result parse(struct options *ret, int argc, const char *const *argv)
{
    char *copy[16];

    for (int i = 0; i < argc; i++)
        copy[i] = (char *)argv[i];
    copy[argc] = NULL;
    optind = 0; /* start anew */
    return options_parse(argc, copy, ret);
}

static void options_go_before_the_file(void **state)
{
    static const char *const argv[] = {"xenaggd", "--config",        "/c", "--segment",
                                       "/s",      "--control",       "/k", "--backend-domid",
                                       "7",       "--interval=250ms"};
    struct options options;
    struct config *config = config_defaults();
    (void)state;

    assert_int_equal(parse(&options, 10, argv), OPTIONS_RUN);
    assert_string_equal(options.config, "/c");
    options_apply(&options, config_daemon_change(config));
    assert_string_equal(config_daemon(config)->segment, "/s");
    assert_string_equal(config_daemon(config)->control, "/k");
    assert_string_equal(config_daemon(config)->database, "/var/lib/xenagg/history.db");
    assert_int_equal(config_daemon(config)->backend_domid, 7);
    assert_float_equal(config_daemon(config)->interval, 0.25, 1e-12);
    config_free(config);
}

static void bad_options_are_refused(void **state)
{
    static const char *const bad[][3] = {
        {"xenaggd", "--interval", "5"},       {"xenaggd", "--interval", "10ms"},
        {"xenaggd", "--backend-domid", "-1"}, {"xenaggd", "--backend-domid", "32752"},
        {"xenaggd", "--frobnicate", "1"},     {"xenaggd", "stray", "--help"},
        {"xenaggd", "--segment", ""},
    };
    struct options options;
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (i != 5)
            assert_int_equal(parse(&options, 3, bad[i]), OPTIONS_BAD);
    assert_int_equal(parse(&options, 2, bad[5]), OPTIONS_BAD);
    assert_int_equal(parse(&options, 3, bad[5]), OPTIONS_DONE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(only_root_may_ask),
        TEST(questions_are_answered_in_order),
        TEST(closed_half_is_still_answered),
        TEST(nonsense_is_answered_too),
        TEST(halves_of_characters_are_no_harm),
        TEST(depth_is_refused),
        TEST(endless_request_ends_the_client),
        TEST(who_does_not_read_is_not_answered_further),
        TEST(too_many_clients_are_told_so),
        TEST(living_daemon_keeps_its_socket),
        TEST(dead_ones_is_replaced_and_files_are_not),
        cmocka_unit_test(unknown_numbers_are_null),
        cmocka_unit_test(documented_fields_are_there),
        cmocka_unit_test(options_go_before_the_file),
        cmocka_unit_test(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
