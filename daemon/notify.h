// SPDX-License-Identifier: GPL-2.0-or-later
/* What systemd is told: sd_notify(3). Without systemd all of it does nothing. */
#ifndef XENAGG_DAEMON_NOTIFY_H
#define XENAGG_DAEMON_NOTIFY_H

#include <stdint.h>

void notify_ready(void);
void notify_reloading(void); /* notify_ready ends it */
void notify_stopping(void);
/* Shown by `systemctl status`. */
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* us after which systemd wants to hear of us; 0: it does not. */
uint64_t notify_watchdog_us(void);
void notify_watchdog(void);

#endif
