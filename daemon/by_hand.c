// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/by_hand.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/duration.h"

struct asked {
    const char *vm;
    json_int_t handle; /* -1: all interfaces */
    bool directions[DIRECTION_COUNT];
    json_int_t packets; /* 0: free it */
    double timeout;     /* s; NAN: not given */
};

static bool refuse(char *refusal, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(char *refusal, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(refusal, BY_HAND_REFUSAL, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- what is asked ---- */

static bool read_whom(const json_t *arguments, struct asked *asked, char *refusal)
{
    const json_t *handle = json_object_get(arguments, "handle");
    const json_t *direction = json_object_get(arguments, "direction");
    const char *name = json_string_value(direction);

    asked->vm = json_string_value(json_object_get(arguments, "vm"));
    asked->handle = handle ? json_integer_value(handle) : -1;
    if (!asked->vm)
        return refuse(refusal, "\"vm\" is not a name");
    if (handle && (!json_is_integer(handle) || asked->handle < 0 ||
                   asked->handle > (json_int_t)KEYS_HANDLE_MAX))
        return refuse(refusal, "\"handle\" is not a number from 0 to %lu", KEYS_HANDLE_MAX);
    if (direction && (!name || (strcmp(name, "rx") != 0 && strcmp(name, "tx") != 0)))
        return refuse(refusal, "\"direction\" is neither \"rx\" nor \"tx\"");
    asked->directions[DIRECTION_RX] = !name || strcmp(name, "rx") == 0;
    asked->directions[DIRECTION_TX] = !name || strcmp(name, "tx") == 0;
    return true;
}

static bool read_size(const json_t *arguments, struct asked *asked, char *refusal)
{
    const json_t *packets = json_object_get(arguments, "packets");
    const json_t *timeout = json_object_get(arguments, "timeout_us");

    if (!json_is_integer(packets))
        return refuse(refusal, "\"packets\" is not a whole number");
    if (timeout && !json_is_number(timeout))
        return refuse(refusal, "\"timeout_us\" is not a number");
    asked->packets = json_integer_value(packets);
    asked->timeout = timeout ? json_number_value(timeout) * 1e-6 : NAN;
    return true;
}

static bool is_meant(const struct asked *asked, const struct keeper_guest *guest)
{
    return strcmp(guest->name, asked->vm) == 0 &&
           (asked->handle < 0 || asked->handle == guest->interface.handle);
}

static bool anybody_meant(const struct by_hand *by_hand, const struct asked *asked, char *refusal)
{
    bool named = false;

    for (size_t i = 0; i < by_hand->guests->n; i++) {
        if (is_meant(asked, &by_hand->guests->list[i]))
            return true;
        named |= strcmp(by_hand->guests->list[i].name, asked->vm) == 0;
    }
    return named ? refuse(refusal, "%.80s has no interface %lld", asked->vm, asked->handle)
                 : refuse(refusal, "no VM is called '%.80s'", asked->vm);
}

/* ---- what comes of it ---- */

/* In use now; NULL: not known. */
static const struct lane_size *size_now(const struct by_hand *by_hand,
                                        struct keys_interface interface, enum direction d)
{
    for (size_t i = 0; by_hand->report && i < by_hand->report->n_guests; i++) {
        const struct guest_report *guest = &by_hand->report->guests[i];
        if (guest->interface.domid == interface.domid &&
            guest->interface.handle == interface.handle && guest->lanes[d].wanted.packets > 0)
            return &guest->lanes[d].wanted;
    }
    return NULL;
}

static double clamp_timeout(const struct size_limits *limits, double timeout)
{
    return fmin(limits->timeout_max, fmax(limits->timeout_min, timeout));
}

/* A container of twice the packets fills for twice the time. */
static double usual_timeout(const struct by_hand *by_hand, const struct asked *asked,
                            const struct keeper_guest *guest, enum direction d)
{
    const struct size_limits *limits = &config_policy(by_hand->config, guest->name)->limits;
    const struct lane_size *now = size_now(by_hand, guest->interface, d);

    if (!now)
        return limits->timeout_max;
    return clamp_timeout(limits, now->timeout * (double)asked->packets / now->packets);
}

static struct lane_size size_of(const struct by_hand *by_hand, const struct asked *asked,
                                const struct keeper_guest *guest, enum direction d)
{
    struct lane_size size = {0};

    if (asked->packets > 0) {
        size.packets = (uint32_t)asked->packets;
        size.timeout =
            isnan(asked->timeout) ? usual_timeout(by_hand, asked, guest, d) : asked->timeout;
        size.timeout = round(size.timeout * 1e6) * 1e-6; /* as the store has it */
    }
    return size;
}

static bool check_size(const struct by_hand *by_hand, const struct asked *asked, char *refusal)
{
    const struct size_limits *limits = &config_policy(by_hand->config, asked->vm)->limits;
    char least[DURATION_TEXT], most[DURATION_TEXT];

    if (asked->packets < limits->packets_min || asked->packets > limits->packets_max)
        return refuse(refusal,
                      "%lld packets are outside what the configuration allows %.80s: %u to %u "
                      "(min-packets, max-packets)",
                      asked->packets, asked->vm, limits->packets_min, limits->packets_max);
    /* Nobody's 10ms should fail by the last bit of 10000 * 1e-6. */
    if (asked->timeout < limits->timeout_min * (1 - 1e-9) ||
        asked->timeout > limits->timeout_max * (1 + 1e-9))
        return refuse(refusal,
                      "the timeout is outside what the configuration allows %.80s: %s to %s "
                      "(min-timeout, max-timeout)",
                      asked->vm, duration_format(limits->timeout_min, least),
                      duration_format(limits->timeout_max, most));
    return true;
}

static json_t *entry(const struct keeper_guest *guest, enum direction d,
                     const struct lane_size *size)
{
    return json_pack("{s:s, s:i, s:i, s:s, s:o, s:o}", "name", guest->name, "domid",
                     (int)guest->interface.domid, "handle", (int)guest->interface.handle,
                     "direction", direction_name(d), "packets",
                     size->packets ? json_integer(size->packets) : json_null(), "timeout_us",
                     size->packets ? json_real(size->timeout * 1e6) : json_null());
}

static json_t *apply(const struct by_hand *by_hand, const struct asked *asked, char *refusal)
{
    json_t *list = json_array();

    for (size_t i = 0; i < by_hand->guests->n; i++)
        for (enum direction d = 0; d < DIRECTION_COUNT; d++) {
            const struct keeper_guest *guest = &by_hand->guests->list[i];
            struct lane_size size = size_of(by_hand, asked, guest, d);
            if (!asked->directions[d] || !is_meant(asked, guest))
                continue;
            int error = keeper_fix(by_hand->keeper, guest->interface, d, &size);
            if (error) {
                json_decref(list);
                refuse(refusal, "%.80s: %s", asked->vm, strerror(-error));
                return NULL;
            }
            json_array_append_new(list, entry(guest, d, &size));
        }
    return json_pack("{s:b, s:o, s:f, s:s?}", "ok", 1, "sizes", list, "within_s", by_hand->interval,
                     "store_error", by_hand->store_error);
}

json_t *by_hand_set(const struct by_hand *by_hand, const json_t *arguments,
                    char ret_refusal[static BY_HAND_REFUSAL])
{
    struct asked asked = {0};

    if (!read_whom(arguments, &asked, ret_refusal) || !read_size(arguments, &asked, ret_refusal) ||
        !anybody_meant(by_hand, &asked, ret_refusal) || !check_size(by_hand, &asked, ret_refusal))
        return NULL;
    return apply(by_hand, &asked, ret_refusal);
}

json_t *by_hand_unset(const struct by_hand *by_hand, const json_t *arguments,
                      char ret_refusal[static BY_HAND_REFUSAL])
{
    struct asked asked = {.timeout = NAN};

    if (!read_whom(arguments, &asked, ret_refusal) || !anybody_meant(by_hand, &asked, ret_refusal))
        return NULL;
    return apply(by_hand, &asked, ret_refusal);
}
