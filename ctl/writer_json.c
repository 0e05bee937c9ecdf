// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "ctl/document.h"
#include "ctl/text.h"

/* JSON is UTF-8; what is not (a name out of xenstore) is written as people would see it. */
static json_t *text_json(const char *text)
{
    char clean[4096];
    json_t *string = json_string(text);

    return string ? string : json_string(text_clean(text, clean, sizeof(clean)));
}

static json_t *value_json(const struct value *value)
{
    switch (value->kind) {
    case VALUE_NONE:
        return json_null();
    case VALUE_TEXT:
        return text_json(value->text);
    case VALUE_COUNT:
        return json_integer((json_int_t)value->count);
    case VALUE_FLAG:
        return json_boolean(value->flag);
    case VALUE_TIME:
    case VALUE_RATE:
    case VALUE_DURATION:
    case VALUE_SHARE:
    case VALUE_NUMBER:
        break;
    }
    return isfinite(value->number) ? json_real(value->number) : json_null();
}

static json_t *row_json(const struct table *table, size_t row)
{
    json_t *object = json_object();

    for (size_t column = 0; object && column < table->width; column++)
        if (table->columns[column].key &&
            json_object_set_new(object, table->columns[column].key,
                                value_json(&table->value[row * table->width + column]))) {
            json_decref(object);
            return NULL;
        }
    return object;
}

static json_t *table_json(const struct table *table)
{
    if (table->record)
        return table->rows ? row_json(table, 0) : json_null();
    json_t *array = json_array();
    for (size_t row = 0; array && row < table->rows; row++)
        if (json_array_append_new(array, row_json(table, row))) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static int table_add(json_t *root, const struct table *table)
{
    json_t *json = table_json(table);

    if (table->key)
        return json_object_set_new(root, table->key, json);
    int error = json_is_object(json) ? json_object_update(root, json) : -1;
    json_decref(json);
    return error;
}

static json_t *notes_json(const struct document *document)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < document->note_count; i++)
        if (json_array_append_new(array, text_json(document->notes[i]))) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *document_json(const struct document *document)
{
    json_t *root = json_object();
    int error = root ? 0 : -1;

    for (size_t i = 0; !error && i < document->table_count; i++)
        error = table_add(root, &document->tables[i]);
    if (!error && document->note_count)
        error = json_object_set_new(root, "notes", notes_json(document));
    if (!error)
        return root;
    json_decref(root);
    return NULL;
}

int document_print_json(const struct document *document, FILE *file, bool one_line)
{
    /* Ten digits: more than any measurement here has, and 0.1 stays 0.1. */
    size_t flags = JSON_ENSURE_ASCII | JSON_REAL_PRECISION(10) |
                   (one_line ? JSON_COMPACT : (size_t)JSON_INDENT(2));
    json_t *root = document_json(document);

    if (!root)
        return -ENOMEM;
    json_dumpf(root, file, flags);
    fputc('\n', file);
    json_decref(root);
    return 0;
}
