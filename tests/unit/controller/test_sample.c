// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "controller/sample.h"

#define SECOND 1000000000ull

struct bench {
    char folder[64], path[80];
    struct segment *writer;
    struct sampler *sampler;
    struct segment_interface *value;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    strcpy(bench->folder, "/tmp/xenagg-sample-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->path, sizeof(bench->path), "%s/segment", bench->folder);
    bench->value = calloc(1, sizeof(*bench->value));
    assert_int_equal(sampler_create(bench->path, &bench->sampler), 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    sampler_destroy(bench->sampler);
    segment_close(bench->writer);
    unlink(bench->path);
    rmdir(bench->folder);
    free(bench->value);
    free(bench);
    return 0;
}

/* What the backend has counted so far in a slot. */
static void show(struct bench *bench, uint32_t slot, uint32_t domid, uint32_t generation,
                 uint64_t packets, uint64_t at_ns)
{
    struct segment_interface *value = bench->value;

    memset(value, 0, sizeof(*value));
    value->in_use = 1;
    value->domid = domid;
    value->generation = generation;
    value->updated_ns = at_ns;
    value->rx.pack.packets = packets;
    value->tx.unload.bytes = 2 * packets;
    value->rx.pack.publish.n = packets / 10;
    value->rx.tuning.packets = 16;
    value->guest.sleeps = packets / 2;
    value->port_dropped = packets / 100;
    value->echo_n = packets / 10;
    value->echo_max_ns = 77;
    histogram_add(&value->rx.delay, 5000, (uint32_t)packets);
    segment_write_interface(bench->writer, slot, value);
}

static void differences_are_what_was_added(void **state)
{
    struct bench *bench = *state;
    struct sample sample;

    assert_int_equal(segment_create(bench->path, 0, &bench->writer), 0);
    show(bench, 7, 3, 1, 1000, 10 * SECOND);
    assert_int_equal(sampler_take(bench->sampler, 11 * SECOND, &sample), 0);
    assert_int_equal(sample.n_interfaces, 1);
    assert_false(sample.restarted);
    /* The first look: it is there, but nothing can be said of traffic. */
    assert_float_equal(sample.interfaces[0].seconds, 0, 0);
    assert_int_equal(sample.interfaces[0].delta.rx.pack.packets, 0);
    assert_int_equal(sample.interfaces[0].delta.rx.tuning.packets, 16);
    assert_float_equal(sample.interfaces[0].age, 1, 1e-9);

    show(bench, 7, 3, 1, 5000, 12 * SECOND);
    assert_int_equal(sampler_take(bench->sampler, 12 * SECOND + SECOND / 2, &sample), 0);
    const struct segment_interface *delta = &sample.interfaces[0].delta;
    assert_float_equal(sample.interfaces[0].seconds, 2, 1e-9);
    assert_int_equal(delta->rx.pack.packets, 4000);
    assert_int_equal(delta->tx.unload.bytes, 8000);
    assert_int_equal(delta->rx.pack.publish.n, 400);
    assert_int_equal(delta->guest.sleeps, 2000);
    assert_int_equal(delta->port_dropped, 40);
    assert_int_equal(delta->echo_n, 400);
    assert_int_equal(delta->echo_max_ns, 77);
    assert_int_equal(histogram_count(&delta->rx.delay), 4000);

    /* Nothing newer: no traffic, but no silence either. */
    assert_int_equal(sampler_take(bench->sampler, 14 * SECOND, &sample), 0);
    assert_float_equal(sample.interfaces[0].seconds, 0, 0);
    assert_int_equal(sample.interfaces[0].delta.rx.pack.packets, 0);
    assert_float_equal(sample.interfaces[0].age, 2, 1e-9);
}

/* What a worker has dropped stays worth knowing. */
static void workers_tell_what_was_held(void **state)
{
    struct bench *bench = *state;
    struct segment_worker worker = {.in_use = 1, .updated_ns = SECOND, .held = 30};
    struct sample sample;

    assert_int_equal(segment_create(bench->path, 0, &bench->writer), 0);
    worker.sleep.wake_sq = 500;
    segment_write_worker(bench->writer, 3, &worker);
    assert_int_equal(sampler_take(bench->sampler, SECOND, &sample), 0);
    worker.updated_ns = 3 * SECOND;
    worker.sleep.wake_sq = 800;
    worker.held = 40;
    segment_write_worker(bench->writer, 3, &worker);
    assert_int_equal(sampler_take(bench->sampler, 3 * SECOND, &sample), 0);
    assert_int_equal(sample.n_workers, 1);
    assert_int_equal(sample.workers[0].worker, 3);
    assert_float_equal(sample.workers[0].seconds, 2, 1e-9);
    assert_int_equal(sample.workers[0].delta.sleep.wake_sq, 300);
    assert_int_equal(sample.workers[0].delta.held, 40);
}

/* Another guest in the slot, or the same one connected anew, has not sent minus 4000 packets. */
static void new_lives_are_not_taken_for_traffic(void **state)
{
    struct bench *bench = *state;
    struct sample sample;

    assert_int_equal(segment_create(bench->path, 0, &bench->writer), 0);
    show(bench, 0, 3, 1, 5000, SECOND);
    assert_int_equal(sampler_take(bench->sampler, SECOND, &sample), 0);
    show(bench, 0, 3, 2, 1000, 2 * SECOND);
    assert_int_equal(sampler_take(bench->sampler, 2 * SECOND, &sample), 0);
    assert_float_equal(sample.interfaces[0].seconds, 0, 0);
    assert_int_equal(sample.interfaces[0].delta.rx.pack.packets, 0);
    assert_int_equal(sample.interfaces[0].delta.generation, 2);
    show(bench, 0, 4, 2, 9000, 3 * SECOND);
    assert_int_equal(sampler_take(bench->sampler, 3 * SECOND, &sample), 0);
    assert_float_equal(sample.interfaces[0].seconds, 0, 0);
    /* A slot that is given up is gone. */
    memset(bench->value, 0, sizeof(*bench->value));
    segment_write_interface(bench->writer, 0, bench->value);
    assert_int_equal(sampler_take(bench->sampler, 4 * SECOND, &sample), 0);
    assert_int_equal(sample.n_interfaces, 0);
}

static void backend_may_come_go_and_come_again(void **state)
{
    struct bench *bench = *state;
    struct sample sample;

    assert_int_equal(sampler_take(bench->sampler, SECOND, &sample), -ENOENT);
    assert_int_equal(sample.n_interfaces, 0);
    assert_int_equal(segment_create(bench->path, 0, &bench->writer), 0);
    show(bench, 0, 3, 1, 5000, SECOND);
    assert_int_equal(sampler_take(bench->sampler, SECOND, &sample), 0);
    assert_false(sample.restarted);
    segment_close(bench->writer);
    bench->writer = NULL;
    assert_int_equal(sampler_take(bench->sampler, 2 * SECOND, &sample), -ENOENT);
    assert_int_equal(segment_create(bench->path, 0, &bench->writer), 0);
    show(bench, 0, 3, 1, 6000, 3 * SECOND);
    assert_int_equal(sampler_take(bench->sampler, 3 * SECOND, &sample), 0);
    assert_true(sample.restarted);
    assert_float_equal(sample.interfaces[0].seconds, 0, 0);
    assert_int_equal(sample.interfaces[0].delta.rx.pack.packets, 0);
}

static void what_is_no_segment_is_refused(void **state)
{
    struct bench *bench = *state;
    struct sample sample;
    int fd = open(bench->path, O_CREAT | O_WRONLY, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "hello", 5), 5);
    close(fd);
    assert_int_equal(sampler_take(bench->sampler, SECOND, &sample), -EPROTO);
    assert_int_equal(sample.n_interfaces, 0);
}

static void workers_are_sampled(void **state)
{
    struct bench *bench = *state;
    struct segment_worker worker = {.in_use = 1, .updated_ns = SECOND};
    struct sample sample;

    assert_int_equal(segment_create(bench->path, 0, &bench->writer), 0);
    worker.sleep.busy_ns = SECOND / 4;
    segment_write_worker(bench->writer, 2, &worker);
    assert_int_equal(sampler_take(bench->sampler, SECOND, &sample), 0);
    assert_int_equal(sample.n_workers, 1);
    assert_float_equal(sample.workers[0].seconds, 0, 0);
    worker.updated_ns = 3 * SECOND;
    worker.sleep.busy_ns = SECOND;
    segment_write_worker(bench->writer, 2, &worker);
    assert_int_equal(sampler_take(bench->sampler, 3 * SECOND, &sample), 0);
    assert_int_equal(sample.workers[0].worker, 2);
    assert_float_equal(sample.workers[0].seconds, 2, 1e-9);
    assert_int_equal(sample.workers[0].delta.sleep.busy_ns, 3 * SECOND / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(differences_are_what_was_added, set_up, tear_down),
        cmocka_unit_test_setup_teardown(new_lives_are_not_taken_for_traffic, set_up, tear_down),
        cmocka_unit_test_setup_teardown(backend_may_come_go_and_come_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_segment_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(workers_are_sampled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(workers_tell_what_was_held, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
