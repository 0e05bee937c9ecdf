// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/ask.h"

#include <errno.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/ctl.h"

/* Seconds that the daemon may take for each step of an answer. */
#define PATIENCE 5.0

json_t *ask_daemon(const char *control, json_t *request)
{
    char refusal[256];
    json_t *answer;
    int error = client_ask(control, request, PATIENCE, &answer, refusal, sizeof(refusal));

    if (!error)
        return answer;
    if (error == -ENOENT || error == -ECONNREFUSED)
        ctl_error("%s: xenaggd does not answer there; does it run (systemctl status xenaggd)? "
                  "--control names another place",
                  control);
    else if (error == -EREMOTEIO)
        ctl_error("%s: xenaggd refuses: %s", control, refusal);
    else if (error == -EPROTO)
        ctl_error("%s: what answers there is not xenaggd", control);
    else
        ctl_error("%s: %s", control, strerror(-error));
    return NULL;
}
