// SPDX-License-Identifier: GPL-2.0-or-later
/* One line of the configuration file, of a file that may be anything. */
#ifndef XENAGG_CONFIG_LINE_H
#define XENAGG_CONFIG_LINE_H

#include <stdio.h>

/* inih cuts longer lines in two; they are refused before it sees them. */
#define CONFIG_LINE 190
#define CONFIG_LINE_SIZE (CONFIG_LINE + 2)

/*
 * The file's next line without its end; what can't be one of ours (too long, not
 * text) comes back empty, and `ret_wrong` says what is wrong with it, else it is
 * NULL. 0, or -1 at the file's end, where `line` means nothing.
 */
int config_line_read(FILE *file, char line[static CONFIG_LINE_SIZE], const char **ret_wrong);

#endif
