// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs a fuzz target on files, or on standard input. */
#include <stdint.h>
#include <stdio.h>

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(FILE *file)
{
    static uint8_t input[INPUT_MAX];

    LLVMFuzzerTestOneInput(input, fread(input, 1, sizeof(input), file));
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rbe");
        if (!file) {
            perror(argv[i]);
            return 1;
        }
        run(file);
        fclose(file);
    }
    if (argc == 1)
        run(stdin);
    return 0;
}
