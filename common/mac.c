// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/mac.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not sscanf: it would take blanks for digits. */
static bool is_mac(const char *text)
{
    for (int i = 0; i < MAC_TEXT - 1; i++)
        if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
            return false;
    return !text[MAC_TEXT - 1];
}

int mac_parse(const char *text, uint8_t ret[static 6])
{
    static const uint8_t zero[6];
    uint8_t mac[6];

    if (!is_mac(text))
        return -EINVAL;
    for (int i = 0; i < 6; i++)
        mac[i] = (uint8_t)strtoul(text + 3 * i, NULL, 16);
    if ((mac[0] & 1) || memcmp(mac, zero, sizeof(zero)) == 0)
        return -EINVAL;
    memcpy(ret, mac, sizeof(mac));
    return 0;
}

const char *mac_format(const uint8_t mac[static 6], char text[static MAC_TEXT])
{
    snprintf(text, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
    return text;
}
