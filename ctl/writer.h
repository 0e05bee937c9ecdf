// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a command has to say, said once, printed in several formats. A command
 * builds a document of tables (many rows) and records (one row, written one
 * value a line), then prints it. A format is one function over the document,
 * so no command knows which one is used.
 *
 * Running out of memory is remembered and reported by writer_print.
 */
#ifndef XENAGG_CTL_WRITER_H
#define XENAGG_CTL_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum writer_format {
    WRITER_PEOPLE,     /* aligned, with units */
    WRITER_JSON,       /* one object, indented; seconds, shares of 1, no units */
    WRITER_JSON_LINES, /* one object on one line: what --watch prints with --json */
};

struct writer_column {
    const char *key;   /* programs; its unit is part of it: "delay_s"; NULL: for people only */
    const char *title; /* people; NULL: for programs only */
};

enum writer_mood { WRITER_PLAIN, WRITER_GOOD, WRITER_BAD, WRITER_DIM };

struct writer;

/* NULL: no memory. `columns` given below must outlive the writer. */
struct writer *writer_new(enum writer_format format);
void writer_free(struct writer *writer);

/* Colours where `file` is a terminal that wants them (NO_COLOR, TERM=dumb). */
bool writer_wants_colours(FILE *file);

/*
 * `empty`: what people are told where a table stays without rows. A title may
 * be NULL. So may the key of a record or line: programs then find its values
 * beside the tables, not in an object of their own.
 */
void writer_table(struct writer *writer, const char *key, const char *title, const char *empty,
                  const struct writer_column *columns, size_t count);
void writer_record(struct writer *writer, const char *key, const char *title,
                   const struct writer_column *columns, size_t count);

/* A record that people read as a row under a head. */
void writer_line(struct writer *writer, const char *key, const struct writer_column *columns,
                 size_t count);

/*
 * A row of the last table or record; then one value for each of its columns, in
 * their order. NAN is as good as writer_none.
 */
void writer_row(struct writer *writer);
void writer_text(struct writer *writer, const char *text); /* NULL: none */
void writer_count(struct writer *writer, uint64_t count);
void writer_time(struct writer *writer, double epoch); /* s; people read local time */
void writer_rate(struct writer *writer, double per_second);
void writer_duration(struct writer *writer, double seconds);
void writer_share(struct writer *writer, double share);
void writer_number(struct writer *writer, double number);
/* People read `yes` or `no`. */
void writer_flag(struct writer *writer, bool value, const char *yes, const char *no);
void writer_none(struct writer *writer);
/* Colour of the value last written. */
void writer_mood(struct writer *writer, enum writer_mood mood);

/* A sentence: below the tables for people, in "notes" for programs. */
void writer_note(struct writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints the document and empties it. 0, -ENOMEM, -EIO (the file does not take it). */
int writer_print(struct writer *writer, FILE *file, bool colours);

#endif
