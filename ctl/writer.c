// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/writer.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/document.h"

struct writer {
    enum writer_format format;
    bool no_memory;
    struct document document;
};

struct writer *writer_new(enum writer_format format)
{
    struct writer *writer = calloc(1, sizeof(*writer));

    if (writer)
        writer->format = format;
    return writer;
}

static void document_clear(struct document *document)
{
    for (size_t i = 0; i < document->table_count; i++) {
        for (size_t j = 0; j < document->tables[i].values; j++)
            free(document->tables[i].value[j].text);
        free(document->tables[i].value);
    }
    for (size_t i = 0; i < document->note_count; i++)
        free(document->notes[i]);
    free(document->tables);
    free(document->notes);
    *document = (struct document){0};
}

void writer_free(struct writer *writer)
{
    if (!writer)
        return;
    document_clear(&writer->document);
    free(writer);
}

bool writer_wants_colours(FILE *file)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(fileno(file)) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

/* Room for one more element of an array that grows by doubling; NULL: no memory, array kept. */
static void *grown(struct writer *writer, void *array, size_t count, size_t size)
{
    bool full = count == 0 || (count & (count - 1)) == 0; /* 0 or a power of two */
    void *more = full ? reallocarray(array, count ? 2 * count : 1, size) : array;

    if (!more)
        writer->no_memory = true;
    return more;
}

static struct table *table_last(struct writer *writer)
{
    struct document *document = &writer->document;
    return document->table_count ? &document->tables[document->table_count - 1] : NULL;
}

/* Rows that a command left short are filled, so that formats may count on complete ones. */
static void rows_complete(struct writer *writer)
{
    struct table *last = table_last(writer);

    while (last && last->values < last->rows * last->width && !writer->no_memory)
        writer_none(writer);
}

static void table_add(struct writer *writer, struct table table)
{
    struct document *document = &writer->document;

    rows_complete(writer);
    struct table *tables =
        grown(writer, document->tables, document->table_count, sizeof(*document->tables));

    if (!tables)
        return;
    document->tables = tables;
    tables[document->table_count++] = table;
}

void writer_table(struct writer *writer, const char *key, const char *title, const char *empty,
                  const struct writer_column *columns, size_t count)
{
    table_add(writer,
              (struct table){
                  .key = key, .title = title, .empty = empty, .columns = columns, .width = count});
}

void writer_record(struct writer *writer, const char *key, const char *title,
                   const struct writer_column *columns, size_t count)
{
    table_add(writer, (struct table){.key = key,
                                     .title = title,
                                     .columns = columns,
                                     .width = count,
                                     .record = true,
                                     .down = true});
}

void writer_line(struct writer *writer, const char *key, const struct writer_column *columns,
                 size_t count)
{
    table_add(writer,
              (struct table){.key = key, .columns = columns, .width = count, .record = true});
}

void writer_row(struct writer *writer)
{
    struct table *table = table_last(writer);

    rows_complete(writer);
    if (table)
        table->rows++;
}

static void value_add(struct writer *writer, struct value value)
{
    struct table *table = table_last(writer);
    bool fits = table && table->values < table->rows * table->width;
    struct value *values =
        fits ? grown(writer, table->value, table->values, sizeof(*values)) : NULL;

    if (!values) {
        free(value.text);
        return;
    }
    table->value = values;
    values[table->values++] = value;
}

static char *copied(struct writer *writer, const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        writer->no_memory = true;
    return copy;
}

void writer_text(struct writer *writer, const char *text)
{
    char *copy = text ? copied(writer, text) : NULL;
    value_add(writer, (struct value){.kind = copy ? VALUE_TEXT : VALUE_NONE, .text = copy});
}

void writer_count(struct writer *writer, uint64_t count)
{
    value_add(writer, (struct value){.kind = VALUE_COUNT, .count = count});
}

/* What is not a number was not measured. */
static void real_add(struct writer *writer, enum value_kind kind, double number)
{
    value_add(writer, (struct value){.kind = isnan(number) ? VALUE_NONE : kind, .number = number});
}

void writer_time(struct writer *writer, double epoch)
{
    real_add(writer, VALUE_TIME, epoch);
}

void writer_rate(struct writer *writer, double per_second)
{
    real_add(writer, VALUE_RATE, per_second);
}

void writer_duration(struct writer *writer, double seconds)
{
    real_add(writer, VALUE_DURATION, seconds);
}

void writer_share(struct writer *writer, double share)
{
    real_add(writer, VALUE_SHARE, share);
}

void writer_number(struct writer *writer, double number)
{
    real_add(writer, VALUE_NUMBER, number);
}

void writer_flag(struct writer *writer, bool value, const char *yes, const char *no)
{
    char *copy = copied(writer, value ? yes : no);
    value_add(writer, (struct value){.kind = VALUE_FLAG, .flag = value, .text = copy});
}

void writer_none(struct writer *writer)
{
    value_add(writer, (struct value){.kind = VALUE_NONE});
}

void writer_mood(struct writer *writer, enum writer_mood mood)
{
    struct table *table = table_last(writer);

    if (table && table->values)
        table->value[table->values - 1].mood = mood;
}

void writer_note(struct writer *writer, const char *format, ...)
{
    struct document *document = &writer->document;
    char **notes = grown(writer, document->notes, document->note_count, sizeof(*notes));
    va_list arguments;

    if (!notes)
        return;
    document->notes = notes;
    va_start(arguments, format);
    int length = vasprintf(&notes[document->note_count], format, arguments);
    va_end(arguments);
    if (length < 0)
        writer->no_memory = true;
    else
        document->note_count++;
}

int writer_print(struct writer *writer, FILE *file, bool colours)
{
    int error = 0;

    rows_complete(writer);
    if (writer->no_memory)
        error = -ENOMEM;
    else if (writer->format == WRITER_PEOPLE)
        error = document_print_people(&writer->document, file, colours);
    else
        error = document_print_json(&writer->document, file, writer->format == WRITER_JSON_LINES);
    document_clear(&writer->document);
    writer->no_memory = false;
    if (!error && (fflush(file) || ferror(file)))
        error = -EIO;
    return error;
}
