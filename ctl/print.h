// SPDX-License-Identifier: GPL-2.0-or-later
/* A writer for standard output, as the sub-commands' --json option asks. */
#ifndef XENAGG_CTL_PRINT_H
#define XENAGG_CTL_PRINT_H

#include "ctl/writer.h"

/* `lines`: several documents will follow each other. Ends the program where memory is out. */
struct writer *print_start(bool json, bool lines);
/* Prints and frees. CTL_OK, or CTL_FAILED after a message. */
int print_end(struct writer *writer);

#endif
