// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/writer.h"

static const struct writer_column columns[] = {{"vm", "VM"},         {"rate", "RATE"},
                                               {"delay_s", "DELAY"}, {"kept", "KEPT"},
                                               {"id", NULL},         {"why", "WHY"}};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* Every kind of value, a hostile name, a row left short. */
static void fill(struct writer *writer)
{
    writer_record(writer, "daemon", NULL, columns, 3);
    writer_row(writer);
    writer_text(writer, "x");
    writer_share(writer, 0.25);
    writer_number(writer, 1234);
    writer_table(writer, "vms", "Guests", "none", columns, COLUMNS);
    writer_row(writer);
    writer_text(writer, "we\033[2Jb");
    writer_rate(writer, 41234.5);
    writer_duration(writer, 96.2e-6);
    writer_flag(writer, true, "kept", "broken");
    writer_mood(writer, WRITER_GOOD);
    writer_count(writer, 7);
    writer_text(writer, "fine");
    writer_row(writer);
    writer_text(writer, NULL);
    writer_rate(writer, NAN);
    writer_row(writer);
    writer_text(writer, "b");
    writer_table(writer, "nothing", NULL, "nothing there", columns, 2);
    writer_note(writer, "a %s", "note\r");
}

static char *printed(enum writer_format format, bool colours)
{
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    struct writer *writer = writer_new(format);

    assert_non_null(file);
    assert_non_null(writer);
    fill(writer);
    assert_int_equal(writer_print(writer, file, colours), 0);
    writer_free(writer);
    fclose(file);
    return text;
}

static void test_people(void **state)
{
    (void)state;
    char *text = printed(WRITER_PEOPLE, false);

    assert_string_equal(text, "VM     x\n"
                              "RATE   25.0%\n"
                              "DELAY  1234\n"
                              "\n"
                              "Guests\n"
                              "VM             RATE   DELAY  KEPT  WHY\n"
                              "we\\x1b[2Jb  41.2k/s  96.2us  kept  fine\n"
                              "-                 -       -  -     -\n"
                              "b                 -       -  -     -\n"
                              "\n"
                              "nothing there\n"
                              "\n"
                              "a note\\x0d\n");
    free(text);
}

static void test_people_colours(void **state)
{
    (void)state;
    char *text = printed(WRITER_PEOPLE, true);

    /* Padding is by what is seen, not by what is sent. */
    assert_non_null(strstr(text, "96.2us  \033[32mkept\033[0m  fine\n"));
    assert_null(strstr(text, "\033[2Jb"));
    free(text);
}

static void test_json(void **state)
{
    (void)state;
    char *text = printed(WRITER_JSON_LINES, false);

    assert_string_equal(
        text, "{\"daemon\":{\"vm\":\"x\",\"rate\":0.25,\"delay_s\":1234.0},"
              "\"vms\":[{\"vm\":\"we\\u001B[2Jb\",\"rate\":41234.5,\"delay_s\":9.62e-5,"
              "\"kept\":true,\"id\":7,\"why\":\"fine\"},"
              "{\"vm\":null,\"rate\":null,\"delay_s\":null,\"kept\":null,\"id\":null,\"why\":null},"
              "{\"vm\":\"b\",\"rate\":null,\"delay_s\":null,\"kept\":null,\"id\":null,"
              "\"why\":null}],\"nothing\":[],\"notes\":[\"a note\\r\"]}\n");
    free(text);
    text = printed(WRITER_JSON, true);
    assert_non_null(strstr(text, "  \"daemon\": {\n    \"vm\": \"x\",\n"));
    assert_null(strchr(text, '\033'));
    free(text);
}

/* A line is an object for programs and a row under a head for people; its times are local. */
static void test_line(void **state)
{
    (void)state;
    static const struct writer_column when[] = {{"time", "TIME"}, {NULL, "UP"}, {"up_s", NULL}};
    static const char *const expected[] = {
        [WRITER_PEOPLE] = "TIME                 UP\n2023-11-14 22:13:20  5s\n",
        [WRITER_JSON_LINES] = "{\"at\":{\"time\":1700000000.0,\"up_s\":5.0}}\n"};

    setenv("TZ", "UTC", 1);
    for (int format = WRITER_PEOPLE; format <= WRITER_JSON_LINES; format += WRITER_JSON_LINES) {
        char *text;
        size_t size;
        FILE *file = open_memstream(&text, &size);
        struct writer *writer = writer_new((enum writer_format)format);
        writer_line(writer, "at", when, 3);
        writer_row(writer);
        writer_time(writer, 1.7e9);
        writer_text(writer, "5s");
        writer_duration(writer, 5);
        assert_int_equal(writer_print(writer, file, false), 0);
        fclose(file);
        assert_string_equal(text, expected[format]);
        free(text);
        writer_free(writer);
    }
}

/* Without a key, a record's values stand beside the tables. */
static void test_no_key(void **state)
{
    (void)state;
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    struct writer *writer = writer_new(WRITER_JSON_LINES);

    writer_record(writer, NULL, NULL, columns, 1);
    writer_row(writer);
    writer_text(writer, "a");
    writer_table(writer, "rest", NULL, NULL, columns, 1);
    assert_int_equal(writer_print(writer, file, false), 0);
    fclose(file);
    assert_string_equal(text, "{\"vm\":\"a\",\"rest\":[]}\n");
    free(text);
    writer_free(writer);
}

static void test_json_not_utf8(void **state)
{
    (void)state;
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    struct writer *writer = writer_new(WRITER_JSON_LINES);

    writer_note(writer, "\xff\xc0");
    assert_int_equal(writer_print(writer, file, false), 0);
    fclose(file);
    assert_string_equal(text, "{\"notes\":[\"\\\\xff\\\\xc0\"]}\n");
    free(text);
    writer_free(writer);
}

/* Printing empties the document: --watch prints the next one with the same writer. */
static void test_print_twice(void **state)
{
    (void)state;
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    struct writer *writer = writer_new(WRITER_PEOPLE);

    for (int i = 0; i < 2; i++) {
        writer_note(writer, "%d", i);
        assert_int_equal(writer_print(writer, file, false), 0);
    }
    fclose(file);
    assert_string_equal(text, "0\n1\n");
    free(text);
    writer_free(writer);
}

static void test_long_names_are_cut(void **state)
{
    (void)state;
    char *text, name[3000];
    size_t size;
    FILE *file = open_memstream(&text, &size);
    struct writer *writer = writer_new(WRITER_PEOPLE);

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    writer_table(writer, "t", NULL, NULL, columns, 2);
    writer_row(writer);
    writer_text(writer, name);
    writer_rate(writer, 1);
    assert_int_equal(writer_print(writer, file, false), 0);
    fclose(file);
    assert_non_null(strstr(text, "xxx...  "));
    assert_true(size < 200);
    free(text);
    writer_free(writer);
}

static void test_full_device(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    struct writer *writer = writer_new(WRITER_JSON);

    assert_non_null(full);
    fill(writer);
    assert_int_equal(writer_print(writer, full, false), -EIO);
    fclose(full);
    writer_free(writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_people),      cmocka_unit_test(test_people_colours),
        cmocka_unit_test(test_json),        cmocka_unit_test(test_line),
        cmocka_unit_test(test_no_key),      cmocka_unit_test(test_json_not_utf8),
        cmocka_unit_test(test_print_twice), cmocka_unit_test(test_long_names_are_cut),
        cmocka_unit_test(test_full_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
