// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/service.h"

#include <errno.h>
#include <signal.h>
#include <systemd/sd-daemon.h>

struct service {
    void (*stop)(void *context);
    void *context;
};

static void on_signal(evutil_socket_t signal, short what, void *context)
{
    struct service *service = context;

    (void)signal, (void)what;
    sd_notify(0, "STOPPING=1");
    service->stop(service->context);
}

int service_run(struct event_base *base, void (*stop)(void *context), void *context)
{
    static const int signals[] = {SIGTERM, SIGINT};
    struct service service = {.stop = stop, .context = context};
    struct event *events[2];
    int error = 0;

    for (int i = 0; i < 2; i++) {
        events[i] = evsignal_new(base, signals[i], on_signal, &service);
        if (!events[i] || event_add(events[i], NULL) < 0)
            error = -ENOMEM;
    }
    if (!error) {
        sd_notify(0, "READY=1");
        event_base_dispatch(base);
    }
    for (int i = 0; i < 2; i++)
        if (events[i])
            event_free(events[i]);
    return error;
}
