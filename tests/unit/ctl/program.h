// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs the built xenaggctl, as its user would, and keeps what it said. */
#ifndef XENAGG_TESTS_CTL_PROGRAM_H
#define XENAGG_TESTS_CTL_PROGRAM_H

#include <jansson.h>

#define PROGRAM_SECONDS 60.0

struct said {
    int status;      /* exit status; -1: ended otherwise */
    char out[65536]; /* standard output and error */
};

/* `folder` is for its output; `words` end in NULL. */
void program_run(const char *folder, struct said *ret, const char *const *words);
/* The same, and what it said as JSON (the test fails where it is not). The caller decrefs. */
json_t *program_json(const char *folder, const char *const *words);

#define PROGRAM_WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A new folder under /tmp; folder_remove removes it with all that is in it. */
char *folder_make(void);
void folder_remove(char *folder);

/* A folder and a file's path in it, for tests about that file. */
struct lab {
    char *folder;
    char path[128];
};
void lab_make(struct lab *lab, const char *file);
void lab_clean(struct lab *lab);

#endif
