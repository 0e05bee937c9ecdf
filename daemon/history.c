// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/history.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "daemon/database.h"

/* Between two tries to open what could not be opened. */
#define RETRY_SECONDS 5
#define TRIM_SECONDS 60
/* What history_stop waits for a slow disk. */
#define STOP_SECONDS 5

/* Something to write: a tick's report, or an event. */
struct item {
    struct item *next;
    size_t bytes;
    double time;
    struct tick_report report; /* its lists lie behind; no guests and no workers: an event */
    bool event;
    char kind[16], text[256];
};

struct history {
    char path[CONFIG_PATH];
    double interval;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* Under the lock. */
    struct item *first, **last;
    unsigned waiting;
    size_t waiting_bytes;
    struct database_limits limits;
    struct history_state state;
    uint64_t unsaid; /* ticks dropped since the last time that was recorded */
    bool behind;     /* that the disk is too slow has been logged */
    bool stopping;
    /* The thread's own. */
    struct database *database;
    time_t retry_at, trim_at;
    bool failing; /* that nothing can be written has been logged */
};

/* ---- for the caller ---- */

static struct item *item_new(const struct tick_report *report)
{
    size_t guests = report ? report->n_guests * sizeof(*report->guests) : 0;
    size_t workers = report ? report->n_workers * sizeof(*report->workers) : 0;
    size_t bytes = sizeof(struct item) + guests + workers;
    struct item *item = calloc(1, bytes);

    if (!item)
        return NULL;
    item->bytes = bytes;
    if (report) {
        item->report = *report;
        item->report.guests = (struct guest_report *)(item + 1);
        item->report.workers = (struct worker_report *)((char *)(item + 1) + guests);
        if (guests)
            memcpy(item->report.guests, report->guests, guests);
        if (workers)
            memcpy(item->report.workers, report->workers, workers);
    }
    return item;
}
_Static_assert(sizeof(struct item) % _Alignof(struct guest_report) == 0, "lists lie behind it");
_Static_assert(sizeof(struct guest_report) % _Alignof(struct worker_report) == 0, "and so on");

/* Takes the item, or drops it. */
static void push(struct history *history, struct item *item)
{
    bool say = false;

    pthread_mutex_lock(&history->lock);
    if (!item || history->waiting >= HISTORY_QUEUE ||
        history->waiting_bytes + item->bytes > HISTORY_QUEUE_BYTES) {
        say = !history->behind;
        history->behind = true;
        if (!item || !item->event) {
            history->state.dropped++;
            history->unsaid++;
        }
        free(item);
    } else {
        *history->last = item;
        history->last = &item->next;
        history->waiting++;
        history->waiting_bytes += item->bytes;
        pthread_cond_signal(&history->wake);
    }
    pthread_mutex_unlock(&history->lock);
    if (say)
        log_line(LOG_WARNING, "history", "%s: the disk does not keep up; ticks are not recorded",
                 history->path);
}

void history_tick(struct history *history, const struct tick_report *report)
{
    push(history, item_new(report));
}

void history_event(struct history *history, double time, const char *kind, const char *format, ...)
{
    struct item *item = item_new(NULL);
    va_list arguments;

    if (!item)
        return;
    item->event = true;
    item->time = time;
    snprintf(item->kind, sizeof(item->kind), "%s", kind);
    va_start(arguments, format);
    vsnprintf(item->text, sizeof(item->text), format, arguments);
    va_end(arguments);
    push(history, item);
}

static struct database_limits limits_of(const struct history_options *options)
{
    return (struct database_limits){
        .detail = options->detail, .keep = options->keep, .size = options->size};
}

void history_retain(struct history *history, const struct history_options *options)
{
    pthread_mutex_lock(&history->lock);
    history->limits = limits_of(options);
    pthread_mutex_unlock(&history->lock);
}

void history_look(struct history *history, struct history_state *ret)
{
    pthread_mutex_lock(&history->lock);
    *ret = history->state;
    pthread_mutex_unlock(&history->lock);
}

/* ---- the thread ---- */

static time_t seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void error_set(struct history *history, const char *error)
{
    pthread_mutex_lock(&history->lock);
    snprintf(history->state.error, sizeof(history->state.error), "%s", error);
    pthread_mutex_unlock(&history->lock);
    if (!history->failing && *error)
        log_line(LOG_ERR, "history", "%s; ticks are not recorded", error);
    history->failing = *error != '\0';
}

static void database_give_up(struct history *history)
{
    database_close(history->database);
    history->database = NULL;
    history->retry_at = seconds_now() + RETRY_SECONDS;
}

/* Whether there is an open database. */
static bool database_ready(struct history *history)
{
    char why[CONFIG_PATH + 192];

    if (history->database)
        return true;
    if (seconds_now() < history->retry_at)
        return false;
    if (database_open(history->path, history->interval, &history->database, why, sizeof(why))) {
        history->retry_at = seconds_now() + RETRY_SECONDS;
        error_set(history, why);
        return false;
    }
    return true;
}

static void trim(struct history *history, double now)
{
    struct database_limits limits;

    pthread_mutex_lock(&history->lock);
    limits = history->limits;
    pthread_mutex_unlock(&history->lock);
    history->trim_at = seconds_now() + TRIM_SECONDS;
    int code = database_trim(history->database, &limits, now);
    if (code == SQLITE_CORRUPT)
        database_give_up(history);
}

/* It works again: say so, in the log and in the database. */
static void recovered(struct history *history, double time)
{
    char text[96];
    uint64_t unsaid;

    pthread_mutex_lock(&history->lock);
    unsaid = history->unsaid;
    history->unsaid = 0;
    history->behind = false;
    pthread_mutex_unlock(&history->lock);
    error_set(history, "");
    if (!unsaid)
        return;
    snprintf(text, sizeof(text), "%llu ticks were not recorded", (unsigned long long)unsaid);
    log_line(LOG_NOTICE, "history", "recording again; %s", text);
    database_event(history->database, time, "dropped", text);
}

static int item_write(struct history *history, const struct item *item)
{
    if (item->event)
        return database_event(history->database, item->time, item->kind, item->text);
    return database_tick(history->database, &item->report);
}

static void failed(struct history *history, const struct item *item, int code)
{
    char error[CONFIG_PATH + 192];

    if (code) {
        snprintf(error, sizeof(error), "%s: %s", history->path, database_error(history->database));
        error_set(history, error);
        if (code == SQLITE_FULL)
            trim(history, (double)time(NULL));
        else if (code != SQLITE_BUSY)
            database_give_up(history);
    }
    if (item->event)
        return;
    pthread_mutex_lock(&history->lock);
    history->state.dropped++;
    history->unsaid++;
    pthread_mutex_unlock(&history->lock);
}

static void item_handle(struct history *history, const struct item *item, bool queue_empty)
{
    double now = item->event ? item->time : item->report.time;
    bool ready = database_ready(history);
    int code = ready ? item_write(history, item) : 0;

    if (!ready || code) {
        failed(history, item, code);
        return;
    }
    pthread_mutex_lock(&history->lock);
    history->state.recorded += !item->event;
    bool say = history->failing || (history->unsaid > 0 && queue_empty);
    pthread_mutex_unlock(&history->lock);
    if (say)
        recovered(history, now);
    if (seconds_now() >= history->trim_at)
        trim(history, now);
}

static struct item *pop(struct history *history, bool *ret_last)
{
    struct item *item;

    pthread_mutex_lock(&history->lock);
    while (!history->first && !history->stopping)
        pthread_cond_wait(&history->wake, &history->lock);
    item = history->first;
    if (item) {
        history->first = item->next;
        if (!history->first)
            history->last = &history->first;
        history->waiting--;
        history->waiting_bytes -= item->bytes;
    }
    *ret_last = !history->first;
    pthread_mutex_unlock(&history->lock);
    return item;
}

static void *history_thread(void *context)
{
    struct history *history = context;
    struct item *item;
    bool last;

    while ((item = pop(history, &last))) {
        item_handle(history, item, last);
        free(item);
    }
    database_close(history->database);
    history->database = NULL;
    return NULL;
}

/* ---- starting and stopping ---- */

static void history_free(struct history *history)
{
    while (history->first) {
        struct item *item = history->first;
        history->first = item->next;
        free(item);
    }
    pthread_mutex_destroy(&history->lock);
    pthread_cond_destroy(&history->wake);
    free(history);
}

/* Signals are for the loop. */
static int thread_start(struct history *history)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = -pthread_create(&history->thread, NULL, history_thread, history);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

int history_start(const struct history_options *options, struct history **ret)
{
    struct history *history = calloc(1, sizeof(*history));

    if (!history)
        return -ENOMEM;
    snprintf(history->path, sizeof(history->path), "%s", options->path);
    history->interval = options->interval;
    history->limits = limits_of(options);
    history->last = &history->first;
    history->trim_at = seconds_now() + TRIM_SECONDS;
    pthread_mutex_init(&history->lock, NULL);
    pthread_cond_init(&history->wake, NULL);
    int error = thread_start(history);
    if (error) {
        history_free(history);
        return error;
    }
    *ret = history;
    return 0;
}

void history_stop(struct history *history)
{
    struct timespec until;

    if (!history)
        return;
    pthread_mutex_lock(&history->lock);
    history->stopping = true;
    pthread_cond_signal(&history->wake);
    pthread_mutex_unlock(&history->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_SECONDS;
    if (pthread_timedjoin_np(history->thread, NULL, &until)) {
        /* It hangs in the kernel; what it holds goes with the process. */
        log_line(LOG_WARNING, "history", "%s: the disk does not answer; the last ticks are lost",
                 history->path);
        pthread_detach(history->thread);
        return;
    }
    history_free(history);
}
