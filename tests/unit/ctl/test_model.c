// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggctl model: every question in both formats, its mistakes, and the model's known numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "program.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char *folder;

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_number(value))
        fail_msg("%s is not a number", key);
    return json_number_value(value);
}

/* cmocka's own compares floats. */
static void assert_within(double value, double expected, double margin)
{
    if (!(fabs(value - expected) <= margin))
        fail_msg("%.12g, expected %.12g +- %.3g", value, expected, margin);
}

static const json_t *stream(const json_t *json, size_t i)
{
    return json_array_get(json_object_get(json, "streams"), i);
}

static void assert_keys(const json_t *object, const char *const *keys)
{
    size_t count = 0;

    for (; keys[count]; count++)
        if (!json_object_get(object, keys[count]))
            fail_msg("%s is missing", keys[count]);
    assert_int_equal(json_object_size(object), count);
}
#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int setup(void **state)
{
    (void)state;
    folder = folder_make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static void test_wait_json(void **state)
{
    (void)state;
    json_t *json = program_json(
        folder, PROGRAM_WORDS("model", "wait", "--json", "--stream", "800k:160:400usx4",
                              "--stream=1.5M:64", "--service", "10us:0.5", "--at", "10us", "1ms"));
    assert_keys(
        json, KEYS("method", "stable", "utilisation", "container_rate", "wait", "tail", "streams"));
    assert_string_equal(json_string_value(json_object_get(json, "method")), "fast");
    assert_true(json_is_true(json_object_get(json, "stable")));
    assert_keys(json_object_get(json, "wait"), KEYS("mean_s", "p50_s", "p99_s", "p999_s"));
    assert_int_equal(json_array_size(json_object_get(json, "tail")), 2);
    const json_t *tail = json_array_get(json_object_get(json, "tail"), 0);
    assert_keys(tail, KEYS("at_s", "probability"));
    assert_within(number(tail, "at_s"), 10e-6, 1e-15);
    assert_int_equal(json_array_size(json_object_get(json, "streams")), 2);
    assert_keys(stream(json, 0),
                KEYS("rate", "size", "count", "packets_per_container", "fill_mean_s", "wait_mean_s",
                     "service_mean_s", "delay_mean_s", "delay_p50_s", "delay_p99_s"));
    assert_within(number(stream(json, 0), "rate"), 800e3, 0);
    assert_within(number(stream(json, 0), "count"), 4, 0);
    assert_within(number(stream(json, 1), "rate"), 1.5e6, 0);
    assert_within(number(stream(json, 1), "fill_mean_s"), 63 / 3e6, 1e-12);
    json_decref(json);
}

static void test_wait_people(void **state)
{
    (void)state;
    struct said said;

    program_run(
        folder, &said,
        PROGRAM_WORDS("model", "wait", "--stream", "100k:1", "--service", "5us", "--at", "0s"));
    assert_int_equal(said.status, CTL_OK);
    /* M/M/1, half used: the mean wait is one service, half of all wait. */
    assert_non_null(strstr(said.out, "utilisation  50.0%\n"));
    assert_non_null(strstr(said.out, "\n   5.00us"));
    assert_non_null(strstr(said.out, "\n        0s         0.50\n"));
}

/* Section 3 of the published model's restatement: all digits given there. */
static void test_published(void **state)
{
    (void)state;
    static const struct {
        const char *streams[3];
        const char *service;
        double wait;
    } rows[] = {
        {{"3:3", "4:4", "0:1"}, "0.4s", 1.13352530},
        {{"10:5", "1:2", "5:3"}, "0.216s", 1.44814443},
        {{"1:4x3", "0:1", "0:1"}, "0.8s", 0.88469159},
        {{"7:10", "0:1", "0:1"}, "1.142857142857142857s", 2.19687906},
    };
    static const char *const methods[] = {"published", "qbd"};

    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        const char *const *streams = rows[i / 2].streams;
        json_t *json =
            program_json(folder, PROGRAM_WORDS("model", "wait", "--stream", streams[0], streams[1],
                                               streams[2], "--service", rows[i / 2].service,
                                               "--method", methods[i % 2], "--json"));
        assert_within(number(json_object_get(json, "wait"), "mean_s"), rows[i / 2].wait, 6e-9);
        json_decref(json);
    }
}

static void test_published_tail(void **state)
{
    (void)state;
    static const double expected[] = {0.739163, 0.569456, 0.438713};
    json_t *json = program_json(folder, PROGRAM_WORDS("model", "wait", "--stream", "3:3", "4:4",
                                                      "--service", "400ms", "--at", "0s", "0.4s",
                                                      "0.8s", "--method=published", "--json"));
    const json_t *tail = json_object_get(json, "tail");

    for (size_t i = 0; i < 3; i++)
        assert_within(number(json_array_get(tail, i), "probability"), expected[i], 6e-7);
    json_decref(json);
}

/* Small cases solved with all phases. */
static void test_exact(void **state)
{
    (void)state;
    static const struct {
        const char *streams, *service;
        double wait;
    } rows[] = {{"2:2x2", "0.15s", 0.26571}, {"12:12x2", "0.4s", 1.98517}};
    static const double mean[] = {0.15, 0.4};

    for (size_t i = 0; i < COUNT(rows); i++) {
        json_t *json = program_json(
            folder, PROGRAM_WORDS("model", "wait", "--stream", rows[i].streams, "--service",
                                  rows[i].service, "--method", "exact", "--json"));
        assert_within(number(json_object_get(json, "wait"), "mean_s") / mean[i], rows[i].wait,
                      6e-6);
        json_decref(json);
    }
}

/* Containers of unlike sizes, served by packets: each has its own service. */
static void test_exact_by_size(void **state)
{
    (void)state;
    double delays[2][2];
    static const char *const methods[] = {"exact", "sim"};

    for (int i = 0; i < 2; i++) {
        json_t *json = program_json(
            folder, PROGRAM_WORDS("model", "wait", "--stream", "6:2", "6:6", "--service", "0.1s",
                                  "--service-per-packet", "0.02s", "--method", methods[i],
                                  "--containers", "1000000", "--json"));
        for (size_t j = 0; j < 2; j++)
            delays[i][j] = number(stream(json, j), "delay_mean_s");
        json_decref(json);
    }
    for (int j = 0; j < 2; j++)
        assert_within(delays[0][j] / delays[1][j], 1, 0.01);
}

static void test_sim(void **state)
{
    (void)state;
    struct said one, other;
    const char *const words[] = {
        "model", "wait",         "--stream", "100k:16x4", "--service", "20us",   "--method",
        "sim",   "--containers", "20000",    "--seed",    "7",         "--json", NULL};

    program_run(folder, &one, words);
    program_run(folder, &other, words);
    assert_int_equal(one.status, CTL_OK);
    assert_string_equal(one.out, other.out);
}

/* Packets of one container leave together, so that their delays differ by their gaps. */
static void test_jitter(void **state)
{
    (void)state;
    json_t *json = program_json(
        folder, PROGRAM_WORDS("model", "wait", "--stream", "100k:16", "--service", "5us",
                              "--method", "sim", "--containers", "20000", "--jitter", "--json"));
    double mean = number(stream(json, 0), "jitter_mean_s");
    assert_within(mean, 15e-6, 10e-6); /* about a gap, and now and then a whole filling */
    assert_true(number(stream(json, 0), "jitter_max_s") > mean);
    json_decref(json);
}

/* Batches of single packets: closed form; on and off: the time that it is on sets the scale. */
static void test_bursts(void **state)
{
    (void)state;
#define SIMULATED                                                                                  \
    "model", "wait", "--stream", "100k:1", "--service", "5us", "--method", "sim", "--json"
    json_t *json =
        program_json(folder, PROGRAM_WORDS(SIMULATED, "--containers", "400000", "--bursts", "2"));
    /* M[X]/M/1, geometric: W = s (rho + E[X] - 1) / (1 - rho). */
    assert_within(number(json_object_get(json, "wait"), "mean_s"), 15e-6, 1e-6);
    json_decref(json);
    json =
        program_json(folder, PROGRAM_WORDS(SIMULATED, "--containers", "400000", "--bursts", "1"));
    assert_within(number(json_object_get(json, "wait"), "mean_s"), 5e-6, 0.4e-6);
    json_decref(json);
    /* Overloaded twice while on: the queue grows with the time that it is. */
    json = program_json(folder,
                        PROGRAM_WORDS(SIMULATED, "--containers", "400000", "--on-off", "1ms:3ms"));
    double wait = number(json_object_get(json, "wait"), "mean_s");
    assert_within(number(stream(json, 0), "rate"), 100e3, 0);
    json_decref(json);
    json = program_json(folder,
                        PROGRAM_WORDS(SIMULATED, "--containers", "400000", "--on-off", "2ms:6ms"));
    assert_within(number(json_object_get(json, "wait"), "mean_s") / wait, 2, 0.4);
    json_decref(json);
}

/* The published use case: at this service 160 packets at 800 thousand a second take 300 us. */
static void test_use_case(void **state)
{
    (void)state;
    static const struct {
        const char *stream, *size, *service;
    } cases[] = {{"800k:160", "800k", "126.3583us"}, {"800k:160x5", "800kx5", "36.0529us"}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *json =
            program_json(folder, PROGRAM_WORDS("model", "wait", "--stream", cases[i].stream,
                                               "--service", cases[i].service, "--json"));
        assert_within(number(stream(json, 0), "delay_mean_s"), 300e-6, 2e-6); /* sim: 301.3 */
        json_decref(json);
        /* Larger ones keep it, too: they ask less of the server. */
        json = program_json(folder,
                            PROGRAM_WORDS("model", "size", "--stream", cases[i].size, "--delay",
                                          "302us", "--service", cases[i].service, "--json"));
        assert_keys(json, KEYS("streams"));
        assert_keys(stream(json, 0),
                    KEYS("attainable", "size", "timeout_s", "delay_s", "utilisation"));
        assert_true(json_is_true(json_object_get(stream(json, 0), "attainable")));
        assert_true(number(stream(json, 0), "size") >= 160);
        assert_true(number(stream(json, 0), "delay_s") <= 302e-6);
        json_decref(json);
    }
}

/* Where much of the service is per packet, the 160 of the published use case are the largest. */
static void test_published_size(void **state)
{
    (void)state;
    json_t *json = program_json(folder, PROGRAM_WORDS("model", "size", "--stream", "800k",
                                                      "--delay", "300us", "--service", "60us",
                                                      "--service-per-packet", "0.653us", "--json"));
    assert_within(number(stream(json, 0), "size"), 160, 2);
    json_decref(json);
}

/* The largest size under the promise by `wait` itself. */
static void test_size_boundary(void **state)
{
    (void)state;
    char text[2][64];
    json_t *json =
        program_json(folder, PROGRAM_WORDS("model", "size", "--stream", "800k", "--delay", "300us",
                                           "--service", "20us", "--json"));
    int size = (int)number(stream(json, 0), "size");
    double timeout = number(stream(json, 0), "timeout_s");
    json_decref(json);

    for (int more = 0; more < 2; more++) {
        snprintf(text[more], sizeof(text[more]), "800k:%d:%.9fs", size + 2 * more, timeout);
        json = program_json(folder, PROGRAM_WORDS("model", "wait", "--stream", text[more],
                                                  "--service", "20us", "--json"));
        double delay = number(stream(json, 0), "delay_mean_s");
        assert_true(more ? delay > 300e-6 : delay <= 300.0001e-6);
        json_decref(json);
    }
}

/* There and back: one fill wait, two services, and twice the work for the server. */
static void test_scope(void **state)
{
    (void)state;
    json_t *one = program_json(folder, PROGRAM_WORDS("model", "size", "--stream", "800k", "--delay",
                                                     "600us", "--service", "20us", "--json"));
    json_t *both =
        program_json(folder, PROGRAM_WORDS("model", "size", "--stream", "800k", "--delay", "600us",
                                           "--scope", "forwarding", "--service", "20us", "--json"));
    double size = number(stream(both, 0), "size");
    assert_keys(stream(both, 0), KEYS("attainable", "size", "timeout_s", "delay_s", "utilisation"));
    assert_true(size < number(stream(one, 0), "size"));
    assert_within(number(stream(both, 0), "utilisation"), 2 * 20e-6 * 800e3 / size, 1e-3);
    assert_within(number(stream(both, 0), "delay_s"), 600e-6, 1e-6);
    json_decref(one);
    one = program_json(folder, PROGRAM_WORDS("model", "size", "--stream", "800k", "--delay",
                                             "300us", "--service", "20us", "--json"));
    json_t *p99 =
        program_json(folder, PROGRAM_WORDS("model", "size", "--stream", "800k", "--delay", "300us",
                                           "--percentile", "99", "--service", "20us", "--json"));
    assert_true(number(stream(p99, 0), "size") < number(stream(one, 0), "size"));
    json_decref(one);
    json_decref(both);
    json_decref(p99);
}

static void test_size_people(void **state)
{
    (void)state;
    struct said said;

    program_run(folder, &said,
                PROGRAM_WORDS("model", "size", "--stream", "800k", "100kx3", "--delay", "1ms",
                              "--service", "20us:0", "--service-per-packet", "50ns"));
    assert_int_equal(said.status, CTL_OK);
    assert_non_null(strstr(said.out, "ATTAINABLE"));
    assert_non_null(strstr(said.out, "800k/s      1  yes"));
    assert_non_null(strstr(said.out, "100k/s      3  yes"));
    program_run(
        folder, &said,
        PROGRAM_WORDS("model", "size", "--stream", "800k", "--delay", "21us", "--service", "20us"));
    assert_int_equal(said.status, CTL_OK);
    assert_non_null(strstr(said.out, "800k/s      1  no"));
}

static void test_capacity(void **state)
{
    (void)state;
    struct said said;
    json_t *json = program_json(folder, PROGRAM_WORDS("model", "capacity", "--stream", "100k",
                                                      "--delay", "600us", "--service", "50us",
                                                      "--present", "300kx2", "--json"));
    assert_keys(json, KEYS("capacity", "size", "timeout_s", "delay_s", "utilisation"));
    int count = (int)number(json, "capacity");
    json_decref(json);
    assert_in_range(count, 2, 100);

    for (int more = 0; more < 2; more++) {
        char newcomers[32];
        snprintf(newcomers, sizeof(newcomers), "100kx%d", count + more);
        json =
            program_json(folder, PROGRAM_WORDS("model", "size", "--stream", "300kx2", newcomers,
                                               "--delay", "600us", "--service", "50us", "--json"));
        bool fit = json_is_true(json_object_get(stream(json, 0), "attainable")) &&
                   json_is_true(json_object_get(stream(json, 1), "attainable"));
        assert_int_equal(fit, !more);
        json_decref(json);
    }
    program_run(folder, &said,
                PROGRAM_WORDS("model", "capacity", "--stream", "100k", "--delay", "40us",
                              "--service", "50us"));
    assert_int_equal(said.status, CTL_OK);
    assert_non_null(strstr(said.out, "streams more  0\n"));
}

static void test_curve(void **state)
{
    (void)state;
    static const struct {
        const char *over, *x;
    } cases[] = {{"size", "size"}, {"rate", "rate"}, {"delay", "promise_s"}};
    struct said said;

    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *json = program_json(folder, PROGRAM_WORDS("model", "curve", "--stream", "800k",
                                                          "--delay", "300us", "--service", "20us",
                                                          "--over", cases[i].over, "--json"));
        const json_t *points = json_object_get(json, "points"), *point;
        size_t index;
        double last = 0;
        assert_string_equal(json_string_value(json_object_get(json, "over")), cases[i].over);
        assert_true(json_array_size(points) >= 20);
        json_array_foreach(points, index, point)
        {
            assert_true(number(point, cases[i].x) > last);
            last = number(point, cases[i].x);
            if (json_is_null(json_object_get(point, "delay_s")))
                continue;
            assert_within(number(point, "delay_s"),
                          number(point, "fill_mean_s") + number(point, "wait_mean_s") +
                              number(point, "service_mean_s"),
                          1e-12);
        }
        json_decref(json);
    }
    program_run(folder, &said,
                PROGRAM_WORDS("model", "curve", "--stream", "800k", "--delay", "300us", "--service",
                              "20us"));
    assert_int_equal(said.status, CTL_OK);
    assert_non_null(strstr(said.out, "SERVICE"));
}

static void assert_begins(const char *path, const char *expected, size_t size)
{
    char head[16] = "";
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_int_equal(fread(head, 1, size, file), size);
    fclose(file);
    assert_memory_equal(head, expected, size);
}

/* Each place has all streams; another method is asked about the same sizes. */
static void test_curve_of_all(void **state)
{
    (void)state;
    static const char *const methods[] = {"fast", "published", "sim"};

    for (size_t m = 0; m < COUNT(methods); m++) {
        json_t *json =
            program_json(folder, PROGRAM_WORDS("model", "curve", "--stream", "1k", "500", "--delay",
                                               "4ms", "--service", "100us", "--over", "size",
                                               "--method", methods[m], "--json"));
        const json_t *points = json_object_get(json, "points"), *point;
        size_t index;
        json_array_foreach(points, index, point)
        {
            assert_within(number(point, "stream"), (double)(index % 2 + 1), 0);
            if (json_is_null(json_object_get(point, "delay_s")))
                continue;
            assert_within(number(point, "delay_s"),
                          number(point, "fill_mean_s") + number(point, "wait_mean_s") +
                              number(point, "service_mean_s"),
                          2e-2 * number(point, "delay_s"));
        }
        assert_true(index >= 10 && index % 2 == 0);
        json_decref(json);
    }
}

static void test_plot(void **state)
{
    (void)state;
    char svg[256], png[256];
    struct said said;

    snprintf(svg, sizeof(svg), "%s/it's a size.svg", folder);
    snprintf(png, sizeof(png), "%s/rate.png", folder);
    if (access("/usr/bin/gnuplot", X_OK))
        skip();
    program_run(folder, &said,
                PROGRAM_WORDS("model", "curve", "--stream", "800k", "--delay", "300us", "--service",
                              "20us", "--plot", svg));
    assert_int_equal(said.status, CTL_OK);
    assert_null(strstr(said.out, "warning"));
    assert_begins(svg, "<?xml", 5);
    program_run(folder, &said,
                PROGRAM_WORDS("model", "curve", "--stream", "800k", "--delay", "300us", "--service",
                              "20us", "--over", "rate", "--plot", png));
    assert_int_equal(said.status, CTL_OK);
    assert_null(strstr(said.out, "warning"));
    assert_begins(png, "\x89PNG", 4);
}

static void test_unstable(void **state)
{
    (void)state;
    struct said said;
    static const char *const words[][12] = {
        {"model", "wait", "--stream", "100k:1", "--service", "20us"},
        {"model", "size", "--stream", "100k", "--delay", "1ms", "--service", "2s"},
        {"model", "capacity", "--stream", "100k", "--delay", "1ms", "--service", "2s"},
        {"model", "curve", "--stream", "100k", "--delay", "1ms", "--service", "2s"},
    };

    for (size_t i = 0; i < COUNT(words); i++) {
        const char *with_json[13];
        size_t n = 0;
        for (; words[i][n]; n++)
            with_json[n] = words[i][n];
        with_json[n] = "--json";
        with_json[n + 1] = NULL;
        program_run(folder, &said, words[i]);
        assert_int_equal(said.status, CTL_UNSTABLE);
        program_run(folder, &said, with_json);
        assert_int_equal(said.status, CTL_UNSTABLE);
        json_t *json = json_loads(said.out, 0, NULL);
        assert_non_null(json);
        if (i == 0) {
            assert_true(json_is_false(json_object_get(json, "stable")));
            assert_true(json_is_null(json_object_get(json_object_get(json, "wait"), "mean_s")));
            assert_within(number(json, "utilisation"), 2, 1e-9);
        }
        json_decref(json);
    }
}

/* Every mistake is an error of usage, and the message names the argument. */
static void test_mistakes(void **state)
{
    (void)state;
#define WAIT "model", "wait", "--service", "1us"
#define SIZE "model", "size", "--service", "1us"
    static const struct {
        const char *words[14], *named;
    } cases[] = {
        {{"model"}, "usage"},
        {{"model", "weight"}, "weight"},
        {{WAIT}, "--stream"},
        {{WAIT, "--stream"}, "--stream"},
        {{WAIT, "--stream", "--json"}, "--stream"},
        {{WAIT, "--stream", "1k"}, "--stream: '1k'"},
        {{WAIT, "--stream", "1q:5"}, "--stream: '1q:5': '1q'"},
        {{WAIT, "--stream", "0x10:5"}, "--stream"},
        {{WAIT, "--stream", "-5:5"}, "--stream"},
        {{WAIT, "--stream", "inf:5"}, "--stream"},
        {{WAIT, "--stream", "1k:0"}, "--stream: '1k:0'"},
        {{WAIT, "--stream", "1k:65536"}, "--stream"},
        {{WAIT, "--stream", "1k:5:0s"}, "--stream"},
        {{WAIT, "--stream", "1k:5:7"}, "--stream: '1k:5:7': '7'"},
        {{WAIT, "--stream", "1k:5:7us:8"}, "--stream"},
        {{WAIT, "--stream", "1k:5x0"}, "--stream"},
        {{WAIT, "--stream", "1k:5x"}, "--stream"},
        {{WAIT, "--stream", "1k:5", "--at", "soon"}, "--at: 'soon'"},
        {{WAIT, "--stream", "1k:5", "--method", "magic"}, "--method: 'magic'"},
        {{WAIT, "--stream", "1k:500x9", "--method", "qbd"}, "phases"},
        {{WAIT, "--stream", "1k:5:9ms", "--method", "exact"}, "timeouts"},
        {{"model", "wait", "--stream", "1k:5", "--service", "1us:0", "--method", "qbd"}, "SCV"},
        {{WAIT, "--stream", "1k:5", "--containers", "1"}, "--containers"},
        {{WAIT, "--stream", "1k:5", "--seed", "x"}, "--seed"},
        {{"model", "wait", "--stream", "1k:5"}, "--service"},
        {{"model", "wait", "--stream", "1k:5", "--service", "0s"}, "--service: '0s'"},
        {{"model", "wait", "--stream", "1k:5", "--service", "1us:"}, "--service"},
        {{"model", "wait", "--stream", "1k:5", "--service", "1us:-1"}, "--service"},
        {{SIZE, "--stream", "1k"}, "--delay"},
        {{SIZE, "--delay", "1ms"}, "--stream"},
        {{SIZE, "--stream", "1k", "--delay", "0s"}, "--delay"},
        {{SIZE, "--stream", "1k", "--delay", "3"}, "--delay: '3'"},
        {{SIZE, "--stream", "0", "--delay", "1ms"}, "--stream: '0'"},
        {{SIZE, "--stream", "1k:5", "--delay", "1ms"}, "--stream: '1k:5'"},
        {{SIZE, "--stream", "1k", "--delay", "1ms", "--scope", "wide"}, "--scope: 'wide'"},
        {{SIZE, "--stream", "1k", "--delay", "1ms", "--percentile", "5"}, "--percentile: '5'"},
        {{"model", "capacity", "--stream", "1kx2", "--delay", "1ms", "--service", "1us"},
         "--stream: '1kx2'"},
        {{"model", "capacity", "--stream", "1k", "--delay", "1ms", "--service", "1us", "--present",
          "y"},
         "--present: 'y'"},
        {{"model", "wait", "--stream", "1k:2", "--service", "1us", "--jitter"}, "--jitter"},
        {{WAIT, "--stream", "1k:2", "--bursts", "2"}, "--bursts: only"},
        {{WAIT, "--stream", "1k:2", "--on-off", "1ms:1ms"}, "--on-off: only"},
        {{WAIT, "--stream", "1k:2", "--method", "sim", "--bursts", "0.5"}, "--bursts: '0.5'"},
        {{WAIT, "--stream", "1k:2", "--method", "sim", "--on-off", "1ms"}, "--on-off: '1ms'"},
        {{WAIT, "--stream", "1k:2", "--method", "sim", "--on-off", "1us:1us"}, "--on-off: less"},
        {{WAIT, "--stream", "1k:2", "--method", "sim", "--on-off", "1s:1s", "--bursts", "2"},
         "--on-off: not together"},
        {{"model", "curve", "--stream", "1k", "--delay", "1ms", "--service", "1us", "--method",
          "x"},
         "--method"},
        {{"model", "curve", "--stream", "1k", "--delay", "1ms", "--service", "1us", "--method",
          "sim", "--scope", "forwarding"},
         "--method: sim"},
        {{"model", "curve", "--stream", "1k", "--delay", "1ms", "--service", "1us", "--over", "x"},
         "--over: 'x'"},
        {{"model", "curve", "--stream", "1k", "--delay", "1ms", "--service", "1us", "--plot",
          "x.pdf"},
         "--plot: 'x.pdf'"},
    };
    struct said said;

    for (size_t i = 0; i < COUNT(cases); i++) {
        program_run(folder, &said, cases[i].words);
        if (said.status != CTL_USAGE || !strstr(said.out, cases[i].named))
            fail_msg("%zu (%s): status %d, %s", i, cases[i].named, said.status, said.out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait_json),
        cmocka_unit_test(test_wait_people),
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_published_tail),
        cmocka_unit_test(test_exact_by_size),
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_sim),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_bursts),
        cmocka_unit_test(test_use_case),
        cmocka_unit_test(test_published_size),
        cmocka_unit_test(test_size_boundary),
        cmocka_unit_test(test_scope),
        cmocka_unit_test(test_size_people),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_curve_of_all),
        cmocka_unit_test(test_curve),
        cmocka_unit_test(test_plot),
        cmocka_unit_test(test_unstable),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
