// SPDX-License-Identifier: GPL-2.0-or-later
/* A curve as a drawing, made by gnuplot out of one file that holds script and data. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/model.h"

extern char **environ;

static bool ends_in(const char *file, const char *ending)
{
    size_t length = strlen(file), tail = strlen(ending);
    return length > tail && !strcmp(file + length - tail, ending);
}

bool model_plot_supported(const char *file)
{
    for (const char *c = file; *c; c++)
        if (iscntrl((unsigned char)*c))
            return false;
    return ends_in(file, ".svg") || ends_in(file, ".png");
}

struct unit {
    const char *name;
    double seconds;
};

#define OTHERS_MAX 8 /* streams after the first whose delay is drawn */

static const struct model_point *first_at(const struct model_plot *plot, size_t i)
{
    return &plot->points[i * plot->streams];
}

static size_t others(const struct model_plot *plot)
{
    return plot->streams - 1 < OTHERS_MAX ? plot->streams - 1 : OTHERS_MAX;
}

/* What is beyond, close to where the queue becomes unstable, would flatten all the rest. */
static double top(const struct model_plot *plot)
{
    double longest = 0, least = INFINITY;

    for (size_t i = 0; i < plot->n; i++)
        for (size_t k = 0; k <= others(plot); k++) {
            double delay = first_at(plot, i)[k].delay;
            if (!isfinite(delay))
                continue;
            longest = fmax(longest, delay);
            least = fmin(least, delay);
        }
    double enough = 3 * (isfinite(plot->promise) ? fmax(plot->promise, least) : least);
    if (!isfinite(plot->promise) || plot->sizes)
        enough = fmax(enough, 2 * longest);
    return 1.1 * fmax(fmin(longest, enough), isfinite(plot->promise) ? plot->promise : 0);
}

/* In which the longest time drawn is a number that people like to read. */
static struct unit unit_for(const struct model_plot *plot)
{
    double longest = top(plot);

    if (longest < 10e-3)
        return (struct unit){"us", 1e-6};
    return longest < 10 ? (struct unit){"ms", 1e-3} : (struct unit){"s", 1};
}

/* gnuplot's single quotes know one escape: themselves, doubled. */
static void put_quoted(FILE *file, const char *text)
{
    fputc('\'', file);
    for (; *text; text++)
        fprintf(file, *text == '\'' ? "''" : "%c", *text);
    fputc('\'', file);
}

static void put_data(FILE *file, const struct model_plot *plot, double unit)
{
    fprintf(file, "$points << END\n");
    for (size_t i = 0; i < plot->n; i++) {
        const struct model_point *p = first_at(plot, i);
        if (!isfinite(p->delay))
            continue;
        double fill = p->fill / unit, wait = fill + p->wait / unit;
        fprintf(file, "%.9g %.9g %.9g %.9g %.9g %.9g", p->x, fill, wait, wait + p->service / unit,
                p->delay / unit, p->size);
        for (size_t k = 1; k <= others(plot); k++)
            fprintf(file, " %.9g", p[k].delay / unit);
        fputc('\n', file);
    }
    fprintf(file, "END\n");
}

/* The promise, and the point that was chosen. */
static void put_marks(FILE *file, const struct model_plot *plot, double unit)
{
    if (isfinite(plot->promise))
        fprintf(file,
                "set arrow from graph 0,first %.9g to graph 1,first %.9g nohead dt 3 lw 2 "
                "front\nset label 'promise' at graph 0.99,first %.9g right offset 0,0.6 front\n",
                plot->promise / unit, plot->promise / unit, plot->promise / unit);
    if (isfinite(plot->chosen)) {
        fprintf(file,
                "set arrow from first %.9g,graph 0 to first %.9g,graph 1 nohead dt 2 front\n"
                "set label ",
                plot->chosen, plot->chosen);
        put_quoted(file, plot->chosen_text);
        fprintf(file, " at first %.9g,graph 0.06 offset 0.6,0 front\n", plot->chosen);
    }
}

static void put_head(FILE *file, const struct model_plot *plot, struct unit unit)
{
    fprintf(file, "set terminal %s size 800,500 font 'sans,13' background 'white'\nset output ",
            ends_in(plot->file, ".svg") ? "svg noenhanced" : "pngcairo noenhanced");
    put_quoted(file, plot->file);
    fprintf(file,
            "\nset grid\nset key outside top center horizontal\nset xrange [0:*]\nset yrange "
            "[0:%.9g]\nset xlabel '%s'\n"
            "set ylabel 'delay (%s)'\n",
            top(plot) / unit.seconds, plot->title, unit.name);
    if (plot->format)
        fprintf(file, "set format x '%s'\n", plot->format);
    if (plot->sizes)
        fprintf(file, "set y2label 'packets per container'\nset y2range [0:*]\nset y2tics\n"
                      "set ytics nomirror\n");
}

static void put_script(FILE *file, const struct model_plot *plot)
{
    struct unit unit = unit_for(plot);
    const char *mean = plot->percentile > 0 ? " (mean)" : "";

    put_head(file, plot, unit);
    put_marks(file, plot, unit.seconds);
    put_data(file, plot, unit.seconds);
    fprintf(file,
            "plot $points u 1:(0):2 w filledcurves fc '#9ecae1' t 'filling%s', "
            "'' u 1:2:3 w filledcurves fc '#fdae6b' t 'waiting%s', "
            "'' u 1:3:4 w filledcurves fc '#a1d99b' t 'service%s', "
            "'' u 1:5 w lines lw 2 lc 'black' t 'delay",
            mean, mean, mean);
    if (plot->percentile > 0)
        fprintf(file, " of %g %%", plot->percentile);
    fprintf(file, "'%s",
            plot->sizes ? ", '' u 1:6 axes x1y2 w lines lw 2 lc '#d62728' t 'size'" : "");
    for (size_t k = 1; k <= others(plot); k++)
        fprintf(file, ", '' u 1:%zu w lines lw 2 dt %zu lc 'black' t 'delay, stream %zu'", 6 + k,
                k + 1, k + 1);
    fputc('\n', file);
}

static int run(const char *script)
{
    char *const arguments[] = {"gnuplot", (char *)script, NULL};
    int status;
    pid_t pid;

    int error = posix_spawnp(&pid, "gnuplot", NULL, NULL, arguments, environ);
    if (error)
        return -error;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return -ENOENT;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int model_plot(const struct model_plot *plot)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];

    if (snprintf(path, sizeof(path), "%s/xenaggctl-XXXXXX", folder ? folder : "/tmp") >=
        (int)sizeof(path))
        return -ENAMETOOLONG;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    FILE *file = fdopen(fd, "w");
    int error = file ? 0 : -errno;
    if (file) {
        put_script(file, plot);
        error = ferror(file) ? -EIO : 0;
        error = fclose(file) ? -errno : error;
    } else {
        close(fd);
    }
    if (!error)
        error = run(path);
    unlink(path);
    return error;
}
