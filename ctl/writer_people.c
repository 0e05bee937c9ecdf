// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/duration.h"
#include "ctl/document.h"
#include "ctl/text.h"

/* Cells wider than this are cut, so that one long name does not push a table off the screen. */
#define CELL_WIDTH 40
#define CELL_WIDTH_LAST 400

static const char *const moods[] = {[WRITER_PLAIN] = "",
                                    [WRITER_GOOD] = "\033[32m",
                                    [WRITER_BAD] = "\033[31m",
                                    [WRITER_DIM] = "\033[2m"};

static const char *cell(const struct value *value, char *ret, size_t size)
{
    char number[TEXT_NUMBER], duration[DURATION_TEXT];

    switch (value->kind) {
    case VALUE_NONE:
        snprintf(ret, size, "-");
        break;
    case VALUE_TEXT:
    case VALUE_FLAG:
        text_clean(value->text, ret, size);
        break;
    case VALUE_COUNT:
        snprintf(ret, size, "%llu", (unsigned long long)value->count);
        break;
    case VALUE_TIME:
        text_time(value->number, ret, size);
        break;
    case VALUE_RATE:
        snprintf(ret, size, "%s/s", text_prefixed(value->number, number));
        break;
    case VALUE_DURATION:
        snprintf(ret, size, "%s", duration_format(value->number, duration));
        break;
    case VALUE_SHARE:
        snprintf(ret, size, "%.1f%%", 100 * value->number);
        break;
    case VALUE_NUMBER:
        snprintf(ret, size, "%s", text_number(value->number, number));
        break;
    }
    return ret;
}

static bool is_words(const struct value *value)
{
    return value->kind == VALUE_TEXT || value->kind == VALUE_FLAG || value->kind == VALUE_TIME;
}

struct layout {
    int width;
    bool left;
    size_t room;
};

/* The last column that people see may be long: nothing is pushed away by it. */
static size_t last_shown(const struct table *table)
{
    size_t last = 0;

    for (size_t column = 0; column < table->width; column++)
        if (table->columns[column].title)
            last = column;
    return last;
}

static void layout_column(const struct table *table, size_t column, struct layout *ret)
{
    char text[CELL_WIDTH_LAST + 1];
    bool left = false;
    int width = (int)strlen(table->columns[column].title);
    size_t room = (column == last_shown(table) ? CELL_WIDTH_LAST : CELL_WIDTH) + 1;

    for (size_t row = 0; row < table->rows; row++) {
        const struct value *value = &table->value[row * table->width + column];
        int length = (int)strlen(cell(value, text, room));
        left |= is_words(value);
        width = length > width ? length : width;
    }
    *ret = (struct layout){.width = width, .left = left, .room = room};
}

/* One cell, padded; colours stand outside the padding's count. */
static void print_cell(FILE *file, const struct layout *layout, const char *text, const char *mood,
                       bool last)
{
    int padding = layout->width - (int)strlen(text);

    if (!layout->left)
        fprintf(file, "%*s", padding, "");
    fprintf(file, "%s%s%s", mood, text, *mood ? "\033[0m" : "");
    if (layout->left && !last)
        fprintf(file, "%*s", padding, "");
    fputs(last ? "\n" : "  ", file);
}

static void print_head(const struct table *table, const struct layout *layouts, size_t last,
                       FILE *file, bool colours)
{
    for (size_t column = 0; column < table->width; column++)
        if (table->columns[column].title)
            print_cell(file, &layouts[column], table->columns[column].title,
                       colours ? moods[WRITER_DIM] : "", column == last);
}

static void print_row(const struct table *table, size_t row, const struct layout *layouts,
                      size_t last, FILE *file, bool colours)
{
    char text[CELL_WIDTH_LAST + 1];

    for (size_t column = 0; column < table->width; column++) {
        const struct value *value = &table->value[row * table->width + column];
        if (table->columns[column].title)
            print_cell(file, &layouts[column], cell(value, text, layouts[column].room),
                       colours ? moods[value->mood] : "", column == last);
    }
}

static int print_table(const struct table *table, FILE *file, bool colours)
{
    struct layout *layouts = calloc(table->width, sizeof(*layouts));
    size_t last = last_shown(table);

    if (!layouts)
        return -ENOMEM;
    for (size_t column = 0; column < table->width; column++)
        if (table->columns[column].title)
            layout_column(table, column, &layouts[column]);
    print_head(table, layouts, last, file, colours);
    for (size_t row = 0; row < table->rows; row++)
        print_row(table, row, layouts, last, file, colours);
    free(layouts);
    return 0;
}

static void print_record(const struct table *table, FILE *file, bool colours)
{
    char text[CELL_WIDTH_LAST + 1];
    int width = 0;

    for (size_t column = 0; column < table->width; column++) {
        const char *title = table->columns[column].title;
        width = title && (int)strlen(title) > width ? (int)strlen(title) : width;
    }
    for (size_t column = 0; column < table->width; column++) {
        const struct value *value = &table->value[column];
        const char *mood = colours ? moods[value->mood] : "";
        if (table->columns[column].title)
            fprintf(file, "%-*s  %s%s%s\n", width, table->columns[column].title, mood,
                    cell(value, text, sizeof(text)), *mood ? "\033[0m" : "");
    }
}

static int print_one(const struct table *table, FILE *file, bool colours)
{
    if (table->title)
        fprintf(file, "%s\n", table->title);
    if (table->rows == 0) {
        if (table->empty)
            fprintf(file, "%s\n", table->empty);
        return 0;
    }
    if (!table->down)
        return print_table(table, file, colours);
    print_record(table, file, colours);
    return 0;
}

int document_print_people(const struct document *document, FILE *file, bool colours)
{
    char note[1024];
    int error = 0;

    for (size_t i = 0; i < document->table_count && !error; i++) {
        if (i)
            fputc('\n', file);
        error = print_one(&document->tables[i], file, colours);
    }
    if (document->table_count && document->note_count)
        fputc('\n', file);
    for (size_t i = 0; i < document->note_count; i++)
        fprintf(file, "%s\n", text_clean(document->notes[i], note, sizeof(note)));
    return error;
}
