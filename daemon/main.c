// SPDX-License-Identifier: GPL-2.0-or-later
/* xenaggd: see xenaggd(8). */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "daemon/loop.h"

/* Bad arguments or a bad configuration: nothing was started, and trying again won't help. */
#define STATUS_BAD 2

int main(int argc, char **argv)
{
    struct options options;
    struct loop *loop;

    switch (options_parse(argc, argv, &options)) {
    case OPTIONS_DONE:
        return EXIT_SUCCESS;
    case OPTIONS_BAD:
        return STATUS_BAD;
    case OPTIONS_RUN:
        break;
    }
    signal(SIGPIPE, SIG_IGN);
    int error = loop_create(&options, &loop);
    if (error)
        return error == -EINVAL ? STATUS_BAD : EXIT_FAILURE;
    loop_run(loop);
    loop_destroy(loop);
    return EXIT_SUCCESS;
}
