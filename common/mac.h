// SPDX-License-Identifier: GPL-2.0-or-later
/* Ethernet addresses of interfaces, as xenstore and people write them: "00:16:3e:01:02:03". */
#ifndef XENAGG_COMMON_MAC_H
#define XENAGG_COMMON_MAC_H

#include <stdint.h>

#define MAC_TEXT 18 /* with its end */

/* 0 or -EINVAL: not exactly six pairs of digits, a group's address, or all zero. */
int mac_parse(const char *text, uint8_t ret[static 6]);
/* Returns `text`. */
const char *mac_format(const uint8_t mac[static 6], char text[static MAC_TEXT]);

#endif
