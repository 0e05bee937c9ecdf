// SPDX-License-Identifier: GPL-2.0-or-later
#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/process.h"
#include "sandbox/programs.h"

#define WORDS_MAX 16

static void file_read(const char *path, char *ret, size_t size)
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    ret[fread(ret, 1, size - 1, file)] = '\0';
    fclose(file);
}

void program_run(const char *folder, struct said *ret, const char *const *words)
{
    char program[PROGRAMS_PATH], log[PROGRAMS_PATH];
    const char *arguments[WORDS_MAX + 2] = {program};
    struct process *process;
    int status;

    assert_int_equal(programs_find("xenaggctl", program), 0);
    for (int i = 0; words[i]; i++) {
        assert_true(i < WORDS_MAX);
        arguments[i + 1] = words[i];
    }
    snprintf(log, sizeof(log), "%s/xenaggctl.out", folder);
    unlink(log);
    struct process_options options = {.arguments = arguments, .log = log};
    assert_int_equal(process_start(&options, &process), 0);
    assert_int_equal(process_wait(process, PROGRAM_SECONDS, &status), 0);
    process_free(process);
    ret->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    file_read(log, ret->out, sizeof(ret->out));
}

json_t *program_json(const char *folder, const char *const *words)
{
    struct said said;
    json_error_t error;

    program_run(folder, &said, words);
    json_t *json = json_loads(said.out, 0, &error);
    if (!json || said.status)
        fail_msg("status %d, %s: %s", said.status, error.text, said.out);
    return json;
}

char *folder_make(void)
{
    char *folder = strdup("/tmp/xenagg-test-XXXXXX");

    assert_non_null(mkdtemp(folder));
    return folder;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void folder_remove(char *folder)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

void lab_make(struct lab *lab, const char *file)
{
    lab->folder = folder_make();
    snprintf(lab->path, sizeof(lab->path), "%s/%s", lab->folder, file);
}

void lab_clean(struct lab *lab)
{
    folder_remove(lab->folder);
}
