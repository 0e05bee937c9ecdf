// SPDX-License-Identifier: GPL-2.0-or-later
/* The measurement segment: its writer, its readers at the same time, and files that are not one. */
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/segment.h"

struct fixture {
    char dir[32], path[64], other[64];
    struct segment *writer;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    strcpy(f->dir, "/tmp/xenagg-seg-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/netback", f->dir);
    snprintf(f->other, sizeof(f->other), "%s/other", f->dir);
    *state = f;
    return segment_create(f->path, 3, &f->writer);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    segment_close(f->writer);
    unlink(f->path);
    unlink(f->other);
    int error = rmdir(f->dir); /* nothing else is left */
    free(f);
    return error;
}

static struct segment *reader_open(struct fixture *f)
{
    struct segment *reader = NULL;

    assert_int_equal(segment_open(f->path, &reader), 0);
    return reader;
}

/* Every word another, so that a mix of two values shows. */
static void value_fill(struct segment_interface *value, uint32_t number)
{
    uint32_t *words = (uint32_t *)value;

    for (size_t i = 0; i < sizeof(*value) / sizeof(uint32_t); i++)
        words[i] = number * 7919 + (uint32_t)i;
    value->in_use = 1;
    value->domid = number;
}

static bool value_is(const struct segment_interface *value, uint32_t number)
{
    static _Thread_local struct segment_interface expected;

    value_fill(&expected, number);
    expected.epoch = value->epoch;
    return memcmp(&expected, value, sizeof(expected)) == 0;
}

/* --- what is written is read --------------------------------------------- */

static void says_whose_it_is(void **state)
{
    struct fixture *f = *state;
    struct segment *reader = reader_open(f);
    const struct segment_header *header = segment_head(reader);

    assert_int_equal(header->magic, SEGMENT_MAGIC);
    assert_int_equal(header->version, SEGMENT_VERSION);
    assert_int_equal(header->owner_domid, 3);
    assert_int_equal(header->pid, getpid());
    assert_int_equal(header->workers, SEGMENT_WORKERS);
    assert_int_equal(header->interfaces, SEGMENT_INTERFACES);
    assert_true(header->start_ns > 0 && header->start_ns <= clock_ns());
    segment_close(reader);
}

static void every_slot_is_its_own(void **state)
{
    static struct segment_interface value;
    struct fixture *f = *state;
    struct segment *reader = reader_open(f);

    for (uint32_t slot = 0; slot < SEGMENT_INTERFACES; slot++)
        assert_int_equal(segment_read_interface(reader, slot, &value), -ENOENT);
    for (uint32_t slot = 0; slot < SEGMENT_INTERFACES; slot++) {
        value_fill(&value, slot);
        segment_write_interface(f->writer, slot, &value);
    }
    for (uint32_t slot = 0; slot < SEGMENT_INTERFACES; slot++) {
        assert_int_equal(segment_read_interface(reader, slot, &value), 0);
        assert_true(value_is(&value, slot));
    }
    memset(&value, 0, sizeof(value));
    segment_write_interface(f->writer, 7, &value);
    assert_int_equal(segment_read_interface(reader, 7, &value), -ENOENT);
    assert_int_equal(segment_read_interface(reader, SEGMENT_INTERFACES, &value), -ENOENT);
    assert_int_equal(segment_read_interface(reader, UINT32_MAX, &value), -ENOENT);
    segment_close(reader);
}

static void workers_have_slots_too(void **state)
{
    struct segment_worker value = {.in_use = 1, .updated_ns = 5, .held = 9};
    struct fixture *f = *state;
    struct segment *reader = reader_open(f);

    value.sleep.late_ns = UINT64_MAX;
    segment_write_worker(f->writer, SEGMENT_WORKERS - 1, &value);
    memset(&value, 0, sizeof(value));
    assert_int_equal(segment_read_worker(reader, 0, &value), -ENOENT);
    assert_int_equal(segment_read_worker(reader, SEGMENT_WORKERS - 1, &value), 0);
    assert_int_equal(value.held, 9);
    assert_true(value.sleep.late_ns == UINT64_MAX);
    assert_int_equal(segment_read_worker(reader, SEGMENT_WORKERS, &value), -ENOENT);
    segment_close(reader);
}

/* --- at the same time ---------------------------------------------------- */

#define BUSY_SLOT (SEGMENT_INTERFACES - 1)
#define GOOD_READS 2000u

struct duel {
    struct segment *segment;
    atomic_bool stop;
};

static void write_on(struct segment *segment, const atomic_bool *stop)
{
    struct segment_interface *value = calloc(1, sizeof(*value));

    for (uint32_t number = 1; value && !atomic_load(stop); number++) {
        value_fill(value, number);
        segment_write_interface(segment, BUSY_SLOT, value);
        if (number % 64 == 0)
            usleep(1);
    }
    free(value);
}

static void *write_thread(void *context)
{
    struct duel *duel = context;

    write_on(duel->segment, &duel->stop);
    return NULL;
}

/* What is wrong, or NULL after so many good reads, each a whole update and none older than before.
 */
static const char *read_on(const struct segment *reader)
{
    static struct segment_interface value;
    uint32_t last = 0;

    for (uint32_t good = 0; good < GOOD_READS;) {
        int error = segment_read_interface(reader, BUSY_SLOT, &value);
        if (error == -EAGAIN || error == -ENOENT)
            continue;
        if (!value_is(&value, value.domid))
            return "half an update";
        if (value.domid < last)
            return "an older value after a newer one";
        last = value.domid;
        good++;
    }
    return NULL;
}

static void a_reader_never_sees_half_an_update(void **state)
{
    struct fixture *f = *state;
    struct segment *reader = reader_open(f);
    struct duel duel = {.segment = f->writer};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, write_thread, &duel), 0);
    const char *wrong = read_on(reader);
    atomic_store(&duel.stop, true);
    pthread_join(thread, NULL);
    segment_close(reader);
    if (wrong)
        fail_msg("%s", wrong);
}

static void nor_does_one_in_another_process(void **state)
{
    static atomic_bool never;
    struct fixture *f = *state;
    struct segment *reader = reader_open(f);
    pid_t writer = fork();

    assert_true(writer >= 0);
    if (writer == 0) {
        write_on(f->writer, &never);
        _exit(0);
    }
    const char *wrong = read_on(reader);
    kill(writer, SIGKILL);
    waitpid(writer, NULL, 0);
    segment_close(reader);
    if (wrong)
        fail_msg("%s", wrong);
}

/* --- files come and go --------------------------------------------------- */

static void a_file_that_is_not_there_is_not_opened(void **state)
{
    struct fixture *f = *state;
    struct segment *reader = NULL;

    assert_int_equal(segment_open(f->other, &reader), -ENOENT);
    assert_int_equal(segment_open("/proc/self/mem/x", &reader), -ENOTDIR);
    assert_null(reader);
}

static void file_write(const char *path, const void *bytes, size_t length, off_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(pwrite(fd, bytes, length, 0), length);
    assert_int_equal(ftruncate(fd, size), 0);
    close(fd);
}

static void other_files_are_refused(void **state)
{
    struct fixture *f = *state;
    struct segment *reader = NULL;
    struct stat st;

    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(segment_open(f->dir, &reader), -EPROTO);
    file_write(f->other, "", 0, 0);
    assert_int_equal(segment_open(f->other, &reader), -EPROTO);
    file_write(f->other, "text", 4, 4);
    assert_int_equal(segment_open(f->other, &reader), -EPROTO);
    file_write(f->other, "text", 4, st.st_size);
    assert_int_equal(segment_open(f->other, &reader), -EPROTO);
    unlink(f->other);
    assert_int_equal(mkfifo(f->other, 0600), 0);
    assert_int_equal(segment_open(f->other, &reader), -EPROTO); /* and does not wait for a writer */
    assert_null(reader);
}

static void cut_files_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct segment_header *header = segment_head(f->writer);
    struct segment *reader = NULL;
    struct stat st;

    assert_int_equal(stat(f->path, &st), 0);
    file_write(f->other, header, sizeof(*header), st.st_size);
    assert_int_equal(segment_open(f->other, &reader), 0); /* whole, it would do */
    segment_close(reader);
    reader = NULL;
    const off_t wrong[] = {sizeof(*header), st.st_size - 1, st.st_size + 1, st.st_size + 4096};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        file_write(f->other, header, sizeof(*header), wrong[i]);
        assert_int_equal(segment_open(f->other, &reader), -EPROTO);
    }
    assert_null(reader);
}

static void other_versions_are_refused(void **state)
{
    struct fixture *f = *state;
    struct segment *reader = NULL;
    struct stat st;

    assert_int_equal(stat(f->path, &st), 0);
    for (int field = 0; field < 7; field++) {
        struct segment_header header = *segment_head(f->writer);
        uint32_t *const fields[] = {(uint32_t *)&header.magic, &header.version,
                                    &header.workers,           &header.interfaces,
                                    &header.header_size,       &header.worker_size,
                                    &header.interface_size};
        *fields[field] += 1;
        file_write(f->other, &header, sizeof(header), st.st_size);
        assert_int_equal(segment_open(f->other, &reader), -EPROTO);
    }
    assert_null(reader);
}

static void a_restarted_writer_is_noticed(void **state)
{
    static struct segment_interface value;
    struct fixture *f = *state;
    struct segment *reader = reader_open(f), *second = NULL;

    value_fill(&value, 1);
    segment_write_interface(f->writer, 0, &value);
    assert_true(segment_is_current(reader));
    assert_int_equal(segment_create(f->path, 0, &second), 0);
    assert_false(segment_is_current(reader));
    assert_false(segment_is_current(f->writer));
    assert_true(segment_is_current(second));
    /* The old file stays readable, and the old writer does not take the new one's away. */
    assert_int_equal(segment_read_interface(reader, 0, &value), 0);
    segment_close(f->writer);
    f->writer = second;
    assert_int_equal(access(f->path, F_OK), 0);
    segment_close(reader);
    reader = reader_open(f);
    assert_true(segment_is_current(reader));
    assert_int_equal(segment_read_interface(reader, 0, &value), -ENOENT);
    segment_close(reader);
}

static void a_writer_that_ends_takes_its_file_along(void **state)
{
    struct fixture *f = *state;
    struct segment *reader = reader_open(f);

    segment_close(f->writer);
    f->writer = NULL;
    assert_int_equal(access(f->path, F_OK), -1);
    assert_false(segment_is_current(reader));
    segment_close(reader);
    segment_close(NULL);
}

/* Anybody may read, whatever umask a service was started with; nobody else may write. */
static void the_file_can_be_read_by_all(void **state)
{
    static const mode_t masks[] = {0, 022, 077, 0777};
    struct fixture *f = *state;
    struct stat st;

    for (size_t i = 0; i < COUNT_OF(masks); i++) {
        mode_t before = umask(masks[i]);
        struct segment *segment = NULL;
        int error = segment_create(f->other, 0, &segment);
        umask(before);
        assert_int_equal(error, 0);
        assert_int_equal(stat(f->other, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        segment_close(segment);
    }
}

/* Somebody prepared what the writer is going to make. */
static void links_are_replaced_not_followed(void **state)
{
    struct fixture *f = *state;
    struct segment *segment = NULL;
    char fresh[80];
    struct stat st;

    snprintf(fresh, sizeof(fresh), "%s.new", f->other);
    file_write(f->path, "precious", 8, 8); /* truncates the first writer's file: it is not used */
    assert_int_equal(symlink(f->path, fresh), 0);
    assert_int_equal(symlink(f->path, f->other), 0);
    assert_int_equal(segment_create(f->other, 0, &segment), 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_size, 8);
    assert_int_equal(lstat(f->other, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    segment_close(segment);
}

static void places_that_can_not_be_are_refused(void **state)
{
    struct fixture *f = *state;
    struct segment *segment = NULL;
    char path[5000];

    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(segment_create(path, 0, &segment), -ENAMETOOLONG);
    assert_int_equal(segment_create("/does/not/exist", 0, &segment), -ENOENT);
    assert_int_equal(mkdir(f->other, 0700), 0);
    assert_int_equal(segment_create(f->other, 0, &segment), -EISDIR);
    rmdir(f->other);
    assert_null(segment);
}

int main(void)
{
#define SEGMENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        SEGMENT_TEST(says_whose_it_is),
        SEGMENT_TEST(every_slot_is_its_own),
        SEGMENT_TEST(workers_have_slots_too),
        SEGMENT_TEST(a_reader_never_sees_half_an_update),
        SEGMENT_TEST(nor_does_one_in_another_process),
        SEGMENT_TEST(a_file_that_is_not_there_is_not_opened),
        SEGMENT_TEST(other_files_are_refused),
        SEGMENT_TEST(cut_files_are_refused),
        SEGMENT_TEST(other_versions_are_refused),
        SEGMENT_TEST(a_restarted_writer_is_noticed),
        SEGMENT_TEST(a_writer_that_ends_takes_its_file_along),
        SEGMENT_TEST(the_file_can_be_read_by_all),
        SEGMENT_TEST(links_are_replaced_not_followed),
        SEGMENT_TEST(places_that_can_not_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
