// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Log lines: to the journal with fields when run by systemd, else to standard
 * error. Thread-safe. A line names its subsystem and, where it has one, its
 * guest interface, so that `journalctl XENAGG_DOMID=5` works.
 */
#ifndef XENAGG_COMMON_LOG_H
#define XENAGG_COMMON_LOG_H

#include <stdint.h>
#include <syslog.h>

/* Where no guest interface is concerned. */
#define LOG_NO_DOMID UINT32_MAX

/* `subsystem`: a short word, "config", "store", "link". `level`: LOG_ERR ... LOG_DEBUG of syslog.h
 */
void log_line(int level, const char *subsystem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_guest(int level, const char *subsystem, uint32_t domid, uint32_t handle,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
