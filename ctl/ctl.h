// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What all sub-commands of xenaggctl share. A sub-command is one function,
 * `int ctl_NAME(int argc, char **argv)`: argv[0] is its name, the result the
 * exit status of the program. main.c holds the table of them.
 */
#ifndef XENAGG_CTL_CTL_H
#define XENAGG_CTL_CTL_H

/* Exit statuses, documented in xenaggctl(8). */
enum ctl_exit {
    CTL_OK,
    CTL_FAILED,    /* it was tried and did not work; a message says why */
    CTL_USAGE,     /* the command line or a file it names is wrong; nothing was done */
    CTL_TIMED_OUT, /* what was waited for did not happen in time */
    CTL_UNSTABLE = CTL_TIMED_OUT, /* model: the answer is that the queue grows for ever */
};

/* "xenaggctl: ..." on standard error. Whatever strings it is given, one line, harmless. */
void ctl_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Entries of an array, such as the columns of a table or the options of a command. */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int ctl_attach(int argc, char **argv);
int ctl_capacity(int argc, char **argv);
int ctl_check_config(int argc, char **argv);
int ctl_detach(int argc, char **argv);
int ctl_explain(int argc, char **argv);
int ctl_history(int argc, char **argv);
int ctl_model(int argc, char **argv);
int ctl_set(int argc, char **argv);
int ctl_status(int argc, char **argv);
int ctl_unset(int argc, char **argv);

#endif
