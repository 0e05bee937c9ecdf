// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/screen.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/duration.h"

/* Seconds between two blocks where nothing can be redrawn. */
#define PLAIN_SECONDS 5.0

#define COLUMNS 9
#define WIDE 95u

struct screen {
    FILE *file;
    bool terminal;
    unsigned lines; /* of the table on the terminal, to go up over */
    double shown_at;
};

struct screen *screen_create(FILE *file)
{
    struct screen *screen = calloc(1, sizeof(*screen));

    if (!screen)
        return NULL;
    screen->file = file;
    const char *kind = getenv("TERM");
    screen->terminal = isatty(fileno(file)) && kind && strcmp(kind, "dumb") != 0;
    screen->shown_at = -PLAIN_SECONDS;
    return screen;
}

void screen_free(struct screen *screen)
{
    free(screen);
}

const char *screen_number(double value, char text[static 24])
{
    if (isnan(value))
        snprintf(text, 24, "-");
    else if (value >= 1e6)
        snprintf(text, 24, "%.2fM", value / 1e6);
    else if (value >= 1e5)
        snprintf(text, 24, "%.0fk", value / 1e3);
    else if (value >= 1e4)
        snprintf(text, 24, "%.1fk", value / 1e3);
    else
        snprintf(text, 24, "%.*f", value < 100 ? 1 : 0, value);
    return text;
}

/* Back to the table's first line, so that what follows overwrites it. */
static void table_rewind(struct screen *screen)
{
    if (screen->terminal && screen->lines)
        fprintf(screen->file, "\033[%uA\033[J", screen->lines);
    screen->lines = 0;
}

static unsigned line_width(const struct screen *screen)
{
    struct winsize size;

    if (!screen->terminal || ioctl(fileno(screen->file), TIOCGWINSZ, &size) || size.ws_col < 40)
        return 255;
    return size.ws_col - 1u;
}

static void table_line(struct screen *screen, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void table_line(struct screen *screen, const char *format, ...)
{
    char line[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    /* A line that wraps would be two to go up over. */
    fprintf(screen->file, "%.*s\n", (int)line_width(screen), line);
    screen->lines++;
}

void screen_say(struct screen *screen, const char *format, ...)
{
    va_list arguments;

    table_rewind(screen);
    va_start(arguments, format);
    vfprintf(screen->file, format, arguments);
    va_end(arguments);
    fputc('\n', screen->file);
    fflush(screen->file);
}

static const char *size_text(uint32_t packets, uint32_t timeout_us, char text[static 32])
{
    char timeout[DURATION_TEXT];

    snprintf(text, 32, "%u %s", packets, duration_format(timeout_us * 1e-6, timeout));
    return text;
}

static const char *promise_text(const struct screen_row *row, char text[static 64])
{
    char delay[DURATION_TEXT];

    if (isnan(row->tick->promise_us))
        snprintf(text, 64, "none yet");
    else
        snprintf(text, 64, "%s %s", duration_format(row->tick->promise_us * 1e-6, delay),
                 strcmp(row->scope, "forwarding") == 0 ? "and back" : "one way");
    return text;
}

static const char *kept_text(const struct record_score *score, char text[static 32])
{
    if (score->windows)
        snprintf(text, 32, "%u/%u", score->kept, score->windows);
    else
        snprintf(text, 32, "-");
    return text;
}

/* The columns; where the screen is narrow, without the sizes from the guest. */
static void columns_show(struct screen *screen, const char *const text[COLUMNS])
{
    if (line_width(screen) >= WIDE)
        table_line(screen, " %-10s %6s %11s %11s %9s %7s %9s %-15s %s", text[0], text[1], text[2],
                   text[3], text[4], text[5], text[6], text[7], text[8]);
    else
        table_line(screen, " %-10s %6s %11s %9s %7s %9s %-15s %s", text[0], text[1], text[2],
                   text[4], text[5], text[6], text[7], text[8]);
}

static void row_show(struct screen *screen, const struct screen_row *row)
{
    char offered[24], predicted[24], backend[24], generator[24];
    char rx[32], tx[32], promise[64], kept[32];
    const struct record_tick *tick = row->tick;

    if (!tick) {
        table_line(screen, " %-10s (no measurements yet)", row->name);
        return;
    }
    columns_show(screen, (const char *const[COLUMNS]){
                             row->name, screen_number(tick->offered, offered),
                             size_text(tick->rx_packets, tick->rx_timeout_us, rx),
                             size_text(tick->tx_packets, tick->tx_timeout_us, tx),
                             screen_number(tick->predicted_us, predicted),
                             screen_number(tick->backend_us, backend),
                             screen_number(tick->generator_us, generator),
                             promise_text(row, promise), kept_text(&row->score, kept)});
    table_line(screen, "            %s: %s", tick->state, row->reason);
}

void screen_show(struct screen *screen, double at, double total, const char *phase,
                 const struct screen_row rows[PLAN_GUESTS])
{
    static const char *const heads[COLUMNS] = {"guest",      "pkts/s",    "to guest",
                                               "from guest", "predicted", "backend",
                                               "generator",  "promise",   "kept"};

    if (!screen->terminal && at - screen->shown_at < PLAIN_SECONDS)
        return;
    screen->shown_at = at;
    table_rewind(screen);
    table_line(screen, "%.0f of %.0f s, phase \"%s\"; sizes in packets, delays in microseconds", at,
               total, phase);
    columns_show(screen, heads);
    for (unsigned i = 0; i < PLAN_GUESTS; i++)
        row_show(screen, &rows[i]);
    if (!screen->terminal)
        fputc('\n', screen->file);
    fflush(screen->file);
}
