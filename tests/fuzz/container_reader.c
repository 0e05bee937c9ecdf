// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as a container: the reader must hand out only what lies in it, or
 * refuse. With clang this is a libFuzzer target:
 *
 *   CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
 *   ninja -C build-fuzz tests/fuzz/fuzz-container-reader
 *   build-fuzz/tests/fuzz/fuzz-container-reader -max_len=4096 FOLDER
 *
 * With other compilers a program that reads the files named to it, or standard
 * input, as AFL wants it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/common/container_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_or_abort(const uint8_t *data, size_t size)
{
    struct container_walk walk;
    uint8_t *exact = malloc(size ? size : 1);

    if (!exact)
        return;
    memcpy(exact, data, size);
    int error = container_walk(exact, (uint32_t)size, &walk);
    if (walk.broken || (error && error != -EPROTO)) {
        fprintf(stderr, "%s (%d)\n", walk.broken ? walk.broken : "undocumented error", error);
        abort();
    }
    free(exact);
}

/* As it is, and with a header that passes, so that the entries are reached. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct container_header header;
    uint8_t *copy;

    if (size > CONTAINER_BYTES_MAX)
        return 0;
    walk_or_abort(data, size);
    if (size < sizeof(header) || !(copy = malloc(size)))
        return 0;
    memcpy(copy, data, size);
    memcpy(&header, copy, sizeof(header));
    header.version = CONTAINER_VERSION;
    header.flags = 0;
    header.bytes = (uint32_t)size;
    header.count = 1 + header.count % 64;
    memcpy(copy, &header, sizeof(header));
    walk_or_abort(copy, size);
    free(copy);
    return 0;
}
