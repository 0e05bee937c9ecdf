// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Inside of `xenaggctl model`: its questions, and their arguments. Every
 * function that checks an argument prints a message that names it.
 */
#ifndef XENAGG_CTL_MODEL_H
#define XENAGG_CTL_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/options.h"
#include "model/server.h"
#include "model/sim.h"
#include "model/stream.h"

/* "800", "800k", "1.5M": packets/s, not negative. 0 or -EINVAL. */
int model_rate_parse(const char *text, double *ret_rate);

/* --stream of `wait`: RATE:SIZE[:TIMEOUT][xCOUNT]; their service is left 0. The caller frees. */
struct stream *model_streams(const struct option_list *list);
/* --stream of the others: RATE[xCOUNT], rate above 0; `name` without dashes. The caller frees. */
struct server_load *model_loads(const char *name, const struct option_list *list);
/* --at: delays in s. NULL after a message, or where there are none. The caller frees. */
bool model_delays(const char *name, const struct option_list *list, double **ret_delays);
/* --service MEAN[:SCV] (NULL: not given) and --service-per-packet. */
bool model_service(const char *text, double per_packet, struct service *ret_service);

/*
 * --bursts MEAN and --on-off ON:OFF (NULL: not given; not both) for each of n
 * streams. *ret_traffic: NULL where neither is given; the caller frees.
 */
bool model_traffic(const char *bursts, const char *on_off, const struct stream *streams, size_t n,
                   struct sim_traffic **ret_traffic);

/* What size, capacity and curve ask about alike. */
struct model_question {
    const char *service_text, *scope, *percentile_text;
    double per_packet, delay; /* --delay as given, s; below 0: not given */
    struct server server;     /* without its loads */
    bool json;
};
#define MODEL_QUESTION                                                                             \
    {                                                                                              \
        .scope = "one-way", .percentile_text = "mean", .delay = -1                                 \
    }

/* Their options, for a table of option_spec. */
#define MODEL_QUESTION_SPECS(question)                                                             \
    {"delay", OPTION_DURATION, "TIME", "the delay promised", &(question).delay, 0, 0},             \
        {"scope",                                                                                  \
         OPTION_TEXT,                                                                              \
         "SCOPE",                                                                                  \
         "one-way (the default) or forwarding: there and back",                                    \
         &(question).scope,                                                                        \
         0,                                                                                        \
         0},                                                                                       \
        {"percentile",                                                                             \
         OPTION_TEXT,                                                                              \
         "P",                                                                                      \
         "mean (the default), or 50 to 99.9",                                                      \
         &(question).percentile_text,                                                              \
         0,                                                                                        \
         0},                                                                                       \
        {"service",                                                                                \
         OPTION_TEXT,                                                                              \
         "MEAN[:SCV]",                                                                             \
         "service of a container; SCV 1 unless given",                                             \
         &(question).service_text,                                                                 \
         0,                                                                                        \
         0},                                                                                       \
        {"service-per-packet",                                                                     \
         OPTION_DURATION,                                                                          \
         "TIME",                                                                                   \
         "and of each packet in it",                                                               \
         &(question).per_packet,                                                                   \
         0,                                                                                        \
         0},                                                                                       \
    {                                                                                              \
        "json", OPTION_FLAG, NULL, "print JSON", &(question).json, 0, 0                            \
    }

/* Checks them, and completes `server`. */
bool model_question_check(struct model_question *question);

/* A failure of model/ in words; CTL_FAILED. */
int model_failed(int error);

/* The questions; argv[0] is their name. */
int model_capacity(int argc, char **argv);
int model_curve(int argc, char **argv);
int model_size(int argc, char **argv);
int model_wait(int argc, char **argv);

/* The drawing of a curve. */
struct model_plot {
    const char *file;   /* ends in .svg or .png */
    const char *title;  /* of the x axis, with its unit */
    const char *format; /* of its numbers, as gnuplot takes them; NULL: plain */
    double promise;     /* s */
    double chosen;      /* place on the x axis, NAN: none */
    const char *chosen_text;
    double percentile; /* of the delay; its parts are means all the same; 0: a mean, too */
    const struct model_point *points; /* those of all streams, place by place */
    size_t n, streams;                /* places, streams at each */
    bool sizes;                       /* draw the sizes, too: they differ */
};

/* Values in the unit of the x axis; times in s, not finite where there is none. */
struct model_point {
    double x, size, timeout, fill, wait, service, delay, utilisation;
    bool attainable;
};

/* Whether the name ends in something that gnuplot is asked for here. */
bool model_plot_supported(const char *file);
/* 0; -ENOENT: no gnuplot; -EIO: it failed; -errno. */
int model_plot(const struct model_plot *plot);

#endif
