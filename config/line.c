// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/line.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define TEXT(number) TEXT_OF(number)
#define TEXT_OF(number) #number

/* The rest of a line that was too long. */
static void line_skip(FILE *file)
{
    for (int c = getc(file); c != '\n' && c != EOF;)
        c = getc(file);
}

static bool line_is_text(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (iscntrl((unsigned char)line[i]) && !isspace((unsigned char)line[i]))
            return false;
    return true;
}

int config_line_read(FILE *file, char line[static CONFIG_LINE_SIZE], const char **ret_wrong)
{
    /* Filled first: a NUL in the file would else hide what is behind it. */
    for (size_t i = 0; i < CONFIG_LINE_SIZE; i++)
        line[i] = '\n';
    if (!fgets(line, CONFIG_LINE_SIZE, file))
        return -1;
    const char *newline = memchr(line, '\n', CONFIG_LINE_SIZE);
    size_t length = newline ? (size_t)(newline - line) : CONFIG_LINE_SIZE - 1;
    if (length > 0 && line[length - 1] == '\0' && newline)
        length--; /* the last line, without an end of its own */
    *ret_wrong = NULL;
    if (length > CONFIG_LINE) {
        line_skip(file);
        *ret_wrong = "the line is longer than " TEXT(CONFIG_LINE) " characters";
    } else if (!line_is_text(line, length))
        *ret_wrong = "not text";
    line[*ret_wrong ? 0 : length] = '\0';
    return 0;
}
