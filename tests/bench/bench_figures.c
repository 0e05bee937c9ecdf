// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Draws the figures of docs/model-validation.md: bench-figures RESULTS.json [FIGURE...]
 *
 * Run from the top folder. Data go beside RESULTS.json, drawings (SVG) to
 * docs/img. Takes some minutes; XENAGG_BENCH_SCALE scales the simulations.
 */
#include <errno.h>
#include <libgen.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/method.h"
#include "plant/dimension.h"
#include "tests/bench/grid.h"
#include "tests/bench/plant_truth.h"

#define US 1e-6
/* Of the plant's simulations, which are long. */
#define PLANT_SCALE 0.03

struct figures {
    char folder[512]; /* for data */
    double scale;
    double containers; /* to simulate for a point */
    FILE *data;
};

static void die(const char *what)
{
    fprintf(stderr, "bench-figures: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void data_open(struct figures *figures, const char *name)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/figure-%s.dat", figures->folder, name);
    figures->data = fopen(path, "w");
    if (!figures->data)
        die(path);
}

/* Closes the data and draws them: `plot` is the rest of a gnuplot script, with FILE for the data.
 */
static void draw(struct figures *figures, const char *name, const char *plot)
{
    FILE *gnuplot;
    if (ftell(figures->data) == 0) {
        fprintf(stderr, "bench-figures: %s: at this scale there is nothing to see\n", name);
        exit(1);
    }
    if (fclose(figures->data))
        die("writing data");
    gnuplot = popen("gnuplot", "w");
    if (!gnuplot)
        die("gnuplot");
    fprintf(gnuplot, "set terminal svg size 760,460 font 'sans,13' background 'white'\n");
    fprintf(gnuplot, "set output 'docs/img/model-%s.svg'\n", name);
    fprintf(gnuplot, "FILE = '%s/figure-%s.dat'\nset grid\n%s\n", figures->folder, name, plot);
    if (pclose(gnuplot) != 0) {
        fprintf(stderr, "bench-figures: gnuplot failed on %s\n", name);
        exit(1);
    }
    printf("docs/img/model-%s.svg\n", name);
}

static void column(struct figures *figures, double value)
{
    if (isfinite(value))
        fprintf(figures->data, "%.6g ", value);
    else
        fprintf(figures->data, "nan ");
}

/* Answer for one kind of stream; the streams' own delay in *ret_delay. NAN where there is none. */
static struct answer ask(const struct figures *figures, enum method method,
                         const struct stream *stream, struct stream_delay *ret_delay)
{
    struct query query = {stream, 1, NULL, 0};
    struct answer answer = {.streams = ret_delay};
    struct method_options options = {.seed = 1, .containers = (uint64_t)figures->containers};
    if (method_solve(method, &query, &options, &answer, NULL)) {
        answer.wait.mean = NAN;
        *ret_delay = (struct stream_delay){.delay_mean = NAN, .delay_p99 = NAN};
    }
    return answer;
}

static double delay_of(const struct figures *figures, enum method method,
                       const struct stream *stream)
{
    struct stream_delay delay;
    ask(figures, method, stream, &delay);
    return delay.delay_mean;
}

/* Four guests, containers of 200 packets, timeout 200 us, exponential service of 30 us. */
static void figure_rate(struct figures *figures)
{
    data_open(figures, "rate");
    for (double rate = 2e4; rate < 1.6e6; rate *= 1.15) {
        struct stream plain = {rate, 200, INFINITY, 4, {30 * US, 1, 0}}, timed = plain;
        timed.timeout = 200 * US;
        column(figures, rate / 1e3);
        column(figures, delay_of(figures, METHOD_PUBLISHED, &plain) / US);
        column(figures, delay_of(figures, METHOD_PUBLISHED, &timed) / US);
        column(figures, delay_of(figures, METHOD_FAST, &timed) / US);
        column(figures, delay_of(figures, METHOD_SIM, &timed) / US);
        fprintf(figures->data, "\n");
    }
    draw(figures, "rate",
         "set xlabel 'packets/s of each of four guests, thousands'\n"
         "set ylabel 'mean delay of a packet, us'\nset logscale x\nset xrange [20:2000]\nset "
         "yrange [0:700]\n"
         "plot FILE using 1:2 with lines dt 2 title 'published, without timeouts', "
         "FILE using 1:3 with lines title 'published, with timeouts', "
         "FILE using 1:4 with lines lw 2 title 'fast, with timeouts', "
         "FILE using 1:5 with points pt 7 ps 0.5 title 'simulated, with timeouts'");
}

/* The smallest and the largest container that keep a delay, 0 where none does. */
static void sizes_within(const struct figures *figures, double rate, double service, double delay,
                         uint32_t *ret_smallest, uint32_t *ret_largest)
{
    *ret_smallest = *ret_largest = 0;
    for (uint32_t size = 1; size <= 2048; size++) {
        struct stream stream = {rate, size, INFINITY, 1, {service, 1, 0}};
        if (delay_of(figures, METHOD_FAST, &stream) > delay)
            continue;
        *ret_largest = size;
        *ret_smallest = *ret_smallest ? *ret_smallest : size;
    }
}

/* 800 thousand packets/s; the service at which 160 packets take 300 us. */
static void figure_size(struct figures *figures)
{
    const double rate = 800e3, service = 1 / 7914.0;
    data_open(figures, "size");
    for (double delay = 250; delay <= 1000; delay += 25) {
        uint32_t smallest, largest;
        sizes_within(figures, rate, service, (delay + 0.5) * US, &smallest, &largest);
        struct stream stream = {rate, largest ? largest : 1, INFINITY, 1, {service, 1, 0}};
        column(figures, delay);
        column(figures, smallest ? smallest : NAN);
        column(figures, largest ? largest : NAN);
        column(figures, largest ? delay_of(figures, METHOD_SIM, &stream) / US : NAN);
        fprintf(figures->data, "\n");
    }
    draw(figures, "size",
         "set xlabel 'mean one-way delay wanted, us'\nset ylabel 'packets per container'\n"
         "set key left top\nset arrow from 300,0 to 300,160 nohead dt 3\n"
         "set arrow from 250,160 to 300,160 nohead dt 3\n"
         "plot FILE using 1:3 with lines lw 2 title 'largest container that keeps it', "
         "FILE using 1:2 with lines title 'smallest container that keeps it', "
         "FILE using 4:3 with points pt 7 ps 0.5 title 'delay simulated with the largest'");
}

/* Three streams with containers of 4: small enough for every method. */
static void figure_wait(struct figures *figures)
{
    data_open(figures, "wait");
    figures->containers = figures->scale * 5e7; /* busy queues are slow to tell their mean */
    for (double rho = 0.1; rho < 0.96; rho += 0.05) {
        struct stream stream = {rho * 4 / 3, 4, INFINITY, 3, {1, 1, 0}};
        static const enum method methods[] = {METHOD_SIM, METHOD_EXACT, METHOD_FAST,
                                              METHOD_PUBLISHED, METHOD_QBD};
        column(figures, rho);
        for (int i = 0; i < 5; i++) {
            struct stream_delay delay;
            column(figures,
                   ask(figures, methods[i], &stream, &delay).wait.mean / (rho / (1 - rho)));
        }
        fprintf(figures->data, "\n");
    }
    draw(figures, "wait",
         "set xlabel 'utilisation'\nset ylabel 'mean wait over that of M/M/1'\nset yrange [0:1]\n"
         "set key left top\n"
         "plot FILE using 1:2 with points pt 7 title 'simulated', "
         "FILE using 1:3 with lines title 'exact', "
         "FILE using 1:4 with lines lw 2 dt 2 title 'fast', "
         "FILE using 1:5 with lines title 'published', "
         "FILE using 1:6 with points pt 6 title 'published, as matrices (qbd)'");
}

struct method_errors {
    double fast[1000], published[1000], poisson[1000];
    size_t n;
};

static int compare(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

static void error_case(const struct figures *figures, uint32_t index, struct method_errors *errors)
{
    static struct grid_case c;
    static struct stream_delay streams[GRID_STREAMS];
    grid_make(GRID_JUDGE, index, &c);
    if (c.rho < 0.3 || c.rho > 0.95)
        return;
    struct query query = {c.streams, c.n, NULL, 0};
    struct answer sim = {.streams = streams}, other = sim;
    struct method_options options = {.seed = index, .containers = (uint64_t)(figures->scale * 2e7)};
    if (method_solve(METHOD_SIM, &query, &options, &sim, NULL))
        die("sim");
    if (method_solve(METHOD_FAST, &query, NULL, &other, NULL))
        die("fast");
    errors->fast[errors->n] = 100 * fabs(other.wait.mean / sim.wait.mean - 1);
    if (method_solve(METHOD_PUBLISHED, &query, NULL, &other, NULL))
        die("published");
    errors->published[errors->n] = 100 * fabs(other.wait.mean / sim.wait.mean - 1);
    errors->poisson[errors->n++] = 100 * fabs(c.rho / (1 - c.rho) / sim.wait.mean - 1);
}

/* Exponential service, judging set: the errors of the mean wait, in order. */
static void figure_errors(struct figures *figures)
{
    static struct method_errors errors;
    for (uint32_t i = GRID_EXPONENTIAL; i < 400; i += GRID_SERVICES)
        error_case(figures, i, &errors);
    qsort(errors.fast, errors.n, sizeof(double), compare);
    qsort(errors.published, errors.n, sizeof(double), compare);
    qsort(errors.poisson, errors.n, sizeof(double), compare);
    data_open(figures, "errors");
    for (size_t i = 0; i < errors.n; i++)
        fprintf(figures->data, "%.4g %.4g %.4g %.4g\n", 100 * ((double)i + 0.5) / (double)errors.n,
                errors.fast[i], errors.published[i], errors.poisson[i]);
    draw(figures, "errors",
         "set xlabel 'share of the judging cases, % (exponential service, rho 0.3 to 0.95)'\n"
         "set ylabel 'error of the mean wait at most, %'\nset logscale y\nset yrange [0.01:300]\n"
         "set key left top\n"
         "plot FILE using 1:4 with lines title 'all arrivals Poisson (M/M/1)', "
         "FILE using 1:3 with lines title 'published', "
         "FILE using 1:2 with lines lw 2 title 'fast'");
}

/* Those of which the simulation is sure: see plant_truth.h. */
static void plant_points(struct figures *figures, uint32_t index)
{
    static struct plant_case c;
    static struct guest_forecast guests[PLANT_GUESTS];
    static struct guest_truth truths[PLANT_GUESTS];
    struct worker_forecast worker;
    plant_case_make(PLANT_JUDGE, index, &c);
    if (plant_forecast(&c.worker, c.guests, c.sizes, c.n, guests, &worker) ||
        plant_truth_find(&c, index, figures->scale * PLANT_SCALE, truths))
        die("plant");
    for (size_t i = 0; i < c.n; i++) {
        const struct guest_truth *truth = &truths[i];
        for (int d = 0; d < DIRECTION_COUNT; d++)
            if (truth->settled && truth->seen[d])
                fprintf(figures->data, "%.5g %.5g nan nan\n", truth->mean[d].mean / US,
                        guests[i].mean[d].total / US);
        if (truth->settled && truth->forwards && c.kind != PLANT_APART)
            fprintf(figures->data, "nan nan %.5g %.5g\n", truth->through.mean / US,
                    guests[i].forwarding_mean / US);
    }
}

static void figure_plant(struct figures *figures)
{
    data_open(figures, "plant");
    for (uint32_t i = 0; i < 60; i++)
        plant_points(figures, i);
    draw(figures, "plant",
         "set xlabel 'mean delay, loop simulated, us'\nset ylabel 'mean delay, forecast, us'\n"
         "set logscale xy\nset key left top\n"
         "plot FILE using 1:2 with points pt 7 ps 0.3 title 'one way', "
         "FILE using 3:4 with points pt 6 ps 0.6 title 'forwarding through a guest', "
         "x with lines lc 'black' notitle, 0.9*x with lines lc 'black' dt 3 title '10 % off', "
         "1.1*x with lines lc 'black' dt 3 notitle");
}

static const struct {
    const char *name;
    void (*make)(struct figures *figures);
} all_figures[] = {{"rate", figure_rate},
                   {"size", figure_size},
                   {"wait", figure_wait},
                   {"errors", figure_errors},
                   {"plant", figure_plant}};

#define N_FIGURES (sizeof(all_figures) / sizeof(all_figures[0]))

/* All, unless some are named. */
static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc <= 2;
}

/* Each in a process of its own, on all cores. Whether all went well. */
static bool make_all(struct figures *figures, int argc, char **argv)
{
    bool well = true;
    int status;
    for (size_t i = 0; i < N_FIGURES; i++) {
        if (!wanted(all_figures[i].name, argc, argv))
            continue;
        pid_t child = fork();
        if (child < 0)
            die("fork");
        if (child == 0) {
            all_figures[i].make(figures);
            exit(0);
        }
    }
    while (wait(&status) > 0)
        well &= status == 0;
    return well;
}

int main(int argc, char **argv)
{
    struct figures figures = {.scale = 1};
    const char *scale = getenv("XENAGG_BENCH_SCALE");
    char *path = strdup(argc > 1 ? argv[1] : "build/figures.json");
    if (!path)
        die("memory");
    if (scale)
        figures.scale = strtod(scale, NULL);
    if (!(figures.scale > 0 && figures.scale <= 100)) {
        fprintf(stderr, "bench-figures: XENAGG_BENCH_SCALE must be above 0, at most 100\n");
        return 2;
    }
    snprintf(figures.folder, sizeof(figures.folder), "%s", dirname(path));
    free(path);
    figures.containers = figures.scale * 4e6;
    if (!make_all(&figures, argc, argv))
        return 1;
    FILE *results = argc > 1 ? fopen(argv[1], "w") : NULL;
    if (results) {
        fprintf(results, "{\"figures\": 5, \"scale\": %g}\n", figures.scale);
        if (fclose(results))
            die(argv[1]);
    }
    return 0;
}
