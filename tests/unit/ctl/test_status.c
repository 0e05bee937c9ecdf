// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggctl status, with a daemon played by a thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "program.h"

#define LANE                                                                                       \
    "{\"rate\":41234.5,\"rate_error\":12,\"packets\":64,\"timeout_us\":200,"                       \
    "\"packets_per_container\":58.5,\"packet_count\":41000,\"container_count\":700,"               \
    "\"dropped\":{\"ring\":1,\"size\":0,\"port\":2,\"refused\":0,\"lost\":0,\"malformed\":0},"     \
    "\"predicted\":{\"total_us\":123.4},\"measured\":{\"total_us\":130.2,\"p99_us\":400}}"

static const char answer[] =
    "{\"ok\":true,\"version\":\"0.1.0\",\"protocol\":1,\"time\":1700000000.5,\"interval\":1,"
    "\"daemon\":{\"pid\":1234,\"started\":1700000000,"
    "\"config\":{\"path\":\"/x/xenaggd.conf\",\"error\":\"line 3: \\u001b[2J\"},"
    "\"segment\":{\"path\":\"/x/segment\",\"ok\":true,\"error\":null},"
    "\"store\":{\"ok\":true,\"error\":null},"
    "\"history\":{\"path\":\"/x/history.db\",\"ok\":false,\"error\":\"disk full\",\"dropped\":7},"
    "\"ticks\":{\"count\":5,\"mean_us\":310,\"max_us\":900}},"
    "\"workers\":[{\"worker\":0,\"interfaces\":2,\"utilisation\":0.34,"
    "\"predicted_utilisation\":0.33,\"container_rate\":1900,\"stable\":true,\"held\":17,\"costs\":{"
    "\"read_ns\":2100,\"publish_ns\":4200,\"publish_packet_ns\":43,\"unload_ns\":2200,"
    "\"unload_packet_ns\":1300,\"wakeup_ns\":43000,\"read_error_ns\":21,"
    "\"publish_error_ns\":null,\"publish_packet_error_ns\":null,\"publish_whole_error_ns\":71,"
    "\"unload_error_ns\":98,\"unload_packet_error_ns\":14,\"unload_whole_error_ns\":19,"
    "\"wakeup_error_ns\":3700,\"publish_alike\":true,\"unload_alike\":false}}],"
    "\"interfaces\":["
    "{\"name\":\"we\\u001b[2Jb\",\"domid\":3,\"handle\":0,\"worker\":0,\"state\":\"unattainable\","
    "\"sizing\":\"unattainable\",\"reason\":\"too fast\","
    "\"promise\":{\"delay_us\":100,\"percentile\":99,\"scope\":\"one-way\"},"
    "\"predicted_us\":560.2,\"measured_us\":571,\"expected_us\":566,\"least_us\":210,"
    "\"kept\":false,\"kept_share\":0.25,\"windows\":40,\"windows_kept\":10,\"forwarded\":1,"
    "\"utilisation\":0.12,\"domain_cpu\":0.5,\"rx\":" LANE ",\"tx\":" LANE "},"
    "{\"name\":\"new\",\"domid\":4,\"handle\":1,\"worker\":null,\"state\":\"ok\","
    "\"promise\":{\"delay_us\":null},\"kept\":null,\"windows\":0}]}\n";

static const char nobody[] = "{\"ok\":true,\"version\":\"0.1.0\",\"daemon\":{},\"workers\":[],"
                             "\"interfaces\":[]}\n";
static const char refusal[] = "{\"ok\":false,\"error\":\"too many clients\"}\n";

/* One daemon a test: a client gets the next of `says` (the last again and again). */
static struct daemon {
    char *folder;
    char path[128];
    char heard[512];
    int listener;
    pthread_t thread;
    const char *says[3];
} fake;

static void *daemon_run(void *unused)
{
    int client;

    (void)unused;
    for (int i = 0; (client = accept(fake.listener, NULL, NULL)) >= 0; i += fake.says[i + 1] != 0) {
        ssize_t length = recv(client, fake.heard, sizeof(fake.heard) - 1, 0);
        fake.heard[length > 0 ? length : 0] = '\0';
        send(client, fake.says[i], strlen(fake.says[i]), MSG_NOSIGNAL);
        close(client);
    }
    return NULL;
}

static int daemon_start(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    fake.folder = folder_make();
    snprintf(fake.path, sizeof(fake.path), "%s/control", fake.folder);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", fake.folder);
    memset(fake.says, 0, sizeof(fake.says));
    fake.says[0] = answer;
    fake.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(fake.listener, (struct sockaddr *)&address, sizeof(address)) ||
           listen(fake.listener, 4) || pthread_create(&fake.thread, NULL, daemon_run, NULL);
}

static int daemon_stop(void **state)
{
    (void)state;
    shutdown(fake.listener, SHUT_RDWR);
    pthread_join(fake.thread, NULL);
    close(fake.listener);
    folder_remove(fake.folder);
    return 0;
}

static void test_people(void **state)
{
    (void)state;
    struct said said;

    program_run(fake.folder, &said, PROGRAM_WORDS("status", "--control", fake.path));
    assert_int_equal(said.status, CTL_OK);
    assert_string_equal(fake.heard, "{\"request\":\"status\"}\n");
    assert_null(strchr(said.out, '\033'));
    assert_non_null(strstr(said.out, "0.1.0       1234"));
    assert_non_null(strstr(said.out, "we\\x1b[2Jb   0  unattainable  100us p99, one-way"));
    assert_non_null(strstr(said.out, "no    25.0%       40  12.0%  50.0%\n"));
    assert_non_null(
        strstr(said.out, "rx   41.2k/s    64    200us      -    58.5      123us     130us"));
    assert_non_null(strstr(said.out, "trouble with the configuration file"));
    assert_non_null(strstr(said.out, "trouble with the history: disk full\n"));
    assert_non_null(strstr(said.out, "7 ticks are missing in the history\n"));
    assert_non_null(strstr(said.out, "we\\x1b[2Jb: too fast\n"));
    assert_non_null(strstr(said.out, "     0  2.10us  21.0ns   4.20us   -    43.0ns   -  2.20us"
                                     "  98.0ns    1.30us  14.0ns   43.0us  3.70us\n"));
    assert_non_null(strstr(said.out, "which part of the time for publishing one is fixed"));
    assert_null(strstr(said.out, "unloading one"));
    assert_null(strstr(said.out, "measurements"));
}

static void test_json(void **state)
{
    (void)state;
    json_t *json =
        program_json(fake.folder, PROGRAM_WORDS("status", "--json", "--control", fake.path));
    const json_t *interfaces = json_object_get(json, "interfaces");
    assert_int_equal(json_array_size(interfaces), 2);
    const json_t *first = json_array_get(interfaces, 0), *second = json_array_get(interfaces, 1);
    assert_string_equal(json_string_value(json_object_get(first, "vm")), "we\033[2Jb");
    assert_true(json_is_false(json_object_get(first, "kept")));
    assert_float_equal(json_number_value(json_object_get(first, "promise_s")), 1e-4, 1e-12);
    assert_float_equal(json_number_value(json_object_get(first, "least_s")), 210e-6, 1e-12);
    assert_true(json_is_null(json_object_get(second, "promise_s")));
    assert_true(json_is_null(json_object_get(second, "kept")));
    const json_t *worker = json_array_get(json_object_get(json, "workers"), 0);
    assert_int_equal(json_integer_value(json_object_get(worker, "held")), 17);
    const json_t *costs = json_array_get(json_object_get(json, "costs"), 0);
    assert_float_equal(json_number_value(json_object_get(costs, "wakeup_error_s")), 3.7e-6, 1e-12);
    assert_float_equal(json_number_value(json_object_get(costs, "publish_whole_error_s")), 71e-9,
                       1e-15);
    assert_true(json_is_null(json_object_get(costs, "publish_error_s")));
    assert_true(json_is_true(json_object_get(costs, "publish_alike")));
    assert_true(json_is_false(json_object_get(costs, "unload_alike")));
    const json_t *directions = json_object_get(json, "directions");
    assert_int_equal(json_array_size(directions), 4);
    const json_t *tx = json_array_get(directions, 1);
    assert_string_equal(json_string_value(json_object_get(tx, "direction")), "tx");
    assert_float_equal(json_number_value(json_object_get(tx, "dropped")), 3, 0);
    assert_int_equal(json_integer_value(json_object_get(tx, "packets")), 64);
    /* What the daemon does not say is not known, not 0. */
    assert_true(json_is_null(json_object_get(json_array_get(directions, 2), "dropped")));
    json_decref(json);
}

static void test_watch_json(void **state)
{
    (void)state;
    struct said said;

    program_run(fake.folder, &said,
                PROGRAM_WORDS("status", "--watch", "1ms", "--times", "3", "--json", "--control",
                              fake.path));
    assert_int_equal(said.status, CTL_OK);
    int documents = 0;
    for (char *line = strtok(said.out, "\n"); line; line = strtok(NULL, "\n"), documents++) {
        json_t *json = json_loads(line, 0, NULL);
        assert_int_equal(json_array_size(json_object_get(json, "interfaces")), 2);
        json_decref(json);
    }
    assert_int_equal(documents, 3);
}

static void test_watch_people(void **state)
{
    (void)state;
    struct said said;

    program_run(fake.folder, &said,
                PROGRAM_WORDS("status", "--watch", "1ms", "--times", "2", "--control", fake.path));
    assert_int_equal(said.status, CTL_OK);
    const char *first = strstr(said.out, "XENAGGD");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "XENAGGD"));
    /* No terminal: nothing to clear. */
    assert_null(strchr(said.out, '\033'));
}

/* A daemon that is away for a moment does not end the watching. */
static void test_watch_goes_on(void **state)
{
    (void)state;
    struct said said;

    fake.says[0] = refusal;
    fake.says[1] = answer;
    program_run(fake.folder, &said,
                PROGRAM_WORDS("status", "--watch=1ms", "--times", "2", "--control", fake.path));
    assert_int_equal(said.status, CTL_OK);
    assert_non_null(strstr(said.out, "refuses: too many clients\n"));
    assert_non_null(strstr(said.out, "XENAGGD"));
}

static void test_vm(void **state)
{
    (void)state;
    struct said said;

    program_run(fake.folder, &said, PROGRAM_WORDS("status", "a\"b", "--control", fake.path));
    assert_int_equal(said.status, CTL_OK);
    json_t *heard = json_loads(fake.heard, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(heard, "vm")), "a\"b");
    json_decref(heard);
    program_run(fake.folder, &said, PROGRAM_WORDS("status", "\xff", "--control", fake.path));
    assert_int_equal(said.status, CTL_FAILED);
}

static void test_nobody(void **state)
{
    (void)state;
    struct said said;

    fake.says[0] = nobody;
    program_run(fake.folder, &said, PROGRAM_WORDS("status", "--control", fake.path));
    assert_int_equal(said.status, CTL_OK);
    assert_non_null(strstr(said.out, "No VM has an interface of xenagg"));
    program_run(fake.folder, &said, PROGRAM_WORDS("status", "web", "--control", fake.path));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "knows no VM called 'web'"));
}

static void test_refused(void **state)
{
    (void)state;
    struct said said;

    fake.says[0] = refusal;
    program_run(fake.folder, &said, PROGRAM_WORDS("status", "--control", fake.path));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "refuses: too many clients"));
}

static void test_not_a_daemon(void **state)
{
    (void)state;
    struct said said;
    static const char *const others[] = {"220 mail.example.org ESMTP\n", "{\"ok\":1}\n", "[]\n", "",
                                         "{\"ok\":true"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        fake.says[0] = others[i];
        program_run(fake.folder, &said, PROGRAM_WORDS("status", "--control", fake.path));
        assert_int_equal(said.status, CTL_FAILED);
        assert_non_null(strstr(said.out, "is not xenaggd"));
    }
}

static void test_no_daemon(void **state)
{
    (void)state;
    struct said said;

    program_run(fake.folder, &said, PROGRAM_WORDS("status", "--control", "/nonesuch/control"));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "xenaggd does not answer there"));
}

static const char fixed_answer[] =
    "{\"ok\":true,\"sizes\":[{\"name\":\"web\",\"domid\":3,\"handle\":0,\"direction\":\"rx\","
    "\"packets\":64,\"timeout_us\":200.0}],\"within_s\":1.0,\"store_error\":\"not connected\"}\n";
static const char freed_answer[] =
    "{\"ok\":true,\"sizes\":[{\"name\":\"web\",\"domid\":3,\"handle\":0,\"direction\":\"tx\","
    "\"packets\":null,\"timeout_us\":null}],\"within_s\":1.0,\"store_error\":null}\n";

static void test_set(void **state)
{
    (void)state;
    struct said said;

    fake.says[0] = fixed_answer;
    program_run(fake.folder, &said,
                PROGRAM_WORDS("set", "web", "rx", "64", "--timeout", "200us", "--handle", "0",
                              "--control", fake.path));
    assert_int_equal(said.status, CTL_OK);
    assert_string_equal(fake.heard,
                        "{\"request\":\"set\",\"vm\":\"web\",\"direction\":\"rx\",\"handle\":0,"
                        "\"packets\":64,\"timeout_us\":200.0}\n");
    assert_non_null(strstr(said.out, "web   0  rx     64    200us"));
    assert_non_null(strstr(said.out, "would forget it"));
    json_t *json = program_json(
        fake.folder, PROGRAM_WORDS("set", "web", "64", "--json", "--control", fake.path));
    assert_string_equal(fake.heard, "{\"request\":\"set\",\"vm\":\"web\",\"packets\":64}\n");
    const json_t *size = json_array_get(json_object_get(json, "sizes"), 0);
    assert_true(json_number_value(json_object_get(size, "timeout_s")) == 200e-6);
    json_decref(json);
}

static void test_unset(void **state)
{
    (void)state;
    struct said said;

    fake.says[0] = freed_answer;
    program_run(fake.folder, &said, PROGRAM_WORDS("unset", "web", "tx", "--control", fake.path));
    assert_int_equal(said.status, CTL_OK);
    assert_string_equal(fake.heard,
                        "{\"request\":\"unset\",\"vm\":\"web\",\"direction\":\"tx\"}\n");
    assert_non_null(strstr(said.out, "the daemon sizes it"));
    fake.says[0] = "{\"ok\":false,\"error\":\"no VM is called 'web'\"}\n";
    program_run(fake.folder, &said, PROGRAM_WORDS("unset", "web", "--control", fake.path));
    assert_int_equal(said.status, CTL_FAILED);
    assert_non_null(strstr(said.out, "no VM is called 'web'"));
}

static void test_set_mistakes(void **state)
{
    static const char *const bad[][4] = {{"set", "web", NULL},
                                         {"set", "web", "0", NULL},
                                         {"set", "web", "65536"},
                                         {"set", "web", "up", "3"},
                                         {"set", "web", "rx", "64us"},
                                         {"unset", "web", "both"},
                                         {"unset", NULL}};
    struct said said;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *words[6] = {bad[i][0], bad[i][1], bad[i][2], bad[i][3]};
        program_run(fake.folder, &said, words);
        assert_int_equal(said.status, CTL_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_people, daemon_start, daemon_stop),
        cmocka_unit_test_setup_teardown(test_json, daemon_start, daemon_stop),
        cmocka_unit_test_setup_teardown(test_watch_json, daemon_start, daemon_stop),
        cmocka_unit_test_setup_teardown(test_watch_people, daemon_start, daemon_stop),
        cmocka_unit_test_setup_teardown(test_watch_goes_on, daemon_start, daemon_stop),
        cmocka_unit_test_setup_teardown(test_vm, daemon_start, daemon_stop),
        cmocka_unit_test_setup_teardown(test_nobody, daemon_start, daemon_stop),
        cmocka_unit_test_setup_teardown(test_refused, daemon_start, daemon_stop),
        cmocka_unit_test_setup_teardown(test_not_a_daemon, daemon_start, daemon_stop),
        cmocka_unit_test_setup_teardown(test_no_daemon, daemon_start, daemon_stop),
        cmocka_unit_test_setup_teardown(test_set, daemon_start, daemon_stop),
        cmocka_unit_test_setup_teardown(test_unset, daemon_start, daemon_stop),
        cmocka_unit_test_setup_teardown(test_set_mistakes, daemon_start, daemon_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
