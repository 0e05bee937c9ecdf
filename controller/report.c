// SPDX-License-Identifier: GPL-2.0-or-later
#include "controller/report.h"

const char *tuning_state_name(enum tuning_state state)
{
    static const char *const names[TUNING_STATES] = {"ok", "unattainable", "fixed", "stale"};
    return (unsigned)state < TUNING_STATES ? names[state] : "unknown";
}

const char *sizing_reason_name(enum sizing_reason reason)
{
    switch (reason) {
    case SIZING_PROMISE:
        return "promise";
    case SIZING_CEILING:
        return "ceiling";
    case SIZING_FIXED:
        return "fixed";
    case SIZING_UNATTAINABLE:
        return "unattainable";
    case SIZING_UNSTABLE:
        return "unstable";
    case SIZING_SILENT:
        return "silent";
    }
    return "unknown";
}

const char *scope_name(enum scope scope)
{
    return scope == SCOPE_FORWARDING ? "forwarding" : "one-way";
}

const char *objective_name(enum objective objective)
{
    return objective == OBJECTIVE_DELAY ? "delay" : "throughput";
}

const char *direction_name(enum direction direction)
{
    return direction == DIRECTION_RX ? "rx" : "tx";
}
