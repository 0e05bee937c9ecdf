// SPDX-License-Identifier: GPL-2.0-or-later
/* Inside of the writer: the document that its formats print. */
#ifndef XENAGG_CTL_DOCUMENT_H
#define XENAGG_CTL_DOCUMENT_H

#include "ctl/writer.h"

enum value_kind {
    VALUE_NONE,
    VALUE_TEXT,
    VALUE_COUNT,
    VALUE_TIME,
    VALUE_RATE,
    VALUE_DURATION,
    VALUE_SHARE,
    VALUE_NUMBER,
    VALUE_FLAG,
};

struct value {
    enum value_kind kind;
    enum writer_mood mood;
    bool flag;
    char *text; /* VALUE_TEXT; VALUE_FLAG: how people read it. Owned. */
    uint64_t count;
    double number; /* all others */
};

struct table {
    const char *key, *title, *empty;
    const struct writer_column *columns;
    size_t width;  /* number of columns */
    bool record;   /* one row: an object, not a list of them */
    bool down;     /* people read it downwards */
    size_t values; /* in `value`, row by row; rows * width where complete */
    size_t rows;
    struct value *value;
};

struct document {
    struct table *tables;
    size_t table_count;
    char **notes;
    size_t note_count;
};

/* Formats: 0 or -ENOMEM; errors of `file` are the caller's. */
int document_print_people(const struct document *document, FILE *file, bool colours);
int document_print_json(const struct document *document, FILE *file, bool one_line);

#endif
