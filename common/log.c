// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>

/* systemd sets JOURNAL_STREAM for services whose output it collects. */
static int to_journal(void)
{
    return getenv("JOURNAL_STREAM") != NULL;
}

/* What comes from outside may be in a line; it must not speak to a terminal, or fake a line. */
static void text_tame(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

static const char *level_name(int level)
{
    return level <= LOG_ERR ? "error: " : level == LOG_WARNING ? "warning: " : "";
}

void log_line(int level, const char *subsystem, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    text_tame(text);
    if (to_journal())
        sd_journal_send("PRIORITY=%d", level, "XENAGG_SUBSYSTEM=%s", subsystem, "MESSAGE=%s: %s",
                        subsystem, text, NULL);
    else if (level < LOG_DEBUG || getenv("XENAGG_DEBUG"))
        fprintf(stderr, "%s: %s: %s%s\n", program_invocation_short_name, subsystem,
                level_name(level), text);
}

void log_guest(int level, const char *subsystem, uint32_t domid, uint32_t handle,
               const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    text_tame(text);
    if (to_journal())
        sd_journal_send("PRIORITY=%d", level, "XENAGG_SUBSYSTEM=%s", subsystem, "XENAGG_DOMID=%u",
                        domid, "XENAGG_HANDLE=%u", handle, "MESSAGE=%s: guest %u.%u: %s", subsystem,
                        domid, handle, text, NULL);
    else if (level < LOG_DEBUG || getenv("XENAGG_DEBUG"))
        fprintf(stderr, "%s: %s: guest %u.%u: %s%s\n", program_invocation_short_name, subsystem,
                domid, handle, level_name(level), text);
}
