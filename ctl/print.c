// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/print.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

struct writer *print_start(bool json, bool lines)
{
    struct writer *writer = writer_new(!json   ? WRITER_PEOPLE
                                       : lines ? WRITER_JSON_LINES
                                               : WRITER_JSON);

    if (writer)
        return writer;
    ctl_error("no memory");
    exit(CTL_FAILED);
}

int print_end(struct writer *writer)
{
    int error = writer_print(writer, stdout, writer_wants_colours(stdout));

    writer_free(writer);
    if (error)
        ctl_error("cannot write to standard output: %s", strerror(-error));
    return error ? CTL_FAILED : CTL_OK;
}
