// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

/*
 * systemd sets JOURNAL_STREAM for services whose output it collects, and all
 * their children inherit it: only where standard error is that very stream do
 * lines go to the journal.
 */
static bool to_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static const char *level_name(int level)
{
    return level <= LOG_ERR ? "error: " : level == LOG_WARNING ? "warning: " : "";
}

/* What comes from outside may be in a line; no control character (C0, DEL, C1 as UTF-8) survives.
 */
static void text_tame(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at; at++) {
        if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)
            at[0] = at[1] = '?';
        if (*at < 0x20 || *at == 0x7f)
            *at = '?';
    }
}

static void text_make(char text[static LINE_MAX_BYTES], const char *format, va_list arguments)
{
    vsnprintf(text, LINE_MAX_BYTES, format, arguments);
    text_tame(text);
}

static bool is_shown(int level)
{
    return level < LOG_DEBUG || getenv("XENAGG_DEBUG");
}

void log_line(int level, const char *subsystem, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list arguments;

    va_start(arguments, format);
    text_make(text, format, arguments);
    va_end(arguments);
    if (to_journal() && sd_journal_send("PRIORITY=%d", level, "XENAGG_SUBSYSTEM=%s", subsystem,
                                        "MESSAGE=%s: %s", subsystem, text, NULL) >= 0)
        return;
    if (is_shown(level))
        fprintf(stderr, "%s: %s: %s%s\n", program_invocation_short_name, subsystem,
                level_name(level), text);
}

void log_guest(int level, const char *subsystem, uint32_t domid, uint32_t handle,
               const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list arguments;

    va_start(arguments, format);
    text_make(text, format, arguments);
    va_end(arguments);
    if (to_journal() &&
        sd_journal_send("PRIORITY=%d", level, "XENAGG_SUBSYSTEM=%s", subsystem, "XENAGG_DOMID=%u",
                        domid, "XENAGG_HANDLE=%u", handle, "MESSAGE=%s: guest %u.%u: %s", subsystem,
                        domid, handle, text, NULL) >= 0)
        return;
    if (is_shown(level))
        fprintf(stderr, "%s: %s: guest %u.%u: %s%s\n", program_invocation_short_name, subsystem,
                domid, handle, level_name(level), text);
}
