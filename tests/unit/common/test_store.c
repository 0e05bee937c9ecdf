// SPDX-License-Identifier: GPL-2.0-or-later
/* The store's client against the real xenstored. Exits with 77 where that can't run, saying why. */
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenstore.h>

#include "common/store.h"
#include "tests/unit/common/store_fixture.h"

#define DIR "/local/domain/0/backend/vagg/5/0"
#define WAIT_MS 30000

static struct store *store_of(void **state)
{
    const struct store_fixture *f = *state;

    return f->store;
}

static void reads_what_was_written(void **state)
{
    struct store *store = store_of(state);
    char value[64];

    assert_int_equal(store_write(store, DIR, "mac", "00:16:3e:00:00:05"), 0);
    assert_int_equal(store_read(store, DIR, "mac", value, sizeof(value)), 17);
    assert_string_equal(value, "00:16:3e:00:00:05");
    assert_int_equal(store_writef(store, DIR, "state", "%d", 4), 0);
    assert_int_equal(store_read_state(store, DIR), KEYS_STATE_CONNECTED);
    assert_int_equal(store_write(store, DIR, "empty", ""), 0);
    assert_int_equal(store_read(store, DIR, "empty", value, sizeof(value)), 0);
    assert_string_equal(value, "");
}

static void says_what_is_missing(void **state)
{
    struct store *store = store_of(state);
    char value[8] = "before";
    unsigned long number = 42;

    assert_int_equal(store_read(store, DIR, "nothing", value, sizeof(value)), -ENOENT);
    assert_string_equal(value, "before");
    assert_int_equal(store_read_number(store, DIR, "nothing", 0, 9, &number), -ENOENT);
    assert_int_equal(number, 42);
    assert_int_equal(store_read_state(store, DIR "/nothing"), KEYS_STATE_UNKNOWN);
    assert_false(store_exists(store, DIR "/nothing"));
    assert_int_equal(store_remove(store, DIR "/nothing"), 0);
}

static void values_of_any_length_are_safe(void **state)
{
    struct store *store = store_of(state);
    char value[2048], back[2048];

    memset(value, 'x', sizeof(value));
    value[2047] = '\0';
    assert_int_equal(store_write(store, DIR, "long", value), 0);
    assert_int_equal(store_read(store, DIR, "long", back, sizeof(back)), 2047);
    assert_string_equal(back, value);
    assert_int_equal(store_read(store, DIR, "long", back, 2047), -E2BIG);
    assert_int_equal(store_read(store, DIR, "long", back, 8), -E2BIG);
    assert_string_equal(back, value); /* untouched */
    assert_int_equal(store_writef(store, DIR, "long", "%s", value), 0);
    assert_int_equal(store_writef(store, DIR, "long", "%sx", value), -E2BIG);
}

static void numbers_are_checked(void **state)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "-1",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "4",
                                      "99999999999999999999",
                                      "1111111111111111111111111111111111111111"};
    struct store *store = store_of(state);
    unsigned long number = 42;

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        store_write(store, DIR, "number", bad[i]);
        assert_int_equal(store_read_number(store, DIR, "number", 1, 3, &number), -EINVAL);
        assert_int_equal(number, 42);
    }
    store_write(store, DIR, "number", "3");
    assert_int_equal(store_read_number(store, DIR, "number", 1, 3, &number), 0);
    assert_int_equal(number, 3);
    store_write(store, DIR, "state", "7");
    assert_int_equal(store_read_state(store, DIR), KEYS_STATE_UNKNOWN);
}

/* Bytes that no text has, written by somebody who is not bound to this library. */
static void values_with_nul_end_there(void **state)
{
    struct store *store = store_of(state);
    struct xs_handle *xs = xs_open(0);
    char value[16];

    assert_true(xs_write(xs, XBT_NULL, DIR "/odd", "12\0junk", 7));
    xs_close(xs);
    assert_int_equal(store_read(store, DIR, "odd", value, sizeof(value)), 2);
    assert_string_equal(value, "12");
}

static void bad_paths_are_refused(void **state)
{
    struct store *store = store_of(state);
    char dir[1000], value[8];

    memset(dir, 'a', sizeof(dir));
    dir[0] = '/';
    dir[sizeof(dir) - 1] = '\0';
    assert_int_equal(store_write(store, dir, "key", "1"), -ENAMETOOLONG);
    assert_int_equal(store_read(store, dir, "key", value, sizeof(value)), -ENAMETOOLONG);
    assert_int_equal(store_write(store, DIR, "a b", "1"), -EINVAL);
    assert_int_equal(store_write(store, DIR, "a//b", "1"), -EINVAL);
}

static void lists_are_terminated(void **state)
{
    static const char *const names[] = {"alpha", "b", "gamma-rays", "4"};
    struct store *store = store_of(state);
    unsigned count = 0, found = 0;

    for (size_t i = 0; i < COUNT_OF(names); i++)
        store_write(store, DIR "/list", names[i], "1");
    char **list = store_list(store, DIR "/list", &count);
    assert_non_null(list);
    assert_int_equal(count, COUNT_OF(names));
    for (unsigned i = 0; i < count; i++)
        for (size_t n = 0; n < COUNT_OF(names); n++)
            found += strcmp(list[i], names[n]) == 0;
    assert_int_equal(found, COUNT_OF(names));
    assert_null(list[count]);
    free(list);
    list = store_list(store, DIR "/list/b", &count);
    assert_non_null(list);
    assert_int_equal(count, 0);
    assert_null(list[0]);
    free(list);
    errno = 0;
    assert_null(store_list(store, DIR "/none", &count));
    assert_int_equal(errno, ENOENT);
}

static void long_lists_are_whole(void **state)
{
    struct store *store = store_of(state);
    char name[32];
    unsigned count = 0;

    /* More than one message of the protocol holds. */
    for (int i = 0; i < 900; i++) {
        snprintf(name, sizeof(name), "guest-%04d", i);
        assert_int_equal(store_write(store, DIR "/many", name, ""), 0);
    }
    char **list = store_list(store, DIR "/many", &count);
    assert_non_null(list);
    assert_int_equal(count, 900);
    assert_null(list[900]);
    free(list);
}

static void removes_a_folder_with_all_below(void **state)
{
    struct store *store = store_of(state);

    store_write(store, DIR "/a/b/c", "d", "1");
    assert_true(store_exists(store, DIR "/a/b/c/d"));
    assert_int_equal(store_remove(store, DIR "/a"), 0);
    assert_false(store_exists(store, DIR "/a"));
    assert_false(store_exists(store, DIR "/a/b/c/d"));
    assert_true(store_exists(store, DIR));
}

static void folders_are_given_away(void **state)
{
    struct store *store = store_of(state);
    struct xs_handle *xs = xs_open(0);
    unsigned count;

    store_write(store, DIR, "state", "1");
    assert_int_equal(store_permit(store, DIR, 5, 0), 0);
    struct xs_permissions *permissions = xs_get_permissions(xs, XBT_NULL, DIR, &count);
    assert_non_null(permissions);
    assert_int_equal(count, 2);
    assert_int_equal(permissions[0].id, 5);
    assert_int_equal(permissions[0].perms, XS_PERM_NONE);
    assert_int_equal(permissions[1].id, 0);
    assert_int_equal(permissions[1].perms, XS_PERM_READ);
    free(permissions);
    xs_close(xs);
    assert_int_equal(store_permit(store, DIR "/nothing", 5, 0), -ENOENT);
}

/* --- states -------------------------------------------------------------- */

static void a_state_needs_its_folder(void **state)
{
    struct store *store = store_of(state);

    assert_int_equal(store_write_state(store, DIR, KEYS_STATE_CONNECTED), -ENOENT);
    assert_false(store_exists(store, DIR));
    store_write(store, DIR, "online", "1");
    assert_int_equal(store_write_state(store, DIR, KEYS_STATE_CONNECTED), 0);
    assert_int_equal(store_read_state(store, DIR), KEYS_STATE_CONNECTED);
    /* Also in a transaction. */
    store_remove(store, DIR);
    assert_int_equal(store_begin(store), 0);
    assert_int_equal(store_write_state(store, DIR, KEYS_STATE_CLOSED), -ENOENT);
    store_commit(store);
    assert_false(store_exists(store, DIR));
}

/* The toolstack removes the folder at any time, also between a look and a write. */
static void a_removed_device_does_not_come_back_half(void **state)
{
    const struct store_fixture *f = *state;
    struct store *store = f->store;
    pid_t remover = fork();

    assert_true(remover >= 0);
    if (remover == 0) {
        struct store *other;
        if (store_open(&other))
            _exit(1);
        for (;;) {
            store_write(other, DIR, "online", "1");
            store_remove(other, DIR);
        }
    }
    unsigned half = 0;
    char value[8];
    for (int i = 0; i < 3000; i++) {
        store_write_state(store, DIR, KEYS_STATE_CLOSED);
        /* A state without the key that the folder was made with. */
        store_begin(store);
        bool seen = store_read(store, DIR, "state", value, sizeof(value)) > 0 &&
                    store_read(store, DIR, "online", value, sizeof(value)) < 0;
        half += store_commit(store) == 0 && seen; /* only then both were read at one moment */
    }
    kill(remover, SIGKILL);
    store_fixture_reap(remover);
    assert_int_equal(half, 0);
}

/* --- transactions -------------------------------------------------------- */

static void a_transaction_is_all_or_nothing(void **state)
{
    struct store *store = store_of(state), *other;
    char value[8];

    assert_int_equal(store_open(&other), 0);
    assert_int_equal(store_begin(store), 0);
    store_write(store, DIR, "a", "1");
    store_write(store, DIR, "b", "2");
    assert_int_equal(store_read(store, DIR, "b", value, sizeof(value)), 1);
    assert_int_equal(store_read(other, DIR, "a", value, sizeof(value)), -ENOENT);
    assert_int_equal(store_commit(store), 0);
    assert_int_equal(store_read(other, DIR, "a", value, sizeof(value)), 1);
    assert_int_equal(store_begin(store), 0);
    store_write(store, DIR, "a", "3");
    store_abort(store);
    assert_int_equal(store_read(store, DIR, "a", value, sizeof(value)), 1);
    assert_string_equal(value, "1");
    store_close(other);
}

static void the_slower_of_two_starts_anew(void **state)
{
    struct store *store = store_of(state), *other;
    char value[8];

    assert_int_equal(store_open(&other), 0);
    store_write(store, DIR, "a", "1");
    assert_int_equal(store_begin(store), 0);
    assert_int_equal(store_read(store, DIR, "a", value, sizeof(value)), 1);
    store_write(other, DIR, "a", "2");
    store_write(store, DIR, "a", "3");
    assert_int_equal(store_commit(store), -EAGAIN);
    assert_int_equal(store_read(store, DIR, "a", value, sizeof(value)), 1);
    assert_string_equal(value, "2");
    assert_int_equal(store_begin(store), 0);
    store_write(store, DIR, "a", "3");
    assert_int_equal(store_commit(store), 0);
    store_close(other);
}

/* A step that is disturbed by another client the first `disturbed` times. */
struct disturbed {
    struct store *other;
    unsigned disturbed, runs;
    int error; /* of the step itself */
};

static int disturbed_step(struct store *store, void *context)
{
    struct disturbed *step = context;
    char value[8];

    store_read(store, DIR, "a", value, sizeof(value));
    if (step->runs++ < step->disturbed)
        store_writef(step->other, DIR, "a", "%u", step->runs);
    store_write(store, DIR, "a", "mine");
    return step->error;
}

static void a_step_is_repeated_until_it_commits(void **state)
{
    struct store *store = store_of(state);
    struct disturbed step = {.disturbed = 3};
    char value[8];

    assert_int_equal(store_open(&step.other), 0);
    store_write(store, DIR, "a", "0");
    assert_int_equal(store_transact(store, disturbed_step, &step), 0);
    assert_int_equal(step.runs, 4);
    store_read(store, DIR, "a", value, sizeof(value));
    assert_string_equal(value, "mine");
    /* Its own error ends it at once, and changes nothing. */
    store_write(store, DIR, "a", "0");
    step = (struct disturbed){.other = step.other, .error = -EEXIST};
    assert_int_equal(store_transact(store, disturbed_step, &step), -EEXIST);
    assert_int_equal(step.runs, 1);
    store_read(store, DIR, "a", value, sizeof(value));
    assert_string_equal(value, "0");
    /* One that is always disturbed gives up. */
    step = (struct disturbed){.other = step.other, .disturbed = UINT_MAX};
    assert_int_equal(store_transact(store, disturbed_step, &step), -EAGAIN);
    store_close(step.other);
}

static void a_folder_passes_its_permissions_on(void **state)
{
    struct store *store = store_of(state);
    struct xs_handle *xs = xs_open(0);
    unsigned count;

    assert_int_equal(store_make_folder(store, DIR "/new/folder", 5, 7), 0);
    assert_int_equal(store_write(store, DIR "/new/folder", "key", "1"), 0);
    struct xs_permissions *permissions =
        xs_get_permissions(xs, XBT_NULL, DIR "/new/folder/key", &count);
    assert_non_null(permissions);
    assert_int_equal(count, 2);
    assert_int_equal(permissions[0].id, 5);
    assert_int_equal(permissions[0].perms, XS_PERM_NONE);
    assert_int_equal(permissions[1].id, 7);
    assert_int_equal(permissions[1].perms, XS_PERM_READ);
    free(permissions);
    xs_close(xs);
}

static void an_end_without_a_beginning_is_an_error(void **state)
{
    struct store *store = store_of(state);

    assert_true(store_commit(store) < 0);
    store_abort(store);
    assert_true(store_alive(store));
}

/* --- watches ------------------------------------------------------------- */

static int event_await(struct store *store, char *path, size_t size, char *token, size_t token_size)
{
    struct pollfd polled = {.fd = store_fd(store), .events = POLLIN};
    int got;

    while ((got = store_event(store, path, size, token, token_size)) == 0)
        if (poll(&polled, 1, WAIT_MS) <= 0)
            return -ETIMEDOUT;
    return got;
}

static void expect_event(struct store *store, const char *path, const char *token)
{
    char got_path[320], got_token[64];

    assert_int_equal(event_await(store, got_path, sizeof(got_path), got_token, sizeof(got_token)),
                     1);
    assert_string_equal(got_path, path);
    assert_string_equal(got_token, token);
}

static void watches_fire_at_once_and_below(void **state)
{
    struct store *store = store_of(state);
    char path[320], token[64];

    assert_int_equal(store_event(store, path, sizeof(path), token, sizeof(token)), 0);
    assert_int_equal(store_watch(store, DIR, "mine"), 0);
    expect_event(store, DIR, "mine");
    store_write(store, DIR, "rx-container-packets", "16");
    expect_event(store, DIR "/rx-container-packets", "mine");
    store_remove(store, DIR);
    expect_event(store, DIR, "mine");
    assert_int_equal(store_event(store, path, sizeof(path), token, sizeof(token)), 0);
    assert_int_equal(store_unwatch(store, DIR, "mine"), 0);
    store_write(store, DIR, "a", "1");
    assert_true(store_alive(store)); /* a round trip: an event would have come before its answer */
    assert_int_equal(store_event(store, path, sizeof(path), token, sizeof(token)), 0);
    assert_int_equal(store_unwatch(store, DIR, "mine"), -ENOENT);
}

static void the_same_watch_twice_is_an_error(void **state)
{
    struct store *store = store_of(state);

    assert_int_equal(store_watch(store, DIR, "t"), 0);
    assert_int_equal(store_watch(store, DIR, "t"), -EEXIST);
    assert_int_equal(store_watch(store, DIR, "u"), 0);
}

static void long_events_are_cut(void **state)
{
    struct store *store = store_of(state);
    char path[8], token[3];

    assert_int_equal(store_watch(store, DIR, "token"), 0);
    assert_int_equal(event_await(store, path, sizeof(path), token, sizeof(token)), 1);
    assert_string_equal(path, "/local/");
    assert_string_equal(token, "to");
}

/* --- a store that goes --------------------------------------------------- */

static void nobody_there(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = NULL;

    setenv("XENSTORED_PATH", "/does/not/exist", 1);
    assert_int_equal(store_open(&store), -ENOENT);
    assert_null(store);
    store_fixture_use(f);
    store_close(NULL);
}

static void a_dead_store_is_noticed(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = f->store;
    char path[320], token[64];
    unsigned count;

    store_write(store, DIR, "a", "1");
    assert_int_equal(store_watch(store, DIR, "t"), 0);
    expect_event(store, DIR, "t");
    assert_true(store_alive(store));
    store_fixture_kill(f);
    assert_false(store_alive(store));
    assert_true(store_read(store, DIR, "a", path, sizeof(path)) < 0);
    assert_int_not_equal(store_read(store, DIR, "a", path, sizeof(path)), -ENOENT);
    assert_true(store_write(store, DIR, "a", "2") < 0);
    assert_true(store_remove(store, DIR) < 0);
    assert_true(store_begin(store) < 0);
    errno = 0;
    assert_null(store_list(store, DIR, &count));
    assert_int_not_equal(errno, ENOENT);
    assert_true(store_write_state(store, DIR, KEYS_STATE_CLOSED) < 0);
    assert_int_not_equal(store_write_state(store, DIR, KEYS_STATE_CLOSED), -ENOENT);
    assert_true(store_exists(store, DIR "/nothing")); /* nobody said that it is not there */
    int got = store_event(store, path, sizeof(path), token, sizeof(token));
    assert_true(got <= 0);
    /* A new one starts empty, for a new connection. */
    store_fixture_start(f);
    assert_false(store_alive(store));
    store_close(store);
    assert_int_equal(store_open(&f->store), 0);
    assert_false(store_exists(f->store, DIR));
    assert_true(store_alive(f->store));
}

int main(void)
{
#define STORE_TEST(name)                                                                           \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(reads_what_was_written),
        STORE_TEST(says_what_is_missing),
        STORE_TEST(values_of_any_length_are_safe),
        STORE_TEST(numbers_are_checked),
        STORE_TEST(values_with_nul_end_there),
        STORE_TEST(bad_paths_are_refused),
        STORE_TEST(lists_are_terminated),
        STORE_TEST(long_lists_are_whole),
        STORE_TEST(removes_a_folder_with_all_below),
        STORE_TEST(folders_are_given_away),
        STORE_TEST(a_state_needs_its_folder),
        STORE_TEST(a_removed_device_does_not_come_back_half),
        STORE_TEST(a_transaction_is_all_or_nothing),
        STORE_TEST(the_slower_of_two_starts_anew),
        STORE_TEST(a_step_is_repeated_until_it_commits),
        STORE_TEST(a_folder_passes_its_permissions_on),
        STORE_TEST(an_end_without_a_beginning_is_an_error),
        STORE_TEST(watches_fire_at_once_and_below),
        STORE_TEST(the_same_watch_twice_is_an_error),
        STORE_TEST(long_events_are_cut),
        STORE_TEST(nobody_there),
        STORE_TEST(a_dead_store_is_noticed),
    };
    int impossible = store_fixture_possible();

    return impossible ? impossible : cmocka_run_group_tests(tests, NULL, NULL);
}
