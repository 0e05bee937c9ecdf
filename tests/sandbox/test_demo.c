// SPDX-License-Identifier: GPL-2.0-or-later
/* The demo's ends before its time: it says so by its exit status, and leaves nothing behind. */
#include "tests/sandbox/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/process.h"
#include "sandbox/programs.h"

#define LOOK_US 20000
#define LOOKS 1500 /* 30 s */

struct demo {
    struct process *process;
    char folder[64]; /* for its output and its database */
    char output[96], database[96];
};

static int demo_start(void **state)
{
    char program[PROGRAMS_PATH];
    struct demo *demo = calloc(1, sizeof(*demo));

    if (!demo)
        return -1;
    *state = demo;
    strcpy(demo->folder, "/tmp/xenagg-test-XXXXXX");
    if (!mkdtemp(demo->folder) || programs_find("xenagg-sandbox", program))
        return -1;
    snprintf(demo->output, sizeof(demo->output), "%s/output", demo->folder);
    snprintf(demo->database, sizeof(demo->database), "%s/history.db", demo->folder);
    const char *arguments[] = {program, "demo", "--database", demo->database, NULL};
    struct process_options options = {.arguments = arguments, .log = demo->output};
    return process_start(&options, &demo->process);
}

static int demo_end(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    struct demo *demo = *state;
    char path[128];

    process_free(demo->process);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", demo->database, suffixes[i]);
        unlink(path);
    }
    unlink(demo->output);
    rmdir(demo->folder);
    free(demo);
    return 0;
}

/* The demo's output so far; valid until the next call. */
static const char *output_of(const struct demo *demo)
{
    static char text[16384];
    FILE *file = fopen(demo->output, "re");
    size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

    if (file)
        fclose(file);
    text[length] = '\0';
    return text;
}

static void await_output(const struct demo *demo, const char *text)
{
    for (int i = 0; i < LOOKS; i++) {
        if (strstr(output_of(demo), text))
            return;
        if (!process_running(demo->process, NULL))
            break;
        usleep(LOOK_US);
    }
    fail_msg("the demo did not say '%s', but:\n%s", text, output_of(demo));
}

/* Parent and name of a process; false where it is gone. */
static bool read_process(const char *pid, pid_t *ret_parent, char ret_name[static 64])
{
    char path[300], line[512];
    bool read = false;

    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    if (fgets(line, sizeof(line), file)) {
        const char *name = strchr(line, '('), *end = strrchr(line, ')');
        read = name && end && sscanf(end + 1, " %*c %d", ret_parent) == 1;
        if (read)
            snprintf(ret_name, 64, "%.*s", (int)(end - name - 1), name + 1);
    }
    fclose(file);
    return read;
}

/* Children by that name; `ret` may be NULL. */
static unsigned count_children(pid_t parent, const char *name, pid_t *ret)
{
    unsigned count = 0;
    DIR *processes = opendir("/proc");

    assert_non_null(processes);
    for (struct dirent *entry; (entry = readdir(processes));) {
        pid_t its_parent;
        char its_name[64];
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
            !read_process(entry->d_name, &its_parent, its_name))
            continue;
        if (its_parent != parent || strcmp(its_name, name) != 0)
            continue;
        count++;
        if (ret)
            *ret = atoi(entry->d_name);
    }
    closedir(processes);
    return count;
}

/* "XENSTORED_PATH=<folder>/socket" of the first lines. */
static void world_folder_of(const struct demo *demo, char ret[static 128])
{
    const char *at = strstr(output_of(demo), "XENSTORED_PATH=");

    assert_non_null(at);
    at += strlen("XENSTORED_PATH=");
    const char *end = strstr(at, "/socket");
    assert_non_null(end);
    snprintf(ret, 128, "%.*s", (int)(end - at), at);
}

static int exit_code(struct demo *demo)
{
    int status;

    assert_int_equal(process_wait(demo->process, 30, &status), 0);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void put_away_on_interrupt(void **state)
{
    struct demo *demo = *state;
    char folder[128];
    pid_t backend;

    await_output(demo, "pkts/s");
    assert_int_equal(count_children(process_pid(demo->process), "xenagg-netfront", NULL), 3);
    assert_int_equal(count_children(process_pid(demo->process), "xenagg-netback", &backend), 1);
    world_folder_of(demo, folder);
    assert_int_equal(access(folder, F_OK), 0);
    assert_int_equal(process_signal(demo->process, SIGINT), 0);
    assert_int_equal(exit_code(demo), 130);
    assert_int_not_equal(access(folder, F_OK), 0);
    assert_int_equal(kill(backend, 0), -1);
    assert_int_equal(access(demo->database, F_OK), 0);
}

static void fails_where_a_program_dies(void **state)
{
    struct demo *demo = *state;
    char folder[128];
    pid_t frontend;

    await_output(demo, "pkts/s");
    world_folder_of(demo, folder);
    assert_int_equal(count_children(process_pid(demo->process), "xenagg-netfront", &frontend), 3);
    assert_int_equal(kill(frontend, SIGKILL), 0);
    assert_int_equal(exit_code(demo), 1);
    assert_non_null(strstr(output_of(demo), "xenagg-netfront ended: signal 9"));
    assert_int_not_equal(access(folder, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(put_away_on_interrupt, demo_start, demo_end),
        cmocka_unit_test_setup_teardown(fails_where_a_program_dies, demo_start, demo_end),
    };
    int status = fixture_possible();

    return status ? status : cmocka_run_group_tests_name("demo", tests, NULL, NULL);
}
